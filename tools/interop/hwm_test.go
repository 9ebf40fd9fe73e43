package interop

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/zeroring/zeroring/socket"
)

// A full queue here holds at most fillHWM messages at each end, at least half
// of that, as a sender is told of room late, and what the kernel holds of an
// ipc connection, which is a few. fillMost is far above that and far below no
// limit at all.
const (
	fillSize = 64 << 10
	fillHWM  = 10
	fillMost = 100
	fillWait = 200 * time.Millisecond // without room, a queue counts as full
)

// fill sends until there has been no room for a while, and returns how many
// messages went out. They are those of fillShape.
func (s *ourSock) fill() int {
	s.t.Helper()
	for n := 0; ; n++ {
		body := gen(fillSize, uint64(n)<<8, 1).octets
		ctx, cancel := context.WithTimeout(s.t.Context(), fillWait)
		err := s.SendBytes(ctx, body)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return n
		}
		s.check("send", err)
		if n > fillMost {
			s.t.Fatalf("%d messages sent to a peer that takes none, with a high-water mark of %d", n, fillHWM)
		}
	}
}

func (s *childSock) fill() int {
	s.t.Helper()
	var n int
	answer := s.must("fill %d %d %d", s.h, fillSize, fillWait/time.Millisecond)
	if _, err := fmt.Sscan(answer, &n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

func fillShape(n int) shape { return shape{n, fillSize, 1, 1} }

// TestBlocksWhenFull checks that a sender waits once the queues on both sides
// are full, that nothing is lost by it, and that it goes on once there is room.
func TestBlocksWhenFull(t *testing.T) {
	pairs := []pairing{{"PUSH", "PULL"}, {"PULL", "PUSH"}, {"PAIR", "PAIR"}, {"DEALER", "DEALER"}}
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, p := range pairs {
			for _, binds := range []bool{true, false} {
				r := row{pairing: p, nearBinds: binds, transport: "ipc", opts: opts{hwm: fillHWM}}
				t.Run(r.name(), func(t *testing.T) {
					l := r.connect(t, us, startC(t))
					l.exchange(lits("hello"))
					from, to := l.near, l.far
					if p.near == "PULL" {
						from, to = to, from
					}
					n := from.sock.(interface{ fill() int }).fill()
					if n < fillHWM || n > fillMost {
						t.Errorf("full after %d messages, with a high-water mark of %d on each side", n, fillHWM)
					}
					to.drain(fillShape(n), 0).end()
					stream := from.stream(shape{500, 100, 2, 3})
					to.drain(shape{500, 100, 2, 3}, 0).end()
					stream.end()
				})
			}
		}
	})
}

// TestDropsWhenFull checks that PUB and ROUTER do not wait for a peer that is
// full: it gets the messages there was room for, whole and in order, and again
// later ones once it has caught up.
func TestDropsWhenFull(t *testing.T) {
	const sent = 300
	pairs := []pairing{{"PUB", "SUB"}, {"XPUB", "XSUB"}, {"ROUTER", "DEALER"}}
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, p := range pairs {
			r := row{pairing: p, nearBinds: true, transport: "ipc", opts: opts{hwm: fillHWM}}
			t.Run(r.name(), func(t *testing.T) {
				l := r.connect(t, us, startC(t))
				if p.near == "ROUTER" {
					l.exchange(lits("hello"))
				}
				for i := range sent {
					l.near.send(join(envelope(l.near, l.far), []part{gen(fillSize, uint64(i), 1)})...)
				}
				got, last := 0, -1
				for {
					msg, ok := l.far.poll(fillWait)
					if !ok { // caught up: there is room again
						l.near.send(join(envelope(l.near, l.far), lits("later"))...)
						continue
					}
					if differ(msg, lits("later")) == "" {
						break
					}
					seq := int(binary.BigEndian.Uint64(msg[0].shown))
					if seq <= last || differ(msg, []part{gen(fillSize, uint64(seq), 1)}) != "" {
						t.Fatalf("message %d after %d", seq, last)
					}
					last = seq
					got++
				}
				if got < fillHWM || got > fillMost {
					t.Errorf("%d of %d messages arrived, with a high-water mark of %d on each side", got, sent, fillHWM)
				}
			})
		}
	})
}

// TestNoDrop checks XPubNoDrop, by which a publisher waits after all.
func TestNoDrop(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		o := us.options(opts{hwm: fillHWM})
		o.XPubNoDrop = true
		pub := us.socket(t, "PUB", o)
		sub := startC(t).open(t, "SUB", opts{hwm: fillHWM})
		sub.subscribe("")
		sub.connect(pub.bind(fresh("ipc")))
		pub.peers(1)
		n := pub.fill()
		sub.drain(fillShape(n), 0).end()
		stream := pub.stream(shape{500, 100, 2, 3})
		sub.drain(shape{500, 100, 2, 3}, 0).end()
		stream.end()
	})
}

// TestUnlimited checks that without a high-water mark nothing waits.
func TestUnlimited(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, p := range []pairing{{"PUSH", "PULL"}, {"PULL", "PUSH"}} {
			r := row{pairing: p, nearBinds: true, transport: "tcp", opts: opts{unlimited: true}}
			l := r.connect(t, us, startC(t))
			sh := shape{20_000, 1000, 3, 1}
			l.first.stream(sh).end()
			l.other.drain(sh, 0).end()
		}
	})
}

// TestConflate checks that a PULL that conflates ends up with the last message.
func TestConflate(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		o := us.options(opts{})
		o.Conflate = true
		pull := us.socket(t, "PULL", o)
		push := startC(t).open(t, "PUSH", opts{unlimited: true})
		push.connect(pull.bind(fresh("tcp")))
		push.stream(shape{5000, 24, 1, 1}).end()
		last := uint64(4999) << 8
		for seen, at := 0, uint64(0); at != last; seen++ {
			msg := pull.recv()
			now := binary.BigEndian.Uint64(msg[0].shown)
			if seen > 0 && now <= at {
				t.Fatalf("message %d after %d", now>>8, at>>8)
			}
			at = now
		}
		if _, ok := pull.poll(20 * time.Millisecond); ok {
			t.Error("there is more after the last message")
		}
	})
}

// TestConflateOurs checks that of what a PUSH of ours was given while nobody
// was there, only the last message is sent.
func TestConflateOurs(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		o := us.options(opts{quick: true})
		o.Conflate = true
		push := us.socket(t, "PUSH", o)
		endpoint := fresh("ipc")
		push.connect(endpoint)
		for i := range 100 {
			push.send(lit(fmt.Sprint(i)))
		}
		pull := startC(t).open(t, "PULL", opts{})
		pull.bind(endpoint)
		expect(t, pull, lit("99"))
		push.send(lit("100"))
		if st := push.Stats().Peers; len(st) != 1 || st[0].Sent != 101 {
			t.Errorf("statistics %+v, want 101 messages sent to one peer", st)
		}
		expect(t, pull, lit("100"))
	})
}

// TestImmediate checks that with Immediate a PUSH hands nothing to a connection
// that is still being made: all goes to the peer that is there.
func TestImmediate(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		o := us.options(opts{})
		o.Immediate = true
		push := us.socket(t, "PUSH", o)
		pull := startC(t).open(t, "PULL", opts{})
		push.connect(fresh("ipc")) // nobody is there, ever
		if err := push.TrySendBytes([]byte("to nobody")); !errors.Is(err, socket.ErrWouldBlock) {
			t.Fatalf("sending to nobody: %v, want ErrWouldBlock", err)
		}
		push.connect(pull.bind(fresh("tcp")))
		sh := shape{200, 50, 4, 2}
		stream := push.stream(sh)
		pull.drain(sh, 0).end()
		stream.end()
	})
}
