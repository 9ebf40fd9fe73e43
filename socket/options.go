package socket

import (
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/zeroring/zeroring/zmtp"
)

// Values that stand for what zero means.
const (
	defaultHWM         = 1000
	defaultLinger      = 5 * time.Second
	defaultMaxMsgSize  = 1 << 30
	defaultHandshake   = 30 * time.Second
	defaultReconnect   = 100 * time.Millisecond
	defaultReconnMax   = 10 * time.Second
	defaultHeartbeat   = 5 * time.Second
	defaultHeartbeatTO = 15 * time.Second
	defaultBacklog     = 1024
	defaultKeepAlive   = 60 * time.Second
)

// NoLinger is a Linger that drops what is unsent at Close.
const NoLinger = time.Nanosecond

// Off turns off what a duration's zero turns on.
const Off = time.Duration(-1)

// Options configures a socket. The zero value is ready to use, and every field
// says what its zero means. A socket copies its Options: changing them later
// has no effect.
type Options struct {
	// Engine is what runs the socket's connections and holds its inproc names.
	// Zero means DefaultEngine.
	Engine *Engine

	// SendHWM and RecvHWM are the high-water marks: the most messages that wait
	// towards, or from, each peer. A peer whose queue is full counts as
	// unavailable (PUSH, REQ, DEALER, PAIR wait; PUB, ROUTER drop for it).
	// Zero means 1000, negative no limit. Over inproc the two sides' add up.
	SendHWM, RecvHWM int

	// Linger is how long Close and Disconnect go on sending what is queued.
	// Zero means 5 s, negative until it is sent, NoLinger not at all.
	Linger time.Duration

	// Identity is the routing id that ROUTER peers know this socket by: at most
	// 255 octets, the first of which may not be zero. Empty lets each make one up.
	Identity []byte

	// Immediate queues messages only to peers whose handshake is complete. Zero
	// queues to connections that are still being made as well.
	Immediate bool

	// Conflate keeps only the last message in each direction, for each peer. It
	// is for PUSH, PULL, PUB, SUB and DEALER.
	Conflate bool

	// MaxMsgSize is the largest frame taken from a peer, in octets; a larger one
	// ends its connection. Zero means 1 GiB, negative no limit. With all its
	// frames a message may have twice that, at least 64 MiB and at most 4 GiB.
	// What this side sends is not limited by it: what becomes of a message that a
	// peer does not take is under "What is guaranteed" in the package's comment.
	MaxMsgSize int64

	// ConnectTimeout is how long one attempt to connect may take. Zero leaves it
	// to the system.
	ConnectTimeout time.Duration

	// HandshakeTimeout is how long a peer may take for its greeting and
	// handshake. Zero means 30 s, Off no limit.
	HandshakeTimeout time.Duration

	// ReconnectInterval is the wait before the first new attempt to connect. It
	// doubles with each that fails up to ReconnectMax, and each wait is drawn
	// from the upper half of its value, so that a thousand peers of one server do not return as one.
	// Zero means 100 ms and 10 s. Off in ReconnectInterval means never.
	ReconnectInterval, ReconnectMax time.Duration

	// HeartbeatInterval is how often a peer is sent a PING, and HeartbeatTimeout
	// how long it may then be silent before the connection counts as lost.
	// HeartbeatTTL is what the peer is told to use as its own timeout: more than
	// the interval, and at most 6553.5 s. Zero means 5 s, 15 s, and the longer of
	// the timeout and three intervals. Off in HeartbeatInterval means no
	// heartbeats, in HeartbeatTimeout that the peer may be silent for ever, and in
	// HeartbeatTTL, as there if that is zero, that it is told nothing: then only
	// one that is silent is sent PINGs. Peers of ZMTP 3.0 are not sent any.
	HeartbeatInterval, HeartbeatTimeout, HeartbeatTTL time.Duration

	// SendBuf and RecvBuf are SO_SNDBUF and SO_RCVBUF in octets. Zero leaves
	// them to the system.
	SendBuf, RecvBuf int

	// Backlog is how many connections may wait to be accepted. Zero means 1024.
	Backlog int

	// TOS is the IP type of service, or the IPv6 traffic class: 0 to 255.
	TOS int

	// KeepAlive is the idle time and interval of TCP keepalive. Zero means 60 s,
	// Off none.
	KeepAlive time.Duration

	// Device binds connections to a network interface by name.
	Device string

	// Metadata is sent to each peer, which has it in its Stats. Names start with
	// "X-".
	Metadata map[string]string

	// RouterMandatory makes a ROUTER's Send fail with ErrNoRoute, or wait for
	// room, where it otherwise drops the message.
	RouterMandatory bool

	// RouterHandover lets a new peer take over the routing id of another, whose
	// connection is ended. Otherwise the newcomer is ignored: see EventIgnored.
	RouterHandover bool

	// ProbeRouter sends each new peer an empty message. For REQ, DEALER, ROUTER.
	ProbeRouter bool

	// ReqCorrelate prefixes requests with a number and ignores replies to others.
	ReqCorrelate bool

	// ReqRelaxed lets a REQ send again before it has its reply.
	ReqRelaxed bool

	// XPubVerbose makes an XPUB pass on repeated subscriptions, XPubVerboser
	// repeated cancellations too.
	XPubVerbose, XPubVerboser bool

	// XPubManual leaves it to the user of an XPUB to apply subscriptions.
	XPubManual bool

	// XPubNoDrop makes a PUB or XPUB wait for a full subscriber, and with it for
	// the slowest, where it otherwise drops the message for that one.
	XPubNoDrop bool

	// XPubWelcome is a message that an XPUB or PUB sends to each new subscriber.
	XPubWelcome []byte

	// InvertMatching sends, and on a SUB accepts, what does not match. It must
	// be set on both sides.
	InvertMatching bool

	// Multicast is about pgm:// and epgm:// endpoints.
	Multicast MulticastOptions

	// Logger is told what deserves a line: a name that does not resolve, a peer
	// that refuses this side, does not fit it or breaks the protocol, one that a
	// ROUTER ignores, a bound endpoint that cannot accept. What others may cause as
	// often as they like has a line each ten seconds at most, which says how many
	// were left out. Events tells more. Zero means the engine's.
	Logger *slog.Logger
}

// LibzmqDefaults returns Options with the values that libzmq has by default
// where zeroring's differ: no heartbeats, linger for ever, no keepalive, no
// limit to a message, a fixed reconnect interval, multicast at 100 kbit/s.
func LibzmqDefaults() *Options {
	return &Options{
		Linger:            Off,
		MaxMsgSize:        math.MaxInt64,
		ReconnectInterval: 100 * time.Millisecond,
		ReconnectMax:      100 * time.Millisecond,
		HeartbeatInterval: Off,
		Backlog:           100,
		KeepAlive:         Off,
		Multicast:         MulticastOptions{Rate: 100_000},
	}
}

// orDefault is what d means: itself, or def if zero, or 0 if negative.
func orDefault(d, def time.Duration) time.Duration {
	switch {
	case d == 0:
		return def
	case d < 0:
		return 0
	}
	return d
}

// check returns a copy of o with every zero resolved, or the *OptionError that
// says which value is not allowed for a socket of type t.
func (o *Options) check(t Type) (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	for _, n := range []struct {
		name       string
		value, max int
	}{{"SendBuf", c.SendBuf, 1 << 30}, {"RecvBuf", c.RecvBuf, 1 << 30}, {"Backlog", c.Backlog, 1 << 16}, {"TOS", c.TOS, 255}} {
		if n.value < 0 || n.value > n.max {
			return c, &OptionError{n.name, fmt.Sprintf("%d is not in 0..%d", n.value, n.max)}
		}
	}
	if len(c.Identity) > 255 {
		return c, &OptionError{"Identity", fmt.Sprintf("%d octets, more than 255", len(c.Identity))}
	}
	if len(c.Identity) > 0 && c.Identity[0] == 0 {
		return c, &OptionError{"Identity", "the first octet is zero, which is reserved for routing ids that a ROUTER makes up"}
	}
	if c.Conflate && !conflates(t) {
		return c, &OptionError{"Conflate", "not for " + t.String()}
	}
	for name, value := range c.Metadata {
		if !strings.HasPrefix(strings.ToLower(name), "x-") || len(name) > 255 {
			return c, &OptionError{"Metadata", fmt.Sprintf("name %q does not start with X- or has more than 255 octets", name)}
		}
		if len(value) > 4096 {
			return c, &OptionError{"Metadata", fmt.Sprintf("value of %q has more than 4096 octets", name)}
		}
	}
	c.Identity = append([]byte(nil), c.Identity...)
	if err := c.Multicast.check(); err != nil {
		return c, err
	}
	c.resolve()
	switch {
	case c.HeartbeatTTL > zmtp.MaxTTL:
		return c, &OptionError{"HeartbeatTTL", fmt.Sprintf("%v is more than %v", c.HeartbeatTTL, zmtp.MaxTTL)}
	case c.HeartbeatTTL > 0 && c.HeartbeatTTL <= c.HeartbeatInterval:
		reason := fmt.Sprintf("%v is no more than the interval of %v: peers would give up between two PINGs", c.HeartbeatTTL, c.HeartbeatInterval)
		return c, &OptionError{"HeartbeatTTL", reason}
	}
	return c, nil
}

// resolve replaces zeros by what they mean; 0 then means none.
func (o *Options) resolve() {
	switch {
	case o.MaxMsgSize == 0:
		o.MaxMsgSize = defaultMaxMsgSize
	case o.MaxMsgSize < 0:
		o.MaxMsgSize = math.MaxInt64
	}
	if o.Linger == 0 {
		o.Linger = defaultLinger
	}
	o.HandshakeTimeout = orDefault(o.HandshakeTimeout, defaultHandshake)
	o.resolveHeartbeat()
	o.KeepAlive = orDefault(o.KeepAlive, defaultKeepAlive)
	if o.ReconnectInterval == 0 {
		o.ReconnectInterval = defaultReconnect
	}
	o.ReconnectMax = max(orDefault(o.ReconnectMax, defaultReconnMax), o.ReconnectInterval)
	if o.Backlog == 0 {
		o.Backlog = defaultBacklog
	}
}

// resolveHeartbeat is resolve for what heartbeats need.
func (o *Options) resolveHeartbeat() {
	o.HeartbeatInterval = orDefault(o.HeartbeatInterval, defaultHeartbeat)
	if o.HeartbeatTimeout == 0 {
		o.HeartbeatTimeout = defaultHeartbeatTO
	}
	switch {
	case o.HeartbeatInterval == 0:
		o.HeartbeatTimeout, o.HeartbeatTTL = 0, 0
	case o.HeartbeatTTL < 0, o.HeartbeatTTL == 0 && (o.HeartbeatTimeout < 0 || o.HeartbeatInterval >= zmtp.MaxTTL):
		o.HeartbeatTTL = 0
	case o.HeartbeatTTL == 0:
		// A peer that trusts us for less than an interval would find us dead
		// between two PINGs.
		o.HeartbeatTTL = min(max(o.HeartbeatTimeout, 3*o.HeartbeatInterval), zmtp.MaxTTL)
	}
	if o.HeartbeatTimeout < 0 {
		o.HeartbeatTimeout = never
	}
}

// never is longer than any connection lasts, and may be added to a time.
const never = time.Duration(1 << 61)

// conflates reports whether sockets of type t may conflate.
func conflates(t Type) bool {
	switch t {
	case TypePush, TypePull, TypePub, TypeSub, TypeDealer:
		return true
	}
	return false
}
