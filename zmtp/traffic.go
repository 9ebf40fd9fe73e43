package zmtp

import "time"

// maxPending is how many octets of control output may wait to be sent before
// PINGs go unanswered: a peer that asks and does not read would otherwise have
// us store its PONGs. It is enough for more than 40 of the longest.
const maxPending = 1 << 10

// A message may have maxFrames frames: whoever takes one apart needs far more
// memory for a frame than the two octets that the peer sends for an empty one.
// They are counted from where a message gets to uncounted octets, and long ones
// before that, so that short messages do not pay for it.
const (
	maxFrames = 1 << 20
	uncounted = 128 << 10
)

// stop says why walk went no further.
type stop uint8

const (
	stopShort   stop = iota // b ends; at least need octets are needed
	stopFull                // as many messages as were asked for
	stopCommand             // a command frame begins
	stopBroken              // a frame or message is not acceptable
)

// A walk is where walk got to.
type walk struct {
	end  int // where the last whole message ends
	n    int // how many messages that is
	at   int // ≥ end: where the next frame begins
	many int // counted frames of the message at end
	need int // stopShort: how many octets b must have to get further
	why  stop
	err  error // stopBroken
}

// walkMessages finds the longest run of whole messages at the front of b, up to
// most. It starts at the frame that begins at the offset at, when the frames
// before it, many of them counted, belong to the first message.
//
// Hot: BenchmarkWalk. It looks at two octets of a short message.
func walkMessages(b []byte, at, many, most, frameMax, wholeMax int) walk {
	w := walk{at: at, many: many}
	for w.n < most {
		end := w.end
		w.end, w.at, w.n = walkShort(b, w.end, w.at, w.n, most, frameMax, min(wholeMax, uncounted))
		if w.end > end {
			w.many = 0
		}
		if w.n == most {
			break
		}
		next, more, need, why, err := walkFrame(b, w.at, frameMax)
		if next-w.end > wholeMax {
			why, err = stopBroken, errMessageTooLarge
		}
		if why == stopFull && w.many == maxFrames {
			why, err = stopBroken, errManyFrames
		}
		if why != stopFull {
			w.need, w.why, w.err = need, why, err
			return w
		}
		w.at = next
		if w.many++; !more {
			w.end, w.n, w.many = w.at, w.n+1, 0
		}
	}
	w.why = stopFull
	return w
}

// walkShort passes over message frames with a short header, and leaves the
// others, and whatever is wrong, to walkFrame. Its arguments are a walk's.
func walkShort(b []byte, end, at, n, most, frameMax, wholeMax int) (int, int, int) {
	for n < most && at+1 < len(b) && Flags(b[at])&(FlagLong|FlagCommand) == 0 {
		size := int(b[at+1])
		next := at + shortHeader + size
		if next > len(b) || size > frameMax || next-end > wholeMax {
			break
		}
		more := Flags(b[at])&FlagMore != 0
		if at = next; !more {
			end, n = at, n+1
		}
	}
	return end, at, n
}

// walkFrame passes over the frame of a message that begins at the offset at. It
// returns stopFull if that worked, and where the frame ends as soon as that is
// known.
func walkFrame(b []byte, at, frameMax int) (next int, more bool, need int, why stop, err error) {
	h, n, err := ConsumeFrameHeader(b[at:], max(frameMax, MaxCommand))
	switch {
	case err != nil:
		return at, false, 0, stopBroken, err
	case n == 0:
		return at, false, at + headerSize(b[at:]), stopShort, nil
	case h.Flags&FlagCommand != 0:
		return at, false, 0, stopCommand, nil
	case h.Size > frameMax:
		return at, false, 0, stopBroken, errFrameTooLarge
	}
	next = at + n + h.Size
	if next > len(b) {
		return next, false, next, stopShort, nil
	}
	return next, h.Flags&FlagMore != 0, 0, stopFull, nil
}

// consumeTraffic is Consume after the handshake.
func (e *Engine) consumeTraffic(now time.Time, b []byte, most int) (Event, error) {
	if e.skip > 0 {
		n := e.skip
		e.skip = 0
		return Event{Kind: EventHandled, N: n}, nil
	}
	wanted := max(most, 1)
	if e.inside > 0 {
		wanted = 1 // it must be mended before others can follow it
	}
	w := walkMessages(b, e.walked, e.many, wanted, e.frameMax, e.wholeMax)
	if w.n > 0 && most <= 0 {
		return Event{}, nil
	}
	e.walked, e.many = w.at-w.end, w.many
	if w.n > 0 {
		return e.messages(b, w), nil
	}
	switch w.why {
	case stopCommand:
		return e.consumeCommand(now, b, w.at)
	case stopBroken:
		return Event{}, w.err
	}
	return Event{Need: w.need}, nil
}

// messages reports a run of messages.
func (e *Engine) messages(b []byte, w walk) Event {
	end := w.end
	if e.inside > 0 {
		end = compact(b[:w.end])
		e.inside, e.skip = 0, w.end-end
	}
	return Event{Kind: EventMessages, N: end, Messages: w.n}
}

// compact moves the frames of the one message in b to its front, over the
// commands between them, and returns where they end now.
func compact(b []byte) int {
	end := 0
	for at := 0; at < len(b); {
		h, n, _ := ConsumeFrameHeader(b[at:], len(b))
		n += h.Size
		if h.Flags&FlagCommand == 0 {
			end += copy(b[end:], b[at:at+n])
		}
		at += n
	}
	return end
}

// consumeCommand handles the command frame that begins at the offset at. If
// that is not zero, then the command comes between the frames of a message:
// ZMTP's grammar has no such thing, but libzmq does it whenever a heartbeat is
// due after part of a message was encoded (stream_engine_base.cpp, timer_event).
// Such a command stays where it is until the message is whole.
func (e *Engine) consumeCommand(now time.Time, b []byte, at int) (Event, error) {
	h, n, err := ConsumeFrameHeader(b[at:], MaxCommand)
	if err != nil {
		return Event{}, errCommandTooLarge
	}
	start, end := at+n, at+n+h.Size
	if end > len(b) {
		return Event{Need: end}, nil
	}
	ev, err := e.handleCommand(now, b[start:end:end], end == len(b))
	if err != nil {
		return Event{}, err
	}
	if at == 0 {
		ev.N = end
	} else {
		e.walked = end
		e.inside += end - at
	}
	return ev, nil
}

// handleCommand acts on one command. last says that nothing came after it yet.
func (e *Engine) handleCommand(now time.Time, body []byte, last bool) (Event, error) {
	name, data, err := ConsumeCommand(body)
	if err != nil {
		return Event{}, err
	}
	switch string(name) {
	case "PING":
		ttl, context, err := consumePing(data)
		if err != nil {
			return Event{}, err
		}
		if last {
			e.pace.promised(now.Sub(e.epoch), ttl)
		}
		if len(e.out) < maxPending {
			e.out = AppendPong(e.out, context)
		}
	case "SUBSCRIBE":
		return Event{Kind: EventSubscribe, Body: data}, nil
	case "CANCEL":
		return Event{Kind: EventCancel, Body: data}, nil
	case "ERROR":
		// An ERROR has its place in the handshake, and libzmq ignores it here.
		// But the peer that sends it may have had our READY before it decided.
		return Event{}, consumeError(data)
	}
	// PONG has done its work by arriving. Other commands are of versions and
	// extensions we do not know, and libzmq too passes over those.
	return Event{Kind: EventHandled}, nil
}
