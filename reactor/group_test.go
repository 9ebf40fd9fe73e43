package reactor

import (
	"bytes"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestConfigErrors(t *testing.T) {
	for name, cfg := range map[string]*Config{
		"negative reactors": {Reactors: -1},
		"too many reactors": {Reactors: MaxReactors + 1},
		"no such backend":   {Backend: PreferUring + 1},
		"pollers":           {Pollers: -1},
		"many pollers":      {Pollers: MaxReactors + 1},
		"negative MaxOps":   {MaxOps: -1},
		"MaxOps too large":  {MaxOps: DefaultMaxOps + 1},
		"negative CPU":      {CPUs: []int{0, -1}},
		"Run alone":         {Run: true},
	} {
		if g, err := NewGroup(cfg); err == nil || g != nil || !strings.HasPrefix(err.Error(), "reactor: ") {
			t.Errorf("%s: %v, %v; want an error of this package", name, g, err)
		}
	}
}

func TestConfigSpin(t *testing.T) {
	if runtime.GOMAXPROCS(0) == 1 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	}
	n := NewNetwork(1, Faults{})
	for _, c := range []struct {
		cfg  Config
		want time.Duration
	}{
		{Config{}, DefaultSpin},
		{Config{Spin: time.Second}, time.Second},
		{Config{Spin: -1}, 0},
		{Config{Spin: time.Second, Network: n}, 0},
	} {
		if got := c.cfg.spin(); got != c.want {
			t.Errorf("%+v spins for %v, want %v", c.cfg, got, c.want)
		}
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if got := (&Config{Spin: time.Second}).spin(); got != 0 {
		t.Errorf("with one processor it spins for %v", got)
	}
}

// What a Config leaves open, and what each reactor makes of it.
func TestConfigDefaults(t *testing.T) {
	for ask, want := range map[int]int{0: DefaultMaxOps, 1: 1, DefaultMaxOps: DefaultMaxOps} {
		if got := (&Config{MaxOps: ask}).maxOps(); got != want {
			t.Errorf("MaxOps %d: %d, want %d", ask, got, want)
		}
	}
	two := Config{CPUs: []int{3, 5}}
	for i, want := range []int{3, 5, 3, 5, 3} {
		if got := two.affinity(i); len(got) != 1 || got[0] != want {
			t.Errorf("reactor %d runs on %v, want %d", i, got, want)
		}
	}
	if got := (&Config{}).affinity(4); got != nil {
		t.Errorf("without CPUs a reactor runs on %v", got)
	}
	for want, cfg := range map[int]*Config{
		1:                            {Network: NewNetwork(1, Faults{})},
		2:                            {Network: NewNetwork(1, Faults{}), Reactors: 2},
		runtime.GOMAXPROCS(0) + 1000: nil,
	} {
		g, err := NewGroup(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if cfg == nil {
			want -= 1000
		}
		if got := len(g.Reactors()); got != want {
			t.Errorf("%+v: %d reactors, want %d", cfg, got, want)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestHome(t *testing.T) {
	g, err := NewGroup(&Config{Network: NewNetwork(1, Faults{}), Reactors: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	homes := map[*Reactor]int{}
	for range 30 {
		homes[g.Home()]++
	}
	for i, r := range g.Reactors() {
		if homes[r] != 10 || r.Stats().Connections != 10 {
			t.Errorf("reactor %d has %d connections and says %d, want 10", i, homes[r], r.Stats().Connections)
		}
	}
	lonely := g.Reactors()[1]
	for range 5 {
		lonely.Leave()
	}
	for range 5 {
		if r := g.Home(); r != lonely {
			t.Fatal("a connection went to a reactor that has more than another")
		}
	}
	if got := g.Stats().Connections; got != 30 {
		t.Errorf("%d connections in all, want 30", got)
	}
}

func TestStats(t *testing.T) {
	h := newSimRig(t, NewNetwork(1, Faults{}))
	near, far := h.pair()
	before := h.g.Stats()
	var timer Timer
	timer.Fire = func(time.Time) {}
	h.do(func(now time.Time) { h.r.StartTimer(&timer, now) })
	recv := h.recv(far)
	h.submit(recv)
	h.write(near, "x")
	recv.want(1)
	h.turns()
	got := h.g.Stats()
	if d := got.Submits - before.Submits; d != 2 {
		t.Errorf("%d submits, want 2", d)
	}
	if d := got.Completions - before.Completions; d != 2 {
		t.Errorf("%d completions, want 2", d)
	}
	if d := got.Timers - before.Timers; d != 1 {
		t.Errorf("%d timers, want 1", d)
	}
	if d := got.Tasks - before.Tasks; d < 3 || d > 20 {
		t.Errorf("%d tasks, want 3 and those of the test's waiting", d)
	}
	if got.Turns <= before.Turns || got.Polls < got.Turns {
		t.Errorf("%d turns and %d polls; want more than before, and a poll in each", got.Turns, got.Polls)
	}
}

func TestLogger(t *testing.T) {
	var out bytes.Buffer
	g, err := NewGroup(&Config{Network: NewNetwork(1, Faults{}), Logger: slog.New(slog.NewTextHandler(&out, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if line := out.String(); strings.Count(line, "\n") != 1 || !strings.Contains(line, "backend=sim") || !strings.Contains(line, "reason=") {
		t.Errorf("logged %q, want one line with backend and reason", line)
	}
	out.Reset()
	b := Backend{Features: []string{"multishot poll", "submit all"}}
	if b.tell(slog.New(slog.NewTextHandler(&out, nil)), 2); !strings.Contains(out.String(), `features="multishot poll, submit all" reactors=2`) {
		t.Errorf("logged %q, where features run together", out.String())
	}
}

// A brokenDriver cannot be closed properly.
type brokenDriver struct{ *simDriver }

var errBroken = errors.New("broken")

func (d brokenDriver) close() error { return errors.Join(d.simDriver.close(), errBroken) }

// TestOpenFails has the third of four reactors fail to start. The others end.
func TestOpenFails(t *testing.T) {
	leaks := watchLeaks(t)
	n := NewNetwork(1, Faults{})
	cfg := &Config{Network: n, Run: true, Reactors: 4}
	_, open, err := chooseSim(cfg)
	if err != nil {
		t.Fatal(err)
	}
	opened := 0
	g := &Group{network: n, closed: make(chan struct{})}
	err = g.start(cfg, func() (driver, error) {
		if opened++; opened == 3 {
			return nil, errBroken
		}
		return open()
	})
	if !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "3 of 4") {
		t.Errorf("start: %v", err)
	}
	if err := g.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	leaks()
}

func TestCloseFails(t *testing.T) {
	n := NewNetwork(1, Faults{})
	cfg := &Config{Network: n, Run: true, Reactors: 2}
	_, open, err := chooseSim(cfg)
	if err != nil {
		t.Fatal(err)
	}
	g := &Group{network: n, closed: make(chan struct{})}
	if err := g.start(cfg, func() (driver, error) {
		d, err := open()
		return brokenDriver{d.(*simDriver)}, err
	}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 { // whoever calls is told, when all is done
		all.Go(func() {
			if err := g.Close(); !errors.Is(err, errBroken) {
				t.Errorf("Close: %v, want %v", err, errBroken)
			}
		})
	}
	all.Wait()
}

// TestYield: a goroutine made runnable by a handler that yields gets to run
// before the reactor blocks, even on one processor.
func TestYield(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	g, err := NewGroup(&Config{Network: NewNetwork(1, Faults{}), Run: true})
	if err != nil {
		t.Fatal(err)
	}
	r := g.Home()
	woken, seen := make(chan struct{}, 1), make(chan struct{})
	go func() { <-woken; close(seen) }()
	r.Post(&Task{Run: func(time.Time) { woken <- struct{}{}; r.Yield() }})
	<-seen
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if r.yielded {
		t.Error("the yield is still owed")
	}
}

// TestYieldToAll: however many goroutines a handler made runnable, none is left
// behind when the reactor blocks.
func TestYieldToAll(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	r := &Reactor{driver: &clockDriver{}}
	const count = 200       // the local queue has room for as many
	for round := range 70 { // wherever the runtime is in its count of turns
		var ran atomic.Int32
		for range count {
			go ran.Add(1)
		}
		r.yieldToAll()
		if n := ran.Load(); n != count {
			t.Fatalf("round %d: %d of %d goroutines ran", round, n, count)
		}
		runtime.Gosched()
	}
}

// A clockDriver has the real clock, and nothing else.
type clockDriver struct{ *simDriver }

func (d *clockDriver) now() time.Time { return time.Now() }

// A waitDriver counts waits that may block.
type waitDriver struct {
	*simDriver
	blocks int
	during func()
}

func (d *waitDriver) wait(now, until time.Time, done []completion) []completion {
	if until.IsZero() {
		d.blocks++
		if d.during != nil {
			d.during()
		}
	}
	return done
}

// TestBlock checks the steps by which a reactor goes to sleep. What is posted
// at any of them must not be slept over.
func TestBlock(t *testing.T) {
	d := &waitDriver{simDriver: newSimDriver(NewNetwork(1, Faults{}), 1)}
	r := &Reactor{driver: d, group: &Group{}}
	task := Task{Run: func(time.Time) {}}
	r.Post(&task) // just before the bell was armed: nobody rang
	r.block()
	if d.blocks != 0 {
		t.Error("it sleeps with a task posted")
	}
	r.runTasks(time.Time{})
	r.closing.Store(true)
	r.block()
	if d.blocks != 0 {
		t.Error("it sleeps though it is to close")
	}
	r.closing.Store(false)
	d.during = func() { r.Post(&task) } // asleep
	r.block()
	if d.blocks != 1 || len(d.kicked) != 1 || r.Stats().Wakes != 1 {
		t.Errorf("blocked %d times, woken %d times; want once each", d.blocks, r.Stats().Wakes)
	}
	r.runTasks(time.Time{})
	d.during = nil
	r.block()
	r.Post(&task) // awake again
	if r.Stats().Wakes != 1 {
		t.Error("a reactor that is awake was woken")
	}
}
