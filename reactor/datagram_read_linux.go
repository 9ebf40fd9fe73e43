package reactor

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file is a DatagramReader's way to the kernel.

// controlWords is how much room each message has for what the kernel says about
// it, in words of 64 bits: all of what datagramSetup asks for, and half as much
// again. The parser does not rely on it.
const controlWords = 32

// multiHeader is struct mmsghdr.
type multiHeader struct {
	unix.Msghdr
	size uint32 // octets received or sent
}

// An inbox describes a DatagramReader's memory to the kernel, which writes
// lengths into headers and never a pointer. The pointers keep the rest reachable.
type inbox struct {
	headers []multiHeader
	vectors []unix.Iovec
	names   []unix.RawSockaddrInet6 // or RawSockaddrInet4
	control [][controlWords]uint64
	data    []byte
	size    int // of each message

	zones zoneCache
}

func (b *inbox) open(messages, size int) {
	b.headers = make([]multiHeader, messages)
	b.vectors = make([]unix.Iovec, messages)
	b.names = make([]unix.RawSockaddrInet6, messages)
	b.control = make([][controlWords]uint64, messages)
	b.data, b.size = make([]byte, messages*size), size
	for i := range b.headers {
		b.vectors[i].Base = &b.data[i*size]
		b.vectors[i].SetLen(size)
		h := &b.headers[i]
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Iov = &b.vectors[i]
		h.SetIovlen(1)
		h.Control = (*byte)(unsafe.Pointer(&b.control[i]))
	}
	b.reset(messages)
}

// reset tells the kernel again how much room there is in the first n headers,
// where it wrote how much it took.
func (b *inbox) reset(n int) {
	for i := range b.headers[:n] {
		h := &b.headers[i]
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlWords * 8)
	}
}

// readDatagrams tells Go's scheduler that it calls the kernel, as does send: that
// costs a fiftieth of what one datagram does, and many take half a millisecond.
func (kernelSockets) readDatagrams(fd FD, d *DatagramReader) (int, error) {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&d.headers[0])),
			uintptr(len(d.headers)), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			d.full = false
			return 0, ErrAgain
		default:
			d.full = true // nobody knows
			return 0, errno
		}
		d.got, d.drops, d.full = d.got[:0], 0, int(n) == len(d.headers)
		for i := range int(n) {
			d.take(i)
		}
		d.reset(int(n))
		if len(d.got) > 0 {
			return len(d.got), nil
		}
	}
}

// take appends message i to what was got. Raw sockets are those that know no ports:
// a datagram of UDP without one cannot be answered, and is dropped like a packet
// whose IP header is wrong.
func (d *DatagramReader) take(i int) {
	h := &d.headers[i]
	start := i * d.size
	end := start + min(int(h.size), d.size)
	g := Datagram{Data: d.data[start:end:end], Truncated: h.Flags&unix.MSG_TRUNC != 0}
	g.From = d.zones.addr(&d.names[i])
	if g.From.Port() == 0 && g.From.Addr().Is4() {
		var ok bool
		if g.Data, ok = stripIPv4(g.Data, g.Truncated); !ok {
			return
		}
	}
	control := (*[controlWords * 8]byte)(unsafe.Pointer(&d.control[i]))
	d.parseControl(&g, control[:min(uint64(h.Controllen), uint64(len(control)))])
	d.got = append(d.got, g)
}

// A zoneCache spares the zone of the address before an allocation. A zone is a
// number here, since who reads may be in another network namespace than the
// socket, where the interface's name means another or nothing.
type zoneCache struct {
	index uint32
	text  string
}

// addr is the address that the kernel wrote.
func (z *zoneCache) addr(name *unix.RawSockaddrInet6) netip.AddrPort {
	port := uint16(networkOrder(name.Port))
	if name.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(name)).Addr), port)
	}
	ip := netip.AddrFrom16(name.Addr)
	if name.Scope_id != 0 {
		if name.Scope_id != z.index {
			z.index, z.text = name.Scope_id, strconv.FormatUint(uint64(name.Scope_id), 10)
		}
		ip = ip.WithZone(z.text)
	}
	return netip.AddrPortFrom(ip, port)
}

// stripIPv4 returns what is behind an IPv4 header, and false if there is none.
func stripIPv4(b []byte, truncated bool) ([]byte, bool) {
	const least = 20
	if len(b) < least || b[0]>>4 != 4 {
		return nil, false
	}
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < least || header > len(b) || total < header || total > len(b) && !truncated {
		return nil, false
	}
	return b[header:min(total, len(b))], true
}

// parseControl takes note of what the kernel says of a message: control messages,
// each behind a header with its length.
func (d *DatagramReader) parseControl(g *Datagram, b []byte) {
	front := unix.CmsgLen(0)
	for len(b) >= front {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		if uint64(h.Len) < uint64(front) || uint64(h.Len) > uint64(len(b)) {
			return
		}
		size := int(h.Len)
		d.note(g, h.Level, h.Type, b[front:size])
		b = b[min(unix.CmsgSpace(size-front), len(b)):]
	}
}

// timestamps is struct scm_timestamping: software, nothing, hardware.
type timestamps [3]unix.Timespec

func (d *DatagramReader) note(g *Datagram, level, kind int32, b []byte) {
	is := func(l, k, size int) bool { return int(level) == l && int(kind) == k && len(b) >= size }
	switch {
	case is(unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo):
		g.To = netip.AddrFrom4((*unix.Inet4Pktinfo)(unsafe.Pointer(&b[0])).Addr)
	case is(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo):
		g.To = netip.AddrFrom16((*unix.Inet6Pktinfo)(unsafe.Pointer(&b[0])).Addr)
	case is(unix.IPPROTO_UDP, unix.UDP_GRO, 4):
		if size := int(int32(binary.NativeEndian.Uint32(b))); size > 0 && size < len(g.Data) {
			g.Segment = size
		}
	case is(unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 4):
		d.drops = binary.NativeEndian.Uint32(b)
	case is(unix.SOL_SOCKET, unix.SCM_TIMESTAMPING, int(unsafe.Sizeof(timestamps{}))):
		at := (*timestamps)(unsafe.Pointer(&b[0]))
		for _, i := range [...]int{2, 0} { // the card's if there is one
			if at[i].Sec != 0 || at[i].Nsec != 0 {
				g.Time, g.Hardware = time.Unix(at[i].Unix()), i == 2
				break
			}
		}
	}
}
