package socket

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zeroring/zeroring/reactor"
)

// A porch is a bound socket on a simulated network, whose turns the test makes.
type porch struct {
	t   *testing.T
	net *reactor.Network
	s   *Socket
	l   *listener
	ep  string
	log bytes.Buffer
}

func newPorch(t *testing.T, typ Type, faults reactor.Faults) *porch {
	t.Helper()
	x := &porch{t: t, net: reactor.NewNetwork(1, faults)}
	log := slog.New(slog.NewTextHandler(&x.log, nil))
	e, err := NewEngine(&EngineOptions{Network: x.net, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if n := x.net.Open(); n != 0 {
			t.Errorf("%d sockets are left", n)
		}
	})
	x.log.Reset()
	if x.s, err = New(typ, &Options{Engine: e}); err != nil {
		t.Fatal(err)
	}
	if x.ep, err = x.s.Bind("tcp://127.0.0.1:*"); err != nil {
		t.Fatal(err)
	}
	x.l = x.s.listeners[x.ep]
	return x
}

// until steps until cond holds, and returns how long that took.
func (x *porch) until(what string, cond func() bool) time.Duration {
	x.t.Helper()
	from := x.net.Now()
	for !cond() {
		if !x.net.Step() || x.net.Now().Sub(from) > time.Hour {
			x.t.Fatalf("after %v there is nothing to wait for, and not: %s", x.net.Now().Sub(from), what)
		}
	}
	return x.net.Now().Sub(from)
}

// run steps for so long.
func (x *porch) run(d time.Duration) {
	x.t.Helper()
	end := x.net.Now().Add(d)
	x.until("time passes", func() bool { return !x.net.Now().Before(end) })
}

// lines is how many lines of the log have what.
func (x *porch) lines(what string) int { return strings.Count(x.log.String(), what) }

// visit connects a socket, which stays, has a routing id and is silent otherwise.
func (x *porch) visit(typ Type) *Socket {
	x.t.Helper()
	log := slog.New(slog.DiscardHandler)
	s, err := New(typ, &Options{
		Engine: x.s.engine, Linger: NoLinger, HeartbeatInterval: time.Second, Identity: []byte("me"), Logger: log,
	})
	if err != nil {
		x.t.Fatal(err)
	}
	if err := s.Connect(x.ep); err != nil {
		x.t.Fatal(err)
	}
	return s
}

// accepting makes the accept's state visible: whether one is in flight.
func (x *porch) accepting() bool { return x.l.r.InFlight(&x.l.accept) }

// TestAcceptRests: an accept that fails for good is not tried again at once, but
// after a rest that doubles up to a second, and starts small again after a
// connection. The log hears of it once in a while, and of its end.
func TestAcceptRests(t *testing.T) {
	x := newPorch(t, TypePull, reactor.Faults{})
	watched := x.s.Events(t.Context())
	x.visit(TypePush) // its heartbeats make time pass
	peers := func(n int) func() bool { return func() bool { return len(x.s.pipes) == n } }
	x.until("the first peer", peers(1))
	end := reactor.Task{Run: func(time.Time) { x.l.r.Cancel(&x.l.accept) }}
	fails := func() time.Duration {
		x.until("accepting", x.accepting)
		x.l.r.Post(&end)
		x.until("the accept failed", func() bool { return x.l.again.Active() })
		if x.accepting() {
			t.Fatal("it is tried again at once")
		}
		return x.until("accepting again", x.accepting).Round(time.Millisecond)
	}
	var rests []time.Duration
	for range 9 {
		rests = append(rests, fails())
	}
	const ms = time.Millisecond
	if want := []time.Duration{10 * ms, 20 * ms, 40 * ms, 80 * ms, 160 * ms, 320 * ms, 640 * ms, 1000 * ms, 1000 * ms}; !slices.Equal(rests, want) {
		t.Errorf("it rests for %v, want %v", rests, want)
	}
	if n := x.lines("accepting failed"); n != 1 {
		t.Errorf("%d lines of log in 3 seconds:\n%s", n, x.log.String())
	}
	for range 9 {
		fails()
	}
	if n := x.lines("accepting failed"); n != 2 || !strings.Contains(x.log.String(), "left_out=") {
		t.Errorf("%d lines of log in 12 seconds:\n%s", n, x.log.String())
	}
	x.visit(TypePush)
	x.until("a second peer", peers(2))
	if x.lines("accepting again") != 0 {
		t.Error("one connection counts as the end of it")
	}
	x.run(complainEvery)
	if x.lines("accepting again") != 1 {
		t.Errorf("its end is not told:\n%s", x.log.String())
	}
	if rest := fails(); rest != 10*ms || x.lines("accepting failed") != 3 {
		t.Errorf("after a connection it rests for %v:\n%s", rest, x.log.String())
	}
	x.l.r.Post(&end)
	x.until("it rests", func() bool { return x.l.again.Active() })
	if err := x.s.Close(); err != nil { // while it does
		t.Fatal(err)
	}
	x.until("the listener is gone", func() bool { return isClosed(x.l.over) && x.s.live == 0 })
	failures := 0
	for ev := range watched {
		if ev.Kind == EventAcceptFailed {
			failures++
		}
		if ev.Kind == EventDisconnected { // the last there is
			break
		}
	}
	if failures != 20 {
		t.Errorf("%d events of 20 failures", failures)
	}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// TestAcceptWithoutDescriptors: a process that has none left is told so some
// times a minute, and not ten times a second.
func TestAcceptWithoutDescriptors(t *testing.T) {
	x := newPorch(t, TypePull, reactor.Faults{NoBuffers: 1})
	x.visit(TypePush)
	x.run(3*complainEvery - time.Second)
	if n := x.lines("accepting failed"); n != 3 {
		t.Errorf("%d lines of log in 29 seconds:\n%s", n, x.log.String())
	}
	if line := fmt.Sprintf("left_out=%d", complainEvery/(100*time.Millisecond)-1); !strings.Contains(x.log.String(), line) {
		t.Errorf("no line says %q:\n%s", line, x.log.String())
	}
}

// TestOffendersAreTold: the side that bound says so too if a peer does not fit it,
// or is ignored, but only once in a while however many come.
func TestOffendersAreTold(t *testing.T) {
	for _, c := range []struct {
		what       string
		bound, bad Type
		says       []string
	}{
		{"connection ended for good", TypePull, TypeSub, []string{"PULL cannot talk to SUB", "type=PULL", "remote=127.0.0.1:"}},
		{"peer ignored", TypeRouter, TypeDealer, []string{ErrIdentityTaken.Error(), "identity=me", "type=ROUTER", "remote=127.0.0.1:"}},
	} {
		x := newPorch(t, c.bound, reactor.Faults{})
		good := TypePush
		if c.bound == TypeRouter {
			good = TypeDealer
		}
		x.visit(good)
		x.until("a peer", func() bool { return len(x.s.pipes) == 1 })
		for range 5 {
			x.visit(c.bad)
		}
		x.run(complainEvery / 2)
		if n := x.lines(c.what); n != 1 || x.lines(x.ep) != 1 {
			t.Errorf("%d lines %q:\n%s", n, c.what, x.log.String())
		}
		for _, says := range c.says {
			if x.lines(says) != 1 {
				t.Errorf("the log lacks %q:\n%s", says, x.log.String())
			}
		}
		x.run(complainEvery / 2)
		x.visit(c.bad)
		x.run(time.Second)
		if n := x.lines(c.what); n != 2 || x.lines("left_out=4") != 1 {
			t.Errorf("later there are %d lines %q:\n%s", n, c.what, x.log.String())
		}
	}
}
