package socket

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"
)

// A counter is a ROUTER with one customer, a DEALER, who has asked for more than
// was answered.
type counter struct {
	t                *testing.T
	router, customer *Socket
	endpoint         string   // where they met
	c                *session // the ROUTER's; at rest
	who              []byte   // the customer
}

// newCounter returns one whose customer has asked n times, of which the ROUTER has
// received the first. Nobody sweeps but who calls sweep.
func newCounter(t *testing.T, e *Engine, n int, o Options) *counter {
	t.Helper()
	x := &counter{t: t, router: newSocket(t, e, TypeRouter, o), customer: newSocket(t, e, TypeDealer, Options{})}
	_, x.endpoint = join(t, x.router, x.customer)
	x.open(e, n)
	return x
}

// newOutCounter is newCounter with a ROUTER that connects.
func newOutCounter(t *testing.T, e *Engine, n int, o Options) *counter {
	t.Helper()
	x := &counter{t: t, router: newSocket(t, e, TypeRouter, o), customer: newSocket(t, e, TypeDealer, Options{})}
	_, x.endpoint = join(t, x.customer, x.router)
	x.open(e, n)
	return x
}

// open has the customer ask n times, and the ROUTER receive the first.
func (x *counter) open(e *Engine, n int) {
	t := x.t
	t.Helper()
	for _, w := range e.sweepers {
		w.awake.Store(true) // so it is not started
	}
	x.c = x.router.sole.Load()
	rests(t, x.c)
	bodies := make([][]byte, n)
	for i := range bodies {
		bodies[i] = []byte{byte(i)}
	}
	if _, err := x.customer.SendBatch(patient(t), bodies); err != nil {
		t.Fatal(err)
	}
	x.who = append([]byte(nil), x.receive()...)
	x.waitForMore()
}

// receive receives a request and returns whose it is.
func (x *counter) receive() []byte {
	x.t.Helper()
	m, err := x.router.Recv(patient(x.t))
	if err != nil {
		x.t.Fatal(err)
	}
	defer m.Release()
	return m.Frame(0)
}

// waitForMore waits until the ROUTER knows that there is more.
func (x *counter) waitForMore() {
	x.t.Helper()
	untilOn(x.t, x.c, "more is there", func(time.Time) bool {
		x.router.sendMu.Lock()
		defer x.router.sendMu.Unlock()
		return x.router.moreToAnswer()
	})
}

// answer sends an answer and reports whether its writing was put off.
func (x *counter) answer(body string) bool {
	x.t.Helper()
	if err := x.router.SendParts(patient(x.t), x.who, []byte(body)); err != nil {
		x.t.Fatal(err)
	}
	return x.router.late.pending()
}

// gets looks that the customer gets an answer.
func (x *counter) gets(body string) {
	x.t.Helper()
	m, err := x.customer.Recv(patient(x.t))
	if err != nil {
		x.t.Fatalf("waiting for %q: %v", body, err)
	}
	defer m.Release()
	if got := string(m.Frame(0)); got != body {
		x.t.Fatalf("got %q, want %q", got, body)
	}
}

// TestLateSwept: what is put off goes out although the application never calls
// again.
func TestLateSwept(t *testing.T) {
	onBackends(t, func(t *testing.T, e *Engine) {
		x := newCounter(t, e, 3, Options{})
		w := x.router.sweeper
		w.awake.Store(false) // from here on it is started
		if !x.answer("slow") && x.router.late.spell.Load() == 0 {
			t.Fatal("nothing was put off")
		}
		x.gets("slow")
		untilOn(t, x.c, "its next messages are written at once", func(time.Time) bool {
			x.router.sendMu.Lock()
			defer x.router.sendMu.Unlock()
			return x.router.late.hasty == hastyMessages
		})
		if x.answer("again") {
			t.Fatal("put off, though the application is slow")
		}
		x.gets("again")
	})
}

// TestLateSweeperRests: a sweeper ends when there is nothing to sweep, and starts
// again.
func TestLateSweeperRests(t *testing.T) {
	onBackends(t, func(t *testing.T, e *Engine) {
		x := newCounter(t, e, 3, Options{})
		w := x.router.sweeper
		for range 3 {
			x.router.late.hasty = 0
			w.awake.Store(false)
			x.answer("a")
			x.gets("a")
			untilOn(t, x.c, "the sweeper rests", func(time.Time) bool { return !w.awake.Load() })
		}
		if n := x.router.late.spell.Load(); n != 6 {
			t.Errorf("put off and written %d times in all, want 6", n)
		}
	})
}

// TestLateNothingLeft: what is put off goes out when there is nothing to receive.
func TestLateNothingLeft(t *testing.T) {
	onBackends(t, func(t *testing.T, e *Engine) {
		x := newCounter(t, e, 3, Options{})
		if !x.answer("1") {
			t.Fatal("not put off, though there is more to answer")
		}
		x.receive()
		x.receive()
		if !x.router.late.pending() {
			t.Fatal("written, though the last request was received just now")
		}
		if m, err := x.router.TryRecv(); err != ErrWouldBlock {
			t.Fatal(m, err)
		}
		if x.router.late.pending() {
			t.Fatal("still put off, though there is nothing to receive")
		}
		x.gets("1")
	})
}

// TestLateLastAnswer: the answer to the last request takes along all before it.
func TestLateLastAnswer(t *testing.T) {
	onBackends(t, func(t *testing.T, e *Engine) {
		x := newCounter(t, e, 2, Options{})
		if !x.answer("1") {
			t.Fatal("not put off, though there is more to answer")
		}
		x.receive()
		if x.answer("2") {
			t.Fatal("put off, though there is nothing left to answer")
		}
		x.gets("1")
		x.gets("2")
	})
}

// TestLateClose: Close writes what is put off.
func TestLateClose(t *testing.T) {
	onBackends(t, func(t *testing.T, e *Engine) {
		x := newCounter(t, e, 3, Options{Linger: patience})
		if !x.answer("1") {
			t.Fatal("not put off, though there is more to answer")
		}
		if err := x.router.Close(); err != nil {
			t.Fatal(err)
		}
		x.gets("1")
	})
}

// TestLateTakenBack: Unbind and Disconnect write what is put off, with whatever
// linger, as they would find it written if it had not been.
func TestLateTakenBack(t *testing.T) {
	onBackends(t, func(t *testing.T, e *Engine) {
		for _, linger := range []time.Duration{NoLinger, defaultLinger, Off} {
			bound, connected := newCounter(t, e, 3, Options{Linger: linger}), newOutCounter(t, e, 3, Options{Linger: linger})
			bound.takenBack(bound.router.Unbind)
			connected.takenBack(connected.router.Disconnect)
		}
	})
}

// takenBack puts off answers, takes the endpoint back, and looks that they come.
func (x *counter) takenBack(takeBack func(endpoint string) error) {
	x.t.Helper()
	if !x.answer("1") || !x.answer("2") {
		x.t.Fatal("not put off, though there is more to answer")
	}
	if err := takeBack(x.endpoint); err != nil {
		x.t.Fatal(err)
	}
	if x.router.late.pending() {
		x.t.Fatal("still put off")
	}
	x.gets("1")
	x.gets("2")
}

// TestLateTakenBackFromMany: so does Unbind where it is put off for many and, as if
// that were a burst, the writing is left to their reactors.
func TestLateTakenBackFromMany(t *testing.T) {
	onBackends(t, func(t *testing.T, e *Engine) {
		x := newCounter(t, e, 3, Options{})
		others := make([]*counter, maxLate-2)
		for i := range others {
			customer := newSocket(t, e, TypeDealer, Options{Identity: fmt.Appendf(nil, "%d", i)})
			if err := customer.Connect(x.endpoint); err != nil {
				t.Fatal(err)
			}
			others[i] = &counter{t: t, router: x.router, customer: customer, who: customer.opts.Identity}
		}
		if err := x.router.WaitPeers(patient(t), maxLate-1); err != nil {
			t.Fatal(err)
		}
		x.router.mu.Lock()
		pipes := slices.Collect(maps.Keys(x.router.pipes))
		x.router.mu.Unlock()
		for _, p := range pipes {
			rests(t, p.link.(*session))
		}
		for i, other := range append(others, x) {
			if !other.answer("news") {
				t.Fatalf("%d: not put off, though there is more to answer", i)
			}
		}
		x.router.spread.quick.Store(quickFlushes)
		x.router.spread.flushedAt.Store(math.MaxInt64)
		if err := x.router.Unbind(x.endpoint); err != nil {
			t.Fatal(err)
		}
		for _, other := range append(others, x) {
			other.gets("news")
		}
	})
}

// TestLateLimits: an eighth of the high-water mark is put off at most, and 64 KiB.
func TestLateLimits(t *testing.T) {
	for _, c := range []struct{ hwm, octets, want int }{
		{7, 1, 0}, {8, 1, 1}, {100, 1, 12}, {1000, 1, 125}, {-1, 1, lateMessages}, {-1, lateOctets, 0}, {-1, lateOctets / 2, 1},
	} {
		onBackends(t, func(t *testing.T, e *Engine) {
			x := newCounter(t, e, 3, Options{SendHWM: c.hwm})
			body := string(make([]byte, c.octets))
			n := 0
			for x.answer(body) {
				n++
			}
			if n != c.want {
				t.Errorf("high-water mark %d, %d octets each: %d put off, want %d", c.hwm, c.octets, n, c.want)
			}
			for range n + 1 {
				x.gets(body)
			}
		})
	}
}

// TestCrowdsTurn: among many a turn is many messages of those that were seen, and
// nobody is passed over.
func TestCrowdsTurn(t *testing.T) {
	for _, n := range []int{crowd - 1, crowd} {
		f, pipes := newFQ(), numberedPipes(n)
		const each = 2*crowdTurn + 3
		for _, p := range pipes {
			p.host = new(Socket)
			for range each {
				copy(p.in.stream.Reserve(2), []byte{0, 0})
				p.in.publish(2)
			}
			f.add(p)
		}
		turn := 1
		if n >= crowd {
			turn = crowdTurn
		}
		m := newMessage()
		for range 2 {
			for _, want := range pipes {
				for range turn {
					m.reset()
					if p := f.recv(m); p != want {
						t.Fatalf("among %d: out of turn", n)
					}
				}
			}
		}
		left := n * (each - 2*turn)
		for f.recv(m) != nil {
			m.reset()
			left--
		}
		if left != 0 {
			t.Errorf("among %d: %d messages were not received", n, left)
		}
		m.Release()
		for _, p := range pipes {
			p.in.discard()
		}
	}
}
