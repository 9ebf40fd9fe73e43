package reactor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestDatagramOptions asks the kernel what was set.
func TestDatagramOptions(t *testing.T) {
	onSockets(t, func(t *testing.T, h *rig) {
		ask := func(p *party, level, option int) int {
			n, err := unix.GetsockoptInt(int(p.fd), level, option)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		p := h.party(&DatagramOpts{Local: at(home), Hops: 7, TOS: 0xb8, Loop: true, SendBuf: 50_000, RecvBuf: 60_000})
		q := h.party(&DatagramOpts{Local: at(home)})
		r := h.party(&DatagramOpts{Local: at(netip.IPv6Loopback()), Hops: 8, TOS: 0xb8, Loop: true, Device: "lo"})
		s := h.party(&DatagramOpts{Local: at(netip.IPv6Loopback())})
		for i, tt := range []struct {
			p             *party
			level, option int
			want          int
		}{
			{p, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 7}, {q, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 1},
			{p, unix.IPPROTO_IP, unix.IP_TOS, 0xb8}, {q, unix.IPPROTO_IP, unix.IP_TOS, 0},
			{p, unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 1}, {q, unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 0},
			{r, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 8}, {s, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 1},
			{r, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, 0xb8}, {s, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, 0},
			{r, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, 1}, {s, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, 0},
			{r, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, lo(t)},
		} {
			if got := ask(tt.p, tt.level, tt.option); got != tt.want {
				t.Errorf("%d: option %d:%d is %d, want %d", i, tt.level, tt.option, got, tt.want)
			}
		}
		if p.info.SendBuf != 50_000 || p.info.RecvBuf != 60_000 || q.info.SendBuf <= 0 || q.info.RecvBuf <= 0 {
			t.Errorf("buffers of %+v and %+v, want 50000 and 60000 of the first", p.info, q.info)
		}
	})
}

// TestDatagramErrors: they name what failed, wrap its errno, and leave no
// descriptor, which the rig sees to.
func TestDatagramErrors(t *testing.T) {
	onSockets(t, func(t *testing.T, h *rig) {
		taken, six, nic := h.local(home), netip.IPv6Loopback(), lo(t)
		var many []netip.Addr
		for i := range 1000 { // net.ipv4.igmp_max_msf is 10 unless somebody raised it
			many = append(many, netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}))
		}
		for _, tt := range []struct {
			opts DatagramOpts
			name string
			want syscall.Errno
		}{
			{DatagramOpts{}, "local address", unix.EINVAL},
			{DatagramOpts{Local: taken.addr()}, "bind", unix.EADDRINUSE},
			{DatagramOpts{Local: netip.MustParseAddrPort("192.0.2.1:0")}, "bind", unix.EADDRNOTAVAIL},
			{DatagramOpts{Local: at(home), Group: home}, "group", unix.EINVAL},
			{DatagramOpts{Local: at(six), Group: group}, "group", unix.EINVAL},
			{DatagramOpts{Local: at(home), Sources: []netip.Addr{home}}, "source", unix.EINVAL},
			{DatagramOpts{Local: at(home), Group: group, Sources: []netip.Addr{six}}, "source", unix.EINVAL},
			{DatagramOpts{Local: at(home), Group: group, Interface: nic, Sources: many}, "MCAST_JOIN_SOURCE_GROUP", unix.ENOBUFS},
			{DatagramOpts{Local: at(home), Group: group, Interface: nic, Sources: []netip.Addr{home, home}}, "MCAST_JOIN_SOURCE_GROUP", unix.EADDRNOTAVAIL},
			{DatagramOpts{Local: at(home), Interface: -1}, "interface", unix.EINVAL},
			{DatagramOpts{Local: at(home), Interface: 1 << 30}, "IP_MULTICAST_IF", unix.EADDRNOTAVAIL},
			{DatagramOpts{Local: at(six), Interface: 1 << 30}, "IPV6_MULTICAST_IF", unix.ENODEV},
			{DatagramOpts{Local: at(home), Hops: 256}, "IP_MULTICAST_TTL", unix.EINVAL},
			{DatagramOpts{Local: at(six), Hops: 256}, "IPV6_MULTICAST_HOPS", unix.EINVAL},
			{DatagramOpts{Local: at(six), TOS: 256}, "IPV6_TCLASS", unix.EINVAL},
			{DatagramOpts{Local: at(home), Device: "no such device"}, "SO_BINDTODEVICE", unix.ENODEV},
			{DatagramOpts{Local: at(home), Protocol: 256}, "protocol", unix.EINVAL},
			{DatagramOpts{Local: at(home), Protocol: -1}, "protocol", unix.EINVAL},
			{DatagramOpts{Local: netip.MustParseAddrPort("[fe80::1%nowhere]:0")}, "nowhere", unix.ENODEV},
		} {
			fd, info, err := h.r.Datagram(&tt.opts)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.name) || fd != NoFD || info != (DatagramInfo{}) {
				t.Errorf("%+v: %d, %v, want %s: %v", tt.opts, fd, err, tt.name, tt.want)
			}
		}
	})
}

// TestDatagramUnprivileged opens a raw socket on a thread that may not.
func TestDatagramUnprivileged(t *testing.T) {
	onSockets(t, func(t *testing.T, h *rig) {
		failed := make(chan error)
		go func() {
			runtime.LockOSThread() // for good: the thread ends with the goroutine
			header, data := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, [2]unix.CapUserData{}
			if err := unix.Capset(&header, &data[0]); err != nil {
				failed <- fmt.Errorf("capset: %w", err)
				return
			}
			_, _, err := h.r.Datagram(&DatagramOpts{Local: at(home), Protocol: 113})
			failed <- err
		}()
		if err := <-failed; !errors.Is(err, syscall.EPERM) || !errors.Is(err, os.ErrPermission) || !strings.HasPrefix(err.Error(), "socket:") {
			t.Errorf("Datagram: %v, want socket: EPERM", err)
		}
	})
}

// TestDatagramRaw sends PGM's protocol by itself.
func TestDatagramRaw(t *testing.T) {
	if os.Geteuid() != 0 {
		lacking(t, "raw sockets need root")
	}
	onSockets(t, func(t *testing.T, h *rig) {
		const pgm = 113
		h.stamped()
		ours := loopback.IP.Addr() // there are no ports to tell this process's from others'
		for _, tt := range []struct{ from, to, group netip.Addr }{
			{home, ours, netip.Addr{}}, {home, group, group},
		} {
			source := h.party(&DatagramOpts{Protocol: pgm, Local: at(tt.from), Interface: lo(t), Loop: true})
			sink := h.party(&DatagramOpts{
				Protocol: pgm, Local: netip.AddrPortFrom(tt.to, 7), Group: tt.group, Interface: lo(t), Timestamps: true,
			})
			if source.info.Local != at(tt.from) || sink.info.Local.Port() != 0 || sink.info.GSO || sink.info.GRO {
				t.Errorf("raw sockets are %+v and %+v", source.info, sink.info)
			}
			source.send(at(tt.to), "raw", 0)
			source.send(at(tt.to), "several at a time", 8) // which the kernel does not do here
			for _, g := range sink.want("raw", "several ", "at a tim", "e") {
				if g.From != at(tt.from) || g.To != tt.to || g.Time.IsZero() || g.Segment != 0 {
					t.Errorf("got %+v, want it from %v to %v", g.Datagram, tt.from, tt.to)
				}
			}
			sink.reader = NewDatagramReader(2, 30)
			source.send(at(tt.to), strings.Repeat("long", 10), 0)
			if g := sink.want("longlonglo")[0]; !g.Truncated { // 20 octets are the header's
				t.Errorf("got %+v, want it to be truncated", g.Datagram)
			}
			h.closeNow(source.fd)
			h.closeNow(sink.fd)
		}
	})
}

// group6 is like group, and for one link only.
var group6 = func() netip.Addr {
	ip := [16]byte{0: 0xff, 1: 0x12}
	binary.BigEndian.PutUint32(ip[12:], uint32(os.Getpid()))
	return netip.AddrFrom16(ip)
}()

func TestDatagramIPv6(t *testing.T) {
	onSockets(t, func(t *testing.T, h *rig) {
		home := netip.IPv6Loopback()
		source, one := h.local(home), h.local(home)
		any6 := h.party(&DatagramOpts{Local: at(netip.IPv6Unspecified())})
		any4 := h.party(&DatagramOpts{Local: netip.AddrPortFrom(netip.IPv4Unspecified(), any6.addr().Port())})
		source.send(netip.AddrPortFrom(home, any6.addr().Port()), "over IPv6", 0)
		any6.want("over IPv6")
		any4.nothing()
		source.send(one.addr(), "unicast", 0)
		if g := one.want("unicast")[0]; g.From != source.addr() || g.To != home {
			t.Errorf("got %+v, want it from %v to %v", g.Datagram, source.addr(), home)
		}
		source.send(one.addr(), strings.Repeat("segment", 40), 7)
		for _, g := range one.receive(40) {
			if g.text != "segment" || g.joined != 40 {
				t.Fatalf("got %q, %d at a time", g.text, g.joined)
			}
		}
	})
}

// TestDatagramIPv6Multicast is on an interface of its own, since the loopback
// interface has no multicast over IPv6.
func TestDatagramIPv6Multicast(t *testing.T) {
	onSockets(t, func(t *testing.T, h *rig) {
		tap := h.tap(1500)
		nic, ip := tap.six()
		zoned := ip.WithZone(strconv.Itoa(nic))
		source := tap.party(&DatagramOpts{Local: at(ip), Interface: nic, Loop: true})
		if source.addr().Addr() != zoned {
			t.Errorf("bound to %v, want %v", source.addr(), zoned)
		}
		member := func(port uint16, sources ...netip.Addr) *party {
			return tap.party(&DatagramOpts{
				Local: netip.AddrPortFrom(group6, port), Interface: nic, Group: group6, Share: true, Sources: sources,
			})
		}
		all := tap.party(&DatagramOpts{Local: at(netip.IPv6Unspecified()), Interface: nic, Group: group6.Next(), Share: true})
		port := all.addr().Port()
		one := member(port)
		two, three := member(port, ip), member(port, netip.MustParseAddr("fd00::7"))
		source.send(netip.AddrPortFrom(group6, port), "multicast", 0)
		for _, p := range []*party{one, two} {
			if g := p.want("multicast")[0]; g.From != source.addr() || g.To != group6 {
				t.Errorf("got %+v, want it from %v to %v", g.Datagram, source.addr(), group6)
			}
		}
		three.nothing()
		all.nothing()
		source.send(netip.AddrPortFrom(group6.Next(), port), "to others", 0)
		all.want("to others")
		one.nothing()
		// Back to where it came from, whose zone is a number everywhere.
		one.send(source.addr(), "back", 0)
		if g := source.want("back")[0]; g.From != netip.AddrPortFrom(zoned, port) || g.To != ip {
			t.Errorf("got %+v, want it from %v", g.Datagram, zoned)
		}
		// And without UDP.
		raw := tap.party(&DatagramOpts{Protocol: 113, Local: at(ip), Interface: nic, Loop: true})
		sink := tap.party(&DatagramOpts{Protocol: 113, Local: at(group6), Interface: nic, Group: group6, Sources: []netip.Addr{ip}})
		raw.send(at(group6), "raw", 0)
		if g := sink.want("raw")[0]; g.From != at(zoned) || g.To != group6 {
			t.Errorf("got %+v, want it from %v to %v", g.Datagram, zoned, group6)
		}
		raw.send(at(zoned), "E is not for IPv4's version and length", 0) // though it is 0x45
		if g := raw.want("E is not for IPv4's version and length")[0]; g.From != at(zoned) || g.To != ip {
			t.Errorf("got %+v, want it from and to %v", g.Datagram, zoned)
		}
	})
}

// stamped is a party whose datagrams have times, as have all others' from here on.
func (h *rig) stamped() *party {
	h.t.Helper()
	p := h.party(&DatagramOpts{Local: at(home), Timestamps: true})
	for limit := time.Now().Add(patience); ; runtime.Gosched() {
		p.send(p.addr(), "when", 0)
		if !p.want("when")[0].Time.IsZero() {
			return p
		}
		if time.Now().After(limit) {
			h.t.Fatal("the kernel takes no times")
		}
	}
}

func TestDatagramTimestamps(t *testing.T) {
	onSockets(t, func(t *testing.T, h *rig) {
		a, b := h.local(home), h.stamped()
		for range 3 {
			from := time.Now()
			a.send(b.addr(), "now", 0)
			until := time.Now()
			if g := b.want("now")[0]; g.Time.Before(from.Add(-time.Millisecond)) || g.Time.After(until.Add(time.Millisecond)) || g.Hardware {
				t.Errorf("received at %v by the card's clock %v, want between %v and %v", g.Time, g.Hardware, from, until)
			}
		}
	})
}

func TestDatagramTruncated(t *testing.T) {
	onSockets(t, func(t *testing.T, h *rig) {
		a, b := h.local(home), h.local(home)
		b.reader = NewDatagramReader(3, 10)
		a.send(b.addr(), "0123456789", 0)
		a.send(b.addr(), "0123456789a", 0)
		a.send(b.addr(), "last", 0)
		for i, g := range b.want("0123456789", "0123456789", "last") {
			if g.Truncated != (i == 1) || cap(g.Data) > len(g.text) {
				t.Errorf("datagram %d: truncated %v, with room for %d", i, g.Truncated, cap(g.Data))
			}
		}
	})
}

// TestDatagramDrops sends more than there is room for.
func TestDatagramDrops(t *testing.T) {
	onSockets(t, func(t *testing.T, h *rig) {
		a, b := h.local(home), h.party(&DatagramOpts{Local: at(home), RecvBuf: 1})
		c := h.local(home)
		const sent = 50
		for range sent {
			a.send(b.addr(), strings.Repeat("x", 1000), 0)
		}
		for b.read() {
		}
		got := len(b.got)
		if got == 0 || got == sent || b.reader.Drops() != 0 {
			t.Fatalf("%d of %d arrived, and %d drops are known already", got, sent, b.reader.Drops())
		}
		a.send(b.addr(), "y", 0)
		b.receive(got + 1)
		if b.reader.Drops() != uint32(sent-got) {
			t.Errorf("%d drops, want %d of %d", b.reader.Drops(), sent-got, sent)
		}
		c.reader = b.reader // which may be used for another socket
		a.send(c.addr(), "z", 0)
		if c.want("z"); c.reader.Drops() != 0 {
			t.Errorf("%d drops of a socket that had none", c.reader.Drops())
		}
	})
}

// TestDatagramSendErrors: the message that cannot be sent is dropped, the others
// are not.
func TestDatagramSendErrors(t *testing.T) {
	onSockets(t, func(t *testing.T, h *rig) {
		a, b := h.local(home), h.local(home)
		ten, long := []byte("0123456789"), make([]byte, MaxDatagram+1)
		for _, tt := range []struct {
			to      netip.AddrPort
			data    []byte
			segment int
			want    syscall.Errno
		}{
			{at(home), ten, 0, unix.EINVAL},
			{at(home), ten, 3, unix.EINVAL}, // not because it is segmented
			{netip.AddrPort{}, ten, 0, unix.EDESTADDRREQ},
			{netip.AddrPort{}, ten, 2, unix.EDESTADDRREQ},
			{b.addr(), long, 0, unix.EMSGSIZE},
			{netip.MustParseAddrPort("255.255.255.255:9"), ten, 0, unix.EACCES},
			{netip.MustParseAddrPort("[::1]:9"), ten, 5, unix.EAFNOSUPPORT},
		} {
			a.writer.Add(b.addr(), []byte("in front"), 0)
			a.writer.Add(tt.to, tt.data, tt.segment)
			a.writer.Add(b.addr(), []byte("behind"), 3)
			if err := a.writer.Flush(h.r, a.fd); err != tt.want || a.writer.Len() != 1 {
				t.Errorf("to %v: %v, with %d left; want %v and 1", tt.to, err, a.writer.Len(), tt.want)
			}
			a.flush()
			b.want("in front", "beh", "ind")
			if a.writer.alone {
				t.Fatalf("to %v: the writer has given up segmenting", tt.to)
			}
		}
		// One of which a part was sent is dropped with what is left.
		a.writer.Add(at(home), ten, 5)
		a.writer.done = 5
		a.writer.Add(b.addr(), ten, 0)
		if err := a.writer.Flush(h.r, a.fd); err != unix.EINVAL {
			t.Errorf("Flush: %v, want EINVAL", err)
		}
		a.flush()
		b.want(string(ten))
		if n, err := b.reader.Read(h.r, NoFD); n != 0 || err != unix.EBADF {
			t.Errorf("Read = %d, %v; want EBADF", n, err)
		}
	})
}

// TestDatagramAlone: where segmenting is refused, the datagrams of a message are
// sent one by one, and so are all from then on.
func TestDatagramAlone(t *testing.T) {
	onSockets(t, func(t *testing.T, h *rig) {
		a, b := h.local(home), h.local(home)
		// Without checksums the kernel does not segment.
		if err := unix.SetsockoptInt(int(a.fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1); err != nil {
			t.Fatal(err)
		}
		for round := range 2 {
			a.writer.Add(b.addr(), []byte("in front"), 0)
			a.writer.Add(b.addr(), []byte(strings.Repeat("ab", 99)+"c"), 2)
			a.writer.Add(b.addr(), []byte("behind"), 4)
			a.flush()
			b.want("in front")
			for i, g := range b.receive(100) {
				if want := "abc"[i/99*2:][:min(2, 3-i/99*2)]; g.text != want {
					t.Fatalf("round %d: segment %d is %q, want %q", round, i, g.text, want)
				}
			}
			b.want("behi", "nd")
			if !a.writer.alone || a.writer.untested {
				t.Error("the writer has not given up segmenting")
			}
		}
	})
}

// TestDatagramAllocations: none once all is made.
func TestDatagramAllocations(t *testing.T) {
	onSockets(t, func(t *testing.T, h *rig) {
		a, b := h.local(home), h.party(&DatagramOpts{Local: at(home), Timestamps: true})
		one, several := make([]byte, 64), make([]byte, 10*1000)
		noAllocations(t, "Flush and Read", func() {
			a.writer.Add(b.addr(), one, 0)
			a.writer.Add(b.addr(), several, 1000)
			if err := a.writer.Flush(h.r, a.fd); err != nil {
				t.Fatal(err)
			}
			n, err := b.reader.Read(h.r, b.fd)
			if n != 2 || err != nil || b.reader.At(1).Segment != 1000 {
				t.Fatalf("Read = %d, %v; want 2", n, err)
			}
			if n, err = b.reader.Read(h.r, b.fd); n != 0 || err != ErrAgain {
				t.Fatalf("Read = %d, %v; want ErrAgain", n, err)
			}
		})
	})
}
