package socket

import "time"

// A burst makes the stream towards a peer grow, and the stream keeps the chunk
// that it was filling. One connection can afford that. Ten thousand that idle
// after a burst cannot, so the reactor gives the chunk back once a connection has
// sent nothing for a while.

const (
	// idleTime is how long a connection that idles may keep what it needed
	// before, and how often one that does not is looked at.
	idleTime = time.Second

	// idleSlack is how many octets it may keep for good.
	idleSlack = 4 << 10
)

// noteSlack sees to it that an empty stream is looked at if it keeps much. Under
// wr.
func (c *session) noteSlack() {
	if !c.slack && c.p.out.stream.Slack() > idleSlack {
		c.slack = true
		c.r.Post(&c.tasks.slim)
	}
}

// slimLater is what noteSlack asks for. Reactor thread.
func (c *session) slimLater(now time.Time) {
	if c.state != stateOver {
		c.r.StartTimer(&c.slimming, now.Add(idleTime))
	}
}

// slim gives back what the stream keeps if nothing was sent since it was called
// last, and comes again otherwise. Reactor thread.
func (c *session) slim(now time.Time) {
	if !c.host.sendMu.TryLock() {
		c.slimLater(now)
		return
	}
	c.wr.Lock()
	idle := c.p == nil || c.idled()
	if idle && c.p != nil {
		c.p.out.stream.Discard() // nobody is at either side of it
	}
	c.slack = !idle
	c.wr.Unlock()
	c.host.unlockSend()
	if !idle {
		c.slimLater(now)
	}
}

// idled reports whether nothing was sent since it was called last, and nothing
// waits. Under the host's sendMu and wr.
func (c *session) idled() bool {
	l, seen := c.p.out, c.slimSeen
	c.slimSeen = l.written()
	l.credit()
	return c.slimSeen == seen && !c.busy.Load() && l.empty() && l.stream.Queued() == 0
}
