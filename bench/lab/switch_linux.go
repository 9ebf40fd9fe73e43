package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A tapSwitch joins TAP devices. One goroutine on a thread of its own reads
// frames, decides their fates and writes them, so that the order of arrival is
// the order of the dice. Any goroutine may call its methods.
//
// Where hosts are is known beforehand by their MACs; there is nothing to learn.
type tapSwitch struct {
	ports   []*port
	seed    uint64
	backlog int
	stop    int // an eventfd that ends run
	stopped chan struct{}

	// Only run's, from here on.
	polls  []unix.PollFd // of the ports, and of stop at the end
	arena  arena
	queue  delayQueue
	shared *rand.Rand
	start  time.Time
}

// A port is where one host is plugged in.
type port struct {
	fd      int
	ns      *namespace
	rules   atomic.Pointer[[]rule] // replaced as a whole, and then run's
	dark    atomic.Bool
	waiting int // frames in the queue for this port; only run's
	counts  counts
}

// A rule is Faults in use.
type rule struct {
	only  Filter
	model *model
}

// counts are Stats that run adds to and others read.
type counts struct {
	sent, delivered, lost, bursts, limited, dark, overflow, refused, duplicated, reordered, corrupted, delayed atomic.Uint64
}

const (
	// turnFrames is how many frames of one host are read before the next host's
	// turn comes.
	turnFrames = 32
	// sharedStream is the dice's stream that no host has.
	sharedStream = 1 << 63
	// highestPriority is the least nice that a thread can be.
	highestPriority = -20
)

func newSwitch(hosts []*Host, c Config) (fabric, error) {
	s := &tapSwitch{
		seed: c.Seed, backlog: c.Backlog, stop: -1, stopped: make(chan struct{}),
		arena: arena{size: c.MTU + etherHeader}, shared: rand.New(rand.NewPCG(c.Seed, sharedStream)), start: time.Now(),
	}
	for _, h := range hosts {
		fd, err := openTap(h.ns)
		if err != nil {
			s.closeFiles()
			return nil, err
		}
		p := &port{fd: fd, ns: h.ns}
		p.rules.Store(new([]rule))
		s.ports = append(s.ports, p)
		s.polls = append(s.polls, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	var err error
	if s.stop, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		s.closeFiles()
		return nil, fmt.Errorf("an eventfd: %w", err)
	}
	s.polls = append(s.polls, unix.PollFd{Fd: int32(s.stop), Events: unix.POLLIN})
	s.queue.heap = make([]delayed, 0, c.Backlog)
	go s.run()
	return s, nil
}

func (s *tapSwitch) closeFiles() {
	for _, p := range s.ports {
		unix.Close(p.fd)
	}
	if s.stop >= 0 {
		unix.Close(s.stop)
	}
}

func (s *tapSwitch) close() {
	one := [8]byte{1}
	if _, err := unix.Write(s.stop, one[:]); err != nil {
		panic("lab: an eventfd that does not take a 1: " + err.Error())
	}
	<-s.stopped
	s.closeFiles()
}

// ready has nothing to wait for: a TAP is as up as its interface is.
func (s *tapSwitch) ready() error { return nil }

func (s *tapSwitch) setFaults(host int, rules []Faults) error {
	made := make([]rule, len(rules))
	for i, f := range rules {
		made[i] = rule{f.Only, newModel(f, s.seed, stream(host, i))}
	}
	s.ports[host].rules.Store(&made)
	return nil
}

// stream is that of the dice of one of a host's rules.
func stream(host, rule int) uint64 { return uint64(host)<<32 | uint64(rule) }

func (s *tapSwitch) blackout(host int, on bool) error {
	s.ports[host].dark.Store(on)
	return nil
}

func (s *tapSwitch) stats(host int) (Stats, error) {
	p := s.ports[host]
	c := &p.counts
	device, err := p.ns.deviceCounts()
	return Stats{
		Sent: c.sent.Load(), Missed: device.txDropped, Delivered: c.delivered.Load(),
		Lost: c.lost.Load(), Bursts: c.bursts.Load(), Limited: c.limited.Load(), Dark: c.dark.Load(),
		Overflow: c.overflow.Load(), Refused: c.refused.Load(), Duplicated: c.duplicated.Load(),
		Reordered: c.reordered.Load(), Corrupted: c.corrupted.Load(), Delayed: c.delayed.Load(),
	}, err
}

// run is the switch, until stop is written to.
func (s *tapSwitch) run() {
	defer close(s.stopped)
	// The thread's timers are to be exact; others are late by 50 µs so that the
	// kernel can put them together. The thread ends with the goroutine.
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	// Else the receivers that a frame wakes take the processor from the switch, for
	// one frame each: half as many get through. Only root may.
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, highestPriority)
	stop := &s.polls[len(s.ports)]
	var next unix.Timespec // here, lest each turn allocates one
	for {
		var wait *unix.Timespec
		if len(s.queue.heap) > 0 {
			next = unix.NsecToTimespec(max(0, int64(s.queue.heap[0].at-s.now())))
			wait = &next
		}
		_, err := unix.Ppoll(s.polls, wait, nil)
		if err != nil && !errors.Is(err, unix.EINTR) {
			panic("lab: ppoll: " + err.Error())
		}
		if stop.Revents != 0 {
			return
		}
		s.release(s.now())
		for i := range s.ports {
			if s.polls[i].Revents != 0 {
				s.drain(i)
			}
		}
	}
}

func (s *tapSwitch) now() time.Duration { return time.Since(s.start) }

// release delivers the delayed frames whose time has come.
func (s *tapSwitch) release(now time.Duration) {
	for s.queue.due(now) {
		d := s.queue.pop()
		p := s.ports[d.port]
		p.waiting--
		p.deliver(s.arena.octets(d.buf))
		s.arena.drop(d.buf)
	}
}

// drain reads what a host has sent, for one turn.
func (s *tapSwitch) drain(from int) {
	p := s.ports[from]
	for range turnFrames {
		buf := s.arena.get()
		n, err := unix.Read(p.fd, s.arena.octets(buf))
		if err != nil { // EAGAIN, or EIO before the interface is up
			s.arena.drop(buf)
			return
		}
		if n >= etherHeader {
			s.arena.cut(buf, n)
			now := s.now()
			s.release(now) // so that nothing overtakes what was due before
			s.forward(from, buf, now)
		}
		s.arena.drop(buf)
	}
}

// forward sends a frame on to whom it is for. The dice are thrown for traffic
// only, and only traffic is counted.
func (s *tapSwitch) forward(from int, buf int32, now time.Duration) {
	p := s.ports[from]
	frame := s.arena.octets(buf)
	traffic := isTraffic(frame)
	var shared draw
	if traffic {
		shared = drawFrom(s.shared)
		defer p.counts.sent.Add(1) // that it is counted says that its fate is sealed
	}
	if p.dark.Load() {
		if traffic {
			p.counts.dark.Add(1)
		}
		return
	}
	first, last := 0, len(s.ports)-1
	if frame[0]&groupAddressed == 0 {
		first = macHost(frame) - 1
		last = min(first, last)
	}
	for to := first; to >= 0 && to <= last; to++ {
		switch {
		case to == from:
		case traffic:
			s.send(to, buf, now, shared)
		case !s.ports[to].dark.Load():
			_, _ = unix.Write(s.ports[to].fd, frame) // which an interface that is down yet does not take
		}
	}
}

// send sends a frame to one host, by the host's rules.
func (s *tapSwitch) send(to int, buf int32, now time.Duration, shared draw) {
	p := s.ports[to]
	frame := s.arena.octets(buf)
	rules := *p.rules.Load()
	i := slices.IndexFunc(rules, func(r rule) bool { return r.only == nil || r.only(frame) })
	if i < 0 {
		p.deliver(frame)
		return
	}
	m := rules[i].model
	f := m.fate(now, len(frame), shared)
	p.counts.add(f)
	for _, c := range f.copy[:f.copies] {
		s.arrange(to, buf, now, c, m.faults.Mend)
	}
}

// arrange delivers a copy of a frame, or keeps it for later.
func (s *tapSwitch) arrange(to int, buf int32, now time.Duration, c copyFate, mend bool) {
	p := s.ports[to]
	late := c.at > now
	if late && p.waiting >= s.backlog {
		p.counts.overflow.Add(1)
		return
	}
	if c.corrupt {
		buf = s.arena.clone(buf)
		corrupt(s.arena.octets(buf), c.where, mend)
	} else {
		s.arena.retain(buf)
	}
	if late {
		p.waiting++
		p.counts.delayed.Add(1)
		s.queue.push(c.at, to, buf)
		return
	}
	p.deliver(s.arena.octets(buf))
	s.arena.drop(buf)
}

// deliver writes a frame to the host.
func (p *port) deliver(frame []byte) {
	if p.dark.Load() {
		p.counts.dark.Add(1)
	} else if _, err := unix.Write(p.fd, frame); err != nil {
		p.counts.refused.Add(1)
	} else {
		p.counts.delivered.Add(1)
	}
}

// add counts what became of a frame.
func (c *counts) add(f fate) {
	switch {
	case f.burst:
		c.bursts.Add(1)
	case f.lost:
		c.lost.Add(1)
	}
	c.limited.Add(uint64(f.limited))
	if f.copies == len(f.copy) {
		c.duplicated.Add(1)
	}
	for _, copied := range f.copy[:f.copies] {
		if copied.corrupt {
			c.corrupted.Add(1)
		}
		if copied.reordered {
			c.reordered.Add(1)
		}
	}
}
