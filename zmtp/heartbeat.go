package zmtp

import "time"

// maxPings is how many PINGs may go unanswered by any octet at all:
//
// "To avoid PONG storms, a peer should not send more than a small number of PING
// commands without receiving PONG replies."
// https://rfc.zeromq.org/spec/37/#connection-heartbeating
const maxPings = 8

// heartbeat decides when to send a PING and when the peer is dead. Times are
// durations since the engine's epoch.
//
// "a peer SHOULD treat any incoming traffic (not just a PONG reply) as a sign of
// life." Any octet counts, where libzmq wants a whole frame: a large one may
// take longer than the timeout.
type heartbeat struct {
	every time.Duration // 0: no PINGs
	seen  time.Duration // when octets came last
	asked time.Duration // when the last PING was put into the output
	since time.Duration // from when on the first unanswered PING is known sent; -1: none is
	until time.Duration // by when the peer promised to be heard; 0: it did not
	pings int           // PINGs since octets came last
	held  bool          // the owner does not read
}

// start begins when the handshake is over, with octets that were heard.
func (h *heartbeat) start(at time.Duration, cfg *Config, minor int) {
	h.asked = at
	// libzmq sends PINGs to 3.0 peers as well, which ignore commands they do
	// not know; others may take them for a breach of protocol.
	if minor >= 1 {
		h.every = cfg.HeartbeatEvery
	}
}

// heard notes that octets came.
func (h *heartbeat) heard(at time.Duration) {
	h.until = 0
	h.vouched(at)
}

// vouched notes that somebody else saw a sign of life. It is no answer to a
// promise, since that was to send something.
func (h *heartbeat) vouched(at time.Duration) {
	h.seen, h.since, h.pings = at, -1, 0
}

// promised notes the TTL of a PING after which nothing has come yet.
//
// "If it receives a PING command with a non-zero TTL and then does not receive
// any further traffic within that TTL", the peer is dead.
func (h *heartbeat) promised(at, ttl time.Duration) {
	if ttl > 0 {
		h.until = at + ttl
	}
}

func (h *heartbeat) hold(at time.Duration, held bool) {
	if h.held && !held {
		h.heard(at)
	}
	h.held = held
}

// tick returns whether to send a PING now, when to tick next (0: never), and
// whether the peer may still be alive. flushed says that no control output
// waits to be sent.
func (h *heartbeat) tick(at time.Duration, cfg *Config, flushed bool) (ping bool, next time.Duration, alive bool) {
	if h.pings > 0 && h.since < 0 && flushed {
		// The timeout counts from here and not from when the PING was put into
		// the output: a peer that reads slowly is not one that is dead.
		h.since = at
	}
	dead := h.deadline(cfg)
	if dead != 0 && at >= dead {
		return false, 0, false
	}
	due := h.due(cfg)
	if due != 0 && at >= due {
		if flushed {
			ping = true
			h.pings++
			h.asked = at
			due = h.due(cfg)
		} else {
			due = at + h.every // one PING in the output is enough
		}
	}
	return ping, earlier(due, dead), true
}

// sign is tick while the owner does not read: a peer whose PINGs wait unread
// would give us up, though all that is slow here is the user. So it gets a sign
// of life as often as it would get a PING. A PONG, as that asks for no answer,
// which would wait unread as well.
func (h *heartbeat) sign(at time.Duration, flushed bool) (due bool, next time.Duration) {
	if h.every == 0 {
		return false, 0
	}
	if at >= h.asked+h.every {
		due = flushed // one in the output is enough
		h.asked = at
	}
	return due, h.asked + h.every
}

// deadline returns when the peer will count as dead, 0 for never.
func (h *heartbeat) deadline(cfg *Config) time.Duration {
	dead := h.until
	// "If it sends a PING command and does not receive any traffic within some
	// timeout."
	if h.since >= 0 {
		timeout := cfg.HeartbeatTimeout
		if timeout == 0 {
			timeout = h.every
		}
		dead = earlier(dead, h.since+timeout)
	}
	return dead
}

// due returns when to send the next PING, 0 for never as things stand.
func (h *heartbeat) due(cfg *Config) time.Duration {
	switch {
	case h.every == 0:
		return 0
	case cfg.HeartbeatTTL > 0:
		// The peer counts on hearing from us, however much we hear from it.
		if h.pings >= maxPings {
			return 0
		}
		return h.asked + h.every
	case h.pings > 0:
		return 0 // a stream loses nothing, so asking once is enough
	}
	return h.seen + h.every
}

// earlier returns the smaller of two times of which 0 means never.
func earlier(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
