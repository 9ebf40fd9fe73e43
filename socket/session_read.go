package socket

import (
	"errors"
	"io"
	"time"

	"github.com/zeroring/zeroring/reactor"
	"github.com/zeroring/zeroring/ring"
	"github.com/zeroring/zeroring/zmtp"
)

// A readerKind says who reads a session's connection.
type readerKind uint8

const (
	readerNone    readerKind = iota
	readerReactor            // recv is in flight
	readerCaller             // goroutines in Recv, by readFromCaller
)

// What readFromCaller found.
type readResult uint8

const (
	readNotMine readResult = iota // the reactor reads, or somebody else does just now
	readNone                      // nothing there yet
	readSome                      // messages may have arrived
)

// callerChunk is the size of the buffers that a caller reads into.
const callerChunk = 128 << 10

// rouseEvery is how many looks at a connection, of a microsecond or two each, go
// between two at the reactors.
const rouseEvery = 8

// smallestRead is the least free room with which a buffer is read into again.
const smallestRead = 1024

// sessionReader is the session as the producer of its in lane.
type sessionReader session

func (c *sessionReader) dataReady() {}

// roomReady is told that the receiver has made room. A caller that reads the
// connection itself finds what stalled at its next read.
func (c *sessionReader) roomReady() {
	if c.byCaller.Load() {
		return
	}
	c.r.Post(&c.tasks.resume)
}

// arm gives reading to the reactor. Under rd, reactor thread.
func (c *session) arm() {
	c.reader = readerReactor
	c.byCaller.Store(false)
	c.recv.FD, c.recv.Buf, c.recv.Off = c.fd, nil, 0
	if c.buf != nil {
		c.makeRoom(reactor.RecvBufSize)
		c.recv.Buf, c.recv.Off = c.buf, c.end
	}
	c.submit(&c.recv)
}

// makeRoom sees to it that buf has room behind what it holds. It never takes
// more memory than twice what has arrived, and chunk: the size that the peer
// claims for a frame is only a hint.
func (c *session) makeRoom(chunk int) {
	have := c.end - c.at
	if c.buf != nil && len(c.buf.Data)-c.end >= smallestRead && c.at+c.need <= len(c.buf.Data) {
		return
	}
	want := c.need
	if have > 0 && zmtp.Flags(c.buf.Data[c.at])&zmtp.FlagMore != 0 {
		// need ends with a frame and not with the message: if room grew with
		// each frame, a message of many would be copied for each.
		want = max(want, 2*have)
	}
	size := max(chunk, min(want, 2*have+chunk))
	buf := ring.NewBuf(max(size, have+smallestRead))
	if c.buf != nil {
		copy(buf.Data, c.buf.Data[c.at:c.end])
		c.buf.Release()
	}
	c.buf, c.at, c.end = buf, 0, have
}

// received takes in what recv brought. Reactor thread.
func (c *session) received(now time.Time) {
	op := &c.recv
	c.rd.Lock()
	if c.reader == readerNone { // closing
		if c.buf == nil && op.Buf != nil && op.Result > 0 {
			op.Buf.Release()
		}
		op.Buf = nil
		c.rd.Unlock()
		return
	}
	c.reader = readerNone
	err, control := c.absorb(now, op), false
	if err == nil {
		c.continueReading(now)
		control = c.takeControl()
	}
	due := c.deadlines
	c.rd.Unlock()
	if err != nil {
		c.fail(now, err)
	} else if control {
		c.flushControl()
	}
	c.afterFeed(now, due)
}

// absorb consumes the octets of a completed recv. Under rd.
func (c *session) absorb(now time.Time, op *reactor.Op) error {
	buf := op.Buf
	op.Buf = nil
	switch {
	case op.Result == 0:
		return io.EOF
	case op.Result < 0:
		err := reactor.ErrnoError(op.Result)
		if errors.Is(err, reactor.ErrNoBufs) {
			return nil // read again
		}
		return err
	}
	if c.buf == nil {
		c.buf, c.at, c.end = buf, 0, 0
	}
	c.end += int(op.Result)
	return c.feed(now)
}

// continueReading decides who reads next. Under rd, reactor thread.
func (c *session) continueReading(now time.Time) {
	if c.stalled {
		return // until roomReady
	}
	if c.state == stateTraffic && c.host.callerReads(c) {
		c.byCaller.Store(true)
		// A receiver that sleeps reads nothing. Either we see it here, or it
		// sees byCaller, which it looks at after enlisting.
		if c.host.receiving.waiting.Load() == 0 {
			c.reader = readerCaller
			c.leased = c.polls
			c.r.StartTimer(&c.lease, now.Add(leaseTime))
			return
		}
	}
	c.arm()
}

// leaseTime is how long a caller may leave a connection unread before the
// reactor takes reading back.
const leaseTime = 4 * time.Millisecond

// checkLease takes reading back from callers that do not come any more.
// Reactor thread.
func (c *session) checkLease(now time.Time) {
	c.rd.Lock()
	if c.reader == readerCaller {
		if c.polls != c.leased && !c.host.closed.Load() {
			c.leased = c.polls
			c.r.StartTimer(&c.lease, now.Add(leaseTime))
		} else {
			c.takeBack(now)
		}
	}
	control, due := c.takeControl(), c.deadlines
	c.rd.Unlock()
	if control {
		c.flushControl()
	}
	c.afterFeed(now, due)
}

// takeBack gives reading back to the reactor. Under rd, reactor thread.
func (c *session) takeBack(now time.Time) {
	c.reader, c.yielded = readerNone, false
	c.byCaller.Store(false)
	if err := c.feed(now); err != nil {
		c.lost(err)
	} else if !c.stalled {
		c.arm()
	}
}

// resume goes on reading after there is room again, or after a caller gave up
// reading. Reactor thread.
func (c *session) resume(now time.Time) {
	if c.state != stateTraffic {
		return
	}
	c.rd.Lock()
	if c.reader == readerNone && (c.stalled || c.yielded) {
		c.takeBack(now)
	}
	control, due := c.takeControl(), c.deadlines
	c.rd.Unlock()
	if control {
		c.flushControl()
	}
	c.afterFeed(now, due)
}

// afterFeed completes what feed started and could not do under rd; due is
// deadlines as it was there, since callers set it too. Reactor thread.
func (c *session) afterFeed(now time.Time, due bool) {
	if due && (c.state == stateHandshaking || c.state == stateTraffic) {
		c.schedule(now)
	}
	c.r.Yield()
}

// feed has the engine consume what is in buf. Under rd.
func (c *session) feed(now time.Time) error {
	if c.stalled {
		c.stalled = false
		c.eng.Hold(now, false)
	}
	for c.at < c.end {
		room := 1
		if c.p != nil && c.eng.Ready() { // a handshake needs no room
			if room = c.p.in.free(); room == 0 {
				c.stalled, c.deadlines = true, true
				c.eng.Hold(now, true)
				return nil
			}
		}
		ev, err := c.eng.Consume(now, c.buf.Data[c.at:c.end], room)
		if err != nil {
			return err
		}
		octets := c.buf.Data[c.at : c.at+ev.N]
		c.at += ev.N
		if ev.Kind == zmtp.EventNone {
			c.need = ev.Need
			break
		}
		c.need = 0
		if err := c.handle(now, ev, octets); err != nil {
			return err
		}
	}
	if c.at == c.end && c.buf != nil {
		c.buf.Release()
		c.buf, c.at, c.end, c.need = nil, 0, 0, 0
	}
	return nil
}

// handle acts on one event of the engine. Under rd.
func (c *session) handle(now time.Time, ev zmtp.Event, octets []byte) error {
	switch ev.Kind {
	case zmtp.EventHandled:
		c.deadlines = true
	case zmtp.EventReady:
		c.deadlines = true
		return c.ready()
	case zmtp.EventMessages:
		c.heard.Store(true)
		c.buf.Retain(1)
		c.p.in.publishBuf(c.buf, octets, ev.Messages)
	case zmtp.EventSubscribe, zmtp.EventCancel:
		// Patterns know one form only: that of ZMTP 3.0, a message. To those that
		// nobody subscribes to it would be one of the user's.
		if c.host.inline {
			c.p.in.publishSubscription(ev.Body, ev.Kind == zmtp.EventCancel)
		}
	}
	return nil
}

// ready joins the connection to its pipe. Under rd, reactor thread: until the
// handshake is done nobody else reads.
func (c *session) ready() error {
	c.state = stateTraffic
	peer := c.eng.Peer()
	if err := c.host.connected(c, peer); err != nil {
		return err
	}
	c.wr.Lock()
	c.live = true
	c.wr.Unlock()
	c.r.Post(&c.tasks.flush)
	return nil
}

// readFromCaller reads the connection on a goroutine that is in Recv.
func (c *session) readFromCaller() readResult {
	if !c.rd.TryLock() {
		return readNotMine
	}
	if c.reader != readerCaller {
		c.rd.Unlock()
		return readNotMine
	}
	c.polls++
	if c.stalled {
		if err := c.feed(c.r.Now()); err != nil {
			c.lost(err)
		}
		c.rd.Unlock()
		return readSome
	}
	c.makeRoom(callerChunk)
	n, err := c.r.TryRead(c.fd, c.buf.Data[c.end:])
	if err != nil {
		if c.at == c.end {
			c.buf.Release()
			c.buf, c.at, c.end = nil, 0, 0
		}
		found := readNone
		if err != reactor.ErrAgain {
			found = readNotMine
			c.reader = readerNone
			c.byCaller.Store(false)
			c.lost(err)
		}
		rouse := c.polls%rouseEvery == 0
		c.rd.Unlock()
		if rouse {
			c.host.engine.group.Rouse()
		}
		return found
	}
	c.end += n
	control := false
	if err = c.feed(c.r.Now()); err != nil {
		c.lost(err)
	} else {
		control = c.takeControl()
	}
	c.rd.Unlock()
	if control {
		c.flushControl()
	}
	return readSome
}

func (c *session) callersRead() bool      { return c.byCaller.Load() }
func (c *session) spinning() *spinning    { return &c.spin }
func (c *session) home() *reactor.Reactor { return c.r }

// yieldReading gives reading back to the reactor. Any goroutine.
func (c *session) yieldReading() {
	c.rd.Lock()
	mine := c.reader == readerCaller
	if mine {
		c.reader, c.yielded = readerNone, true
		c.byCaller.Store(false)
	}
	c.rd.Unlock()
	if mine {
		c.r.Post(&c.tasks.resume)
	}
}
