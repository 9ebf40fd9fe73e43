package reactor

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// A Network is a simulated network: sockets in memory, with latency and faults
// that a seed decides. It is for tests, in one of two ways.
//
// Reactors of a Group made with Config{Network: n} have no goroutine. The test
// calls Step until it returns false, and checks its invariants in between. One
// goroutine does everything and only steps make time pass, so the same seed
// gives the same run.
//
// With Run set as well they run on goroutines of their own and in real time,
// or, in a testing/synctest bubble, in fake time: all their waiting is on
// channels and timers. A Network serves either way but not both.
//
// Its addresses are like the kernel's, and any IP address is local. FDs are not
// reused, so that using one after closing it is found: that panics.
type Network struct {
	mu      sync.Mutex
	mode    simMode
	clock   time.Time // simStepped's time
	dice    *rand.Rand
	faults  Faults
	digest  uint64       // of everything that completed
	sockets []*simSocket // the open ones, by rising FD
	last    FD           // given out last
	port    uint16       // given out last
	names   []Addr       // Unix listeners that are gone: connecting is refused, rather than no such file
	held    []Addr       // see Hold
	drivers []*simDriver
	groups  []*Group // those that Step turns
}

// A simMode says who runs the reactors of a Network.
type simMode uint8

const (
	simUnused  simMode = iota
	simStepped         // Network.Step
	simRunning         // goroutines
)

// simEpoch is when simulated time starts.
var simEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// NewNetwork makes a network whose faults, of the given rates, are decided by
// seed.
func NewNetwork(seed uint64, faults Faults) *Network {
	return &Network{
		clock:  simEpoch,
		dice:   rand.New(rand.NewPCG(seed, 0x7a65726f72696e67)),
		faults: faults.orDefault(),
		port:   firstPort - 1,
		last:   firstFD - 1,
	}
}

// Now is the network's clock.
func (n *Network) Now() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.time()
}

func (n *Network) time() time.Time {
	if n.mode == simRunning {
		return time.Now()
	}
	return n.clock
}

// Open is how many sockets are open. Tests use it to find leaks.
func (n *Network) Open() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.sockets)
}

// Digest is a hash of everything that completed so far, and when: two runs that
// have the same did the same.
func (n *Network) Digest() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.digest
}

// record adds an event to the digest.
func (n *Network) record(fd FD, kind OpKind, result int32) {
	at := n.time().Sub(simEpoch)
	for _, v := range [...]uint64{uint64(at), uint64(fd)<<8 | uint64(kind), uint64(uint32(result))} {
		n.digest = (n.digest ^ v) * 0x100000001b3 // FNV-1a's, by word
		n.digest ^= n.digest >> 29
	}
}

// Heal ends faults and delays, but for latency: whatever can still be delivered
// will be.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = Faults{Latency: n.faults.Latency, Jitter: n.faults.Jitter, Buffer: n.faults.Buffer}
	n.held = nil
	for _, s := range n.sockets {
		s.inAfter, s.outAfter = time.Time{}, time.Time{}
	}
	n.changed(nil)
}

// Kill resets every connection that has at as one of its ends; the zero Addr
// stands for all connections. It returns how many there were.
func (n *Network) Kill(at Addr) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	killed := 0
	for _, s := range n.sockets {
		if s.state == simConnected && s.peer != nil && s.resetAt.IsZero() && s.touches(at) {
			n.reset(s)
			killed++
		}
	}
	n.changed(nil)
	return killed
}

// Hold makes the network keep what is sent to or from at, and connection
// attempts, until Hold is called with false. Nothing is lost, but neither side
// hears of the other.
func (n *Network) Hold(at Addr, hold bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.held = slices.DeleteFunc(n.held, func(a Addr) bool { return a == at })
	if hold {
		n.held = append(n.held, at)
	}
	n.changed(nil)
}

// stepTime is what a turn costs in simulated time. Were it nothing, reactors
// that are never idle would keep everything from arriving.
const stepTime = time.Microsecond

// Step runs one turn of each reactor that has something to do. If none has, it
// moves the clock to when one will have, or to when something arrives, which
// somebody might TryRead. It returns false if there is nothing to wait for.
func (n *Network) Step() bool {
	now := n.Now()
	var busy []*Reactor
	for _, g := range n.groups {
		for _, r := range g.reactors {
			if r.busy(now) {
				busy = append(busy, r)
			}
		}
	}
	if len(busy) == 0 {
		return n.advance()
	}
	// Any order is possible in reality.
	n.mu.Lock()
	n.dice.Shuffle(len(busy), func(i, j int) { busy[i], busy[j] = busy[j], busy[i] })
	n.clock = n.clock.Add(stepTime)
	n.mu.Unlock()
	for _, r := range busy {
		r.step(now)
	}
	return true
}

// busy reports whether r has something to do.
func (r *Reactor) busy(now time.Time) bool {
	if !r.mailbox.Empty() || r.timerDue(now) {
		return true
	}
	next := r.driver.(*simDriver).next()
	return !next.IsZero() && !next.After(now)
}

// step is a turn that does not wait.
func (r *Reactor) step(now time.Time) {
	r.begin(now)
	r.poll(now)
	r.complete(now)
	r.stats.publish(&r.tally)
}

// advance moves the clock to the next thing that will happen by itself, and
// reports whether there is one.
func (n *Network) advance() bool {
	var next time.Time
	for _, g := range n.groups {
		for _, r := range g.reactors {
			next = earliest(next, r.timers.next())
			next = earliest(next, r.driver.(*simDriver).next())
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.sockets {
		next = earliest(next, s.nextArrival(n.clock))
	}
	if next.IsZero() {
		return false
	}
	n.clock = next
	return true
}

// earliest is the earlier of two times, of which zero is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// latest is the later of two times.
func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// chooseSim opens simDrivers on c's Network.
func chooseSim(c *Config) (Backend, func() (driver, error), error) {
	mode := simStepped
	if c.Run {
		mode = simRunning
	}
	n := c.Network
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mode != simUnused && n.mode != mode {
		return Backend{}, nil, errors.New("reactor: a Network is either stepped or running, not both")
	}
	if n.mode == simUnused { // reactors that run already read it without the lock
		n.mode = mode
	}
	open := func() (driver, error) { return newSimDriver(n, c.maxOps()), nil }
	return Backend{Name: "sim", Reason: "a simulated network was given"}, open, nil
}

// add makes Step turn g's reactors.
func (n *Network) add(g *Group) { n.groups = append(n.groups, g) }

// remove ends g's reactors, if Step turned them.
func (n *Network) remove(g *Group) {
	i := slices.Index(n.groups, g)
	if i < 0 {
		return
	}
	n.groups = slices.Delete(n.groups, i, i+1)
	for _, r := range g.reactors {
		r.shut()
		r.finish()
	}
}
