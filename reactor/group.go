package reactor

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Kind names a kind of driver.
type Kind uint8

// The kinds of driver one can ask for.
const (
	Auto        Kind = iota // the environment variable ZERORING_BACKEND, or else epoll
	Uring                   // io_uring or an error
	Epoll                   // epoll
	PreferUring             // io_uring, or epoll where that does not work
)

// A Backend says which driver a Group uses, and why.
type Backend struct {
	Name     string   // "io_uring", "epoll" or "sim"
	Reason   string   // a clause that goes behind the name and a colon
	Features []string // of io_uring: what is used of what newer kernels have
}

// tell logs what was chosen, and why. Features have spaces in their names, so they
// are not left to the logger's way with lists.
func (b *Backend) tell(log *slog.Logger, reactors int) {
	log.Info("reactor started", "backend", b.Name, "reason", b.Reason, "features", strings.Join(b.Features, ", "), "reactors", reactors)
}

// A Config says how to run reactors. The zero Config, and a nil one, work.
type Config struct {
	Reactors int           // 0 is one for each processor that Go uses, or one for a Network; at most MaxReactors
	Backend  Kind          // which driver
	Pollers  int           // how many reactors at a time never sleep while they have octets to wait for
	CPUs     []int         // reactor i runs on CPUs[i % len]; empty: where the scheduler puts it
	Spin     time.Duration // how long an idle reactor may stay awake; 0 is DefaultSpin, negative never
	MaxOps   int           // operations in flight per reactor, above which they get -ENOBUFS; 0 is DefaultMaxOps
	Logger   *slog.Logger  // told which driver was chosen; nil is silent

	Network *Network // run on a simulated network instead of the kernel's
	Run     bool     // with Network: on goroutines of their own, rather than by Network.Step
}

// Limits and defaults of Config.
const (
	// MaxReactors is far above what any machine has use for.
	MaxReactors = 1024
	// DefaultSpin is about what it costs to be woken.
	DefaultSpin = 20 * time.Microsecond
	// DefaultMaxOps bounds the memory of a reactor that leaks operations. Each
	// connection has at most two, and Linux allows no process more descriptors.
	DefaultMaxOps = 1 << 20
)

// maxOps is the limit for an opTable.
func (c *Config) maxOps() int {
	if c.MaxOps <= 0 {
		return DefaultMaxOps
	}
	return c.MaxOps
}

// check returns an error for values that make no sense.
func (c *Config) check() error {
	switch {
	case c.Reactors < 0 || c.Reactors > MaxReactors:
		return fmt.Errorf("reactor: %d reactors, want 0 to %d", c.Reactors, MaxReactors)
	case c.Pollers < 0 || c.Pollers > MaxReactors:
		return fmt.Errorf("reactor: %d pollers, want 0 to %d", c.Pollers, MaxReactors)
	case c.Backend > PreferUring:
		return fmt.Errorf("reactor: no backend %d", c.Backend)
	case c.MaxOps < 0 || c.MaxOps > DefaultMaxOps:
		return fmt.Errorf("reactor: MaxOps %d, want 0 to %d", c.MaxOps, DefaultMaxOps)
	case c.Run && c.Network == nil:
		return errors.New("reactor: Run without a Network")
	}
	for _, cpu := range c.CPUs {
		if cpu < 0 {
			return fmt.Errorf("reactor: no CPU %d", cpu)
		}
	}
	return nil
}

// A Group is the reactors that share the work of one process. Any goroutine.
type Group struct {
	backend  Backend
	reactors []*Reactor
	network  *Network // nil on a real kernel
	pollers  int32    // how many reactors may poll at a time, and how many do
	polling  atomic.Int32

	running sync.WaitGroup // one for each reactor's goroutine
	closing atomic.Bool
	closed  chan struct{} // closed when Close is done
	err     error         // what Close returns; set before closed is closed
}

// NewGroup starts reactors. A nil cfg is the zero Config.
func NewGroup(cfg *Config) (*Group, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	backend, open, err := cfg.choose()
	if err != nil {
		return nil, err
	}
	g, err := startGroup(cfg, backend, open)
	if err != nil {
		backend, open = fallBack(cfg, backend, err)
		if open == nil {
			return nil, err
		}
		if g, err = startGroup(cfg, backend, open); err != nil {
			return nil, err
		}
	}
	if cfg.Logger != nil {
		backend.tell(cfg.Logger, len(g.reactors))
	}
	return g, nil
}

// startGroup makes a Group whose drivers come from open.
func startGroup(cfg *Config, backend Backend, open func() (driver, error)) (*Group, error) {
	g := &Group{backend: backend, pollers: int32(cfg.Pollers), network: cfg.Network, closed: make(chan struct{})}
	if err := g.start(cfg, open); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// choose finds the driver and how to open one.
func (c *Config) choose() (Backend, func() (driver, error), error) {
	if c.Network != nil {
		return chooseSim(c)
	}
	return chooseBackend(c)
}

// start opens a driver for each reactor and sets it going.
func (g *Group) start(cfg *Config, open func() (driver, error)) error {
	count := cfg.Reactors
	switch {
	case count > 0:
	case cfg.Network != nil: // a simulation must not depend on the machine
		count = 1
	default:
		count = runtime.GOMAXPROCS(0)
	}
	for i := range count {
		r := &Reactor{group: g, idle: spinner{limit: cfg.spin()}}
		var err error
		if g.manual(cfg) {
			err = r.open(nil, open)
		} else {
			err = g.launch(r, cfg.affinity(i), open)
		}
		if err != nil {
			return fmt.Errorf("reactor: starting %d of %d: %w", i+1, count, err)
		}
		g.reactors = append(g.reactors, r)
	}
	if g.manual(cfg) {
		g.network.add(g)
	}
	return nil
}

// manual reports whether the reactors run by Network.Step.
func (g *Group) manual(cfg *Config) bool { return g.network != nil && !cfg.Run }

// launch starts r's goroutine, which opens the driver itself, because a driver
// may belong to the thread that made it.
func (g *Group) launch(r *Reactor, cpus []int, open func() (driver, error)) error {
	opened := make(chan error)
	g.running.Go(func() {
		err := r.open(cpus, open)
		opened <- err
		if err == nil {
			r.run()
			r.finish()
		}
	})
	return <-opened
}

// open makes r's driver, on the CPUs it is to run on.
func (r *Reactor) open(cpus []int, open func() (driver, error)) error {
	if len(cpus) > 0 {
		// The goroutine ends with the reactor and is never unlocked: the
		// runtime then ends the thread, whose affinity nobody else wants.
		runtime.LockOSThread()
		r.pinned = true
		if err := setAffinity(cpus); err != nil {
			return fmt.Errorf("running on CPU %v: %w", cpus, err)
		}
	}
	d, err := open()
	if err != nil {
		return err
	}
	r.driver = d
	r.pinned = r.pinned || d.pinned()
	return nil
}

// finish closes r's driver and keeps the error for Close to return.
func (r *Reactor) finish() { r.err = r.driver.close() }

// affinity is the CPUs that reactor i runs on, nil for any.
func (c *Config) affinity(i int) []int {
	if len(c.CPUs) == 0 {
		return nil
	}
	return []int{c.CPUs[i%len(c.CPUs)]}
}

// spin is the longest that an idle reactor stays awake. With one processor
// nobody could end the pause meanwhile; and simulated time stands still.
func (c *Config) spin() time.Duration {
	switch {
	case c.Network != nil || c.Spin < 0 || runtime.GOMAXPROCS(0) == 1:
		return 0
	case c.Spin == 0:
		return DefaultSpin
	default:
		return c.Spin
	}
}

// Backend says which driver the reactors use.
func (g *Group) Backend() Backend { return g.backend }

// Reactors returns all of them, always in the same order. The caller must not
// change the slice.
func (g *Group) Reactors() []*Reactor { return g.reactors }

// Home returns the reactor with the fewest connections and counts one more for
// it, which Reactor.Leave gives back.
func (g *Group) Home() *Reactor {
	best := g.reactors[0]
	for _, r := range g.reactors[1:] {
		if r.load.Load() < best.load.Load() {
			best = r
		}
	}
	best.load.Add(1)
	return best
}

// Rouse wakes reactors that have something to do and were not told yet. Who
// looks on for long calls it now and then, since it may keep the runtime from
// telling them. Any goroutine.
func (g *Group) Rouse() {
	for _, r := range g.reactors {
		r.driver.rouse()
	}
}

// Stats sums up all reactors. A reactor that is awake publishes its counts
// every few turns only, so they may lag a little.
func (g *Group) Stats() Stats {
	var sum Stats
	for _, r := range g.reactors {
		sum.add(r.Stats())
	}
	return sum
}

// Stats is what this reactor did.
func (r *Reactor) Stats() Stats {
	s := r.stats.read()
	s.Connections = int(r.load.Load())
	return s
}

// Close stops the reactors, after every operation in flight was completed with
// -ECANCELED (or what won the race) and its owner told. It must not be called
// on a reactor's thread. Closing twice is harmless: both calls return when all
// is done.
func (g *Group) Close() error {
	if g.closing.Swap(true) {
		<-g.closed
		return g.err
	}
	for _, r := range g.reactors {
		r.closing.Store(true)
		r.ring()
	}
	g.running.Wait()
	if g.network != nil {
		g.network.remove(g)
	}
	var errs []error
	for _, r := range g.reactors {
		errs = append(errs, r.err)
	}
	g.err = errors.Join(errs...)
	close(g.closed)
	return g.err
}
