package pgm

import "time"

// An rxState is how far a receiver is with one sequence number of its window. It
// is the RFC's diagram, with its names:
//
//	    gap seen
//	       ▼    timer: send NAK          NCF
//	   BACK_OFF ──────────────▶ WAIT_NCF ───▶ WAIT_DATA
//	    │  ▲ ▲                   │  │timer       │ │timer
//	    │  │ └───────────────────┼──┘            │ │
//	    │  └─────────────────────┼───────────────┼─┘
//	    │ NCF: to WAIT_DATA; another's NAK: to WAIT_NCF
//	    ▼                        ▼               ▼
//	data, in any of these: HAVE_DATA
//	retries, trail, budget or memory exhausted: LOST
//
// https://www.rfc-editor.org/rfc/rfc3208#section-6.3
type rxState uint8

const (
	rxNone     rxState = iota // outside the window
	rxBackOff                 // missing: a NAK is pending, or will be when there is a timer for it
	rxWaitNCF                 // missing: a NAK is out
	rxWaitData                // missing: the source has confirmed
	rxHaveData                // received, and delivered too if order does not matter
	rxLost                    // given up, and to be reported
)

// An rxPacket is one place of the receive window.
type rxPacket struct {
	missed time.Duration // when it was seen to be missing
	since  time.Duration // when its state began
	timer  int32         // 1 + its place in the heap; zero: none
	buffer int32         // rxHaveData: 1 + buffer of the pool; zero: was delivered

	state       rxState
	mine        bool      // rxWaitNCF: by our NAK, the first for it
	delivered   bool      // rxHaveData: the user has it, though what precedes it is missing
	reason      GapReason // rxLost
	ncfRetries  uint8     // NAK_NCF_RETRIES counts these
	dataRetries uint8     // NAK_DATA_RETRIES counts these
	restarts    uint8     // how often others made its timer begin again, since our last NAK
}

func (p *rxPacket) missing() bool { return p.state >= rxBackOff && p.state <= rxWaitData }

// wanted reports whether the packet would be delivered if it came.
func (p *rxPacket) wanted() bool { return p.missing() || p.state == rxLost }

// An rxw is the receive window.
//
//	next                                lead
//	  │ missing, received behind         │ not known to
//	  │ what is missing, or lost         │ exist yet
//
// "a receiver simply obeys what the source tells it in terms of window state and
// advancement", up to a limit of its own. Memory follows what is in the window
// and not what a source claims: places double in number as they are needed.
//
// https://www.rfc-editor.org/rfc/rfc3208#section-3.4
type rxw struct {
	// next ≤ fresh ≤ lead+1, and lead+1 − next ≤ 2·limit: a packet may be limit
	// ahead of lead, and what falls more than limit behind it is given up, but
	// keeps its place until it is reported.
	next  SQN // first that was neither delivered nor reported as lost
	fresh SQN // what is missing before it has a timer
	lead  SQN // RXW_LEAD, or SPM_LEAD if that is more
	seen  SQN // RXW_LEAD ≤ lead: no data behind it has come

	limit  int32 // packets
	places []rxPacket
	mask   SQN
	lost   int // places that are rxLost
	gone   int // places that are missing

	timers timerHeap
	pool   bufferPool
}

const (
	firstPlaces = 16

	// timerLimit is how many sequence numbers are being asked for at a time. The
	// oldest come first, others when those are settled: a receiver that missed a
	// second of data does not ask for all of it in one breath.
	timerLimit = 1024
)

func newRXW(limit int, octets int) *rxw {
	w := &rxw{
		limit: int32(limit), places: make([]rxPacket, firstPlaces), mask: firstPlaces - 1,
		pool: bufferPool{limit: octets},
	}
	w.begin(0)
	return w
}

// begin empties the window; next is the first packet expected.
func (w *rxw) begin(next SQN) { w.next, w.fresh, w.lead, w.seen = next, next, next-1, next-1 }

func (w *rxw) at(sqn SQN) *rxPacket { return &w.places[sqn&w.mask] }

// has reports whether sqn has a place.
func (w *rxw) has(sqn SQN) bool { return sqn-w.next < w.lead+1-w.next }

// near reports whether sqn is at most limit behind next, and at most limit ahead of
// lead. Two Subs do not tell: half the numbers away, what is ahead of one is behind the
// other.
func (w *rxw) near(sqn SQN) bool {
	limit := SQN(w.limit)
	return sqn-(w.next-limit) <= w.lead-w.next+2*limit
}

// extend makes lead the newest packet known to exist. Those before it that were
// not known are missing. The caller has checked that lead is ahead by at most
// limit.
func (w *rxw) extend(at time.Duration, lead SQN) {
	if span := int(lead + 1 - w.next); span > len(w.places) {
		w.grow(span)
	}
	for w.lead != lead {
		w.lead++
		*w.at(w.lead) = rxPacket{state: rxBackOff, missed: at, since: at}
		w.gone++
	}
}

// retract makes lead what it is no more than claimed to be beyond: the newest
// packet that an SPM tells of, or that has come.
func (w *rxw) retract(lead SQN) {
	if lead.Before(w.seen) {
		lead = w.seen
	}
	for lead.Before(w.lead) && w.next != w.lead+1 {
		p := w.at(w.lead)
		w.settle(p)
		p.state = rxNone
		w.lead--
	}
	if w.lead.Before(w.fresh) {
		w.fresh = w.lead + 1
	}
}

// grow makes room for span places.
func (w *rxw) grow(span int) {
	places := make([]rxPacket, ceilPower(span))
	mask := SQN(len(places) - 1)
	for sqn := w.next; sqn != w.lead+1; sqn++ {
		places[sqn&mask] = *w.at(sqn)
	}
	w.places, w.mask = places, mask
}

// store keeps a copy of payload for a missing packet until its turn. It reports
// whether there was memory.
func (w *rxw) store(sqn SQN, payload []byte, part fragment) bool {
	buffer, ok := w.pool.take(payload, part)
	if ok {
		w.received(sqn)
		w.at(sqn).buffer = buffer + 1
	}
	return ok
}

// received settles a missing or lost packet.
func (w *rxw) received(sqn SQN) {
	p := w.at(sqn)
	w.settle(p)
	p.state = rxHaveData
	if w.seen.Before(sqn) {
		w.seen = sqn
	}
}

// lose gives up a missing packet.
func (w *rxw) lose(sqn SQN, reason GapReason) {
	p := w.at(sqn)
	w.settle(p)
	p.state, p.reason = rxLost, reason
	w.lost++
}

// settle ends the search for a packet.
func (w *rxw) settle(p *rxPacket) {
	switch {
	case p.missing():
		w.gone--
	case p.state == rxLost:
		w.lost--
	}
	if p.timer != 0 {
		w.timers.remove(w, int(p.timer-1))
	}
}

// loseBefore gives up all missing packets before end, which may be lead+1.
func (w *rxw) loseBefore(end SQN, reason GapReason) {
	for sqn := w.next; sqn.Before(end) && w.gone > 0; sqn++ {
		if w.at(sqn).missing() {
			w.lose(sqn, reason)
		}
	}
}

// pass moves next past its place.
func (w *rxw) pass() {
	p := w.at(w.next)
	if p.state == rxLost {
		w.lost--
	}
	p.state = rxNone
	if w.fresh == w.next {
		w.fresh++
	}
	if w.seen.Before(w.next) {
		w.seen = w.next
	}
	w.next++
}

// start gives timers that end at deadline to missing packets before end that never
// had one, the oldest first, as far as there are timers.
func (w *rxw) start(deadline time.Duration, end SQN) {
	for ; w.fresh.Before(end) && len(w.timers) < timerLimit; w.fresh++ {
		if p := w.at(w.fresh); p.missing() && p.timer == 0 {
			w.timers.add(w, w.fresh, deadline)
		}
	}
}

// check panics if an invariant does not hold.
func (w *rxw) check() {
	span := w.lead + 1 - w.next
	assert(span <= SQN(2*w.limit) && int(span) <= len(w.places), "rxw: window larger than its limit")
	assert(w.seen+1-w.next <= span, "rxw: seen outside next to lead")
	assert(w.fresh-w.next <= span, "rxw: fresh outside next to lead")
	lost, gone, timers, held := 0, 0, 0, 0
	for sqn := w.next; sqn != w.lead+1; sqn++ {
		p := w.at(sqn)
		assert(p.state != rxNone, "rxw: place without state")
		if p.missing() {
			gone++
			assert(p.timer != 0 || !sqn.Before(w.fresh), "rxw: missing without timer")
		}
		if p.state == rxLost {
			lost++
		}
		if p.buffer != 0 {
			assert(p.state == rxHaveData, "rxw: buffer of what is missing")
			held++
		}
		if p.timer != 0 {
			assert(p.missing() && w.timers[p.timer-1].sqn == sqn, "rxw: timer of another packet")
			timers++
		}
	}
	assert(lost == w.lost && gone == w.gone, "rxw: miscounted")
	assert(timers == len(w.timers) && timers <= timerLimit, "rxw: timers miscounted")
	w.timers.check()
	w.pool.check(held)
}
