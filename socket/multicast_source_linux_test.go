package socket_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/zeroring/zeroring/pgm"
	"github.com/zeroring/zeroring/socket"
)

// A receiver asks a real source as the test has it ask.
type receiver struct {
	*link
	group *net.UDPConn // hears what goes to the group
	tsi   pgm.TSI      // of the source, once it has been heard
}

func newReceiver(l *link) *receiver { return &receiver{link: l, group: l.member()} }

// hear is the next packet of the source, of those types if any are given.
func (r *receiver) hear(types ...pgm.Type) heardPacket {
	r.t.Helper()
	for {
		p := hear(r.t, r.group, types...)
		if r.tsi == (pgm.TSI{}) {
			r.tsi = p.TSI()
		}
		if p.TSI() == r.tsi {
			return p
		}
	}
}

// nakPacket asks for packets.
func (r *receiver) nakPacket(tsi pgm.TSI, sqns ...pgm.SQN) []byte {
	h := pgm.NewHeader(pgm.TypeNAK, tsi, r.port)
	var o pgm.Options
	o.SetNAKList(sqns[1:])
	return pgm.AppendNAK(nil, &h, &pgm.NAK{SQN: sqns[0], Source: near, Group: r.link.group}, &o)
}

// eager has a source repeat a packet as soon as it is asked for again.
func eager(o *socket.Options) { o.Multicast.RTT = time.Nanosecond }

// home is where the source listens.
func (r *receiver) home() netip.AddrPort { return netip.AddrPortFrom(near, r.port) }

// nak asks the source by c.
func (r *receiver) nak(c *net.UDPConn, sqns ...pgm.SQN) {
	r.t.Helper()
	to(r.t, c, r.home(), r.nakPacket(r.tsi, sqns...))
}

// repaired waits for the NCF and then for the repairs, and asks again as receivers do
// if there are none in time: a packet may be asked for too soon after its last repair.
func (r *receiver) repaired(c *net.UDPConn, want map[pgm.SQN][]byte) {
	r.t.Helper()
	left := make(map[pgm.SQN]bool)
	for sqn := range want {
		left[sqn] = true
	}
	confirmed := false
	for limit := time.Now().Add(patience); len(left) > 0 || !confirmed; {
		p, ok := hearWithin(r.t, r.group, 50*time.Millisecond, pgm.TypeNCF, pgm.TypeRDATA)
		switch {
		case time.Now().After(limit):
			r.t.Fatalf("not repaired: %v; confirmed %v", left, confirmed)
		case !ok:
			for sqn := range left {
				r.nak(c, sqn)
			}
		case p.TSI() != r.tsi:
		case p.Type == pgm.TypeNCF:
			if confirmed = true; p.nak.Source != near || p.nak.Group != r.link.group {
				r.t.Fatalf("an NCF for %v and %v", p.nak.Source, p.nak.Group)
			}
		default:
			// Repairs that were asked for before may come a second time.
			if payload, asked := want[p.data.SQN]; asked && !bytes.Equal(p.data.Payload, payload) {
				r.t.Fatalf("the repair of %d is %q, want %q", p.data.SQN, p.data.Payload, payload)
			}
			delete(left, p.data.SQN)
		}
	}
}

// TestMulticastSource: what a PUB sends, and what it answers.
func TestMulticastSource(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		r := newReceiver(newLink(t))
		pub := b.pub(t, r.endpoint(), eager)
		p := r.hear(pgm.TypeSPM)
		if p.spm.Path != near || p.spm.Lead+1 != p.spm.Trail || p.DataDestinationPort() != r.port || p.from.Addr() != near {
			t.Fatalf("the first SPM is %+v", p)
		}
		octets := make(map[pgm.SQN][]byte)
		for i := range pgm.SQN(5) {
			send(t, pub, fmt.Sprint("message ", i))
			p := r.hear(pgm.TypeODATA)
			if p.data.SQN != i || !bytes.Equal(p.data.Payload, whole(fmt.Sprint("message ", i))) {
				t.Fatalf("heard packet %d with %q, want %d", p.data.SQN, p.data.Payload, i)
			}
			if i == 0 != p.options.Present.Has(pgm.OptSYN) {
				t.Errorf("packet %d: options %x", i, p.options.Present)
			}
			octets[i] = bytes.Clone(p.data.Payload)
		}
		r.nak(r.conn, 3)
		r.repaired(r.conn, map[pgm.SQN][]byte{3: octets[3]})
		r.nak(r.conn, 4, 0, 1)
		r.repaired(r.conn, map[pgm.SQN][]byte{4: octets[4], 0: octets[0], 1: octets[1]})
		// By the group, as one does who sees no way to the source.
		r.multicast(r.nakPacket(r.tsi, 2))
		r.repaired(r.conn, map[pgm.SQN][]byte{2: octets[2]})
		h := pgm.NewHeader(pgm.TypeSPMR, r.tsi, r.port)
		for hearAll(r, pgm.TypeSPM) > 0 {
		}
		to(t, r.conn, r.home(), pgm.AppendSPMR(nil, &h, nil))
		if p := r.hear(pgm.TypeSPM); p.spm.Lead != 4 || p.spm.Trail != 0 {
			t.Errorf("asked, it says %+v", p.spm)
		}
		until(t, "the source was asked", func() bool { return multicastStats(t, pub).Source.SPMRs == 1 })
		st := multicastStats(t, pub).Source
		if st.ODATA != 5 || st.RDATA < 5 || st.NAKs < 3 || st.NCFs < 3 || st.SPMRs != 1 || st.Malformed != 0 || st.Astray != 0 {
			t.Errorf("counted %+v", st)
		}
	})
}

// TestMulticastSourceOfTwoLines: a PUB of two lines that share an interface and a port
// answers on both.
func TestMulticastSourceOfTwoLines(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		r := newReceiver(newLink(t))
		other := r.second().member()
		pub := b.pub(t, r.lines(), eager)
		send(t, pub, "message")
		p := r.hear(pgm.TypeODATA)
		for range 3 {
			r.nak(r.conn, 0)
			r.repaired(r.conn, map[pgm.SQN][]byte{0: p.data.Payload})
			if again := hear(t, other, pgm.TypeRDATA); !bytes.Equal(again.data.Payload, p.data.Payload) {
				t.Errorf("the other line repeats %q, want %q", again.data.Payload, p.data.Payload)
			}
		}
		to(t, r.conn, r.home(), []byte("junk"))
		r.nak(r.conn, 0)
		r.repaired(r.conn, map[pgm.SQN][]byte{0: p.data.Payload})
		if m := multicastStats(t, pub); m.Malformed != 1 {
			t.Errorf("%d malformed packets, want 1", m.Malformed)
		}
	})
}

// hearAll is how many packets of a type have come.
func hearAll(r *receiver, kind pgm.Type) (n int) {
	for {
		if _, ok := hearWithin(r.t, r.group, time.Millisecond, kind); !ok {
			return n
		}
		n++
	}
}

// TestMulticastNAKsOfOthers: what asks for nothing that the source has is counted, and
// changes nothing.
func TestMulticastNAKsOfOthers(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		r := newReceiver(newLink(t))
		pub := b.pub(t, r.endpoint(), eager)
		send(t, pub, "message")
		first := r.hear(pgm.TypeODATA)
		nak := func(k pgm.NAK, set func(h *pgm.Header)) []byte {
			h := pgm.NewHeader(pgm.TypeNAK, r.tsi, r.port)
			set(&h)
			return pgm.AppendNAK(nil, &h, &k, nil)
		}
		as := func(*pgm.Header) {}
		mine := pgm.NAK{SQN: 0, Source: near, Group: r.link.group}
		other := r.second().group
		broken := nak(mine, as)
		broken[20]++
		for _, packet := range [][]byte{
			nak(pgm.NAK{SQN: 1, Source: near, Group: r.link.group}, as),       // not sent yet
			nak(pgm.NAK{SQN: 1 << 31, Source: near, Group: r.link.group}, as), // never
			nak(pgm.NAK{SQN: 0, Source: far, Group: r.link.group}, as),        // another source's
			nak(pgm.NAK{SQN: 0, Source: near, Group: other}, as),              // another group's
			nak(mine, func(h *pgm.Header) { h.SourcePort++ }),                 // another port's
			nak(mine, func(h *pgm.Header) { h.GSI[0]++ }),                     // another session's
			broken, broken[:20], broken[:16], broken[:1], nil,
		} {
			to(t, r.conn, r.home(), packet)
		}
		r.nak(r.conn, 0)
		r.repaired(r.conn, map[pgm.SQN][]byte{0: first.data.Payload})
		m := multicastStats(t, pub)
		if st := m.Source; st.RDATA != 1 || st.NAKOutside != 2 || st.Astray != 2 || st.NAKs < 5 {
			t.Errorf("counted %+v", st)
		}
		if m.Astray != 1 || m.Malformed != 2 || m.Checksum != 3 || m.PassedOn != 1 {
			t.Errorf("counted %+v", m)
		}
	})
}

// TestMulticastManySources: sources that share a port get what is for them, in one
// engine and in several.
func TestMulticastManySources(t *testing.T) {
	for _, engines := range []int{1, 2} {
		t.Run(fmt.Sprint("engines=", engines), func(t *testing.T) {
			onMulticast(t, func(t *testing.T, b *bed) {
				r := newReceiver(newLink(t))
				other := *b
				if engines == 2 {
					other.engine = newEngine(t, &socket.EngineOptions{Backend: b.backend})
					t.Cleanup(func() { other.engine.Close() })
				}
				all := make([]*receiver, 2)
				payloads := make([][]byte, len(all))
				for i, bed := range []*bed{b, &other} {
					pub := bed.pub(t, r.endpoint(), eager)
					send(t, pub, fmt.Sprint("of source ", i))
					all[i] = &receiver{link: r.link, group: r.group}
					p := hear(t, r.group, pgm.TypeODATA)
					all[i].tsi, payloads[i] = p.TSI(), bytes.Clone(p.data.Payload)
				}
				if all[0].tsi == all[1].tsi {
					t.Fatalf("both are %v", all[0].tsi)
				}
				// The kernel chooses by the port that a NAK comes from which of several
				// descriptors gets it.
				for range 16 {
					c := listenAt(t, netip.AddrPortFrom(far, 0))
					for i := range all {
						all[i].nak(c, 0)
						all[i].repaired(c, map[pgm.SQN][]byte{0: payloads[i]})
					}
				}
			})
		})
	}
}

// TestMulticastCloseRepairs: a source that is being closed sends what it has, says so,
// and answers those who miss the last of it.
func TestMulticastCloseRepairs(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		r := newReceiver(newLink(t))
		pub := b.pub(t, r.endpoint(), func(o *socket.Options) { o.Linger, o.Multicast.Rate = -1, 1_000_000 }, eager)
		const n = 20
		for i := range n {
			send(t, pub, filler(i, 1000))
		}
		done := make(chan error, 2)
		for range 2 {
			go func() { done <- pub.Close() }()
		}
		var octets []byte // of the stream
		var last pgm.Data
		for {
			p := r.hear(pgm.TypeODATA, pgm.TypeSPM)
			if p.options.Present.Has(pgm.OptFIN) {
				if p.spm.Lead != last.SQN {
					t.Errorf("the end is after packet %d, which is not the last sent, %d", p.spm.Lead, last.SQN)
				}
				break
			}
			if p.Type == pgm.TypeODATA {
				last = p.data
				octets = append(octets, p.data.Payload[pgm.OffsetSize:]...)
			}
		}
		var all []byte
		for i := range n {
			all = append(all, stream(filler(i, 1000))...)
		}
		if !bytes.Equal(octets, all) {
			t.Errorf("%d octets were sent before the end, want %d", len(octets), len(all))
		}
		for range 5 {
			r.nak(r.conn, last.SQN)
			r.repaired(r.conn, map[pgm.SQN][]byte{last.SQN: last.Payload})
		}
		for range 2 {
			if err := soon(t, "Close returns", done); err != nil {
				t.Error(err)
			}
		}
		closeNow(t, pub)
	})
}
