package reactor

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
)

// This file tests datagram sockets on the loopback interface, with groups and
// ports that nobody else on this machine uses.

// onSockets runs test on each driver that has datagrams.
func onSockets(t *testing.T, test func(t *testing.T, h *rig)) {
	for _, w := range kernelWorlds {
		t.Run(w.name, func(t *testing.T) {
			if available(t, w) {
				test(t, newRig(t, w.config(), TCP))
			}
		})
	}
}

// lo is the loopback interface's number.
func lo(t *testing.T) int {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, nic := range all {
		if nic.Flags&net.FlagLoopback != 0 {
			return nic.Index
		}
	}
	t.Fatal("no loopback interface")
	return 0
}

// group is a group of this process's own.
var group = netip.AddrFrom4([4]byte{239, 1 + byte(os.Getpid()>>16&0x7f), byte(os.Getpid() >> 8), byte(os.Getpid())})

var (
	home  = netip.MustParseAddr("127.0.0.1")
	home2 = netip.MustParseAddr("127.0.0.2")
)

func at(ip netip.Addr) netip.AddrPort { return netip.AddrPortFrom(ip, 0) }

// A party is a datagram socket and what reads and writes it.
type party struct {
	h      *rig
	fd     FD
	info   DatagramInfo
	reader *DatagramReader
	writer *DatagramWriter
	ready  *call // an OpReadable
	got    []parcel
}

// A parcel is one datagram, with its Data as it came, and how many came with it.
type parcel struct {
	Datagram
	text   string
	joined int // datagrams that GRO put together
}

func (h *rig) party(opts *DatagramOpts) *party {
	h.t.Helper()
	fd, info, err := h.r.Datagram(opts)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.partyOf(fd, info)
}

func (h *rig) partyOf(fd FD, info DatagramInfo) *party {
	return &party{
		h: h, fd: h.own(fd), info: info, ready: h.call(OpReadable, fd),
		reader: NewDatagramReader(8, MaxDatagram), writer: NewDatagramWriter(8),
	}
}

// local is a party on a unicast address of ours.
func (h *rig) local(ip netip.Addr) *party {
	return h.party(&DatagramOpts{Local: at(ip), Interface: lo(h.t), Loop: true})
}

// member is a party that takes only what goes to a group.
func (h *rig) member(sources ...netip.Addr) *party {
	return h.party(&DatagramOpts{Local: at(group), Interface: lo(h.t), Group: group, Sources: sources, Share: true})
}

// addr is where to send for p to receive it.
func (p *party) addr() netip.AddrPort { return p.info.Local }

// flush sends what is queued, waiting for room.
func (p *party) flush() {
	p.h.t.Helper()
	for {
		switch err := p.writer.Flush(p.h.r, p.fd); err {
		case nil:
			return
		case ErrAgain:
			room := p.h.call(OpWritable, p.fd)
			p.h.submit(room)
			room.want(0)
		default:
			p.h.t.Fatalf("Flush: %v", err)
		}
	}
}

// send sends one message.
func (p *party) send(to netip.AddrPort, text string, segment int) {
	p.h.t.Helper()
	if !p.writer.Add(to, []byte(text), segment) {
		p.h.t.Fatal("no room for a message")
	}
	p.flush()
}

// read reads what is there, and reports whether that was something.
func (p *party) read() bool {
	p.h.t.Helper()
	n, err := p.reader.Read(p.h.r, p.fd)
	if err != nil && err != ErrAgain {
		p.h.t.Fatalf("Read: %v", err)
	}
	for i := range n {
		g := p.reader.At(i)
		if g.Segment == 0 {
			p.got = append(p.got, parcel{Datagram: g, text: string(g.Data), joined: 1})
			continue
		}
		joined := (len(g.Data) + g.Segment - 1) / g.Segment
		for b := range slices.Chunk(g.Data, g.Segment) {
			p.got = append(p.got, parcel{Datagram: g, text: string(b), joined: joined})
		}
	}
	return n > 0
}

// receive waits for n datagrams that were not received before.
func (p *party) receive(n int) []parcel {
	p.h.t.Helper()
	for len(p.got) < n {
		if !p.read() {
			p.h.submit(p.ready)
			p.ready.want(0)
		}
	}
	got := p.got[:n]
	p.got = p.got[n:]
	return got
}

// want receives texts, in this order.
func (p *party) want(texts ...string) []parcel {
	p.h.t.Helper()
	got := p.receive(len(texts))
	for i, g := range got {
		if g.text != texts[i] {
			p.h.t.Fatalf("datagram %d is %.40q, want %.40q", i, g.text, texts[i])
		}
	}
	return got
}

// nothing checks that there is nothing to receive. On the loopback interface
// what was sent has arrived.
func (p *party) nothing() {
	p.h.t.Helper()
	if p.read() || len(p.got) > 0 {
		p.h.t.Fatalf("got %q, want nothing", p.got[0].text)
	}
}

func TestDatagramUnicast(t *testing.T) {
	onSockets(t, func(t *testing.T, h *rig) {
		a, b := h.local(home), h.local(home2)
		if a.addr().Addr() != home || a.addr().Port() == 0 {
			t.Errorf("bound to %v, want a port of %v", a.addr(), home)
		}
		a.nothing()
		a.send(b.addr(), "there", 0)
		g := b.want("there")[0]
		if g.From != a.addr() || g.To != home2 || !g.Time.IsZero() || g.Truncated || g.Segment != 0 {
			t.Errorf("got %+v, want it from %v to %v", g.Datagram, a.addr(), home2)
		}
		b.send(g.From, "and back", 0)
		a.want("and back")
		b.send(a.addr(), "", 0)
		a.want("")
		// Many at a time, and more than fit a reader.
		var texts []string
		for i := range 20 {
			texts = append(texts, fmt.Sprint("number ", i))
		}
		for part := range slices.Chunk(texts, 8) {
			for _, text := range part {
				if !a.writer.Add(b.addr(), []byte(text), 0) {
					t.Fatal("a writer for 8 messages is full early")
				}
			}
			if a.writer.Len() != len(part) || len(part) == 8 && a.writer.Add(b.addr(), nil, 0) {
				t.Fatalf("%d messages of 8 are queued, want %d", a.writer.Len(), len(part))
			}
			a.flush()
		}
		b.want(texts...)
		b.nothing()
	})
}

func TestDatagramMulticast(t *testing.T) {
	onSockets(t, func(t *testing.T, h *rig) {
		// Bound to any address, and member of another group. It comes first, since
		// nobody has its port yet at any address.
		all := h.party(&DatagramOpts{Local: at(netip.IPv4Unspecified()), Interface: lo(t), Group: next(group), Share: true})
		same := &DatagramOpts{
			Local: netip.AddrPortFrom(group, all.addr().Port()), Interface: lo(t), Group: group, Share: true,
		}
		source, one, two := h.local(home), h.party(same), h.party(same)
		none := h.party(&DatagramOpts{Local: all.addr(), Share: true}) // member of nothing
		if one.addr() != same.Local {
			t.Errorf("bound to %v, want %v", one.addr(), same.Local)
		}
		source.send(one.addr(), "to all", 0)
		for _, p := range []*party{one, two} {
			if g := p.want("to all")[0]; g.To != group || g.From != source.addr() {
				t.Errorf("got %+v, want it from %v to %v", g.Datagram, source.addr(), group)
			}
		}
		all.nothing()
		none.nothing()
		source.send(netip.AddrPortFrom(next(group), one.addr().Port()), "to others", 0)
		all.want("to others")
		one.nothing()
		source.send(netip.AddrPortFrom(home, one.addr().Port()), "to one host", 0)
		two.nothing()
		if one, other := all.read(), none.read(); one == other { // which, the kernel chooses
			t.Errorf("of two sockets that share an address %v and %v got a unicast datagram", one, other)
		}
	})
}

// next is the group after ip.
func next(ip netip.Addr) netip.Addr {
	b := ip.As4()
	b[1] ^= 0x80
	return netip.AddrFrom4(b)
}

func TestDatagramSources(t *testing.T) {
	onSockets(t, func(t *testing.T, h *rig) {
		first, second, third := h.local(home), h.local(home2), h.local(netip.MustParseAddr("127.0.0.3"))
		one := h.member(home2)
		two := h.party(&DatagramOpts{
			Local: one.addr(), Interface: lo(t), Group: group, Sources: []netip.Addr{home, home2}, Share: true,
		})
		first.send(one.addr(), "from 1", 0)
		second.send(one.addr(), "from 2", 0)
		third.send(one.addr(), "from 3", 0)
		one.want("from 2")
		one.nothing()
		two.want("from 1", "from 2")
		two.nothing()
	})
}

// TestDatagramSegments sends several datagrams as one message, to a receiver that
// has them put together and to those that have not.
func TestDatagramSegments(t *testing.T) {
	onSockets(t, func(t *testing.T, h *rig) {
		source := h.local(home)
		if !source.info.GSO || !source.info.GRO {
			t.Fatalf("no GSO or GRO on this kernel: %+v", source.info)
		}
		plain := h.party(&DatagramOpts{Local: at(home), Whole: true, RecvBuf: 1 << 20})
		together := h.party(&DatagramOpts{Local: at(home), RecvBuf: 1 << 20})
		foreign, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at(home)))
		if err != nil {
			t.Fatal(err)
		}
		defer foreign.Close()
		if err := foreign.SetReadBuffer(1 << 20); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct{ segments, size, last int }{
			{1, 1000, 1000}, {2, 1, 1}, {5, 1452, 7}, {44, 1452, 1452}, {64, 200, 1}, {64, 1000, 999},
			{65, 100, 50}, {200, 500, 3}, {70, 1452, 1}, {3, 30000, 29000}, {2, 65000, 3},
		} {
			var all strings.Builder
			var texts []string
			for i := range tt.segments {
				size := tt.size
				if i == tt.segments-1 {
					size = tt.last
				}
				text := strings.Repeat(fmt.Sprint(i, " "), size)[:size]
				texts = append(texts, text)
				all.WriteString(text)
			}
			plain.receiveSegments(source, all.String(), tt.size, texts, 1)
			together.receiveSegments(source, all.String(), tt.size, texts, max(1, min(tt.segments, 64, 65000/tt.size)))
			source.send(netip.MustParseAddrPort(foreign.LocalAddr().String()), all.String(), tt.size)
			b := make([]byte, MaxDatagram)
			for i, text := range texts {
				n, err := foreign.Read(b)
				if err != nil || string(b[:n]) != text {
					t.Fatalf("%+v: datagram %d has %d octets, %v; want %d", tt, i, n, err, len(text))
				}
			}
		}
		if source.writer.alone {
			t.Error("the writer has given up segmenting")
		}
	})
}

// receiveSegments has source send all, and receives it as texts: at most as many
// at a time as given, and at least once so many.
func (p *party) receiveSegments(source *party, all string, segment int, texts []string, together int) {
	p.h.t.Helper()
	source.send(p.addr(), all, segment)
	joined := 0
	for _, g := range p.want(texts...) {
		joined = max(joined, g.joined)
	}
	if joined != together {
		p.h.t.Errorf("%d segments of %d octets came %d at a time, want %d", len(texts), segment, joined, together)
	}
}
