package socket

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeroring/zeroring/reactor"
)

// EngineOptions configures an Engine. The zero value is ready to use.
type EngineOptions struct {
	// Reactors is how many threads do I/O. Zero means one per processor.
	Reactors int

	// Backend is "epoll", "uring", or "prefer-uring" for io_uring where it works
	// and epoll elsewhere. Empty asks the environment variable ZERORING_BACKEND,
	// and is else epoll, which is level with io_uring or ahead in most work: the
	// README has the figures. Asking for what this machine lacks is an error that
	// says why.
	Backend string

	// BusyPoll saves the time of waking up, and costs a processor for each who
	// does without. A Recv that waits on a socket's only connection polls that
	// until its context is done; and with 4 processors or more, up to half as many
	// reactors poll while they have connections to read. One processor that Go may
	// use is always left to others, and with none to spare nobody polls: callers
	// beyond that wait as they do without BusyPoll. Who polls gives way to other
	// goroutines and threads, so that a machine with too few processors gets
	// slower and does not stall.
	BusyPoll bool

	// CPUs are the processors that reactors run on, in turn. Empty leaves it to
	// the scheduler.
	CPUs []int

	// Spin is for how long a Recv that finds nothing looks on before it sleeps,
	// where that has paid before. Zero means 100 µs, Off not at all.
	Spin time.Duration

	// Logger is told which backend was chosen and why, and what sockets without
	// one of their own have to say. Zero means slog.Default.
	Logger *slog.Logger

	// Seed makes what is drawn at random, such as the jitter of reconnecting,
	// the same in each run. Zero draws it anew.
	Seed uint64

	// Network is a simulated network to run on, for tests, which call its Step
	// and Try methods only.
	Network *reactor.Network

	// NetworkRuns makes reactors on a Network run by themselves, as they do on
	// a kernel.
	NetworkRuns bool
}

// manyProcessors is from how many on a reactor with nothing to do may look on for
// some microseconds before it sleeps. With fewer it would take the processor of
// who it waits for: callers look on already.
const manyProcessors = 4

const defaultSpin = 100 * time.Microsecond

// An Engine runs the connections of sockets, on its reactors, and holds inproc
// names. It is what libzmq calls a context.
type Engine struct {
	group    *reactor.Group
	sweepers []*sweeper
	log      *slog.Logger
	spin     time.Duration

	pollers int32        // how many callers may poll without end
	polling atomic.Int32 // how many do
	looking atomic.Int32 // how many callers look on for octets

	// manual says that a simulation runs the reactors turn by turn, on the
	// goroutine that calls us: nothing here may wait for them but Close, which
	// steps the network.
	manual  bool
	network *reactor.Network
	ending  []*Socket // closed, of a manual engine; on the simulation's goroutine

	media media

	mu      sync.Mutex
	dice    *rand.Rand // the shell's; state machines are handed numbers
	sockets map[*Socket]struct{}
	added   int // sockets there ever were
	closed  bool
	inproc  map[string]*Socket // who bound which name
	pending map[string][]*pipe // far ends of connects to names nobody has bound yet
}

// NewEngine starts an Engine. opts may be nil.
func NewEngine(opts *EngineOptions) (*Engine, error) {
	var o EngineOptions
	if opts != nil {
		o = *opts
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	cfg := &reactor.Config{
		Reactors: o.Reactors, CPUs: o.CPUs, Logger: o.Logger, Network: o.Network, Run: o.NetworkRuns,
	}
	callers := 0
	if o.BusyPoll && o.Network == nil {
		callers, cfg.Pollers = pollers(runtime.GOMAXPROCS(0))
	}
	if runtime.NumCPU() < manyProcessors {
		cfg.Spin = -1
	}
	switch o.Backend {
	case "":
	case "uring":
		cfg.Backend = reactor.Uring
	case "epoll":
		cfg.Backend = reactor.Epoll
	case "prefer-uring":
		cfg.Backend = reactor.PreferUring
	default:
		return nil, fmt.Errorf("socket: backend %q: want epoll, uring, prefer-uring or nothing", o.Backend)
	}
	group, err := reactor.NewGroup(cfg)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		group: group, sweepers: newSweepers(group), log: o.Logger, spin: orDefault(o.Spin, defaultSpin), pollers: int32(callers),
		dice:    rand.New(rand.NewPCG(seed(o.Seed), 0)),
		sockets: make(map[*Socket]struct{}),
		inproc:  make(map[string]*Socket),
		pending: make(map[string][]*pipe),
	}
	if o.Network != nil || runtime.GOMAXPROCS(0) == 1 {
		e.spin = 0
	}
	e.manual, e.network = o.Network != nil && !o.NetworkRuns, o.Network
	return e, nil
}

// pollers is how many callers and how many reactors may poll at a time, on a
// number of processors. Go looks for what package net and our reactors wait for
// only on a processor that has nothing else to do, or every 10 ms.
func pollers(processors int) (callers, reactors int) {
	if processors >= manyProcessors {
		reactors = processors / 2
	}
	return processors - 1 - reactors, min(reactors, reactor.MaxReactors)
}

// mayPoll reports whether one caller more may poll without end.
func (e *Engine) mayPoll() bool { return e.polling.Load() < e.pollers }

// startPolling reports whether the caller may, and then owes stopPolling.
func (e *Engine) startPolling() bool {
	if !e.mayPoll() {
		return false
	}
	if e.polling.Add(1) > e.pollers {
		e.polling.Add(-1)
		return false
	}
	return true
}

func (e *Engine) stopPolling() { e.polling.Add(-1) }

var defaultEngine = sync.OnceValues(func() (*Engine, error) { return NewEngine(nil) })

// DefaultEngine returns the engine of sockets that name none. It starts when
// first asked for and is never closed.
func DefaultEngine() (*Engine, error) { return defaultEngine() }

// Backend says what the engine's I/O runs on, and why.
func (e *Engine) Backend() reactor.Backend { return e.group.Backend() }

// Stats sums up what the engine's reactors did.
func (e *Engine) Stats() reactor.Stats { return e.group.Stats() }

// Close closes all sockets of the engine, each with its own Linger, and then
// stops the reactors.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	open := make([]*Socket, 0, len(e.sockets))
	for s := range e.sockets {
		open = append(open, s)
	}
	e.mu.Unlock()
	var all sync.WaitGroup
	for _, s := range open {
		if e.manual {
			_ = s.Close()
			continue
		}
		all.Go(func() { _ = s.Close() })
	}
	all.Wait()
	if e.manual {
		e.settle()
	}
	return e.group.Close()
}

// settle steps the network until the connections of all closed sockets are
// over.
func (e *Engine) settle() {
	for _, s := range e.ending {
		for over := false; !over; {
			select {
			case <-s.quiet:
				over = true
			default:
				over = !e.network.Step()
			}
		}
		s.finish()
	}
}

// add registers a socket.
func (e *Engine) add(s *Socket) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	s.sweeper = e.sweepers[e.added%len(e.sweepers)]
	e.added++
	e.sockets[s] = struct{}{}
	return nil
}

// closing takes back the inproc names that a socket bound. The socket itself is
// remembered until nothing is left of it, since it needs the reactors.
func (e *Engine) closing(s *Socket) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.manual {
		e.ending = append(e.ending, s)
	}
	for name, owner := range e.inproc {
		if owner == s {
			delete(e.inproc, name)
		}
	}
}

// remove forgets a socket.
func (e *Engine) remove(s *Socket) {
	e.mu.Lock()
	delete(e.sockets, s)
	e.mu.Unlock()
}

// Errors of inproc names.
var errNameTaken = errors.New("name is bound already")

// seed is what was asked for, or a random one.
func seed(asked uint64) uint64 {
	if asked != 0 {
		return asked
	}
	return rand.Uint64()
}

// now is the engine's clock.
func (e *Engine) now() time.Time { return e.group.Reactors()[0].Now() }

// random throws the engine's dice.
func (e *Engine) random() uint32 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.dice.Uint32()
}
