package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
)

// A Fabric is what joins the hosts.
type Fabric uint8

const (
	// Switch is an Ethernet switch in this process, which can do frames harm by
	// seed.
	Switch Fabric = iota
	// Bridge is the kernel's: fast, and without faults.
	Bridge
)

// String is the fabric's name.
func (f Fabric) String() string {
	switch f {
	case Switch:
		return "switch"
	case Bridge:
		return "bridge"
	}
	return fmt.Sprintf("Fabric(%d)", uint8(f))
}

// A Config says what laboratory to make.
type Config struct {
	// Hosts is how many, from 1 to MaxHosts.
	Hosts int
	// Fabric joins them. The zero value is Switch.
	Fabric Fabric
	// MTU of the interfaces in octets, from 1280, the least that IPv6 has, to
	// MaxMTU; 0 means 1500.
	MTU int
	// Seed of the faults.
	Seed uint64
	// Backlog is how many frames may be delayed on their way to one host. What
	// comes on top is dropped and counted. 0 means 16384.
	Backlog int
}

const (
	// MaxHosts is how many hosts a laboratory may have. Each knows all others.
	MaxHosts = 100
	// MaxMTU is the largest MTU.
	MaxMTU = 16384

	minMTU         = 1280
	defaultMTU     = 1500
	defaultBacklog = 16384
	maxBacklog     = 1 << 20
)

// normal is c with its defaults, or says what is wrong with it.
func (c Config) normal() (Config, error) {
	if c.MTU == 0 {
		c.MTU = defaultMTU
	}
	if c.Backlog == 0 {
		c.Backlog = defaultBacklog
	}
	switch {
	case c.Hosts < 1 || c.Hosts > MaxHosts:
		return c, fmt.Errorf("lab: %d hosts are not 1 to %d", c.Hosts, MaxHosts)
	case c.MTU < minMTU || c.MTU > MaxMTU:
		return c, fmt.Errorf("lab: an MTU of %d is not %d to %d", c.MTU, minMTU, MaxMTU)
	case c.Backlog < 0 || c.Backlog > maxBacklog:
		return c, fmt.Errorf("lab: a backlog of %d is not 0 to %d", c.Backlog, maxBacklog)
	case c.Fabric > Bridge:
		return c, fmt.Errorf("lab: no fabric %v", c.Fabric)
	}
	return c, nil
}

// ErrClosed is what a closed laboratory's methods return.
var ErrClosed = errors.New("lab: closed")

// ErrNoFaults is what a Bridge returns when it is to do frames harm.
var ErrNoFaults = errors.New("lab: the kernel's bridge has no faults: use Switch")

// A Lab is a network of hosts. Any goroutine may use it.
type Lab struct {
	hosts   []*Host
	fabric  fabric
	nursery *nursery

	mu       sync.Mutex
	closed   bool
	children map[*Cmd]bool // started and not waited for
	cleared  chan struct{} // closed when Close has finished
}

// A fabric joins hosts, which count from 0 here.
type fabric interface {
	// ready waits, once the hosts are set up, until frames get through.
	ready() error
	setFaults(host int, rules []Faults) error
	blackout(host int, on bool) error
	stats(host int) (Stats, error)
	close()
}

// New makes a laboratory. It takes root, or see Reexec; the error says what is
// missing and how to get it.
func New(c Config) (*Lab, error) {
	c, err := c.normal()
	if err != nil {
		return nil, err
	}
	if err := Missing(c.Fabric); err != nil {
		return nil, err
	}
	l := &Lab{nursery: newNursery(), children: make(map[*Cmd]bool), cleared: make(chan struct{})}
	if err := l.build(c); err != nil {
		l.Close()
		return nil, fmt.Errorf("lab: %w", err)
	}
	return l, nil
}

// build makes the hosts and joins them. What it has made when it fails is l's,
// and Close's to undo.
func (l *Lab) build(c Config) error {
	for n := 1; n <= c.Hosts; n++ {
		ns, err := newNamespace()
		if err != nil {
			return err
		}
		l.hosts = append(l.hosts, &Host{lab: l, number: n, ns: ns})
	}
	var err error
	if c.Fabric == Bridge {
		l.fabric, err = newBridge(l.hosts, c)
	} else {
		l.fabric, err = newSwitch(l.hosts, c)
	}
	if err != nil {
		return err
	}
	for _, h := range l.hosts {
		if err := h.setUp(c); err != nil {
			return err
		}
	}
	return l.fabric.ready()
}

// Hosts returns all hosts, the first of which is number 1.
func (l *Lab) Hosts() []*Host { return append([]*Host(nil), l.hosts...) }

// Host returns a host by its number, from 1 on. It panics if there is none.
func (l *Lab) Host(number int) *Host { return l.hosts[number-1] }

// SetFaults says what happens from now on to frames on their way to a host. For
// each frame the first of the rules that it is Only for counts, and without one
// it passes; so no rules end all faults. The dice begin anew, by the Lab's seed,
// the host and the place of the rule. Frames that are delayed stay so.
func (l *Lab) SetFaults(host int, rules ...Faults) error {
	for i := range rules {
		if err := rules[i].check(); err != nil {
			return fmt.Errorf("lab: %w", err)
		}
	}
	return l.with(host, func(i int) error { return l.fabric.setFaults(i, rules) })
}

// SetAll is SetFaults for every host.
func (l *Lab) SetAll(rules ...Faults) error {
	for i := range l.hosts {
		if err := l.SetFaults(i+1, rules...); err != nil {
			return err
		}
	}
	return nil
}

// Blackout cuts a host off, or joins it again: on, all frames to and from it
// are dropped.
func (l *Lab) Blackout(host int, on bool) error {
	return l.with(host, func(i int) error { return l.fabric.blackout(i, on) })
}

// Stats returns what has happened to a host's frames so far.
func (l *Lab) Stats(host int) (Stats, error) {
	var s Stats
	err := l.with(host, func(i int) (err error) {
		s, err = l.fabric.stats(i)
		return err
	})
	return s, err
}

// with calls f with a host's place, unless l is closed.
func (l *Lab) with(host int, f func(i int) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	if host < 1 || host > len(l.hosts) {
		return fmt.Errorf("lab: no host %d of %d", host, len(l.hosts))
	}
	return f(host - 1)
}

// Close kills the programs that run in the hosts, and gives up the network and
// the hosts. It returns when all are gone, but for hosts in which sockets are
// open still: those go with the last socket. It may be called again.
func (l *Lab) Close() {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		<-l.cleared
		return
	}
	l.closed = true
	var children []*Cmd
	for c := range l.children {
		children = append(children, c)
	}
	l.mu.Unlock()
	for _, c := range children {
		c.kill()
	}
	for _, c := range children {
		_ = c.Wait() // that it was killed
	}
	if l.fabric != nil {
		l.fabric.close()
	}
	for _, h := range l.hosts {
		h.ns.close()
	}
	l.nursery.close()
	close(l.cleared)
}

// addrOf returns prefix with a host's number as its last octet.
func addrOf(prefix string, number int) netip.Addr {
	b := netip.MustParseAddr(prefix).AsSlice()
	b[len(b)-1] = byte(number)
	a, _ := netip.AddrFromSlice(b)
	return a
}
