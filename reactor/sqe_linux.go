package reactor

import (
	"encoding/binary"
	"unsafe"

	"github.com/godzie44/go-uring/uring"
	"golang.org/x/sys/unix"
)

// Opcodes that go-uring does not export.
const (
	opcodePollAdd       = 6
	opcodeSendMsg       = 9
	opcodeTimeoutRemove = 12
)

// SQE flags and per-opcode flags that go-uring lacks.
const (
	sqeCQESkipSuccess = 1 << 6 // Flags; Linux 5.17
	pollAddMulti      = 1 << 0 // Len of POLL_ADD; Linux 5.13
	timeoutAbsolute   = 1 << 0 // OpcodeFlags of TIMEOUT
	timeoutUpdate     = 1 << 1 // OpcodeFlags of TIMEOUT_REMOVE; Linux 5.11
	acceptMultishot   = 1 << 0 // IoPrio of ACCEPT; Linux 5.19
	recvPollFirst     = 1 << 0 // IoPrio of RECV; Linux 5.19
)

// CQE flags.
const (
	cqeBuffer       = 1 << 0 // the upper 16 bits of the flags are a buffer's number
	cqeMore         = 1 << 1 // multishot: this is not the last
	cqeSockNonEmpty = 1 << 2 // a receive left something behind; Linux 5.19, not for every kind of socket
	cqeBufferShift  = 16
)

// A sidecar is the memory that an SQE points to and the kernel reads while it
// takes that SQE. There is one beside each SQE, so it is free again exactly
// when its SQE is; featureSubmitStable is what makes that enough.
//
// It holds addresses, not pointers, so that it keeps no payload alive: the Op
// does that, for as long as it is in flight.
type sidecar struct {
	msg  messageHeader
	iov  [MaxGather]ioVector
	addr [unix.SizeofSockaddrAny]byte
}

// ioVector is struct iovec.
type ioVector struct{ base, size uintptr }

// messageHeader is struct msghdr.
type messageHeader struct {
	name        uintptr
	nameSize    uint32
	iov         uintptr
	iovCount    uintptr
	control     uintptr
	controlSize uintptr
	flags       int32
}

// timespec is struct __kernel_timespec, of 64-bit fields everywhere.
type timespec struct{ sec, nsec int64 }

func addressOf(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

func fillNop(sqe *uring.SQEntry) {
	*sqe = uring.SQEntry{OpCode: uint8(uring.NopCode), Fd: -1, UserData: uint64(tokenNone)}
}

// fillPoll asks for one completion when fd has any of events, or with multi
// for one each time it gets some.
func fillPoll(sqe *uring.SQEntry, fd FD, events uint32, multi bool, tok token) {
	*sqe = uring.SQEntry{OpCode: opcodePollAdd, Fd: int32(fd), OpcodeFlags: pollEvents(events), UserData: uint64(tok)}
	if multi {
		sqe.Len = pollAddMulti
	}
}

// pollEvents puts a poll mask where the kernel looks for it, which on
// big-endian machines is with its halves swapped.
func pollEvents(events uint32) uint32 {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], events)
	if binary.NativeEndian.Uint32(b[:]) == events {
		return events
	}
	return events<<16 | events>>16
}

// fillTimeout asks for a completion when CLOCK_MONOTONIC reaches *at.
func fillTimeout(sqe *uring.SQEntry, at *timespec, tok token) {
	*sqe = uring.SQEntry{
		OpCode: uint8(uring.TimeoutCode), Fd: -1, Addr: uint64(uintptr(unsafe.Pointer(at))), Len: 1,
		OpcodeFlags: timeoutAbsolute, UserData: uint64(tok),
	}
}

// fillTimeoutUpdate moves the timeout that is armed under tok to *at. If it has
// fired already nothing happens.
func fillTimeoutUpdate(sqe *uring.SQEntry, at *timespec, tok token) {
	*sqe = uring.SQEntry{
		OpCode: opcodeTimeoutRemove, Fd: -1, Addr: uint64(tok), Off: uint64(uintptr(unsafe.Pointer(at))),
		OpcodeFlags: timeoutUpdate | timeoutAbsolute, UserData: uint64(tokenNone),
	}
}

func fillCancel(sqe *uring.SQEntry, tok token) {
	*sqe = uring.SQEntry{OpCode: uint8(uring.AsyncCancelCode), Fd: -1, Addr: uint64(tok), UserData: uint64(tokenNone)}
}

func fillAccept(sqe *uring.SQEntry, fd FD, multishot bool, tok token) {
	*sqe = uring.SQEntry{
		OpCode: uint8(uring.AcceptCode), Fd: int32(fd),
		OpcodeFlags: unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC, UserData: uint64(tok),
	}
	if multishot {
		sqe.IoPrio = acceptMultishot
	}
}

// fillConnect connects to an address, which it keeps in side.
func fillConnect(sqe *uring.SQEntry, side *sidecar, fd FD, address unix.Sockaddr, tok token) {
	size := writeSockaddr(&side.addr, address)
	*sqe = uring.SQEntry{
		OpCode: uint8(uring.ConnectCode), Fd: int32(fd), Addr: addressOf(side.addr[:]), Off: uint64(size),
		UserData: uint64(tok),
	}
}

// writeSockaddr writes what sockaddr made of an Addr in the kernel's layout
// and returns its size.
func writeSockaddr(to *[unix.SizeofSockaddrAny]byte, address unix.Sockaddr) int {
	clear(to[:])
	family := uint16(unix.AF_UNIX)
	size := 0
	switch a := address.(type) {
	case *unix.SockaddrInet4: // port, address
		family, size = unix.AF_INET, unix.SizeofSockaddrInet4
		binary.BigEndian.PutUint16(to[2:], uint16(a.Port))
		copy(to[4:], a.Addr[:])
	case *unix.SockaddrInet6: // port, flow label, address, zone
		family, size = unix.AF_INET6, unix.SizeofSockaddrInet6
		binary.BigEndian.PutUint16(to[2:], uint16(a.Port))
		copy(to[8:], a.Addr[:])
		binary.NativeEndian.PutUint32(to[24:], a.ZoneId)
	case *unix.SockaddrUnix: // a path with its terminator, or an abstract name behind a zero
		size = 2 + copy(to[2:], a.Name)
		if a.Name[0] == '@' {
			to[2] = 0
		} else {
			size++
		}
	}
	binary.NativeEndian.PutUint16(to[:], family)
	return size
}

func fillRecv(sqe *uring.SQEntry, fd FD, b []byte, tok token) {
	*sqe = uring.SQEntry{
		OpCode: uint8(uring.RecvCode), Fd: int32(fd), Addr: addressOf(b), Len: uint32(len(b)), UserData: uint64(tok),
	}
}

// fillRecvSelect receives into a buffer of the buffer ring, which the kernel
// takes only when there are octets for it.
func fillRecvSelect(sqe *uring.SQEntry, fd FD, tok token) {
	*sqe = uring.SQEntry{
		OpCode: uint8(uring.RecvCode), Flags: uring.SqeBufferSelectFlag, Fd: int32(fd), BufIG: bufRingGroup, UserData: uint64(tok),
	}
}

// fillSend sends bufs, several of them through a message header in side.
func fillSend(sqe *uring.SQEntry, side *sidecar, fd FD, bufs [][]byte, tok token) {
	*sqe = uring.SQEntry{Fd: int32(fd), OpcodeFlags: unix.MSG_NOSIGNAL, UserData: uint64(tok)}
	if len(bufs) == 1 {
		sqe.OpCode, sqe.Addr, sqe.Len = uint8(uring.SendCode), addressOf(bufs[0]), uint32(len(bufs[0]))
		return
	}
	bufs = bufs[:min(len(bufs), MaxGather)]
	for i, b := range bufs {
		side.iov[i] = ioVector{base: uintptr(addressOf(b)), size: uintptr(len(b))}
	}
	side.msg = messageHeader{iov: uintptr(unsafe.Pointer(&side.iov[0])), iovCount: uintptr(len(bufs))}
	sqe.OpCode, sqe.Addr, sqe.Len = opcodeSendMsg, uint64(uintptr(unsafe.Pointer(&side.msg))), 1
}
