package socket

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeroring/zeroring/reactor"
	"github.com/zeroring/zeroring/ring"
	"github.com/zeroring/zeroring/zmtp"
)

// A session joins a connection to a pipe: octets to an engine, and messages
// to and from the pipe's lanes.
//
// It belongs to one reactor for life, and what starts, ends or waits happens
// there. Reading and writing are done by whoever owns them at the time:
//
//   - rd guards the reading half: the engine, the buffer being filled, and who
//     reads. That is the reactor, through recvOp, or a goroutine in Recv,
//     directly, never both.
//   - wr guards the writing half: the descriptor's outgoing side and what is
//     in flight. The duty to flush passes by the out lane's data bell: while
//     it is armed nobody has it, and who rings it does.
//
// rd comes before the host's locks and those before wr. Descriptors are opened
// and closed under both.
//
//	connecting --connected--> handshaking --ready--> traffic
//	any --lost--> closing --operations have ended--> waiting (dialer) or over
type session struct {
	host   *Socket
	r      *reactor.Reactor
	dial   *dialer // nil if accepted
	from   *listener
	serial int // the host's count of connections, for an order among them
	p      *pipe
	peer   string                 // the endpoint as events and errors name it
	remote atomic.Pointer[string] // the address at the other end, or of the last attempt; nil before

	retired bool // the user took it back; under the host's mu

	// The reactor's.
	state    sessionState
	err      error // why it is closing
	inflight int   // operations not completed yet
	ending   bool  // after closing it is over: no new connection
	connect  reactor.Op
	recv     reactor.Op
	send     reactor.Op
	clock    reactor.Timer // connect timeout, engine's deadlines, reconnection
	nap      reactor.Timer // flushing put off
	linger   reactor.Timer // ends a closed socket's patience
	lease    reactor.Timer // takes reading back from a caller that went away
	slimming reactor.Timer // gives memory back
	slimSeen uint64        // messages that the pipe had been given when it last looked
	tasks    sessionTasks

	rd        sync.Mutex
	fd        reactor.FD // also under wr
	eng       *zmtp.Engine
	reader    readerKind
	yielded   bool        // a caller gave reading back and the reactor has not taken it yet
	byCaller  atomic.Bool // reader is readerCaller; for those who do not hold rd
	stalled   bool        // the in lane was full; what is in buf waits
	deadlines bool        // the engine's may have changed
	buf       *ring.Buf   // octets received: buf.Data[at:end] are not consumed yet
	at, end   int
	need      int // octets that must be in buf for the engine to get further
	polls     int // by callers; the lease looks whether it grows
	leased    int // polls when the lease was last extended

	spin spinning

	wr sync.Mutex
	writing
}

// writing is the writing half of a session.
type writing struct {
	live   bool        // messages may flow: the handshake is done
	hungUp bool        // the peer is gone: nothing more is written, and what it sent is still read
	busy   atomic.Bool // send is in flight, and the reactor has the duty to flush
	cut    bool        // the last write ended inside a message
	slack  bool        // the reactor is to look what memory the stream keeps
	bufs   [][]byte    // gathered; memory reused

	// commands is how many octets at the front of bufs are of control: more may be
	// queued while these are being written.
	commands int
	control  []byte // octets of greetings and commands, ahead of messages
	queued   atomic.Bool
	ctlMu    sync.Mutex

	flushedAt    time.Time
	quick        int         // flushes in a row that came right after the one before
	bursting     atomic.Bool // the sender sends in bursts: it flushes by the batch
	unflushed    int         // octets since, by the sender; under the host's sendMu
	urgent       atomic.Bool // the sender waits for the reactor
	shippedEver  uint64      // octets of messages written, and not made to wait again
	brokeAt      uint64      // 1 + shippedEver when the connection last broke inside a message; else 0
	gaveUp       int         // octets of a message just dropped, as that was the second time
	burstFrom    uint64      // shippedEver when the burst began
	seenProgress uint64      // shippedEver and what waited when the reactor last looked
	seenWritten  uint64      // messages there had been then
	seenAt       time.Time   // and when that was

	heard atomic.Bool // messages came since the last flush
}

type sessionTasks struct {
	open, flush, resume, lost, close, slim reactor.Task

	lostErr atomic.Pointer[error]
	severed atomic.Bool
	until   atomic.Pointer[time.Time] // linger's end, zero for never; nil while nobody closes
}

type sessionState uint8

const (
	stateWaiting sessionState = iota // for reconnection, or to be opened
	stateConnecting
	stateHandshaking
	stateTraffic
	stateClosing
	stateOver
)

// errEnded is why a session ends that was asked to.
var errEnded = errors.New("socket: ended by this side")

// newSession returns a session that waits on a reactor of its own choice, or
// nil if s is closed.
func newSession(s *Socket, peer string) *session {
	serial := s.enlist()
	if serial == 0 {
		return nil
	}
	c := &session{host: s, serial: serial, r: s.engine.group.Home(), peer: peer, fd: reactor.NoFD}
	c.connect.Owner, c.recv.Owner, c.send.Owner = c, c, c
	c.connect.Kind, c.recv.Kind, c.send.Kind = reactor.OpConnect, reactor.OpRecv, reactor.OpSend
	c.clock.Fire, c.nap.Fire, c.lease.Fire, c.linger.Fire = c.tick, c.flush, c.checkLease, c.closing
	c.tasks.flush.Run, c.tasks.resume.Run = c.flush, c.resume
	c.tasks.lost.Run = c.failLost
	c.tasks.close.Run = c.closing
	c.tasks.slim.Run, c.slimming.Fire = c.slimLater, c.slim
	return c
}

// newPipe gives the session a pipe with lanes of its own.
func (c *session) newPipe() *pipe {
	o := &c.host.opts
	in, out := new(lane), new(lane)
	p := newPipe(c.host, in, out)
	p.link, c.brokeAt = c, 0
	p.courier = c.host.courierOf(c.r)
	if c.dial != nil {
		p.given = c.dial.given
	}
	p.setHWM()
	in.conflate = o.Conflate && c.host.typ != TypePub && c.host.typ != TypePush
	out.conflate = o.Conflate && c.host.typ != TypeSub && c.host.typ != TypePull
	in.consumer, in.producer = p, (*sessionReader)(c)
	out.producer, out.consumer = p, (*sessionWriter)(c)
	c.p = p
	return p
}

// engineConfig is what the session's engine is to be like.
func (s *Socket) engineConfig() zmtp.Config {
	o := &s.opts
	cfg := zmtp.Config{
		SocketType: s.typ.String(), Identity: o.Identity,
		MaxMessage: o.MaxMsgSize, Accept: s.typ.compatible,
		Handshake:      o.HandshakeTimeout,
		HeartbeatEvery: o.HeartbeatInterval, HeartbeatTimeout: o.HeartbeatTimeout, HeartbeatTTL: o.HeartbeatTTL,
	}
	if o.MaxMsgSize > maxMessage/2 {
		cfg.MaxWhole = maxMessage // no queue can hold more; the default would be twice MaxMsgSize
	}
	for name, value := range o.Metadata {
		cfg.Metadata = append(cfg.Metadata, zmtp.Property{Name: name, Value: []byte(value)})
	}
	return cfg
}

// opened starts the handshake on a connected descriptor. Reactor thread.
func (c *session) opened(now time.Time, fd reactor.FD) {
	c.rd.Lock()
	c.wr.Lock()
	c.fd = fd
	c.wr.Unlock()
	c.eng = zmtp.NewEngine(&c.host.zmtp[c.side()], now)
	c.state = stateHandshaking
	c.takeControl()
	c.arm()
	c.rd.Unlock()
	c.schedule(now)
	c.flush(now)
}

// side is which of the host's configurations the engine gets: ours if we
// connected, or, to let the other go first, if we bound.
func (c *session) side() int {
	if c.dial != nil {
		return 0
	}
	return 1
}

// address is that at the other end, or empty. Any goroutine.
func (c *session) address() string {
	if a := c.remote.Load(); a != nil {
		return *a
	}
	return ""
}

// Complete handles an operation's completion. Reactor thread.
func (c *session) Complete(now time.Time, op *reactor.Op) {
	c.inflight--
	switch op {
	case &c.recv:
		c.received(now)
	case &c.send:
		c.sent(now)
	case &c.connect:
		c.connected(now)
	}
	if c.state == stateClosing && c.inflight == 0 {
		c.finish(now)
	}
}

// submit starts an operation. Reactor thread.
func (c *session) submit(op *reactor.Op) {
	c.inflight++
	c.r.Submit(op)
}

// tick is called at the session's next deadline. Reactor thread.
func (c *session) tick(now time.Time) {
	switch c.state {
	case stateWaiting:
		c.dial.attempt(now)
	case stateConnecting:
		c.fail(now, errConnectTimeout)
	case stateHandshaking, stateTraffic:
		c.schedule(now)
	}
}

// schedule lets the engine see the time and sets the clock to its next
// deadline.
func (c *session) schedule(now time.Time) {
	c.rd.Lock()
	c.deadlines = false
	if c.eng.Asking() && c.r.Backlogged(c.fd) {
		// libzmq reads nothing, and so answers no PING, while its user is
		// slow and its queue is full. Then what we send backs up.
		c.eng.Alive(now)
	}
	next, err := c.eng.Tick(now)
	control := c.takeControl()
	if control && err == nil {
		next, err = c.eng.Tick(now) // a PING's deadline runs from when it was sent
	}
	c.rd.Unlock()
	if err != nil {
		c.fail(now, err)
		return
	}
	if control {
		c.flushControl()
	}
	if !next.IsZero() {
		c.r.StartTimer(&c.clock, next)
	}
}

// lost hands the news that the connection failed to the reactor. Any
// goroutine, under rd or wr: or else it might be the next connection that this
// is said of.
func (c *session) lost(err error) {
	c.tasks.lostErr.CompareAndSwap(nil, &err)
	c.r.Post(&c.tasks.lost)
}

// failLost ends the connection that lost is said of, unless it has ended by
// itself meanwhile, or the session that is severed. Reactor thread.
func (c *session) failLost(now time.Time) {
	if c.tasks.severed.Load() {
		c.fail(now, errEnded)
	} else if err := c.tasks.lostErr.Load(); err != nil {
		c.fail(now, *err)
	}
}

// fail ends the connection because of err. Reactor thread.
func (c *session) fail(now time.Time, err error) {
	switch c.state {
	case stateClosing, stateOver:
		c.ending = c.ending || err == errEnded
		return
	case stateWaiting:
		c.ending = c.ending || err == errEnded
		if c.ending {
			c.over()
		}
		return
	}
	connecting := c.state == stateConnecting
	c.state, c.err = stateClosing, err
	c.ending = c.ending || err == errEnded
	c.r.StopTimer(&c.clock)
	c.r.StopTimer(&c.nap)
	c.r.StopTimer(&c.lease)
	c.rd.Lock()
	c.wr.Lock()
	c.live = false
	busy := c.busy.Load()
	if !busy && !c.cut && c.eng != nil && len(c.eng.Output()) > 0 {
		// The engine's last word to the peer: why it is refused.
		_, _ = c.r.TryWrite(c.fd, append(c.bufs[:0], c.eng.Output()))
	}
	c.wr.Unlock()
	reading := c.reader == readerReactor
	c.reader = readerNone
	c.byCaller.Store(false)
	c.rd.Unlock()
	if reading {
		c.r.Cancel(&c.recv)
	}
	if busy {
		c.r.Cancel(&c.send)
	}
	if connecting {
		c.r.Cancel(&c.connect)
	}
	if c.inflight == 0 {
		c.finish(now)
	}
}

// finish closes the descriptor once nothing is in flight, and decides what
// becomes of the session. Reactor thread.
func (c *session) finish(now time.Time) {
	c.rd.Lock()
	c.wr.Lock()
	if c.fd != reactor.NoFD {
		if c.err == errEnded && c.shippedEver > 0 {
			part(now, c.r, c.fd)
		} else {
			c.r.CloseFD(c.fd)
		}
		c.fd = reactor.NoFD
	}
	c.rewind()
	gaveUp := c.gaveUp
	c.control, c.cut, c.gaveUp, c.hungUp = c.control[:0], false, 0, false
	c.busy.Store(false)
	c.queued.Store(false)
	c.wr.Unlock()
	if c.buf != nil {
		c.buf.Release()
		c.buf, c.at, c.end, c.need = nil, 0, 0, 0
	}
	c.stalled, c.yielded, c.eng = false, false, nil
	c.rd.Unlock()
	c.tasks.lostErr.Store(nil)
	err := c.err
	var broke *zmtp.ProtocolError
	wasUp := c.p != nil && c.p.up
	if gaveUp > 0 {
		c.host.gaveUp(now, c, gaveUp)
	}
	c.host.disconnected(c, err)
	if c.from != nil {
		c.from.lost(now, c.address(), err)
	}
	c.state = stateWaiting
	switch {
	case c.ending || c.dial == nil || c.tasks.until.Load() != nil && !c.lingering(now):
		// That a socket is closed does not mean it yet: Close first says so and
		// then how long to linger.
		c.over()
	case fatal(err):
		c.host.report("connection ended for good", err, c.peer)
		c.over()
	case errors.As(err, &broke):
		// It would likely break the protocol again, so there is no hurry. But
		// it may also be a proxy in front of a server that is restarting.
		// libzmq gives the endpoint up without a word.
		c.host.report("peer broke the protocol", err, c.peer)
		c.dial.wait = c.host.opts.ReconnectMax
		c.dial.retry(now, false)
	default:
		c.dial.retry(now, wasUp)
	}
}

// fatal reports whether the peer said that trying again ends the same way, or
// we know it.
func fatal(err error) bool {
	var refused *zmtp.RefusedError
	// "The peer SHALL treat an incoming ERROR command as fatal, and act by
	// closing the connection, and not re-connecting using the same security
	// credentials." https://rfc.zeromq.org/spec/37/#error-handling
	return errors.As(err, &refused) || errors.Is(err, zmtp.ErrIncompatible)
}

// enlist counts a connection and returns its number, or 0 if the socket is
// closed.
func (s *Socket) enlist() (serial int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return 0
	}
	s.live++
	s.serial++
	return s.serial
}

// delist counts a connection that is over.
func (s *Socket) delist() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live--; s.live == 0 && s.closed.Load() {
		close(s.quiet)
	}
}

// over ends the session for good. Reactor thread.
func (c *session) over() {
	if c.state == stateOver {
		return
	}
	c.state = stateOver
	c.r.StopTimer(&c.clock)
	c.r.StopTimer(&c.nap)
	c.r.StopTimer(&c.lease)
	c.r.StopTimer(&c.linger)
	c.r.StopTimer(&c.slimming)
	c.r.Leave()
	c.host.sessionOver(c)
	c.host.delist()
}

// sever ends the session for good. Any goroutine.
func (c *session) sever() {
	c.tasks.severed.Store(true)
	c.r.Post(&c.tasks.lost)
}

// closeWithin ends the session once what is queued has been written, or after
// linger. Any goroutine.
func (c *session) closeWithin(linger time.Duration) {
	// As the reactor tells the time: that of a wall clock may be changed.
	var until time.Time // for ever
	if linger >= 0 {
		until = c.r.Now().Add(linger)
	}
	c.tasks.until.Store(&until)
	c.r.Post(&c.tasks.close)
}

// lingering reports whether a closed socket's session is still to write what
// is queued.
func (c *session) lingering(now time.Time) bool {
	until := c.tasks.until.Load()
	return until != nil && (until.IsZero() || until.After(now))
}

// closing is what closeWithin asked for. Reactor thread.
func (c *session) closing(now time.Time) {
	c.host.sendMu.Lock()
	c.host.pat.settle()
	c.wr.Lock()
	if c.p != nil {
		c.endBurst() // nobody sends any more
	}
	c.host.unlockSend()
	written := !c.busy.Load() && !c.queued.Load() && (c.p == nil || c.p.out.empty())
	c.wr.Unlock()
	if c.state == stateOver || written || !c.lingering(now) {
		c.fail(now, errEnded)
		return
	}
	// Looked at again at the end of linger, and whenever flushing has emptied
	// the lane.
	if until := c.tasks.until.Load(); !until.IsZero() {
		c.r.StartTimer(&c.linger, *until)
	}
}
