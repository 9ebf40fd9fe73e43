package raw

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"unsafe"

	"github.com/zeroring/zeroring/bench"
	"golang.org/x/sys/unix"
)

// A castLink sends or receives datagrams of a multicast group: whole messages,
// as many as fit, and nothing beside. Nobody asks for what is lost.
//
// A sender hands many datagrams over at once, and a receiver takes as many:
// by sendmmsg and recvmmsg or, with segments, as one large datagram that the
// kernel cuts up and puts together (UDP_SEGMENT, UDP_GRO).
type castLink struct {
	size      int
	segments  bool
	hurry     bool // nothing waits for more
	publisher bool

	mu     sync.Mutex // of fd, while it is used
	fd     int
	closed bool

	headers []multiHeader
	vectors []unix.Iovec
	buffers [][]byte
	n       int // of buffers in use
	at      int // receiving: the buffer that is parsed
	rest    []byte
}

// multiHeader is struct mmsghdr.
type multiHeader struct {
	unix.Msghdr
	size uint32
}

const (
	datagram       = 1452 // octets at most, as PGM's over Ethernet
	manyDatagrams  = 64
	manySegmented  = 8
	largest        = 65000
	kernelBuffer   = 4 << 20
	receiveTimeout = 20_000 // µs: how late a receiver sees that it was closed
	farewells      = 5      // times that the end of a stream is sent, of which some may be lost
)

func newCastLink(k bench.Kind, j bench.Job, segments bool) (*castLink, error) {
	if j.Transport != bench.EPGM {
		return nil, errors.New("not supported: raw datagrams are of UDP")
	}
	l := &castLink{size: j.Size, segments: segments, hurry: len(j.Phases) == 1, publisher: k == bench.Publisher, fd: -1}
	n, room := manyDatagrams, max(datagram, j.Size)
	switch {
	case segments && l.publisher:
		n, room = 1, largest
	case segments:
		n, room = manySegmented, 1<<16
	}
	l.headers, l.vectors, l.buffers = make([]multiHeader, n), make([]unix.Iovec, n), make([][]byte, n)
	for i := range n {
		l.buffers[i] = make([]byte, 0, room)
		l.vectors[i].Base = unsafe.SliceData(l.buffers[i])
		l.headers[i].Iov = &l.vectors[i]
		l.headers[i].SetIovlen(1)
	}
	return l, nil
}

// perDatagram is how many messages one has.
func (l *castLink) perDatagram() int { return max(1, datagram/l.size) }

func (l *castLink) open(endpoint string) error {
	_, rest, _ := strings.Cut(endpoint, "://")
	nic, where, _ := strings.Cut(rest, ";")
	group, err := netip.ParseAddrPort(where)
	at, err2 := netip.ParseAddr(nic)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if l.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	to := &unix.SockaddrInet4{Port: int(group.Port()), Addr: group.Addr().As4()}
	if l.publisher {
		err = errors.Join(
			unix.SetsockoptInet4Addr(l.fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, at.As4()),
			unix.SetsockoptInt(l.fd, unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 0),
			unix.SetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, kernelBuffer),
			unix.Connect(l.fd, to),
		)
		if l.segments {
			err = errors.Join(err, unix.SetsockoptInt(l.fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, l.perDatagram()*l.size))
		}
		return err
	}
	err = errors.Join(
		unix.SetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.SetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, kernelBuffer),
		unix.SetsockoptTimeval(l.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: receiveTimeout}),
		unix.Bind(l.fd, to),
		unix.SetsockoptIPMreq(l.fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreq{Multiaddr: to.Addr, Interface: at.As4()}),
	)
	if l.segments {
		err = errors.Join(err, unix.SetsockoptInt(l.fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1))
	}
	return err
}

func (l *castLink) Bind(endpoint string) (string, error) { return endpoint, l.open(endpoint) }
func (l *castLink) Connect(endpoint string) error        { return l.open(endpoint) }
func (l *castLink) Subscribe([]byte) error               { return nil }
func (l *castLink) Await(int) error                      { return nil }
func (l *castLink) Echo() error                          { return errors.New("not supported: multicast goes one way") }

func (l *castLink) Send(body []byte) error {
	if len(body) != l.size {
		return l.farewell(body)
	}
	b := &l.buffers[l.n]
	*b = append(*b, body...)
	switch {
	case l.hurry:
		return l.flush()
	case l.segments && len(*b)+l.size <= l.segmentedMost() || !l.segments && len(*b) < l.perDatagram()*l.size:
		return nil
	}
	if l.n++; l.n == len(l.buffers) {
		l.n--
		return l.flush()
	}
	return nil
}

// segmentedMost is the most octets that the kernel cuts up.
func (l *castLink) segmentedMost() int {
	segment := l.perDatagram() * l.size
	return min(largest, manyDatagrams*segment) / segment * segment
}

// farewell sends the end of a stream.
func (l *castLink) farewell(body []byte) error {
	if err := l.flush(); err != nil {
		return err
	}
	for range farewells {
		if err := unix.Send(l.fd, body, 0); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		bench.Pause()
	}
	return nil
}

// flush sends all that there is.
func (l *castLink) flush() error {
	n := 0
	for i, b := range l.buffers[:l.n+1] {
		if len(b) == 0 {
			break
		}
		l.vectors[i].SetLen(len(b))
		n++
	}
	for done := 0; done < n; {
		sent, err := l.many(unix.SYS_SENDMMSG, l.headers[done:n], 0)
		if err != nil {
			return fmt.Errorf("sendmmsg: %w", err)
		}
		done += sent
	}
	for i := range l.buffers[:l.n+1] {
		l.buffers[i] = l.buffers[i][:0]
	}
	l.n = 0
	return nil
}

// many is sendmmsg or recvmmsg.
func (l *castLink) many(call uintptr, headers []multiHeader, flags uintptr) (int, error) {
	for {
		n, _, errno := unix.Syscall6(call, uintptr(l.fd), uintptr(unsafe.Pointer(&headers[0])), uintptr(len(headers)), flags, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

func (l *castLink) Recv() ([]byte, error) {
	for len(l.rest) == 0 {
		if l.at++; l.at < l.n {
			l.rest = l.buffers[l.at][:l.headers[l.at].size]
			continue
		}
		if err := l.fill(); err != nil {
			return nil, err
		}
	}
	// The kernel joins datagrams of one size, and one that is shorter behind them.
	size := l.size
	if len(l.rest) < size {
		size = min(endSize, len(l.rest))
	}
	body := l.rest[:size]
	l.rest = l.rest[size:]
	return body, nil
}

// endSize is that of the end of a stream.
const endSize = 9

// fill receives until there is something.
func (l *castLink) fill() error {
	for {
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			return net.ErrClosed
		}
		for i := range l.headers {
			l.vectors[i].SetLen(cap(l.buffers[i]))
		}
		n, err := l.many(unix.SYS_RECVMMSG, l.headers, unix.MSG_WAITFORONE)
		l.mu.Unlock()
		switch err {
		case nil:
			l.n, l.at = n, 0
			l.rest = l.buffers[0][:l.headers[0].size]
			return nil
		case unix.EAGAIN:
		default:
			return fmt.Errorf("recvmmsg: %w", err)
		}
	}
}

func (l *castLink) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	if l.fd < 0 {
		return nil
	}
	return unix.Close(l.fd)
}
