package socket

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/zeroring/zeroring/reactor"
)

// TestRoomForManyFrames: what arrived of a message is not copied again and again
// because it has many frames, of which only the next one's size is known. The
// memory for it stays within twice what arrived.
func TestRoomForManyFrames(t *testing.T) {
	for _, frame := range []int{2, 100, 5000} {
		const total, chunk = 4 << 20, 64 << 10
		c := new(session)
		copied := 0
		for arrived := 0; arrived < total; {
			had, before := c.end-c.at, c.buf
			c.makeRoom(chunk)
			if c.buf != before {
				copied += had
			}
			if most := 2*had + chunk; len(c.buf.Data) > max(most, 2*chunk) {
				t.Fatalf("frames of %d: %d octets of memory for %d", frame, len(c.buf.Data), had)
			}
			n := min(chunk, len(c.buf.Data)-c.end)
			for i := range n {
				c.buf.Data[c.end+i] = 1 // MORE, as the first octet of the first frame
			}
			c.end += n
			arrived += n
			c.need = (c.end - c.at) + frame // what the engine says when a frame is cut
		}
		c.buf.Release()
		if copied > 2*total {
			t.Errorf("frames of %d: copied %d octets of %d", frame, copied, total)
		}
	}
}

// TestRoomForOneFrame: memory for a frame is made to measure once half of it is
// there.
func TestRoomForOneFrame(t *testing.T) {
	const total, chunk = 10 << 20, 64 << 10
	c := new(session)
	for c.end < total {
		c.makeRoom(chunk)
		n := min(chunk, len(c.buf.Data)-c.end, total-c.end)
		clear(c.buf.Data[c.end : c.end+n])
		c.end += n
		c.need = total
	}
	if len(c.buf.Data) > total+smallestRead {
		t.Errorf("%d octets of memory for %d", len(c.buf.Data), total)
	}
	c.buf.Release()
}

// newSlow connects a PUSH and a PULL that takes one message and no more, on a
// simulated network, and sends some.
func newSlow(t *testing.T, pushes, pulls Options) (x *porch, push, pull *Socket, endpoint string) {
	t.Helper()
	x = newPorch(t, TypePull, reactor.Faults{})
	made := func(typ Type, o Options) *Socket {
		o.Engine, o.Linger, o.Logger = x.s.engine, NoLinger, quiet
		s, err := New(typ, &o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	pulls.RecvHWM, pushes.SendHWM = 1, -1
	push, pull = made(TypePush, pushes), made(TypePull, pulls)
	endpoint, err := pull.Bind("tcp://127.0.0.1:*")
	if err != nil {
		t.Fatal(err)
	}
	if err := push.Connect(endpoint); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := push.TrySendBytes(nil); err != nil {
			t.Fatal(err)
		}
	}
	x.until("the receiver is full", func() bool {
		for p := range pull.pipes {
			return p.link.(*session).stalled
		}
		return false
	})
	return x, push, pull, endpoint
}

// TestFullReceiverHearsNothing: a receiver that does not read, for want of room,
// does not take its peer for dead. Once it reads again it does, if that is.
func TestFullReceiverHearsNothing(t *testing.T) {
	x, _, pull, endpoint := newSlow(t, Options{HeartbeatInterval: Off}, Options{HeartbeatInterval: time.Second})
	x.run(time.Minute)
	if last := pull.trouble.Load(); last != nil {
		t.Fatalf("while it was full: %v", last.err)
	}
	received := 0
	x.until("all is received", func() bool {
		for m, err := pull.TryRecv(); err == nil; m, err = pull.TryRecv() {
			m.Release()
			received++
		}
		return received == 10
	})
	at := reactor.Addr{Network: reactor.TCP, IP: netip.MustParseAddrPort(strings.TrimPrefix(endpoint, "tcp://"))}
	x.net.Hold(at, true)
	x.until("the silent peer is given up", func() bool { return pull.trouble.Load() != nil })
	x.net.Hold(at, false)
}

// TestBackloggedPeerIsAlive: a peer that answers no PING, since it reads nothing,
// is not dead while the network has more for it than it takes. libzmq's are so
// while their user is slow.
func TestBackloggedPeerIsAlive(t *testing.T) {
	x, push, _, _ := newSlow(t, Options{HeartbeatInterval: time.Second, HeartbeatTimeout: 3 * time.Second, HeartbeatTTL: Off}, Options{HeartbeatInterval: Off})
	x.run(3 * time.Second / 2)
	c := push.sole.Load()
	if !c.eng.Asking() {
		t.Fatal("no PING was sent, so the test would see nothing")
	}
	if err := push.TrySendBytes(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	x.run(time.Minute)
	if last := push.trouble.Load(); last != nil {
		t.Errorf("given up: %v", last.err)
	}
}
