package socket

import (
	"bytes"
	"runtime"
	"testing"
	"time"
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
	onBackends(t, func(t *testing.T, e *Engine) {
		pull := newSocket(t, e, TypePull, Options{})
		push := newSocket(t, e, TypePush, Options{})
		c, _ := join(t, pull, push)
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

// TestIdleConnectionGivesBackByItself is the same without a hand on the clock.
func TestIdleConnectionGivesBackByItself(t *testing.T) {
	onBackends(t, func(t *testing.T, e *Engine) {
		pull := newSocket(t, e, TypePull, Options{})
		push := newSocket(t, e, TypePush, Options{})
		c, _ := join(t, pull, push)
		backlog(t, c, push, pull)
		for limit := time.Now().Add(patience); ; <-time.After(10 * time.Millisecond) {
			if octets, noted := slack(t, c); octets == 0 && !noted {
				return
			}
			if time.Now().After(limit) {
				t.Fatal("it keeps what it does not need")
			}
		}
	})
}

// TestSentMessageIsNotKept: a huge message that has been sent is the collector's,
// though the connection sends nothing after it.
func TestSentMessageIsNotKept(t *testing.T) {
	const size = 32 << 20
	onBackends(t, func(t *testing.T, e *Engine) {
		pull := newSocket(t, e, TypePull, Options{})
		push := newSocket(t, e, TypePush, Options{})
		c, _ := join(t, pull, push)
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
