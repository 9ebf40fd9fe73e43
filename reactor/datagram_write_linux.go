package reactor

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file is a DatagramWriter's way to the kernel.

const (
	// maxSegments is how many datagrams the kernel cuts out of one message; newer
	// ones take 128.
	maxSegments = 64
	// maxSegmented is how many octets such a message may have. The kernel wants
	// room for headers in 65,535.
	maxSegmented = 65000
)

// segmentControl is the control message that says UDP_SEGMENT.
type segmentControl struct {
	unix.Cmsghdr
	size uint16
	_    [6]byte
}

// An outbox describes pieces of queued messages to the kernel, which only reads
// what it points to, and only while it sends.
type outbox struct {
	headers []multiHeader
	vectors []unix.Iovec
	names   []unix.RawSockaddrInet6 // or RawSockaddrInet4
	control []segmentControl

	alone    bool // datagrams are sent one by one: the kernel refused to segment
	untested bool // whether that helps is not known yet
}

func (b *outbox) open(messages int) {
	// A message may take many headers if its datagrams are sent one by one.
	n := max(messages, maxSegments)
	b.headers = make([]multiHeader, n)
	b.vectors = make([]unix.Iovec, n)
	b.names = make([]unix.RawSockaddrInet6, n)
	b.control = make([]segmentControl, n)
	for i := range b.headers {
		h := &b.headers[i]
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Iov = &b.vectors[i]
		h.SetIovlen(1)
		c := &b.control[i]
		c.Level, c.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
		c.SetLen(unix.CmsgLen(2))
	}
}

func (kernelSockets) writeDatagrams(fd FD, d *DatagramWriter) error {
	// Asked each time, since a socket that does not know UDP_SEGMENT, be it raw or
	// the kernel old, ignores it and sends one large datagram.
	segments := d.segmented && segmenting(fd)
	for len(d.queue) > 0 {
		staged, errno := d.stage(segments && !d.alone)
		if errno == 0 {
			errno = d.send(fd, staged)
		}
		switch {
		case errno == 0:
		case errno == unix.EAGAIN:
			return ErrAgain
		case d.retry(errno):
		default:
			d.done = 0
			d.drop(1)
			return errno
		}
	}
	return nil
}

// segmenting reports whether fd knows UDP_SEGMENT.
func segmenting(fd FD) bool {
	_, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT)
	return err == nil
}

// stage describes as much of the queue as there are headers for, and returns how
// many it took. A message that cannot be described is an error if it is the first.
func (d *DatagramWriter) stage(segments bool) (int, syscall.Errno) {
	n, done := 0, d.done
	for i := range d.queue {
		m := &d.queue[i]
		name := &d.names[n]
		nameSize := putAddr(name, m.to, zoneOf(m.to))
		if nameSize == 0 {
			if n == 0 {
				return 0, unix.EDESTADDRREQ
			}
			return n, 0
		}
		for step := m.step(segments); ; n++ {
			if n == len(d.headers) {
				return n, 0
			}
			d.names[n] = *name
			piece := m.data[done:min(done+step, len(m.data))]
			d.describe(n, nameSize, piece, m.segment)
			if done += len(piece); done == len(m.data) {
				n++
				break
			}
		}
		if done = 0; n == len(d.headers) {
			break
		}
	}
	return n, 0
}

// step is how many octets of m go into one piece: as many as the kernel will cut
// datagrams from, or one datagram's.
func (m *outgoing) step(segments bool) int {
	switch {
	case m.segment == 0:
		return len(m.data)
	case !segments:
		return m.segment
	default:
		return m.segment * max(1, min(maxSegments, maxSegmented/m.segment))
	}
}

// describe fills header i.
func (d *DatagramWriter) describe(i, nameSize int, piece []byte, segment int) {
	d.vectors[i].Base = unsafe.SliceData(piece)
	d.vectors[i].SetLen(len(piece))
	h := &d.headers[i]
	h.Namelen = uint32(nameSize)
	if segment == 0 || len(piece) <= segment {
		h.Control = nil
		h.SetControllen(0)
		return
	}
	d.control[i].size = uint16(segment)
	h.Control = (*byte)(unsafe.Pointer(&d.control[i]))
	h.SetControllen(unix.CmsgSpace(2))
}

// send sends the pieces that are staged, until an error, and takes what was sent
// off the queue.
func (d *DatagramWriter) send(fd FD, staged int) (errno syscall.Errno) {
	sent := 0
	for sent < staged && errno == 0 {
		var n uintptr
		n, _, errno = unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&d.headers[sent])),
			uintptr(staged-sent), sendFlags, 0, 0)
		switch errno {
		case 0:
			sent += int(n)
			d.untested = false
		case unix.EINTR:
			errno = 0
		}
	}
	whole := 0
	for i := range sent {
		d.done += int(d.vectors[i].Len)
		if d.done == len(d.queue[whole].data) {
			whole++
			d.done = 0
		}
	}
	d.drop(whole)
	return errno
}

// retry reports whether to send the datagrams of the first message one by one,
// because it was refused in a way that may be about segmenting: EIO where the
// card cannot do checksums, EMSGSIZE and EINVAL where the path is too narrow.
// If that does not help either, it was about something else.
func (d *DatagramWriter) retry(errno syscall.Errno) bool {
	if d.alone {
		if d.untested {
			d.alone, d.untested = false, false
		}
		return false
	}
	if d.queue[0].segment == 0 {
		return false
	}
	switch errno {
	case unix.EIO, unix.EINVAL, unix.EMSGSIZE, unix.EOPNOTSUPP:
		d.alone, d.untested = true, true
		return true
	}
	return false
}

// putAddr writes a in the kernel's layout and returns its size, 0 if it is none.
func putAddr(to *unix.RawSockaddrInet6, a netip.AddrPort, zone uint32) int {
	ip := a.Addr().Unmap()
	var port [2]byte
	binary.BigEndian.PutUint16(port[:], a.Port())
	switch {
	case ip.Is4():
		*(*unix.RawSockaddrInet4)(unsafe.Pointer(to)) = unix.RawSockaddrInet4{
			Family: unix.AF_INET, Port: binary.NativeEndian.Uint16(port[:]), Addr: ip.As4(),
		}
		return unix.SizeofSockaddrInet4
	case ip.Is6():
		*to = unix.RawSockaddrInet6{
			Family: unix.AF_INET6, Port: binary.NativeEndian.Uint16(port[:]), Addr: ip.As16(), Scope_id: zone,
		}
		return unix.SizeofSockaddrInet6
	default:
		return 0
	}
}

// zoneOf is the interface that a's zone names, 0 if there is none: the socket's
// choice. Who sends often gives its number, which takes no look-up.
func zoneOf(a netip.AddrPort) uint32 {
	if a.Addr().Zone() == "" {
		return 0
	}
	zone, _ := zoneNumber(a.Addr().Zone())
	return zone
}
