package socket

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/zeroring/zeroring/reactor"
)

// A sender that sends again within burstGap of its last flush, quickFlushes
// times in a row, is sending a burst: it then leaves flushing to the reactor,
// and writes itself whenever burstOctets have come together or the lane is
// full. A write costs what encoding a hundred small messages costs. With many
// connections it is of all of them together that this is asked: each may be idle
// when its turn comes, though the sender never is.
const (
	burstGap     = 10 * time.Microsecond
	quickFlushes = 3
	burstOctets  = 64 << 10
	napTime      = 100 * time.Microsecond
)

// sessionWriter is the session as the consumer of its out lane.
type sessionWriter session

// dataReady is told that the duty to flush fell to the goroutine that has the
// host's sendMu, which may put it off.
func (c *sessionWriter) dataReady() {
	h := c.host
	if h.ndirty < maxDirty || h.answers && h.ndirty < maxLate {
		h.dirty[h.ndirty] = (*session)(c)
		h.ndirty++
		return
	}
	c.r.Post(&c.tasks.flush)
}

func (c *sessionWriter) roomReady() {}

// flushFromCaller does, or passes on, the duty to flush that fell to a call.
func (c *session) flushFromCaller() {
	if !c.wr.TryLock() {
		c.r.Post(&c.tasks.flush)
		return
	}
	if !c.live || c.busy.Load() {
		c.wr.Unlock()
		return
	}
	if c.burst() {
		c.wr.Unlock()
		c.r.Post(&c.tasks.flush)
		return
	}
	again, err := c.writeNow(4)
	c.noteFlushed(c.r.Now())
	if err != nil && !c.readsOn(err) {
		c.lost(err)
	}
	c.wr.Unlock()
	if again || c.tasks.until.Load() != nil { // a socket being closed waits to hear that all is written
		c.r.Post(&c.tasks.flush)
	}
}

// burst reports whether the sender sends in bursts. Under wr.
func (c *session) burst() bool {
	if c.bursting.Load() {
		return true // which only the reactor ends: see senderBusy
	}
	if c.host.sole.Load() != c {
		return c.host.spread.burst(c.heard.Swap(false), c.r.Now())
	}
	if c.heard.Load() || c.r.Now().Sub(c.flushedAt) > burstGap {
		c.heard.Store(false) // a peer that answers in between is talked to, not streamed at
		c.quick = 0
		return false
	}
	if c.quick++; c.quick < quickFlushes {
		return false
	}
	c.bursting.Store(true)
	c.burstFrom = c.shippedEver
	return true
}

// noteFlushed notes when something was written. Under wr.
func (c *session) noteFlushed(now time.Time) {
	c.flushedAt = now
	c.host.spread.flushedAt.Store(now.UnixNano())
}

// A spread is what a socket knows of a burst to many connections.
type spread struct {
	flushedAt atomic.Int64 // when one of them was written, or was left to its reactor, in Unix nanoseconds
	quick     atomic.Int32 // how often in a row that was right after the time before
}

// burst reports whether what is sent now is of a burst, to a peer that may have
// been heard since it was last sent to. A burst lasts for as long as the reactors
// write what is left to them: they are the slower ones. Any goroutine.
func (b *spread) burst(heard bool, now time.Time) bool {
	gap := now.UnixNano() - b.flushedAt.Swap(now.UnixNano())
	if heard || time.Duration(gap) > burstGap {
		b.quick.Store(0)
		return false
	}
	return b.quick.Load() >= quickFlushes || b.quick.Add(1) >= quickFlushes
}

// writeNow writes what is queued, at most rounds times. With nothing left it
// arms the bell, which ends the duty to flush, and returns false; otherwise
// the caller still has it. Under wr.
func (c *session) writeNow(rounds int) (again bool, err error) {
	for range rounds {
		bufs := c.gather()
		if len(bufs) == 0 {
			if c.rest() {
				return false, nil
			}
			continue
		}
		n, err := c.r.TryWrite(c.fd, bufs)
		if err == reactor.ErrAgain {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		c.shipped(n)
	}
	return true, nil
}

// rest ends the duty to flush, unless more was queued meanwhile. Under wr.
func (c *session) rest() bool {
	if !c.live {
		return true // the reactor keeps the duty until the handshake is done
	}
	l := c.p.out
	l.credit()
	l.data.Arm()
	if l.empty() && !c.queued.Load() {
		c.noteSlack()
		return true
	}
	return !l.data.Ring() // false: we have it back
}

// gather collects what to write next. Commands go between messages, so behind
// the rest of one that was cut, and before all else. Under wr.
func (c *session) gather() [][]byte {
	c.bufs, c.commands = c.bufs[:0], 0
	limit := reactor.MaxGather
	if c.queued.Load() {
		if c.cut {
			limit = 1
		} else {
			c.ctlMu.Lock()
			c.bufs, c.commands = append(c.bufs, c.control), len(c.control)
			c.ctlMu.Unlock()
		}
	}
	if c.live {
		c.bufs = c.p.out.gather(c.bufs, limit)
	}
	return c.bufs
}

// shipped takes note that n octets of what gather returned are written. Under
// wr.
func (c *session) shipped(n int) {
	total := -c.commands
	if c.commands > 0 {
		gone := min(n, c.commands)
		c.ctlMu.Lock()
		c.control = append(c.control[:0], c.control[gone:]...)
		c.queued.Store(len(c.control) > 0)
		c.ctlMu.Unlock()
		if n -= gone; n == 0 {
			clear(c.bufs)
			return
		}
	}
	for _, b := range c.bufs {
		total += len(b)
	}
	clear(c.bufs) // or an idle connection would keep what was once in them alive
	c.cut = n < total
	c.shippedEver += uint64(n)
	l := c.p.out
	l.stream.Shipped(n)
	l.credit()
}

// rewind makes the message whose writing was interrupted wait again, whole.
// Under wr.
func (c *session) rewind() {
	if c.p == nil || !c.cut {
		return
	}
	l := c.p.out
	done := l.stream.Interrupted()
	start := 0
	for start < len(done) {
		n := cutMessage(done[start:])
		if n == 0 {
			break
		}
		start += n
	}
	written := len(done) - start
	if written == 0 {
		return
	}
	l.stream.Rewind(written)
	c.shippedEver -= uint64(written)
	if c.brokeAt != c.shippedEver+1 {
		c.brokeAt = c.shippedEver + 1
		return
	}
	// It may be larger than the peer takes, and then everything behind it would
	// wait for ever. libzmq drops what it has begun to write the first time.
	octets, _ := l.stream.Peek()
	size := messageSize(octets)
	l.stream.Shipped(size)
	l.credit()
	c.shippedEver += uint64(size)
	c.p.drop()
	c.gaveUp = size
}

// flush does the duty to flush on the reactor.
func (c *session) flush(now time.Time) {
	if c.state != stateHandshaking && c.state != stateTraffic {
		return
	}
	if !c.wr.TryLock() {
		c.r.StartTimer(&c.nap, now.Add(napTime)) // a caller writes just now
		return
	}
	if c.busy.Load() {
		c.wr.Unlock()
		return
	}
	c.writeByReactor(now)
	c.wr.Unlock()
	c.afterFlush(now)
}

// senderBusy reports whether the sender is in the middle of a long burst, which
// it writes itself: since the last look, messages were queued at the rate of one.
// What waits now would make a small batch, so it is left to grow. A slower sender
// would let it wait for long, and if nothing came since, the burst is over. Under
// wr, reactor thread.
func (c *session) senderBusy(now time.Time) bool {
	if !c.bursting.Load() {
		return false
	}
	h := c.host
	if !h.sendMu.TryLock() {
		return true // sending this very moment
	}
	defer h.unlockSend()
	c.p.out.stream.Publish()
	if c.queued.Load() {
		return false
	}
	waiting := uint64(0)
	for _, b := range c.gather() {
		waiting += uint64(len(b))
	}
	progress, written := c.shippedEver+waiting, c.p.out.written()
	grown := progress != c.seenProgress && h.sole.Load() == c
	fast := time.Duration(written-c.seenWritten)*burstGap >= now.Sub(c.seenAt) || progress-c.seenProgress >= burstOctets
	c.seenProgress, c.seenWritten, c.seenAt = progress, written, now
	if waiting == 0 && !grown {
		c.endBurst()
		return false
	}
	// With nothing to write there is no hurry, and before the burst is over no
	// rest: the sender still leaves it to us to look.
	long := c.shippedEver-c.burstFrom >= burstOctets
	return grown && (waiting == 0 || long && fast && !c.urgent.Swap(false))
}

// endBurst makes each message wake who writes it, again. Under the host's
// sendMu and wr.
func (c *session) endBurst() {
	c.p.out.settle()
	c.bursting.Store(false)
}

// outlived ends what was between the pipe and a connection that is lost. Under
// the host's locks, so that nothing is queued for that connection any more.
func (c *session) outlived() {
	c.wr.Lock()
	defer c.wr.Unlock()
	c.endBurst()
	if t := c.host.typ; t == TypeSub || t == TypeRep {
		// Subscriptions are state: the next connection is told of all of them.
		// And a reply is to a request of the connection that was lost.
		c.p.out.purge()
	}
}

// writeByReactor starts writing what is queued or, if nothing is, ends the
// duty to flush. It puts both off while the sender is busy. Under wr.
func (c *session) writeByReactor(now time.Time) {
	if c.senderBusy(now) {
		c.r.StartTimer(&c.nap, now.Add(napTime))
		return
	}
	for {
		if bufs := c.gather(); len(bufs) > 0 {
			c.busy.Store(true)
			c.send.FD, c.send.Bufs = c.fd, bufs
			c.submit(&c.send)
			return
		}
		if c.rest() {
			c.noteFlushed(now)
			return
		}
	}
}

// sent takes note of a completed send. Reactor thread.
func (c *session) sent(now time.Time) {
	n := c.send.Result
	c.wr.Lock()
	c.busy.Store(false)
	if c.state == stateClosing {
		if n > 0 {
			c.shipped(int(n))
		}
		c.wr.Unlock()
		return
	}
	err := reactor.ErrnoError(n)
	if err == nil {
		c.shipped(int(n))
		c.writeByReactor(now)
	}
	lost := err != nil && !c.readsOn(err)
	c.wr.Unlock()
	switch {
	case lost:
		c.fail(now, err)
	case err == nil:
		c.afterFlush(now)
	}
}

// readsOn reports whether the connection goes on though err kept c from being
// written to. If the peer is gone it may have sent much before that, so the
// connection of a socket that only receives ends when all of it is read. libzmq does
// likewise with all sockets, but where messages go both ways the peer is missed:
// it may be back, under the same routing id, before a slow user has read the rest.
// Any goroutine, under wr.
func (c *session) readsOn(err error) bool {
	t := c.host.typ
	receives := t == TypePull || t == TypeSub || t == TypeXSub
	if !receives || !c.live && !c.hungUp || !reactor.HungUp(err) {
		return false
	}
	c.live, c.hungUp = false, true
	return true
}

// afterFlush lets a socket that was closed end once all is written. Reactor
// thread.
func (c *session) afterFlush(now time.Time) {
	if c.tasks.until.Load() != nil {
		c.closing(now)
	}
	c.r.Yield()
}

// controlLimit is how many control octets may wait before the engine keeps
// what it has to say, and then says no more: a peer that sends PINGs and reads
// no PONGs gets no more memory than this.
const controlLimit = 4 << 10

// takeControl moves the engine's control octets to where they wait to be
// written, and reports whether there were any. Under rd.
func (c *session) takeControl() bool {
	out := c.eng.Output()
	if len(out) == 0 {
		return false
	}
	c.ctlMu.Lock()
	room := len(c.control) < controlLimit
	if room {
		c.control = append(c.control, out...)
		c.queued.Store(true)
	}
	c.ctlMu.Unlock()
	if room {
		c.eng.Sent(len(out))
	}
	return room
}

// flushControl sees to it that control octets are written. Any goroutine.
func (c *session) flushControl() { c.r.Post(&c.tasks.flush) }

// sendBurst is called after each message, of so many octets, of a sender that
// sends in bursts, and after each that found no room, which err then says. It
// writes what has come together, if that is enough or the lane is full. Under
// the host's sendMu.
func (s *Socket) sendBurst(c *session, octets int, err error) error {
	if err == nil {
		c.unflushed += octets
		if c.unflushed < burstOctets {
			return nil
		}
	}
	if err != nil && err != errWouldBlock {
		return err
	}
	c.unflushed = 0
	if !c.wr.TryLock() {
		return err
	}
	if c.live && !c.busy.Load() {
		c.p.out.lazy = c.bursting.Load()
		c.p.out.stream.Publish()
		if bufs := c.gather(); len(bufs) > 0 {
			n, werr := c.r.TryWrite(c.fd, bufs)
			if werr == nil {
				c.shipped(n)
			} else if werr != reactor.ErrAgain && !c.readsOn(werr) {
				c.lost(werr)
			}
		}
	}
	c.wr.Unlock()
	if err == errWouldBlock {
		s.drainVacant()
		err = s.pat.send(s.parts)
	}
	return err
}

// sendSpinning tries for a bounded time to send frames, each time writing what
// the kernel has room for: a receiver that keeps up makes room soon. Then it
// leaves waiting for room to the reactor.
func (s *Socket) sendSpinning(c *session, frames [][]byte) error {
	for start := c.r.Now(); ; {
		s.sendMu.Lock()
		if err := s.trySendLocked(frames); err != errWouldBlock {
			return err
		}
		if c.busy.Load() {
			return errWouldBlock // the reactor writes, and may want this processor for it
		}
		if s.closed.Load() || c.r.Now().Sub(start) > s.engine.spin {
			c.urgent.Store(true)
			c.r.Post(&c.tasks.flush)
			return errWouldBlock
		}
		runtime.Gosched() // what makes room may wait for this processor
	}
}
