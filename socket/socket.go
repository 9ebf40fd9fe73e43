package socket

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeroring/zeroring/ring"
	"github.com/zeroring/zeroring/zmtp"
)

// A Socket is one end of a messaging pattern, with any number of peers. New
// returns one of any type; the constructors of Push, Pull, Req and so on return
// types that have just the methods their pattern allows.
//
// All methods may be called concurrently. Every Socket must be closed.
//
// Locks. sendMu guards what sending uses: the pattern's sending half and the
// producer side of out lanes. recvMu likewise for receiving; patterns whose
// halves share state have one lock for both. What changes both halves takes
// both, sendMu first. mu guards endpoints and comes before either.
type Socket struct {
	typ    Type
	opts   Options
	engine *Engine
	pat    pattern

	sendMu  sync.Mutex
	outlet  *pipe    // the pattern's straight way out
	parts   [][]byte // what is being sent; memory reused from call to call
	ndirty  int      // sessions whose flushing fell to the call that holds sendMu, or was put off
	vacant  ring.Inbox[*pipe]
	sending waitList

	// couriers take batches to the pipes, one for each reactor. Of PUB and XPUB.
	couriers []runner
	arrived  atomic.Bool // one came while somebody else had sendMu, who looks after it

	// resubscribed says that peers have subscribed or unsubscribed, and whom that
	// concerns was not told yet. Under sendMu, which is recvMu then.
	resubscribed bool

	recvMu    *sync.Mutex // &sendMu if joint
	inlet     *pipe       // the pattern's straight way in
	tended    *pipe       // whose producer is lazy; nil if none's is
	loans     loans
	sieve     sieve // the pattern, if it is one; else nil
	ownRecvMu sync.Mutex
	readable  ring.Inbox[*pipe]
	drained   []*pipe // pipes whose peer left and whose messages are all read
	receiving waitList
	hungry    atomic.Bool // a receiver found nothing since a reactor last asked

	// inline says that what peers send is for the pattern itself and is handled
	// as it arrives: subscriptions to a PUB or XPUB.
	inline bool

	// choosy says that a message may have to wait for certain peers, whoever else
	// has room.
	choosy bool

	// oneWay says that messages only leave, or only arrive.
	oneWay bool

	// sole is the connection of the only pipe, if there is only one and it has
	// a connection. Calls work on it themselves rather than have its reactor do it.
	sole atomic.Pointer[session]

	// cast is likewise if that pipe is of multicast.
	cast atomic.Pointer[multicast]

	sendHWM, recvHWM atomic.Uint64 // the options, which may change

	closed atomic.Bool
	done   chan struct{}  // closed by Close
	zmtp   [2]zmtp.Config // of connections that were made, and accepted

	dialing    sync.Mutex // held by a Connect that adds an endpoint only once; before mu
	mu         sync.Mutex
	pipes      map[*pipe]struct{}
	listeners  map[string]*listener
	dialers    map[string][]*dialer
	multicasts map[string]*multicast
	names      map[string]struct{} // bound inproc names
	forget     []*pipe             // detached; under sendMu
	doomed     []*pipe             // inproc pipes that the pattern killed; under sendMu
	live       int                 // connections that are not over yet
	serial     int                 // connections there ever were
	quiet      chan struct{}       // closed when closed and live is 0
	ended      chan struct{}       // closed when Close is done
	changed    chan struct{}       // closed when peers come or go; nil while nobody waits for that
	events     eventHub
	trouble    atomic.Pointer[trouble] // the last there was
	namesakes  complaint               // of peers whose routing id is another's
	giveUps    complaint               // of messages that are not sent a third time

	// answers says that what is sent may answer what was received: see late.
	answers bool
	sweeper *sweeper
	late    late
	spread  spread
	dirty   [maxLate]flusher // ndirty of them; under sendMu
}

// maxDirty is to how many peers one call may write by itself. Beyond it the
// reactors do the writing: they batch.
const maxDirty = 4

// New returns a socket of type t. opts may be nil.
func New(t Type, opts *Options) (*Socket, error) {
	if !t.valid() {
		return nil, fmt.Errorf("socket: %v is no type of socket", t)
	}
	o, err := opts.check(t)
	if err != nil {
		return nil, err
	}
	if o.Engine == nil {
		if o.Engine, err = DefaultEngine(); err != nil {
			return nil, err
		}
	}
	s := &Socket{
		typ: t, opts: o, engine: o.Engine,
		parts:      make([][]byte, 0, 8),
		done:       make(chan struct{}),
		quiet:      make(chan struct{}),
		ended:      make(chan struct{}),
		pipes:      make(map[*pipe]struct{}),
		listeners:  make(map[string]*listener),
		dialers:    make(map[string][]*dialer),
		multicasts: make(map[string]*multicast),
		names:      make(map[string]struct{}),
		inline:     t == TypePub || t == TypeXPub,
		oneWay:     !t.sends() || !t.receives(),
		choosy:     o.RouterMandatory || o.XPubNoDrop,
	}
	s.answers, s.late.node.Value = t == TypeDealer || t == TypeRouter, s
	s.sendHWM.Store(hwmOf(o.SendHWM))
	s.recvHWM.Store(hwmOf(o.RecvHWM))
	s.zmtp[0] = s.engineConfig()
	if err := s.zmtp[0].Check(); err != nil {
		return nil, &OptionError{"Metadata", err.Error()} // of what it checks, check has checked the rest
	}
	s.zmtp[1] = s.zmtp[0]
	s.zmtp[1].AsServer = true
	s.pat = newPattern(t, &s.opts, o.Engine.random())
	s.sieve, _ = s.pat.(sieve)
	s.recvMu = &s.ownRecvMu
	if s.pat.joint() {
		s.recvMu = &s.sendMu
	}
	if s.inline {
		s.hireCouriers()
	}
	if err := o.Engine.add(s); err != nil {
		return nil, err
	}
	return s, nil
}

// Type is the type that the socket was made with.
func (s *Socket) Type() Type { return s.typ }

// Engine is the engine that the socket runs on.
func (s *Socket) Engine() *Engine { return s.engine }

// lockBoth takes the locks of both halves.
func (s *Socket) lockBoth() {
	s.sendMu.Lock()
	if s.recvMu != &s.sendMu {
		s.recvMu.Lock()
	}
}

// unlockBoth gives them back and does the flushing that fell to their holder.
func (s *Socket) unlockBoth() {
	if s.recvMu != &s.sendMu {
		s.recvMu.Unlock()
	}
	s.unlockSend()
}

// pipeReadable is told that p has messages and the pattern believed it had
// none. Any goroutine.
func (s *Socket) pipeReadable(p *pipe) {
	s.readable.Push(&p.ready)
	if s.inline || !s.typ.receives() {
		s.readInline()
		return
	}
	s.receiving.wake()
}

// readInline lets a PUB or XPUB take in subscriptions, and a PUSH drop what no
// PULL should send: left unread, that would hide that the peer has left.
func (s *Socket) readInline() {
	s.lockBoth()
	s.drainReadable()
	s.resubscribed = false // as all are told, below
	news := s.pat.canRecv()
	s.unlockBoth()
	s.reap()
	if news {
		s.receiving.wake()
	}
	s.subscriptionsChanged()
}

// pipeWritable is told that p has room and the pattern believed it had none.
// Any goroutine.
func (s *Socket) pipeWritable(p *pipe) {
	s.vacant.Push(&p.vacant)
	s.wakeSender()
}

// wakeSender wakes a goroutine that may be able to send now. Where it depends
// on the message whose room is waited for, that may be any of them.
func (s *Socket) wakeSender() {
	if s.choosy {
		s.sending.wakeAll()
		return
	}
	s.sending.wake()
}

// drainReadable tells the pattern which pipes have messages. Under recvMu.
func (s *Socket) drainReadable() {
	for n := s.readable.Take(); n != nil; {
		p := n.Value
		n = n.Unlink()
		if p.detached {
			continue // and its lanes may be freed
		}
		s.pat.readable(p)
		s.noteDrained(p)
	}
}

// drainVacant tells the pattern which pipes have room. Under sendMu.
func (s *Socket) drainVacant() {
	for n := s.vacant.Take(); n != nil; {
		p := n.Value
		n = n.Unlink()
		if !p.gone() {
			s.pat.writable(p)
		}
	}
}

// Send sends m, waiting for room as long as ctx allows. It returns before m is
// on the wire.
//
// After a nil error m belongs to the socket. Otherwise it is still the
// caller's, unchanged: Send queues all of a message or none of it.
func (s *Socket) Send(ctx context.Context, m *Message) error {
	if err := s.sendFrames(ctx, m.parts()); err != nil {
		return err
	}
	m.Release()
	return nil
}

// SendParts sends one message of the given frames, which are copied. It waits
// as Send does.
func (s *Socket) SendParts(ctx context.Context, frames ...[]byte) error {
	return s.sendFrames(ctx, frames)
}

func (s *Socket) sendFrames(ctx context.Context, frames [][]byte) error {
	if err := checkFrames(frames); err != nil {
		return err
	}
	s.sendMu.Lock()
	err := s.trySendLocked(frames)
	if err != errWouldBlock {
		return err
	}
	return s.sendSlowly(ctx, frames)
}

// checkFrames refuses what no queue can hold.
func checkFrames(frames [][]byte) error {
	switch {
	case len(frames) == 0:
		return ErrEmptyMessage
	case len(frames) > maxSendFrames:
		return ErrTooLarge
	}
	room := uint64(maxMessage)
	for _, f := range frames {
		need := uint64(zmtp.FrameSize(len(f)))
		if need > room {
			return ErrTooLarge
		}
		room -= need
	}
	return nil
}

// checkBody is checkFrames for one frame.
func checkBody(body []byte) error {
	if uint64(len(body)) > maxMessage-maxHeader {
		return ErrTooLarge
	}
	return nil
}

// maxSendFrames is the most frames of a message: some fewer than zmtp's engines
// take, which leaves room for an envelope. A peer that does not take a message
// ends the connection, and would be sent it on the next again.
const maxSendFrames = 1_000_000

// maxHeader is the most octets that a frame has before its body.
const maxHeader = 9

// maxMessage is the most octets of a message, with its frame headers and those
// of an envelope that a pattern may put in front.
const maxMessage = ring.MaxOctets - 1<<20

// trySendLocked sends frames if there is room and gives sendMu back.
func (s *Socket) trySendLocked(frames [][]byte) error {
	// Copied so that what the caller made for the call need not escape.
	s.parts = append(s.parts[:0], frames...)
	err := s.sendParts()
	clear(s.parts)
	if err != nil {
		s.flushDirty() // a call that waits for room waits for this too
		return err
	}
	s.unlockSend()
	return nil
}

// SendBytes sends one message of one frame, which is copied. It waits as Send
// does.
func (s *Socket) SendBytes(ctx context.Context, body []byte) error {
	if err := checkBody(body); err != nil {
		return err
	}
	s.sendMu.Lock()
	if s.sendStraight(body) {
		return nil
	}
	err := s.trySendLocked([][]byte{body})
	if err != errWouldBlock {
		return err
	}
	return s.sendSlowly(ctx, [][]byte{body})
}

// sendStraight sends body, if it is small and there is a straight way with
// room, and then gives sendMu back. Otherwise it does nothing.
func (s *Socket) sendStraight(body []byte) bool {
	p := s.outlet
	if p == nil || s.closed.Load() || !p.writeSmall(body) {
		return false
	}
	if c := s.sole.Load(); c != nil && c.bursting.Load() {
		s.sendBurst(c, zmtp.FrameSize(len(body)), nil)
	}
	s.unlockSend()
	return true
}

// sendParts sends s.parts if there is room. Under sendMu.
func (s *Socket) sendParts() error {
	if s.closed.Load() {
		return ErrClosed
	}
	if !s.vacant.Empty() {
		s.drainVacant()
	}
	if s.typ == TypeReq && !s.readable.Empty() {
		s.drainReadable() // a late reply, which must not pass for one to what is sent now
	}
	err := s.pat.send(s.parts)
	if s.ndirty > 0 && s.answers {
		s.late.octets += wireSize(nil, s.parts)
	}
	if c := s.sole.Load(); c != nil && c.bursting.Load() {
		err = s.sendBurst(c, wireSize(nil, s.parts), err)
	}
	return err
}

// sendSlowly waits for room.
func (s *Socket) sendSlowly(ctx context.Context, frames [][]byte) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if c := s.sole.Load(); c != nil && c.bursting.Load() {
			if err := s.sendSpinning(c, frames); err != errWouldBlock {
				s.passOnSend()
				return err
			}
		} else if s.sending.worthSpinning(s) && s.sending.spin(s, &s.vacant) {
			s.sendMu.Lock()
			if err := s.trySendLocked(frames); err != errWouldBlock {
				s.passOnSend()
				return err
			}
		}
		w := s.sending.add()
		s.sendMu.Lock()
		err := s.trySendLocked(frames)
		if err != errWouldBlock {
			s.sending.remove(w)
			s.passOnSend()
			return err
		}
		from := time.Now()
		woken, ok := w.wait(ctx)
		if !ok {
			s.sending.remove(w)
			return ctx.Err()
		}
		s.sending.done(w)
		s.sending.slept(s, from, woken)
		s.sendMu.Lock()
		if err = s.trySendLocked(frames); err != errWouldBlock {
			s.passOnSend()
			return err
		}
	}
}

// passOnSend wakes the next sender if there is still room: one wake-up stands
// for as much room as there was.
func (s *Socket) passOnSend() {
	if s.sending.waiting.Load() == 0 {
		return
	}
	s.sendMu.Lock()
	room := s.pat.canSend()
	s.unlockSend()
	if room {
		s.sending.wake()
	}
}

// TrySend is Send that returns ErrWouldBlock where Send would wait.
func (s *Socket) TrySend(m *Message) error {
	if err := s.TrySendParts(m.parts()...); err != nil {
		return err
	}
	m.Release()
	return nil
}

// TrySendParts is SendParts that returns ErrWouldBlock where that would wait.
func (s *Socket) TrySendParts(frames ...[]byte) error {
	if err := checkFrames(frames); err != nil {
		return err
	}
	s.sendMu.Lock()
	return s.trySendLocked(frames)
}

// TrySendBytes is SendBytes that returns ErrWouldBlock where that would wait.
func (s *Socket) TrySendBytes(body []byte) error {
	return s.TrySendParts(body)
}

// SendBatch sends each body as a message of one frame, copied, under one lock
// and with one wake-up. It waits for room as Send does, and returns how many
// it sent.
func (s *Socket) SendBatch(ctx context.Context, bodies [][]byte) (int, error) {
	sent := 0
	for sent < len(bodies) {
		s.sendMu.Lock()
		var err error
		for sent < len(bodies) {
			if err = checkBody(bodies[sent]); err != nil {
				break
			}
			s.parts = append(s.parts[:0], bodies[sent])
			if err = s.sendParts(); err != nil {
				break
			}
			sent++
		}
		clear(s.parts)
		s.flushDirty()
		if err == errWouldBlock {
			err = s.sendSlowly(ctx, bodies[sent:sent+1])
			if err == nil {
				sent++
			}
		}
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}
