package multicast

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zeroring/zeroring/bench/lab"
	"github.com/zeroring/zeroring/socket"
)

// pairs are the rows of one source and one receiver that concern libzmq and us.
var pairs = rows[:3]

// eachPair runs f for each pair on each transport, one backend each.
func eachPair(t *testing.T, f func(t *testing.T, n net, r row)) {
	needPeers(t)
	for i, r := range pairs {
		for k, transport := range transports {
			if backend, ok := mine(i + k); ok {
				t.Run(transport+"/"+r.name, func(t *testing.T) {
					t.Parallel()
					f(t, net{transport: transport, backend: backend}, r)
				})
			}
		}
	}
}

// TestSubAfterPub has the SUB join when the PUB is there and has sent nothing. The
// matrix has it the other way round.
func TestSubAfterPub(t *testing.T) {
	eachPair(t, func(t *testing.T, n net, r row) {
		l := lab.Start(t, lab.Config{Hosts: 2, Fabric: lab.Bridge})
		p := plan{source: 1, sizes: []int{100, 5000}, count: 200, parts: 2, rate: 2000}
		tx := n.send(t, l.Host(1), r.sources[0], p)
		rx := n.receive(t, l.Host(2), r.subs[0], listening{count: p.count})
		tx.begin()
		tx.sent(p.count)
		if got := rx.report(); got.sources[1].counts() != whole(p.count) {
			t.Errorf("%+v", got)
		}
		tx.stop()
	})
}

// TestLateJoin has a SUB come while the PUB is sending: it begins with a whole
// message and has all from there. Before, another SUB was on its host and has left.
func TestLateJoin(t *testing.T) {
	eachPair(t, func(t *testing.T, n net, r row) {
		l := lab.Start(t, lab.Config{Hosts: 2, Fabric: lab.Bridge})
		p := plan{source: 1, sizes: []int{100, 5000, 33}, count: 3000, parts: 3, rate: 2000}
		before := n.receive(t, l.Host(2), ours, listening{count: p.count, mark: 100}).(*ourSub)
		tx := n.send(t, l.Host(1), r.sources[0], p)
		tx.begin()
		before.reached()
		before.stop()
		if err := before.sock.Close(); err != nil {
			t.Error(err)
		}
		rx := n.receive(t, l.Host(2), r.subs[0], listening{count: p.count, idle: 500 * time.Millisecond})
		tx.sent(p.count)
		y := rx.report().sources[1]
		t.Logf("began with %d", y.first)
		if y.first < 100 || y.first == p.count-1 {
			t.Errorf("it began with message %d", y.first)
		}
		want := tally{received: p.count - y.first, first: y.first, last: p.count - 1, missing: y.first, ranges: fmt.Sprintf("0-%d", y.first-1)}
		if y.counts() != want {
			t.Errorf("%+v, want %+v", y, want)
		}
		tx.stop()
	})
}

// TestRestart has a PUB end and another come at its place, which is a new source to
// the SUB.
func TestRestart(t *testing.T) {
	eachPair(t, func(t *testing.T, n net, r row) {
		l := lab.Start(t, lab.Config{Hosts: 3, Fabric: lab.Bridge})
		p := plan{sizes: []int{100, 5000}, count: 200, parts: 1, rate: 2000}
		// It says when all of the first PUB's is on the wire, which libzmq does not.
		witness := n.receive(t, l.Host(3), ours, listening{count: p.count, mark: p.count}).(*ourSub)
		rx := n.receive(t, l.Host(2), r.subs[0], listening{count: p.count, sources: 2})
		for p.source = 1; p.source <= 2; p.source++ {
			tx := n.send(t, l.Host(1), r.sources[0], p)
			tx.begin()
			tx.sent(p.count)
			if p.source == 1 {
				witness.reached()
				tx.stop()
			}
		}
		got := rx.report()
		for source := 1; source <= 2; source++ {
			if y := got.sources[source]; y.counts() != whole(p.count) {
				t.Errorf("source %d: %+v", source, y)
			}
		}
	})
}

// TestMaxTPDU has packets of other sizes, and checks that they are.
func TestMaxTPDU(t *testing.T) {
	needPeers(t)
	for i, r := range append(slices.Clone(pairs), rows[6]) {
		for k, tpdu := range []int{576, 1500, 9000} {
			backend, ok := mine(i + k)
			if !ok {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", r.name, tpdu), func(t *testing.T) {
				t.Parallel()
				l := lab.Start(t, lab.Config{Hosts: 2, MTU: 9000, Seed: 1})
				var largest atomic.Int64
				look := func(frame []byte) bool {
					largest.Store(max(largest.Load(), int64(len(frame))))
					return false
				}
				if err := l.SetFaults(2, lab.Faults{Loss: 100, Only: look}, lab.Faults{Loss: 1}); err != nil {
					t.Fatal(err)
				}
				n := net{transport: transports[k%2], backend: backend, tpdu: tpdu}
				p := plan{source: 1, sizes: []int{100, 20000, 3000}, count: 150, parts: 1, rate: 500}
				rx := n.receive(t, l.Host(2), r.subs[0], listening{count: p.count})
				tx := n.send(t, l.Host(1), r.sources[0], p)
				tx.begin()
				tx.sent(p.count)
				if got := rx.report(); r.subs[0] == ours && got.sources[1].counts() != whole(p.count) ||
					got.sources[1].received == 0 || got.sources[1].corrupt > 0 {
					t.Errorf("%+v", got)
				}
				// libzmq leaves 20 octets of it, and in IP the 8 of UDP.
				const ethernet = 14
				if got := int(largest.Load()) - ethernet; got > tpdu || got < tpdu-28 {
					t.Errorf("the largest packet has %d octets of %d", got, tpdu)
				}
				tx.stop()
			})
		}
	}
}

// TestFIN has our SUB see that a source ends, which zeroring's and OpenPGM's say.
func TestFIN(t *testing.T) {
	needPeers(t)
	for i, whose := range []maker{ours, openPGM} {
		for k, transport := range transports {
			backend, ok := mine(i + k)
			if !ok {
				continue
			}
			t.Run(transport+"/"+string(whose), func(t *testing.T) {
				t.Parallel()
				l := lab.Start(t, lab.Config{Hosts: 2, Fabric: lab.Bridge})
				n := net{transport: transport, backend: backend}
				p := plan{source: 1, sizes: []int{100}, count: 50, parts: 1, rate: 2000}
				rx := n.receive(t, l.Host(2), ours, listening{count: p.count}).(*ourSub)
				events := rx.sock.Events(t.Context())
				tx := n.send(t, l.Host(1), whose, p)
				tx.begin()
				tx.sent(p.count)
				if got := rx.report(); got.sources[1].counts() != whole(p.count) {
					t.Errorf("%+v", got)
				}
				tx.stop()
				guard := time.AfterFunc(patience, func() { _ = rx.sock.Close() })
				defer guard.Stop()
				var kinds []socket.EventKind
				for ev := range events {
					kinds = append(kinds, ev.Kind)
					if ev.Kind == socket.EventDisconnected {
						if !errors.Is(ev.Err, io.EOF) {
							t.Errorf("%+v", ev)
						}
						break
					}
				}
				if want := []socket.EventKind{socket.EventReady, socket.EventDisconnected}; !slices.Equal(kinds, want) {
					t.Errorf("%v, want %v", kinds, want)
				}
			})
		}
	}
}

// TestTwoPubsOnOneHost has two programs' PUBs, which are two engines' of ours, on
// one address and port. Of the NAKs, which receivers send to both by the same
// address, each must reach its source.
func TestTwoPubsOnOneHost(t *testing.T) {
	needPeers(t)
	for i, makers := range [][]maker{{ours, ours}, {ours, libzmq}, {libzmq, ours}} {
		for k, transport := range transports {
			backend, ok := mine(i + k)
			if !ok {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s and %s", transport, makers[0], makers[1]), func(t *testing.T) {
				t.Parallel()
				l := lab.Start(t, lab.Config{Hosts: 2, Seed: 1})
				n := net{transport: transport, backend: backend}
				p := plan{sizes: []int{1000}, count: 1000, parts: 1, rate: 2000}
				rx := n.receive(t, l.Host(2), ours, listening{count: p.count, sources: 2}).(*ourSub)
				var senders []sender
				for s, whose := range makers {
					p.source = s + 1
					senders = append(senders, n.send(t, l.Host(1), whose, p))
				}
				if err := l.SetFaults(2, lab.Faults{Loss: 2}); err != nil {
					t.Fatal(err)
				}
				for _, s := range senders {
					s.begin()
				}
				for _, s := range senders {
					s.sent(p.count)
				}
				got := rx.report()
				for source := 1; source <= 2; source++ {
					y := got.sources[source]
					t.Logf("of %s: p50 %.0f µs, p99 %.0f µs, max %.0f µs", makers[source-1], y.p50, y.p99, y.slowest)
					if y.counts() != whole(p.count) {
						t.Errorf("of %s: %+v\n%s", makers[source-1], y, rx.heard())
					}
				}
				for _, s := range senders {
					s.stop()
				}
			})
		}
	}
}

// TestIPv6 has the pairs talk by IPv6, and repair what they lose.
func TestIPv6(t *testing.T) {
	eachPair(t, func(t *testing.T, n net, r row) {
		n.v6 = true
		l := lab.Start(t, lab.Config{Hosts: 2, Seed: 1})
		if err := l.SetAll(lab.Faults{Loss: 1}); err != nil {
			t.Fatal(err)
		}
		p := plan{source: 1, sizes: []int{100, 1400, 5000}, count: 600, parts: 1, rate: 2000}
		rx := n.receive(t, l.Host(2), r.subs[0], listening{count: p.count})
		tx := n.send(t, l.Host(1), r.sources[0], p)
		tx.begin()
		tx.sent(p.count)
		got := rx.report()
		t.Logf("%+v", got)
		if y := got.sources[1]; r.subs[0] == ours && y.counts() != whole(p.count) || y.received == 0 || y.corrupt > 0 {
			t.Errorf("%+v", got)
		}
		tx.stop()
	})
}

// TestLateJoinOfOurs has a SUB come in a pause, of which it learns by an SPM: it asks
// for what the source offers of the past, and has that whole, with loss on the way.
func TestLateJoinOfOurs(t *testing.T) {
	for i, transport := range transports {
		backend, ok := mine(i)
		if !ok {
			continue
		}
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			l := lab.Start(t, lab.Config{Hosts: 2, Seed: 1})
			n := net{transport: transport, backend: backend}
			const count, offered = 1000, 400
			p := plan{source: 1, sizes: []int{1000}, count: count, parts: 1, rate: 4000}
			pub := startPub(t, l.Host(1), newEngine(t, backend), n.address(l.Host(1), ours), p, socket.MulticastOptions{JoinPackets: offered})
			if err := l.SetAll(lab.Faults{Loss: 5}); err != nil {
				t.Fatal(err)
			}
			if err := pub.send(t.Context(), 0, count/2); err != nil {
				t.Fatal(err)
			}
			sub := n.receive(t, l.Host(2), ours, listening{
				count: count, sources: 2, mark: offered / 2, options: socket.MulticastOptions{LateJoin: true},
			}).(*ourSub)
			sub.reached()
			if err := pub.send(t.Context(), count/2, count); err != nil {
				t.Fatal(err)
			}
			if !await(func() bool { return sub.got.Load()+sub.begun.Load() >= count }) {
				t.Errorf("%d of the messages from %d on", sub.got.Load(), sub.begun.Load())
			}
			pub.stop()
			sub.stop()
			y := sub.report().sources[1]
			t.Logf("began with %d", y.first)
			if y.first > count/2-offered/4 || y.received != count-y.first || y.last != count-1 || y.duplicate+y.late+y.corrupt+y.torn > 0 {
				t.Errorf("%+v\n%s", y, sub.heard())
			}
		})
	}
}
