package socket

import (
	"testing"
	"time"
	"unsafe"

	"github.com/zeroring/zeroring/reactor"
)

// steppedWall is t as somebody reads it who has set the wall clock forward, or
// back: the time since any other is the same.
func steppedWall(t time.Time, seconds int64) time.Time {
	const nsecBits = 30 // of the first word; the seconds are above
	*(*uint64)(unsafe.Pointer(&t)) += uint64(seconds << nsecBits)
	return t
}

// TestLingerAndWallClock: whoever sets the clock makes no Close longer or shorter.
func TestLingerAndWallClock(t *testing.T) {
	e := quietEngine(t)
	s, err := New(TypePush, &Options{Engine: e})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, step := range []int64{-3600, 0, 3600} {
		c := newSession(s, "tcp://nowhere:1")
		before := c.r.Now()
		if after := steppedWall(before, step); after.Unix()-before.Unix() != step || after.Sub(before) != 0 {
			t.Fatalf("stepped by %d s: %v after %v", step, after, before)
		}
		c.closeWithin(time.Minute)
		for seconds, want := range map[time.Duration]bool{50: true, 120: false} {
			if now := steppedWall(before.Add(seconds*time.Second), step); c.lingering(now) != want {
				t.Errorf("clock stepped by %d s, %d s into a minute's linger: lingering is %v", step, seconds, !want)
			}
		}
	}
}

// TestLingerBeforeItIsTold: an attempt to connect that fails after Close has
// begun, and before it says how long to linger, is not the last one.
func TestLingerBeforeItIsTold(t *testing.T) {
	x := newPorch(t, TypePull, reactor.Faults{})
	if err := x.s.Unbind(x.ep); err != nil {
		t.Fatal(err)
	}
	from, err := New(TypePush, &Options{Engine: x.s.engine, Linger: Off})
	if err != nil {
		t.Fatal(err)
	}
	if err := from.Connect(x.ep); err != nil {
		t.Fatal(err)
	}
	if err := from.TrySendBytes([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	refused := func() bool {
		last := from.trouble.Swap(nil)
		return last != nil
	}
	x.until("nobody is there", refused)
	from.closed.Store(true) // where Close begins
	x.until("nobody is there still", refused)
	for len(from.pipes) > 0 && x.net.Step() && from.trouble.Load() == nil {
		// until the next attempt, or the end
	}
	if from.live != 1 {
		from.finish()
		t.Fatal("it has given up, and dropped what was queued")
	}
	from.closed.Store(false)
	if err := from.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := x.s.Bind(x.ep); err != nil {
		t.Fatal(err)
	}
	var m *Message
	x.until("the message arrives", func() bool {
		m, err = x.s.TryRecv()
		return err == nil
	})
	if got := string(m.Frame(0)); got != "last words" {
		t.Errorf("received %q", got)
	}
	m.Release()
}

// TestLingeringSocketTakesNothing: while a closed socket waits for its queue to be
// written, no call adds to that.
func TestLingeringSocketTakesNothing(t *testing.T) {
	x := newPorch(t, TypePull, reactor.Faults{})
	from, err := New(TypePush, &Options{Engine: x.s.engine, Linger: Off})
	if err != nil {
		t.Fatal(err)
	}
	if err := from.Connect(x.ep); err != nil {
		t.Fatal(err)
	}
	sendBody(t, from, "last words")
	if err := from.Close(); err != nil {
		t.Fatal(err)
	}
	if from.outlet == nil {
		t.Fatal("nothing lingers, so the test would see nothing")
	}
	if err := from.SendBytes(t.Context(), []byte("more")); err != ErrClosed {
		t.Errorf("sending to a closed socket: %v", err)
	}
	x.until("the message arrives", func() bool {
		m, err := x.s.TryRecv()
		if err == nil {
			m.Release()
		}
		return err == nil
	})
}

// TestSetLingerToDefault: zero stands for the default, as in Options.
func TestSetLingerToDefault(t *testing.T) {
	s := newSocket(t, quietEngine(t), TypePush, Options{})
	s.SetLinger(0)
	if s.opts.Linger != defaultLinger {
		t.Errorf("it is %v, want %v", s.opts.Linger, defaultLinger)
	}
	s.SetLinger(NoLinger)
}
