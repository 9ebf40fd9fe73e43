package socket

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"github.com/zeroring/zeroring/reactor"
)

// backlog lets messages pile up in front of a writer that does not get to them,
// and then has them all received.
func backlog(t *testing.T, c *session, push, pull *Socket) {
	t.Helper()
	body := string(bytes.Repeat([]byte("x"), 1000))
	c.wr.Lock()
	for range 900 {
		sendBody(t, push, body)
	}
	c.wr.Unlock()
	for range 900 {
		wantBody(t, pull, body)
	}
}

// slack is what c's stream keeps, and whether the reactor is to look at it.
func slack(t *testing.T, c *session) (octets int, noted bool) {
	t.Helper()
	onReactor(t, c, func(time.Time) {
		c.wr.Lock()
		octets, noted = c.p.out.stream.Slack(), c.slimming.Active()
		c.wr.Unlock()
	})
	return octets, noted
}

// TestIdleConnectionGivesBack: a connection that idles after a burst keeps next
// to nothing, and one that does not is left alone.
func TestIdleConnectionGivesBack(t *testing.T) {
	onStreams(t, func(t *testing.T, push, pull *Socket, c *session) {
		sendBody(t, push, "little")
		wantBody(t, pull, "little")
		if octets, noted := slack(t, c); octets > idleSlack || noted {
			t.Fatalf("%d octets after little traffic; to be looked at: %v", octets, noted)
		}
		for range 2 {
			backlog(t, c, push, pull)
			untilOn(t, c, "it is to be looked at", func(time.Time) bool { return c.slimming.Active() })
			if octets, _ := slack(t, c); octets <= idleSlack {
				t.Fatalf("%d octets after a burst: the test shows nothing", octets)
			}
			look := func() {
				onReactor(t, c, func(now time.Time) {
					c.r.StopTimer(&c.slimming) // time is the test's
					c.slim(now)
				})
			}
			look()
			sendBody(t, push, "busy")
			wantBody(t, pull, "busy")
			look()
			if octets, noted := slack(t, c); octets <= idleSlack || !noted {
				t.Fatalf("%d octets while it was not idle; to be looked at: %v", octets, noted)
			}
			burstOn(c)
			sendBody(t, push, "filled and not published")
			look()
			look()
			onReactor(t, c, c.flush)
			wantBody(t, pull, "filled and not published")
			untilOn(t, c, "the burst is over", func(time.Time) bool { return !c.bursting.Load() })
			look()
			look()
			if octets, noted := slack(t, c); octets != 0 || noted {
				t.Fatalf("%d octets when idle; to be looked at: %v", octets, noted)
			}
			sendBody(t, push, "again")
			wantBody(t, pull, "again")
		}
	})
}

// TestIdleConnectionGivesBackByItself is the same without a hand on the clock,
// which is a simulated one.
func TestIdleConnectionGivesBackByItself(t *testing.T) {
	x := newPorch(t, TypePull, reactor.Faults{})
	push, err := New(TypePush, &Options{Engine: x.s.engine, Linger: NoLinger, HeartbeatInterval: Off})
	if err != nil {
		t.Fatal(err)
	}
	if err := push.Connect(x.ep); err != nil {
		t.Fatal(err)
	}
	var c *session
	x.until("they are connected", func() bool {
		c = push.sole.Load()
		return c != nil && c.live && len(x.s.pipes) == 1
	})
	body := make([]byte, 1000)
	c.wr.Lock()
	for range 900 {
		if err := push.TrySendBytes(body); err != nil {
			t.Fatal(err)
		}
	}
	c.wr.Unlock()
	received := 0
	x.until("all is received and written", func() bool {
		for m, err := x.s.TryRecv(); err == nil; m, err = x.s.TryRecv() {
			m.Release()
			received++
		}
		return received == 900 && c.slimming.Active()
	})
	stream := &c.p.out.stream
	if stream.Slack() <= idleSlack {
		t.Fatalf("%d octets after a burst: the test shows nothing", stream.Slack())
	}
	took := x.until("the memory is given back", func() bool { return stream.Slack() == 0 })
	if took < idleTime/2 || took > 3*idleTime {
		t.Errorf("that took %v, want some %v", took, idleTime)
	}
	if c.slimming.Active() {
		t.Error("it is still to be looked at")
	}
}

// TestSentMessageIsNotKept: a huge message that has been sent is the collector's,
// though the connection sends nothing after it.
func TestSentMessageIsNotKept(t *testing.T) {
	const size = 32 << 20
	onStreams(t, func(t *testing.T, push, pull *Socket, c *session) {
		before := heap()
		if err := push.SendBytes(patient(t), make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		m, err := pull.Recv(patient(t))
		if err != nil {
			t.Fatal(err)
		}
		m.Release()
		if _, err := pull.TryRecv(); err != ErrWouldBlock { // it looks for the next, and is done with this one
			t.Fatal(err)
		}
		untilOn(t, c, "all is written", func(time.Time) bool { return !c.busy.Load() })
		if kept := heap() - before; kept > size/2 {
			t.Errorf("%d KiB are kept", kept>>10)
		}
	})
}

// heap is how much is in use of it.
func heap() int {
	for range 3 { // what a pool keeps goes with the second
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
