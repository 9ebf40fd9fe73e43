package socket_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/zeroring/zeroring/pgm"
	"github.com/zeroring/zeroring/socket"
)

// TestMulticastRepair: what is lost is asked for, and received in its place.
func TestMulticastRepair(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		s := newScripted(newLink(t))
		sub := b.sub(t, s.endpoint())
		events := look(t, sub)
		s.spm(0, ^pgm.SQN(0)) // nothing yet
		for _, sqn := range []pgm.SQN{0, 1, 1, 4, 3, 4} {
			s.odata(sqn, fmt.Sprint("message ", sqn))
		}
		want(t, sub, "message 0")
		want(t, sub, "message 1")
		s.asked(2)
		wantNothing(t, sub)
		s.ncf(2)
		s.rdata(2, "message 2")
		for i := 2; i < 5; i++ {
			wantMissed(t, sub, 0, fmt.Sprint("message ", i))
		}
		s.rdata(2, "message 2") // for others
		s.odata(5, "message 5")
		wantMissed(t, sub, 0, "message 5")
		h := heard(t, sub, s.id())
		if h.Delivered != 6 || h.Repaired != 1 || h.NAKs == 0 || h.NCFs != 1 || h.Duplicates != 3 || h.Lost != 0 || h.Gaps != 0 {
			t.Errorf("counted %+v", h)
		}
		events.want(socket.EventReady, s.id())
		closeNow(t, sub)
		for ev := range events.rest() {
			if ev.Kind == socket.EventGap {
				t.Errorf("a gap: %+v", ev.Gap)
			}
		}
	})
}

// TestMulticastRepairBeforeSPM: a source that has not said where it is is asked to,
// and then asked at the address that its data comes from.
func TestMulticastRepairBeforeSPM(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		s := newScripted(newLink(t))
		group := s.member()
		sub := b.sub(t, s.endpoint())
		s.odata(0, "first")
		s.odata(2, "third")
		for _, c := range []struct {
			name string
			p    heardPacket
		}{{"multicast", hear(t, group, pgm.TypeSPMR)}, {"unicast", hear(t, s.conn, pgm.TypeSPMR)}} {
			if c.p.TSI() != s.tsi || c.p.from.Addr() != near {
				t.Errorf("%s: an SPMR for %v from %v, want %v from %v", c.name, c.p.TSI(), c.p.from, s.tsi, near)
			}
		}
		s.asked(1) // there is no SPM
		s.rdata(1, "second")
		for _, text := range []string{"first", "second", "third"} {
			want(t, sub, text)
		}
	})
}

// TestMulticastTail: the loss of the last packets is found by what an SPM says.
func TestMulticastTail(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		s := newScripted(newLink(t))
		sub := b.sub(t, s.endpoint())
		s.spm(0, ^pgm.SQN(0))
		s.odata(0, "first")
		want(t, sub, "first")
		s.spm(0, 2)
		s.asked(1)
		s.rdata(1, "second")
		want(t, sub, "second")
		s.asked(2)
		s.rdata(2, "third")
		want(t, sub, "third")
	})
}

// TestMulticastLoss: what does not come is given up for the reason there is, and told
// of by an event and with the message that follows.
func TestMulticastLoss(t *testing.T) {
	const budget = 30 * time.Millisecond
	far := pgm.SQN(1 << 24)
	for _, c := range []struct {
		name    string
		set     change
		say     func(s *scripted) // after messages 0 and 1
		first   pgm.SQN
		last    pgm.SQN
		reason  pgm.GapReason
		next    string // the message behind; empty for one that is yet to be sent
		missing int    // as Missed says
	}{
		{"trail of data", none, func(s *scripted) {
			s.odata(4, "4")
			s.multicast(s.packet(pgm.TypeODATA, 5, 4, whole("5")))
		}, 2, 3, pgm.GapTrail, "4", 2},
		{"trail of an SPM", none, func(s *scripted) {
			s.odata(4, "4")
			s.spm(4, 4)
		}, 2, 3, pgm.GapTrail, "4", 2},
		{"trail beyond all", none, func(s *scripted) {
			s.spm(9, 8)
			s.odata(9, "9")
		}, 2, 8, pgm.GapTrail, "9", 7},
		{"budget", func(o *socket.Options) { o.Multicast.LatencyBudget = budget }, func(s *scripted) {
			s.odata(4, "4")
		}, 2, 3, pgm.GapBudget, "4", 2},
		{"budget, of the tail", func(o *socket.Options) { o.Multicast.LatencyBudget = budget }, func(s *scripted) {
			s.spm(0, 3)
		}, 2, 3, pgm.GapBudget, "", 2},
		{"overrun", func(o *socket.Options) { o.Multicast.ReceivePackets = 16 }, func(s *scripted) {
			for sqn := pgm.SQN(3); sqn <= 2+16; sqn++ {
				s.odata(sqn, fmt.Sprint(sqn))
			}
		}, 2, 2, pgm.GapOverrun, "3", 1},
		{"memory", func(o *socket.Options) { o.Multicast.ReceiveOctets = 1 << 20 }, func(s *scripted) {
			s.odata(3, "3")
			big := string(make([]byte, 60_000))
			for sqn := pgm.SQN(4); sqn < 22; sqn++ {
				s.odata(sqn, big)
			}
		}, 2, 2, pgm.GapMemory, "3", 1},
		{"resynchronized", none, func(s *scripted) {
			for sqn := far; sqn < far+4; sqn++ {
				s.multicast(s.packet(pgm.TypeODATA, sqn, far, whole("far")))
			}
		}, 2, far + 2, pgm.GapResync, "far", 1<<24 + 1},
		{"reset", none, func(s *scripted) {
			s.odata(4, "4")
			s.spm(0, 4, has(pgm.OptRST))
		}, 2, 3, pgm.GapReset, "4", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			onMulticast(t, func(t *testing.T, b *bed) {
				s := newScripted(newLink(t))
				sub := b.sub(t, s.endpoint(), c.set)
				events := look(t, sub)
				s.spm(0, ^pgm.SQN(0))
				s.odata(0, "0")
				s.odata(1, "1")
				wantMissed(t, sub, 0, "0")
				wantMissed(t, sub, 0, "1")
				events.want(socket.EventReady, s.id())
				start := time.Now()
				c.say(s)
				events.wantGap(socket.Gap{Source: s.id(), First: c.first, Last: c.last, Reason: c.reason})
				if after := time.Since(start); c.reason == pgm.GapBudget && after < budget {
					t.Errorf("given up after %v, sooner than the budget of %v", after, budget)
				}
				next := c.next
				if next == "" {
					next = "next"
					s.odata(c.last+1, next)
				}
				wantMissed(t, sub, c.missing, next)
				if h := heard(t, sub, s.id()); h.Lost != uint64(c.missing) || h.Gaps != 1 {
					t.Errorf("%d lost in %d gaps, want %d in 1", h.Lost, h.Gaps, c.missing)
				}
			})
		})
	}
}

// none changes nothing.
func none(*socket.Options) {}

// TestMulticastLossInAMessage: of a message that is larger than a packet and lost a
// part of it nothing is received, and the next is whole.
func TestMulticastLossInAMessage(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		for _, order := range []bool{false, true} {
			s := newScripted(newLink(t))
			sub := b.sub(t, s.endpoint(), func(o *socket.Options) {
				o.Multicast.LatencyBudget, o.Multicast.ArrivalOrder = 10*time.Millisecond, order
			})
			octets := append(stream("head", string(make([]byte, 300))), stream("next")...)
			put := func(sqn pgm.SQN, offset, from, to int) {
				s.multicast(s.packet(pgm.TypeODATA, sqn, 0, payload(offset, octets[from:to])))
			}
			end := len(octets) - len(stream("next"))
			s.odata(0, "before")
			put(1, 0, 0, 100)
			put(3, end-200, 200, len(octets)) // 2 is lost
			wantMissed(t, sub, 0, "before")
			if order {
				wantMissed(t, sub, 0, "next") // at once
				s.spm(0, 3)
				until(t, "the gap", func() bool { return heard(t, sub, s.id()).Lost == 1 })
				s.odata(4, "after")
				wantMissed(t, sub, 1, "after")
				continue
			}
			wantMissed(t, sub, 1, "next")
			s.odata(4, "after")
			wantMissed(t, sub, 0, "after")
		}
	})
}

// TestMulticastLossOfTheUnwanted: a loss in front of a message that was not
// subscribed to is told of with the next that was.
func TestMulticastLossOfTheUnwanted(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		s := newScripted(newLink(t))
		sub := b.open(t, socket.TypeSub)
		subscribe(t, sub, "a")
		connectTo(t, sub, s.endpoint())
		s.odata(0, "a 0")
		s.odata(1, "b 1")
		s.multicast(s.packet(pgm.TypeODATA, 4, 4, whole("b 4"))) // 2 and 3 are gone
		s.multicast(s.packet(pgm.TypeODATA, 6, 6, whole("c 6"))) // and 5
		s.odata(7, "a 7")
		s.odata(8, "a 8")
		wantMissed(t, sub, 0, "a 0")
		wantMissed(t, sub, 3, "a 7")
		wantMissed(t, sub, 0, "a 8")
	})
}

// TestMulticastArrivalOrder: what is missing holds up nothing.
func TestMulticastArrivalOrder(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		s := newScripted(newLink(t))
		sub := b.sub(t, s.endpoint(), func(o *socket.Options) { o.Multicast.ArrivalOrder = true })
		s.spm(0, ^pgm.SQN(0))
		octets := stream("front", string(make([]byte, 400)))
		s.odata(0, "0")
		s.odata(2, "2")
		s.multicast(s.packet(pgm.TypeODATA, 4, 0, payload(pgm.NoMessage, octets[150:300])))
		s.multicast(s.packet(pgm.TypeODATA, 5, 0, payload(len(octets)-300, append(octets[300:], stream("5")...))))
		for _, text := range []string{"0", "2", "5"} {
			want(t, sub, text)
		}
		s.asked(1)
		s.rdata(1, "1")
		want(t, sub, "1")
		s.asked(3)
		s.multicast(s.packet(pgm.TypeRDATA, 3, 0, payload(0, octets[:150])))
		want(t, sub, "front", string(make([]byte, 400)))
		if h := heard(t, sub, s.id()); h.Repaired != 2 || h.Lost != 0 {
			t.Errorf("counted %+v", h)
		}
	})
}

// TestMulticastLateJoin: a receiver that comes in the middle of a message begins with
// the next one.
func TestMulticastLateJoin(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		for _, order := range []bool{false, true} {
			s := newScripted(newLink(t))
			sub := b.sub(t, s.endpoint(), func(o *socket.Options) { o.Multicast.ArrivalOrder = order })
			octets := append(stream(string(make([]byte, 3000))), stream("whole")...)
			s.multicast(s.packet(pgm.TypeODATA, 70, 0, payload(pgm.NoMessage, octets[1000:2000])))
			s.multicast(s.packet(pgm.TypeODATA, 71, 0, payload(len(octets)-2000-len(stream("whole")), octets[2000:])))
			s.odata(72, "next")
			wantMissed(t, sub, 0, "whole")
			wantMissed(t, sub, 0, "next")
			if h := heard(t, sub, s.id()); h.NAKs != 0 || h.Lost != 0 {
				t.Errorf("asked for what was before: %+v", h)
			}
		}
	})
}

// TestMulticastLateJoinOffer: a receiver that comes late asks for what the source
// offers, if it was told to.
func TestMulticastLateJoinOffer(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		for _, join := range []bool{false, true} {
			s := newScripted(newLink(t))
			sub := b.sub(t, s.endpoint(), func(o *socket.Options) { o.Multicast.LateJoin = join })
			s.spm(0, 5, func(o *pgm.Options) {
				o.Present, o.JoinMinimum = pgm.SetOf(pgm.OptJoin), 4
			})
			if join {
				s.asked(4)
				s.rdata(4, "4")
				s.asked(5)
				s.rdata(5, "5")
				wantMissed(t, sub, 0, "4")
				wantMissed(t, sub, 0, "5")
			}
			s.odata(6, "6")
			wantMissed(t, sub, 0, "6")
			if h := heard(t, sub, s.id()); h.NAKs != 0 != join {
				t.Errorf("%d NAKs, LateJoin %v", h.NAKs, join)
			}
		}
	})
}

// TestMulticastEnd: how a source ends is told.
func TestMulticastEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		say  func(s *scripted)
		err  error
	}{
		{"FIN", func(s *scripted) { s.spm(0, 1, has(pgm.OptFIN)) }, io.EOF},
		{"FIN again", func(s *scripted) { s.spm(0, 1, has(pgm.OptFIN)); s.spm(0, 1, has(pgm.OptFIN)) }, io.EOF},
		{"RST", func(s *scripted) { s.spm(0, 1, has(pgm.OptRST)) }, socket.ErrSourceReset},
		{"silence", func(*scripted) {}, socket.ErrSourceSilent},
	} {
		t.Run(c.name, func(t *testing.T) {
			onMulticast(t, func(t *testing.T, b *bed) {
				s := newScripted(newLink(t))
				timeout := 150 * time.Millisecond
				sub := b.sub(t, s.endpoint(), func(o *socket.Options) { o.Multicast.SourceTimeout = timeout })
				events := look(t, sub)
				start := time.Now()
				s.odata(0, "0")
				events.want(socket.EventReady, s.id())
				waitPeers(t, sub, 1)
				s.odata(1, "1")
				c.say(s)
				ev := events.want(socket.EventDisconnected, s.id())
				wantError(t, "ended", ev.Err, c.err)
				if after := time.Since(start); c.err == socket.ErrSourceSilent && after < timeout {
					t.Errorf("silent after %v, sooner than %v", after, timeout)
				}
				want(t, sub, "0")
				want(t, sub, "1")
				until(t, "the source is no peer any more", func() bool { return !sub.Stats().Peers[0].Up })
				// And another source is heard.
				other := newScripted(s.link)
				other.odata(7, "other")
				want(t, sub, "other")
				events.want(socket.EventReady, other.id())
			})
		})
	}
}

// TestMulticastFINWaits: a source that has ended is still asked for what is missing.
func TestMulticastFINWaits(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		s := newScripted(newLink(t))
		sub := b.sub(t, s.endpoint())
		events := look(t, sub)
		s.spm(0, ^pgm.SQN(0))
		s.odata(0, "0")
		s.spm(0, 2, has(pgm.OptFIN))
		s.asked(1)
		s.rdata(1, "1")
		s.asked(2)
		s.rdata(2, "2")
		for _, text := range []string{"0", "1", "2"} {
			want(t, sub, text)
		}
		events.want(socket.EventReady, s.id())
		wantError(t, "ended", events.want(socket.EventDisconnected, s.id()).Err, io.EOF)
	})
}
