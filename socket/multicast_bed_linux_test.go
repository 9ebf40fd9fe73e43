package socket_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zeroring/zeroring/pgm"
	"github.com/zeroring/zeroring/socket"
	"github.com/zeroring/zeroring/zmtp"
)

// The tests in multicast_*_linux_test.go speak PGM to real sockets by scripted
// peers: plain UDP sockets whose every packet the test makes, so that it decides
// what is lost, comes twice, late or broken.

// near is where the sockets that are tested are, and far where scripted peers are:
// addresses of the loopback interface that are this process's own, and so is the
// group.
var (
	near = netip.AddrFrom4([4]byte{127, 64 | byte(os.Getpid()>>16)&0x3f, byte(os.Getpid() >> 8), byte(os.Getpid())})
	far  = netip.AddrFrom4([4]byte{127, 128 | byte(os.Getpid()>>16)&0x3f, byte(os.Getpid() >> 8), byte(os.Getpid())})

	ownGroup = netip.AddrFrom4([4]byte{239, 192 | byte(rand.N(4)), byte(rand.N(256)), 1 + byte(rand.N(254))})
)

// onMulticast runs f on each backend.
func onMulticast(t *testing.T, f func(t *testing.T, b *bed)) {
	t.Helper()
	everywhere(t, []string{"epgm"}, f)
}

// A link is a group and port that no other test has, and a socket of the test's
// there, by which it sends to the group.
type link struct {
	t     testing.TB
	group netip.Addr
	port  uint16
	conn  *net.UDPConn // bound to far, so that what is for a source there arrives
}

// newLink takes a port that is none of those that the kernel hands out: a socket at near
// that only sends might be given it.
func newLink(t testing.TB) *link {
	t.Helper()
	for range 100 {
		l := &link{t: t, group: ownGroup, port: uint16(10_000 + names.Add(1)%20_000)}
		c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(far, l.port)))
		if err != nil {
			continue // somebody has it, of all addresses
		}
		t.Cleanup(func() { c.Close() })
		l.conn = c
		return l
	}
	t.Fatal("no port is free")
	return nil
}

// listenAt is a socket of the test's. Those that are bound to an address of the
// loopback interface send to groups there.
func listenAt(t testing.TB, at netip.AddrPort) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// endpoint is the link's for sockets at near.
func (l *link) endpoint() string { return l.from("") }

// from is the same with sources, "a,b@".
func (l *link) from(sources string) string {
	return fmt.Sprintf("epgm://%v;%s%v:%d", near, sources, l.group, l.port)
}

// member is a socket that hears what goes to the group, and can be one of many.
func (l *link) member() *net.UDPConn {
	l.t.Helper()
	check := func(err error) {
		if err != nil {
			l.t.Fatal(err)
		}
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	check(err)
	f := os.NewFile(uintptr(fd), "member")
	defer f.Close()
	check(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
	check(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	check(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20))
	check(unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: l.group.As4(), Address: near.As4()}))
	check(unix.Bind(fd, &unix.SockaddrInet4{Port: int(l.port), Addr: l.group.As4()}))
	c, err := net.FilePacketConn(f)
	check(err)
	l.t.Cleanup(func() { c.Close() })
	return c.(*net.UDPConn)
}

// multicast sends a packet to the group.
func (l *link) multicast(packet []byte) {
	l.t.Helper()
	to(l.t, l.conn, netip.AddrPortFrom(l.group, l.port), packet)
}

func to(t testing.TB, c *net.UDPConn, addr netip.AddrPort, packet []byte) {
	t.Helper()
	if _, err := c.WriteToUDPAddrPort(packet, addr); err != nil {
		t.Fatalf("sending to %v: %v", addr, err)
	}
}

// A heardPacket is one that a scripted peer got.
type heardPacket struct {
	pgm.Header
	from    netip.AddrPort
	nak     pgm.NAK   // of NAK and NCF
	sqns    []pgm.SQN // those of it and of its list
	data    pgm.Data
	spm     pgm.SPM
	options pgm.Options
}

// parse takes a packet apart, and fails if it is not PGM without a flaw.
func parse(packet []byte) (p heardPacket, err error) {
	var body []byte
	if p.Header, body, err = pgm.ConsumeHeader(packet); err != nil {
		return p, err
	}
	if err := p.VerifyChecksum(packet); err != nil {
		return p, err
	}
	switch p.Type {
	case pgm.TypeSPM:
		p.spm, err = pgm.ConsumeSPM(&p.Header, body, &p.options)
	case pgm.TypeODATA, pgm.TypeRDATA:
		p.data, err = pgm.ConsumeData(&p.Header, body, &p.options)
	case pgm.TypeNAK, pgm.TypeNCF:
		p.nak, err = pgm.ConsumeNAK(&p.Header, body, &p.options)
		p.sqns = append([]pgm.SQN{p.nak.SQN}, p.options.NAKList()...)
	}
	return p, err
}

// hear returns the next packet that comes to c, of a type that is asked for if any is.
func hear(t testing.TB, c *net.UDPConn, types ...pgm.Type) heardPacket {
	t.Helper()
	p, ok := hearWithin(t, c, patience, types...)
	if !ok {
		t.Fatalf("not after %v: a packet of types %v\n%s", patience, types, stacks())
	}
	return p
}

// hearWithin is hear that gives up.
func hearWithin(t testing.TB, c *net.UDPConn, limit time.Duration, types ...pgm.Type) (heardPacket, bool) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1<<16)
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return heardPacket{}, false
		}
		if err != nil {
			t.Fatal(err)
		}
		p, err := parse(append([]byte(nil), b[:n]...))
		if err != nil {
			t.Fatalf("a broken packet from %v: %v", from, err)
		}
		p.from = from
		for _, want := range types {
			if p.Type == want {
				return p, true
			}
		}
		if len(types) == 0 {
			return p, true
		}
	}
}

// A scripted source says what the test has it say.
type scripted struct {
	*link
	tsi  pgm.TSI
	spms pgm.SQN // the last one's number
}

// newScripted is a source at l, unlike others.
func newScripted(l *link) *scripted {
	n := uint16(names.Add(1))
	return &scripted{link: l, tsi: pgm.TSI{GSI: pgm.GSI{'s', 'c', 'r', 'i', byte(n >> 8), byte(n)}, Port: n}}
}

// id is the source as sockets name it.
func (s *scripted) id() socket.SourceID { return socket.SourceID{TSI: s.tsi, Address: far} }

func (s *scripted) header(kind pgm.Type) *pgm.Header {
	h := pgm.NewHeader(kind, s.tsi, s.port)
	return &h
}

// packet is ODATA or RDATA.
func (s *scripted) packet(kind pgm.Type, sqn, trail pgm.SQN, payload []byte) []byte {
	return pgm.AppendData(nil, s.header(kind), &pgm.Data{SQN: sqn, Trail: trail, Payload: payload}, nil)
}

// odata sends one message in a packet of its own, and trail stays at the first.
func (s *scripted) odata(sqn pgm.SQN, frames ...string) {
	s.t.Helper()
	s.multicast(s.packet(pgm.TypeODATA, sqn, 0, whole(frames...)))
}

// rdata repeats it.
func (s *scripted) rdata(sqn pgm.SQN, frames ...string) {
	s.t.Helper()
	s.multicast(s.packet(pgm.TypeRDATA, sqn, 0, whole(frames...)))
}

// ncf confirms a NAK.
func (s *scripted) ncf(sqn pgm.SQN) {
	s.t.Helper()
	s.multicast(pgm.AppendNAK(nil, s.header(pgm.TypeNCF), &pgm.NAK{SQN: sqn, Source: far, Group: s.group}, nil))
}

// spm says what there is, with options that set may add.
func (s *scripted) spm(trail, lead pgm.SQN, set ...func(*pgm.Options)) {
	s.t.Helper()
	s.multicast(s.spmPacket(trail, lead, set...))
}

func (s *scripted) spmPacket(trail, lead pgm.SQN, set ...func(*pgm.Options)) []byte {
	var o pgm.Options
	for _, f := range set {
		f(&o)
	}
	s.spms++
	return pgm.AppendSPM(nil, s.header(pgm.TypeSPM), &pgm.SPM{SQN: s.spms, Trail: trail, Lead: lead, Path: far}, &o)
}

// has adds an option that has no value.
func has(option pgm.OptionType) func(*pgm.Options) {
	return func(o *pgm.Options) { o.Present |= pgm.SetOf(option) }
}

// asked waits until a receiver asks for one packet, and sees that it does so as it
// should.
func (s *scripted) asked(sqn pgm.SQN) heardPacket {
	s.t.Helper()
	for {
		p := hear(s.t, s.conn, pgm.TypeNAK)
		if p.TSI() != s.tsi || p.DataDestinationPort() != s.port || p.nak.Source != far || p.nak.Group != s.group {
			s.t.Fatalf("a NAK for %v of %v at %v and group %v, want %v at %v and %v",
				p.TSI(), p.DataDestinationPort(), p.nak.Source, p.nak.Group, s.tsi, far, s.group)
		}
		for _, one := range p.sqns {
			if one == sqn {
				return p
			}
		}
	}
}

// stream is messages as libzmq puts them into PGM.
func stream(frames ...string) (b []byte) {
	for i, f := range frames {
		flags := zmtp.FlagMore
		if i == len(frames)-1 {
			flags = 0
		}
		b = zmtp.AppendV1Frame(b, flags, []byte(f))
	}
	return b
}

// payload is one packet's piece of the stream, in which the first message begins at
// offset.
func payload(offset int, piece []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(offset)), piece...)
}

// whole is a payload with one message.
func whole(frames ...string) []byte { return payload(0, stream(frames...)) }

// sub opens a SUB at the link's endpoint that is subscribed to everything.
func (b *bed) sub(t testing.TB, endpoint string, changes ...change) *socket.Socket {
	t.Helper()
	s := b.open(t, socket.TypeSub, changes...)
	subscribe(t, s, "")
	connectTo(t, s, endpoint)
	return s
}

// pub opens a PUB at the link's endpoint that sends as fast as it can, and waits
// rather than drop.
func (b *bed) pub(t testing.TB, endpoint string, changes ...change) *socket.Socket {
	t.Helper()
	s := b.open(t, socket.TypePub, append([]change{fast}, changes...)...)
	bindTo(t, s, endpoint)
	return s
}

// fast also takes little memory, so that many can be opened one after the other.
func fast(o *socket.Options) {
	o.XPubNoDrop, o.Multicast.Rate, o.Multicast.WindowOctets = true, -1, 4<<20
}

// multicastStats is what s has counted, of its only endpoint.
func multicastStats(t testing.TB, s *socket.Socket) *socket.MulticastStats {
	t.Helper()
	peers := s.Stats().Peers
	if len(peers) != 1 || peers[0].Multicast == nil {
		t.Fatalf("%v has peers %+v, want one of multicast", s.Type(), peers)
	}
	return peers[0].Multicast
}

// heard is what s has counted of one source.
func heard(t testing.TB, s *socket.Socket, id socket.SourceID) socket.HeardStats {
	t.Helper()
	for _, h := range multicastStats(t, s).Sources {
		if h.Source == id {
			return h
		}
	}
	t.Fatalf("%v has not heard %v: %+v", s.Type(), id, multicastStats(t, s).Sources)
	panic("unreachable")
}

// wantMissed receives a message in front of which so many packets were lost.
func wantMissed(t testing.TB, s *socket.Socket, missed int, frames ...string) {
	t.Helper()
	m, err := s.Recv(patient(t))
	if err != nil {
		t.Fatalf("receiving: %v\n%s", err, stacks())
	}
	n := m.Missed()
	if got := unpack(m); strings.Join(got, "|") != strings.Join(frames, "|") || n != missed {
		t.Fatalf("received %s with %d missed, want %s with %d", brief(got), n, brief(frames), missed)
	}
}

// wantNothing checks that nothing has been received.
func wantNothing(t testing.TB, s *socket.Socket) {
	t.Helper()
	if m, err := s.TryRecv(); err == nil {
		t.Fatalf("%v received %s, want nothing", s.Type(), brief(unpack(m)))
	} else {
		wantError(t, "receiving", err, socket.ErrWouldBlock)
	}
}

// An onlooker has the events of a socket, which are about sources.
type onlooker struct {
	watcher
	t testing.TB
}

func look(t testing.TB, s *socket.Socket) *onlooker { return &onlooker{watch(t, s), t} }

// want is the next event, which is of that kind and about that source.
func (w *onlooker) want(kind socket.EventKind, id socket.SourceID) socket.Event {
	w.t.Helper()
	ev := w.watcher.want(w.t, kind)
	if ev.Remote != id.String() {
		w.t.Fatalf("event %v of %v (%v), want one of %v", ev.Kind, ev.Remote, ev.Err, id)
	}
	return ev
}

// wantGap is the next event, and tells of a loss.
func (w *onlooker) wantGap(want socket.Gap) {
	w.t.Helper()
	ev := w.want(socket.EventGap, want.Source)
	if *ev.Gap != want {
		w.t.Fatalf("gap %+v, want %+v", *ev.Gap, want)
	}
}
