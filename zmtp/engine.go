package zmtp

import "time"

// EventKind says what Consume found.
type EventKind uint8

// The kinds of events.
const (
	// EventNone: there is nothing to act on until more octets have come.
	EventNone EventKind = iota

	// EventHandled: the engine dealt with what it found. Output may have grown
	// and the next deadline may have changed.
	EventHandled

	// EventReady: the handshake is over, Peer is valid and messages may be sent
	// after Output. It comes once, before any of the following.
	EventReady

	// EventMessages: b[:N] is a run of Messages whole messages.
	EventMessages

	// EventSubscribe and EventCancel: the peer subscribes to the topic Body, or
	// undoes that. Only peers of ZMTP 3.1 send these, and they may also send
	// the older form, which is a message.
	EventSubscribe
	EventCancel
)

// An Event is what Consume found at the front of its input.
type Event struct {
	Kind     EventKind
	N        int    // octets consumed; may be zero whatever the Kind
	Messages int    // how many messages b[:N] is
	Body     []byte // aliases b, as long as the owner of b lets it
	Need     int    // EventNone: how many octets, at least, the next call's b must have to get further
}

// state is how far a connection is. See doc.go for the diagram.
type state uint8

const (
	stateGreeting  state = iota // nothing consumed
	stateHandshake              // peer's greeting consumed; mech decides
	stateTraffic                // peer is known
	stateFailed                 // err is set
)

// initialOutput holds a greeting and a READY with a short identity.
const initialOutput = 128

// An Engine is the protocol of one side of one connection: octets and the time
// go in, events and control octets come out. It belongs to one goroutine at a
// time, makes no copy of what passes through it, and holds no more than a few
// hundred octets.
type Engine struct {
	cfg  *Config
	mech mechanism // during the handshake
	peer *Peer     // from stateTraffic on
	err  error     // why, in stateFailed

	out []byte // control octets not sent yet

	epoch time.Time // durations below and in pace count from it
	pace  heartbeat

	// The walk over messages. Offsets count from the first octet not consumed.
	frameMax int
	wholeMax int
	walked   int // ≤ len(b) at the next call: frames of an incomplete message end here
	many     int // counted frames among those
	inside   int // ≤ walked: octets of commands among those frames
	skip     int // octets of commands moved behind the messages just reported
	left     int // octets of b that were not consumed by the last call

	minor uint8 // of the peer's greeting
	state state
}

// NewEngine starts a connection at the time now. cfg must pass Check. The
// greeting is in Output at once.
func NewEngine(cfg *Config, now time.Time) *Engine {
	if err := cfg.Check(); err != nil {
		panic(err.Error()) // the owner's mistake, never the peer's
	}
	e := &Engine{cfg: cfg, epoch: now, out: make([]byte, 0, initialOutput)}
	e.frameMax, e.wholeMax = cfg.limits()
	// "When a peer uses the NULL security mechanism, the as-server field MUST
	// be zero." https://rfc.zeromq.org/spec/37/#the-null-security-mechanism
	e.out = appendGreeting(e.out, cfg.Mechanism.String(), false)
	return e
}

// Ready reports whether the handshake is over and the connection sound.
func (e *Engine) Ready() bool { return e.state == stateTraffic }

// Peer returns what the peer told about itself, and nil before EventReady.
func (e *Engine) Peer() *Peer { return e.peer }

// Output returns the control octets to send before any message that is sent
// from now on. They are valid until the next call of any other method. After an
// error they may hold a last word to the peer, which deserves an attempt.
func (e *Engine) Output() []byte { return e.out }

// Sent tells that the first n octets of Output are on their way. Tick is to
// follow, since a PING's deadline runs from when it was sent.
func (e *Engine) Sent(n int) {
	e.out = e.out[:copy(e.out, e.out[n:])]
	if len(e.out) == 0 && cap(e.out) > 4*initialOutput {
		e.out = nil // it held a large READY, and what follows is small
	}
}

// Consume looks at b, all the octets that arrived and were not consumed yet,
// and returns the first event in them. The owner drops Event.N octets and calls
// again until the event is EventNone. now is when the octets arrived.
//
// maxMessages bounds Event.Messages. While it is zero or less no messages are
// consumed; EventNone with a Need of zero then says that one is waiting.
//
// The engine may rearrange octets of b that it does not consume. An error is
// final: every later call returns it too.
func (e *Engine) Consume(now time.Time, b []byte, maxMessages int) (Event, error) {
	if e.state == stateFailed {
		return Event{}, e.err
	}
	if len(b) > e.left {
		e.pace.heard(now.Sub(e.epoch))
	}
	var ev Event
	var err error
	switch e.state {
	case stateTraffic:
		ev, err = e.consumeTraffic(now, b, maxMessages)
	case stateHandshake:
		ev, err = e.consumeHandshake(now, b)
	default:
		ev, err = e.consumeGreeting(b)
	}
	if err != nil {
		return Event{}, e.fail(err)
	}
	e.left = len(b) - ev.N
	return ev, nil
}

// fail ends the connection.
func (e *Engine) fail(err error) error {
	e.state, e.err, e.mech = stateFailed, err, nil
	return err
}

func (e *Engine) consumeGreeting(b []byte) (Event, error) {
	g, n, err := consumeGreeting(b)
	if err != nil {
		return Event{}, err
	}
	if n == 0 {
		return Event{Need: greetingSize}, nil
	}
	if err := g.checkMechanism(e.cfg.Mechanism.String()); err != nil {
		return Event{}, err
	}
	e.minor = g.minor
	e.mech = e.cfg.newMechanism()
	e.out = e.mech.begin(e.out)
	e.state = stateHandshake
	return Event{Kind: EventHandled, N: n}, nil
}

// consumeHandshake takes one whole frame for a command, whatever its COMMAND
// flag says: libzmq does not check it there (null_mechanism.cpp,
// process_handshake_command).
func (e *Engine) consumeHandshake(now time.Time, b []byte) (Event, error) {
	h, n, err := ConsumeFrameHeader(b, MaxCommand)
	switch {
	case err == errFrameTooLarge:
		return Event{}, errCommandTooLarge
	case err != nil:
		return Event{}, err
	case n == 0:
		return Event{Need: headerSize(b)}, nil
	case h.Flags&FlagMore != 0:
		return Event{}, errMoreOnCommand
	case len(b) < n+h.Size:
		return Event{Need: n + h.Size}, nil
	}
	name, data, err := ConsumeCommand(b[n : n+h.Size])
	if err != nil {
		return Event{}, err
	}
	kind := EventHandled
	e.out, e.peer, err = e.mech.handle(e.out, name, data)
	if err != nil {
		return Event{}, err
	}
	if e.peer != nil {
		kind = EventReady
		e.peer.Minor = int(e.minor)
		e.mech, e.state = nil, stateTraffic
		e.pace.start(now.Sub(e.epoch), e.cfg, e.peer.Minor)
	}
	return Event{Kind: kind, N: n + h.Size}, nil
}

// Tick tells the time. It returns when to call again at the latest, zero for
// never, and the error of a deadline that passed.
//
// Besides at that time, Tick is to be called after EventReady, EventHandled and
// Sent, each of which may bring the next deadline nearer. Octets that arrive
// only put deadlines off, so there is no need to call it for them.
func (e *Engine) Tick(now time.Time) (next time.Time, err error) {
	at := now.Sub(e.epoch)
	switch e.state {
	case stateFailed:
		return time.Time{}, e.err
	case stateTraffic:
		return e.tickTraffic(at)
	}
	if e.cfg.Handshake == 0 {
		return time.Time{}, nil
	}
	if at >= e.cfg.Handshake {
		return time.Time{}, e.fail(ErrHandshakeTimeout)
	}
	return e.epoch.Add(e.cfg.Handshake), nil
}

func (e *Engine) tickTraffic(at time.Duration) (time.Time, error) {
	if e.pace.held {
		sign, next := e.pace.sign(at, len(e.out) == 0)
		if sign {
			e.out = AppendPong(e.out, nil)
		}
		if next == 0 {
			return time.Time{}, nil
		}
		return e.epoch.Add(next), nil
	}
	ping, next, alive := e.pace.tick(at, e.cfg, len(e.out) == 0)
	if !alive {
		return time.Time{}, e.fail(ErrHeartbeatTimeout)
	}
	if ping {
		e.out = AppendPing(e.out, e.cfg.HeartbeatTTL, nil)
	}
	if next == 0 {
		return time.Time{}, nil
	}
	return e.epoch.Add(next), nil
}

// Asking reports whether a PING was sent that no octet has answered. The peer
// may be dead. It may also just not read, because its user is slow: libzmq reads
// nothing at all while its receive queue is full, and so answers no PING. An
// owner that can tell the two apart calls Alive before Tick.
func (e *Engine) Asking() bool {
	return e.state == stateTraffic && e.pace.pings > 0 && len(e.out) == 0
}

// Alive tells that the owner has evidence of the peer's life that is not in the
// octets, such as acknowledgements of what was sent. The peer will be asked
// again. A promise that the peer itself gave, by the TTL of its PING, stays.
func (e *Engine) Alive(now time.Time) { e.pace.vouched(now.Sub(e.epoch)) }

// Hold tells whether the owner reads from the connection. While it does not,
// for want of room, the peer's silence proves nothing and no heartbeat deadline
// runs; when it does again they start anew. Meanwhile the peer's PINGs are not
// read either, so it is sent signs of life unasked. Tick is to follow.
func (e *Engine) Hold(now time.Time, held bool) {
	e.pace.hold(now.Sub(e.epoch), held)
}
