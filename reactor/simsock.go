package reactor

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// A simSocket is a socket of a Network, whose lock guards it.
//
//	idle --listen--> listening
//	idle --connect--> connected --peer closes, shuts down or resets--> connected, with endAt or resetAt set
type simSocket struct {
	fd    FD
	state simState
	local Addr
	to    Addr       // the peer's address
	peer  *simSocket // the other end; nil once that was closed

	// What the peer sent and we have not read, whether it has arrived or not.
	octets []byte
	marks  []simMark // how far it has arrived when; the last one's upTo is len(octets)
	lastAt time.Time // when the last of it, or the end, arrives

	endAt   time.Time // when the end of the stream arrives; zero if it was not sent
	resetAt time.Time // when the connection breaks for us; zero if it does not
	shut    bool      // we sent our end

	backlog  []*simSocket // listening: connected and not accepted yet
	limit    int          // of backlog
	ipv6Only bool

	in, out           *Op // in flight
	inAfter, outAfter time.Time
}

type simState uint8

const (
	simIdle simState = iota
	simListening
	simConnected
)

// A simMark says that octets up to upTo have arrived at a time.
type simMark struct {
	at   time.Time
	upTo int
}

// Ports given out for 0.
const (
	firstPort = 49152
	firstFD   = 3
)

// socket finds fd, which must be open.
func (n *Network) socket(fd FD) *simSocket {
	i, ok := n.index(fd)
	if !ok {
		panic("reactor: a simulated socket is used after it was closed")
	}
	return n.sockets[i]
}

func (n *Network) index(fd FD) (int, bool) {
	return slices.BinarySearchFunc(n.sockets, fd, func(s *simSocket, fd FD) int { return cmp.Compare(s.fd, fd) })
}

func (n *Network) newSocket() *simSocket {
	n.last++
	s := &simSocket{fd: n.last}
	n.sockets = append(n.sockets, s)
	return s
}

// touches reports whether at is one of the ends of s's connection, or no
// address at all.
func (s *simSocket) touches(at Addr) bool { return at.IsZero() || s.local == at || s.to == at }

// isHeld reports whether s hears nothing now.
func (n *Network) isHeld(s *simSocket) bool {
	return len(n.held) > 0 && slices.ContainsFunc(n.held, s.touches)
}

// arrived is how many octets can be read now.
func (s *simSocket) arrived(now time.Time) int {
	for i := len(s.marks) - 1; i >= 0; i-- {
		if !s.marks[i].at.After(now) {
			return s.marks[i].upTo
		}
	}
	return 0
}

// readableAt is when there will be something to read, be it the end; zero if
// nothing was sent.
func (s *simSocket) readableAt() time.Time {
	if len(s.marks) > 0 {
		return s.marks[0].at
	}
	return earliest(s.resetAt, s.endAt)
}

// nextArrival is the first time after now that there will be something new to
// read; zero if there is none.
func (s *simSocket) nextArrival(now time.Time) time.Time {
	var next time.Time
	for _, m := range s.marks {
		if m.at.After(now) {
			next = m.at
			break
		}
	}
	for _, at := range [...]time.Time{s.endAt, s.resetAt} {
		if at.After(now) {
			next = earliest(next, at)
		}
	}
	return next
}

// read moves what has arrived to b. It returns 0 at the end of the stream.
func (n *Network) read(s *simSocket, b []byte) (int, syscall.Errno) {
	now := n.time()
	if n.isHeld(s) {
		return 0, syscall.EAGAIN
	}
	if s.peer != nil && s.resetAt.IsZero() && n.happens(n.faults.Reset) {
		n.reset(s)
	}
	count := min(s.arrived(now), len(b))
	switch {
	case count > 0:
	case s.state != simConnected:
		return 0, syscall.ENOTCONN
	case !s.resetAt.IsZero() && !s.resetAt.After(now) && len(s.marks) == 0:
		return 0, syscall.ECONNRESET
	case !s.endAt.IsZero() && !s.endAt.After(now) && len(s.marks) == 0:
		return 0, 0
	default:
		return 0, syscall.EAGAIN
	}
	if n.happens(n.faults.ShortRead) {
		count = n.upTo(count)
	}
	copy(b, s.octets[:count])
	s.consume(count)
	return count, 0
}

// consume forgets the first count octets.
func (s *simSocket) consume(count int) {
	s.octets = s.octets[count:]
	rest := s.marks[:0]
	for _, m := range s.marks {
		if m.upTo -= count; m.upTo > 0 {
			rest = append(rest, m)
		}
	}
	s.marks = rest
}

// room is how many octets s can send now; more than it could if an attempt
// would fail.
func (n *Network) room(s *simSocket) int {
	if s.peer == nil || s.shut || s.state != simConnected || !s.resetAt.IsZero() {
		return math.MaxInt
	}
	return n.faults.Buffer - len(s.peer.octets)
}

// write sends what there is room for.
func (n *Network) write(s *simSocket, bufs [][]byte) (int, syscall.Errno) {
	switch {
	case s.state != simConnected:
		return 0, syscall.ENOTCONN
	case s.shut || !s.resetAt.IsZero() && !s.resetAt.After(n.time()):
		return 0, syscall.EPIPE
	case s.peer == nil:
		return n.writeInVain(s, bufs)
	case n.happens(n.faults.Reset):
		n.reset(s)
		return 0, syscall.ECONNRESET
	}
	total := gathered(bufs)
	room := min(total, n.room(s))
	if total == 0 {
		return 0, 0
	}
	if room <= 0 {
		return 0, syscall.EAGAIN
	}
	if n.happens(n.faults.ShortWrite) {
		room = n.upTo(room)
	}
	s.peer.receive(n, bufs, room)
	return room, 0
}

// writeInVain sends to a peer that has closed: the first octets to get there
// bring back a reset.
func (n *Network) writeInVain(s *simSocket, bufs [][]byte) (int, syscall.Errno) {
	if s.resetAt.IsZero() {
		s.resetAt = latest(n.arrival(n.time()), s.lastAt)
	}
	return gathered(bufs), 0
}

// gathered is how many octets bufs hold.
func gathered(bufs [][]byte) int {
	total := 0
	for _, b := range bufs[:min(len(bufs), MaxGather)] {
		total += len(b)
	}
	return total
}

// receive appends the first count octets of bufs to what will arrive at s.
func (s *simSocket) receive(n *Network, bufs [][]byte, count int) {
	for _, b := range bufs {
		b = b[:min(count, len(b))]
		s.octets = append(s.octets, b...)
		if count -= len(b); count == 0 {
			break
		}
	}
	s.lastAt = n.arrival(s.lastAt)
	s.marks = append(s.marks, simMark{at: s.lastAt, upTo: len(s.octets)})
}

// reset breaks the connection for both ends at once. What has not arrived is
// lost, what has can still be read.
func (n *Network) reset(s *simSocket) {
	now := n.time()
	for _, end := range [...]*simSocket{s, s.peer} {
		if end != nil && end.resetAt.IsZero() {
			end.octets = end.octets[:end.arrived(now)]
			end.marks = slices.DeleteFunc(end.marks, func(m simMark) bool { return m.at.After(now) })
			end.resetAt = now
		}
	}
}

// end sends the end of the stream to s's peer.
func (n *Network) end(s *simSocket) {
	if p := s.peer; p != nil && p.endAt.IsZero() {
		p.lastAt = n.arrival(p.lastAt)
		p.endAt = p.lastAt
	}
	s.shut = true
}

// close closes s. As with TCP, a connection with something left to read is not
// ended but reset, behind what was sent before.
func (n *Network) close(s *simSocket) {
	assert(s.in == nil && s.out == nil) // closed under an operation
	if s.state == simListening && s.local.Network == Unix && !s.local.Abstract() && !slices.Contains(n.names, s.local) {
		n.names = append(n.names, s.local)
	}
	for _, c := range s.backlog {
		n.reset(c)
		n.close(c)
	}
	if p := s.peer; p != nil {
		if len(s.octets) > 0 && p.resetAt.IsZero() {
			p.lastAt = n.arrival(p.lastAt)
			p.resetAt = p.lastAt
		}
		n.end(s)
		p.peer = nil
	}
	i, _ := n.index(s.fd)
	n.sockets = slices.Delete(n.sockets, i, i+1)
}

// listening finds who a connect to the given address reaches.
func (n *Network) listening(to Addr) *simSocket {
	var found *simSocket
	for _, s := range n.sockets {
		if s.state != simListening || !s.takes(to) {
			continue
		}
		if found == nil || s.local == to { // a listener on this very address goes before a wildcard's
			found = s
		}
	}
	return found
}

// takes reports whether a listener takes connections to the given address.
func (s *simSocket) takes(to Addr) bool {
	if s.local == to {
		return true
	}
	ip, ours := to.IP.Addr(), s.local.IP.Addr()
	return s.local.Network == TCP && to.Network == TCP && s.local.IP.Port() == to.IP.Port() &&
		ours.IsUnspecified() && (ours.Is4() == ip.Is4() || ours.Is6() && !s.ipv6Only)
}

// bind checks that nobody has the address, and finds a port if it has none.
func (n *Network) bind(at Addr, ipv6Only bool) (Addr, syscall.Errno) {
	if at.Network == TCP && at.IP.Port() == 0 {
		return n.anyPort(at, ipv6Only)
	}
	for _, s := range n.sockets {
		if s.state != simListening {
			continue
		}
		us := simSocket{local: at, ipv6Only: ipv6Only}
		if s.takes(at) || us.takes(s.local) {
			return Addr{}, syscall.EADDRINUSE
		}
	}
	return at, 0
}

func (n *Network) anyPort(at Addr, ipv6Only bool) (Addr, syscall.Errno) {
	for range math.MaxUint16 - firstPort + 1 {
		at.IP = netip.AddrPortFrom(at.IP.Addr(), n.nextPort())
		if bound, errno := n.bind(at, ipv6Only); errno == 0 {
			return bound, 0
		}
	}
	return Addr{}, syscall.EADDRINUSE
}

func (n *Network) nextPort() uint16 {
	if n.port++; n.port < firstPort { // it wrapped round
		n.port = firstPort
	}
	return n.port
}
