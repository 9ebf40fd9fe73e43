package reactor

import (
	"io"
	"math"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernelSockets is what the drivers that use the kernel's sockets have in
// common: everything that is done at once. It has no state; any goroutine.
type kernelSockets struct{}

func (kernelSockets) now() time.Time { return time.Now() }

func (kernelSockets) tryRead(fd FD, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, errno := recvNow(fd, b)
	switch {
	case errno == unix.EAGAIN:
		return 0, ErrAgain
	case errno != 0:
		return 0, errno
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

func (kernelSockets) tryWrite(fd FD, bufs [][]byte) (int, error) {
	n, errno := sendNow(fd, bufs)
	switch errno {
	case 0:
		return n, nil
	case unix.EAGAIN:
		return 0, ErrAgain
	default:
		return 0, errno
	}
}

// backlogged asks TCP: what goes unacknowledged is sent again, and a peer whose
// window is closed is probed, so one that is gone shows as either. One probe may
// just be under way. A Unix socket's peer is in this very system.
func (kernelSockets) backlogged(fd FD) bool {
	info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err == unix.EOPNOTSUPP {
		unread, err := unix.IoctlGetInt(int(fd), unix.TIOCOUTQ)
		return err == nil && unread > 0
	}
	return err == nil && info.State == tcpEstablished &&
		info.Notsent_bytes > 0 && info.Retransmits == 0 && info.Probes <= 1
}

// tcpEstablished is TCP_ESTABLISHED of the kernel's tcp_states.h.
const tcpEstablished = 1

func (kernelSockets) shutdown(fd FD) error { return unix.Shutdown(int(fd), unix.SHUT_WR) }

// The calls below never wait, so they do not tell Go's scheduler that they
// might: RawSyscall saves a tenth of a microsecond or more each time. They make
// sure themselves that they do not wait, whatever the descriptor's mode is, and
// that a broken pipe is an error and not a signal.
const (
	recvFlags = unix.MSG_DONTWAIT
	sendFlags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
)

// giveWay may take as long as others have to do, so Go's scheduler is told.
func (kernelSockets) giveWay() { unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

// recvNow reads what is there. b may not be empty.
func recvNow(fd FD, b []byte) (int, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), recvFlags, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// sendNow writes what there is room for, of the first MaxGather slices.
func sendNow(fd FD, bufs [][]byte) (int, syscall.Errno) {
	if len(bufs) == 1 {
		return sendOne(fd, bufs[0])
	}
	var vec [MaxGather]unix.Iovec
	count := fillIovecs(&vec, bufs)
	if count == 0 {
		return 0, 0
	}
	msg := unix.Msghdr{Iov: &vec[0]}
	msg.SetIovlen(count)
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), sendFlags)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// fillIovecs describes the octets of bufs to the kernel and returns how many
// entries that took. Empty slices take none.
func fillIovecs(vec *[MaxGather]unix.Iovec, bufs [][]byte) int {
	count := 0
	for _, b := range bufs {
		if len(b) == 0 {
			continue
		}
		if count == MaxGather {
			break
		}
		vec[count].Base = unsafe.SliceData(b)
		vec[count].SetLen(len(b))
		count++
	}
	return count
}

// sendOne is sendNow for one slice: a call with less to look at.
func sendOne(fd FD, b []byte) (int, syscall.Errno) {
	if len(b) == 0 {
		return 0, 0
	}
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), sendFlags, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// acceptNow takes a connection that waits on fd. Who it is from is asked later,
// by accepted.
func acceptNow(fd FD) (FD, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch errno {
		case 0:
			return FD(n), 0
		case unix.EINTR, unix.ECONNABORTED: // that one is gone; is there another?
		default:
			return NoFD, errno
		}
	}
}

// resultOf is what an Op completes with for an error that a system call, or
// what prepares one, returned.
func resultOf(err error) int32 {
	switch e := err.(type) {
	case nil:
		return 0
	case syscall.Errno:
		return errnoResult(e)
	case *os.SyscallError:
		return resultOf(e.Err)
	default:
		return errnoResult(unix.EINVAL)
	}
}

// A wakeFD is an eventfd that any goroutine may write, and whose owner may
// close it meanwhile: a write that came late would go to whatever descriptor
// got its number.
type wakeFD struct {
	fd    int
	users atomic.Int32 // goroutines inside ring; far below zero once closed
}

const wakeClosed = math.MinInt32 / 2

func (w *wakeFD) open() (err error) {
	w.fd, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	return err
}

// ring makes fd readable.
func (w *wakeFD) ring() {
	if w.users.Add(1) > 0 {
		one := uint64(1)
		unix.RawSyscall(unix.SYS_WRITE, uintptr(w.fd), uintptr(unsafe.Pointer(&one)), 8)
	}
	w.users.Add(-1)
}

func (w *wakeFD) close() error {
	for !w.users.CompareAndSwap(0, wakeClosed) {
		runtime.Gosched()
	}
	return unix.Close(w.fd)
}

// setAffinity binds the calling thread to cpus.
func setAffinity(cpus []int) error {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	return unix.SchedSetaffinity(0, &set)
}
