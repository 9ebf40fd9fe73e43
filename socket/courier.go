package socket

import (
	"sync/atomic"
	"time"

	"github.com/zeroring/zeroring/reactor"
)

// A runner is a courier on its reactor: it comes in that reactor's next turn. Then
// everything that was due before has been handed to the kernel. Its courier is
// under the host's sendMu, for which a reactor does not wait: it leaves word that
// it came.
type runner struct {
	courier
	host    *Socket
	r       *reactor.Reactor
	task    reactor.Task
	arrived atomic.Bool // it came and was not received
}

// hireCouriers gives s a courier for each reactor.
func (s *Socket) hireCouriers() {
	reactors := s.engine.group.Reactors()
	s.couriers = make([]runner, len(reactors))
	for i := range s.couriers {
		c := &s.couriers[i]
		c.host, c.r, c.task.Run = s, reactors[i], c.come
		c.call = func() { c.r.Post(&c.task) }
		c.ready = func(p *pipe) { c.r.Post(&p.link.(*session).tasks.flush) }
	}
}

// courierOf is the courier for pipes that r writes, or nil.
func (s *Socket) courierOf(r *reactor.Reactor) *courier {
	for i := range s.couriers {
		if s.couriers[i].r == r {
			return &s.couriers[i].courier
		}
	}
	return nil
}

// come is what call asks for. Reactor thread.
func (c *runner) come(time.Time) {
	// Whoever has sendMu gives it back, and then looks who came meanwhile.
	c.arrived.Store(true)
	c.host.arrived.Store(true)
	c.host.receiveCouriers()
}

// receiveCouriers gives the couriers that came what is there for them, unless
// that falls to somebody else, who has sendMu. Any goroutine.
func (s *Socket) receiveCouriers() {
	for s.arrived.Load() && s.sendMu.TryLock() {
		s.arrived.Store(false)
		for i := range s.couriers {
			if c := &s.couriers[i]; c.arrived.Swap(false) {
				s.pat.collect(&c.courier)
			}
		}
		s.sendMu.Unlock()
	}
}
