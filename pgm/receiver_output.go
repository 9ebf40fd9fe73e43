package pgm

import (
	"net/netip"
	"slices"
	"time"
)

// A spmrState is how far a receiver is with asking for an SPM.
//
//	idle ──data or loss before any SPM──▶ group ──▶ source ──▶ asked ──timer──▶ NAKs go out anyway
type spmrState uint8

const (
	spmrIdle   spmrState = iota
	spmrGroup            // an SPMR is due, to the group first
	spmrSource           // then to the source
	spmrAsked            // waiting for the SPM
)

const (
	// spmrWait is SPMR_SPM_IVL: how long NAKs wait for an SPM that was asked for.
	spmrWait = 5 * time.Millisecond

	// spmrBackOff is SPMR_BO_IVL, for who joins by data: how long others that join
	// may be heard to ask, or the source's next SPM may come by itself. A loss does
	// not wait for it.
	spmrBackOff = 4 * time.Millisecond
)

// A pathState is what SPMs told about the way to the source.
type pathState struct {
	known bool
	sqn   SQN // of the last SPM in sequence
	stale int // SPMs out of sequence since
	nla   netip.Addr

	lists bool // the source takes NAK lists: it advertises OPT_NAK_BO_RNG
	muted bool // OPT_NBR_UNREACH: no NAKs until a regular SPM

	spmr     spmrState
	due      time.Duration // spmrGroup: when the SPMR is
	deadline time.Duration // spmrAsked: until when NAKs wait
}

// staleLimit is how many SPMs in a row may be out of sequence before the next one
// is taken for the first of a new sequence. Without it one forged SPM would make
// us deaf for all that follow.
const staleLimit = 8

// sequence takes in an SPM and reports whether it is to be looked at.
func (s *pathState) sequence(m *SPM, unreachable bool) bool {
	if unreachable {
		// "receivers MUST ignore SPMs containing the OPT_NBR_UNREACH option if
		// SPM_PATH does not match the current PGM parent."
		ok := s.known && m.Path == s.nla
		s.muted = s.muted || ok
		return ok
	}
	if s.known && m.SQN.Sub(s.sqn) <= 0 {
		if s.stale++; s.stale < staleLimit {
			return false
		}
	}
	s.known, s.sqn, s.nla, s.stale, s.muted = true, m.SQN, m.Path, 0, false
	s.spmr = spmrIdle
	return true
}

// ask has an SPM asked for at a time, or sooner if it is asked for already.
func (s *pathState) ask(due time.Duration) {
	switch {
	case s.known:
	case s.spmr == spmrIdle:
		s.spmr, s.due = spmrGroup, due
	case s.spmr == spmrGroup:
		s.due = min(s.due, due)
	}
}

// othersAsked notes another receiver's SPMR.
func (s *pathState) othersAsked(at time.Duration, b *backOff) {
	if !s.known && s.spmr != spmrAsked {
		s.asked(at, b)
	}
}

func (s *pathState) asked(at time.Duration, b *backOff) {
	s.spmr, s.deadline = spmrAsked, at+spmrWait+2*b.roundTrip()
}

// Output returns the next packet to send now, where to, and for ToSource the
// address, and nil if there is none before Deadline. It lies in buf, which is the
// caller's, of 316 octets at least. Next is to be called after it.
func (r *Receiver) Output(now time.Time, buf []byte) ([]byte, Destination, netip.Addr) {
	at := now.Sub(r.epoch)
	if r.phase == phaseEnded {
		return nil, 0, netip.Addr{}
	}
	r.applyBudget(at)
	h := NewHeader(TypeNAK, r.cfg.TSI, r.cfg.Port)
	switch {
	case r.path.spmr == spmrGroup && at >= r.path.due:
		// "it MUST first multicast its own SPMR to the group with a TTL of 1
		// before then unicasting its own SPMR to the source."
		//
		// https://www.rfc-editor.org/rfc/rfc3208#section-13.5
		h.Type, r.path.spmr = TypeSPMR, spmrSource
		return AppendSPMR(buf[:0], &h, nil), ToNeighbor, netip.Addr{}
	case r.path.spmr == spmrSource:
		h.Type = TypeSPMR
		r.stats.SPMRs++
		r.path.asked(at, &r.backOff)
		return AppendSPMR(buf[:0], &h, nil), ToSource, r.cfg.Source
	}
	var list [1 + MaxNAKList]SQN
	due, parity := r.collect(at, list[:0])
	if r.path.spmr == spmrGroup && at >= r.path.due {
		return r.Output(now, buf) // the NAKs were held, and an SPMR is due instead
	}
	if len(due) == 0 {
		return nil, 0, netip.Addr{}
	}
	slices.SortFunc(due, func(a, b SQN) int { return int(a.Sub(b)) })
	if parity {
		h.Options = BitParity
		r.stats.ParityNAKs++
	}
	r.stats.NAKs++
	r.stats.NAKEntries += uint64(len(due))
	// "It also records both the address of the source of the corresponding ODATA
	// and the address of the group in the NAK header."
	k := NAK{SQN: due[0], Source: r.cfg.Source, Group: r.cfg.Group}
	o := &r.options
	o.Present = 0
	o.SetNAKList(due[1:])
	if r.path.lists {
		o.Present |= SetOf(OptNAKBORng)
		o.NAKBackOffMinimum = r.backOff.roundTrip()
		o.NAKBackOffMaximum = max(o.NAKBackOffMinimum, backOffRTTs*r.backOff.roundTrip())
	}
	nla := r.cfg.Source
	if r.path.known {
		nla = r.path.nla
	}
	return AppendNAK(buf[:0], &h, &k, o), ToSource, nla
}

// Deadline returns when Output has something to do, at the latest, and the zero
// time if that is never, but for Handle. It may be in the past.
func (r *Receiver) Deadline() time.Time {
	w := r.rxw
	next := time.Duration(-1)
	switch {
	case r.phase == phaseEnded:
		return time.Time{}
	case r.path.spmr == spmrSource:
		return r.epoch.Add(r.heard)
	case r.path.spmr == spmrGroup:
		next = r.path.due
	}
	if len(w.timers) > 0 && (next < 0 || w.timers[0].deadline < next) {
		next = w.timers[0].deadline
	}
	if r.cfg.LatencyBudget > 0 && w.gone > 0 {
		// What is missing and not first is not delivered before the first.
		budget := w.at(w.next).missed + r.cfg.LatencyBudget
		if next < 0 || budget < next {
			next = budget
		}
	}
	if next < 0 {
		return time.Time{}
	}
	return r.epoch.Add(next)
}

// applyBudget gives up what is missing for longer than the budget.
func (r *Receiver) applyBudget(at time.Duration) {
	w := r.rxw
	if r.cfg.LatencyBudget == 0 || w.gone == 0 {
		return
	}
	end := w.next
	for end != w.lead+1 && w.at(end).missed+r.cfg.LatencyBudget <= at {
		end++
	}
	w.loseBefore(end, GapBudget)
}

// nakSlack is how much sooner a NAK may go than its back-off ends, if another one
// goes anyway.
const nakSlack = 50 * time.Microsecond

// collect handles timers that are over and returns what to send a NAK for, as
// much as one packet takes: packets, or groups with the number of parity packets
// that is needed.
func (r *Receiver) collect(at time.Duration, due []SQN) (list []SQN, parity bool) {
	w := r.rxw
	limit := 1
	if r.path.lists {
		limit = cap(due) - 3 // OPT_NAK_BO_RNG takes their place
	}
	for len(due) < limit && len(w.timers) > 0 {
		t := w.timers[0]
		p := w.at(t.sqn)
		if t.deadline > at && (len(due) == 0 || p.state != rxBackOff || t.deadline > at+nakSlack) {
			break
		}
		if p.state != rxBackOff {
			r.expired(at, t.sqn, p)
			continue
		}
		if r.held(at, t.sqn, p) {
			if r.path.spmr == spmrGroup && at >= r.path.due {
				break
			}
			continue
		}
		need := r.parityNeeded(t.sqn)
		if len(due) > 0 && parity != (need > 0) {
			break // a list has either
		}
		if parity = need > 0; parity {
			due = append(due, r.askGroup(at, t.sqn, need))
			continue
		}
		r.asked(at, t.sqn)
		due = append(due, t.sqn)
	}
	r.startTimers(at)
	return due, parity
}

// askGroup has so many parity packets asked for, and returns the entry of the NAK:
// "NAK_PKT_CNT and NCF_PKT_CNT are 0-based counters".
//
// https://www.rfc-editor.org/rfc/rfc3208#section-11.3.1
func (r *Receiver) askGroup(at time.Duration, sqn SQN, need int) SQN {
	f, w := &r.fec, r.rxw
	start := sqn &^ f.mask
	for i := range f.k {
		if sqn := start + SQN(i); w.has(sqn) && w.at(sqn).missing() {
			r.asked(at, sqn)
		}
	}
	return start + SQN(need-1)
}

// asked moves a packet to the state in which its NAK is out.
func (r *Receiver) asked(at time.Duration, sqn SQN) {
	w := r.rxw
	p := w.at(sqn)
	p.state, p.since, p.restarts = rxWaitNCF, at, 0
	p.mine = p.ncfRetries == 0 && p.dataRetries == 0
	if deadline := at + r.backOff.repeat(p.ncfRetries); p.timer != 0 {
		w.timers.move(w, p, deadline)
	} else if len(w.timers) < timerLimit {
		w.timers.add(w, sqn, deadline)
	}
}

// held reports whether no NAK may be sent for now, and puts it off. "A receiver
// MUST NOT initiate repair requests until it has received at least one SPM for the
// corresponding TSI." Here it asks for one, waits a little, and then takes the
// address that data comes from: on one subnet they are the same, and data is lost
// otherwise (OpenPGM gives up what is lost before the first SPM).
//
// https://www.rfc-editor.org/rfc/rfc3208#section-6.2
func (r *Receiver) held(at time.Duration, sqn SQN, p *rxPacket) bool {
	w := r.rxw
	switch {
	case r.path.muted:
		w.timers.move(w, p, at+maxRepeat)
		return true
	case r.path.known:
		return false
	case r.path.spmr == spmrIdle || r.path.spmr == spmrGroup:
		r.path.ask(at)
		return true
	case at < r.path.deadline:
		w.timers.move(w, p, r.path.deadline)
		return true
	}
	return false
}

// expired handles the end of waiting for an NCF or for data: back to BACK_OFF, or
// the end.
func (r *Receiver) expired(at time.Duration, sqn SQN, p *rxPacket) {
	w := r.rxw
	limit := uint8(r.cfg.Retries)
	if p.state == rxWaitData {
		if r.repairs.coming(at, sqn, p.since, r.backOff.repeat(0)) {
			w.timers.move(w, p, r.repairs.lastAt+r.backOff.repeat(0))
			return
		}
		p.dataRetries++
		r.backOff.strained()
	} else {
		p.ncfRetries++
	}
	if p.dataRetries > limit || p.ncfRetries > limit {
		w.lose(sqn, GapRetries)
		return
	}
	p.state, p.since = rxBackOff, at
	w.timers.move(w, p, at+r.backOff.draw())
}

// A repairTrack is what repairs came last. Sources repeat the oldest first, or
// what was asked for first: as long as repairs come for what precedes a packet, and
// none for what follows it, its own is still to come. So a source with much to
// repair at a low rate is not asked again and again.
type repairTrack struct {
	last   SQN // of the last repair of something missing
	lastAt time.Duration
	high   SQN // the highest of late
	highAt time.Duration
}

func (t *repairTrack) note(at time.Duration, sqn SQN) {
	t.last, t.lastAt = sqn, at
	if !sqn.Before(t.high) || at-t.highAt > maxRepeat {
		t.high, t.highAt = sqn, at
	}
}

// coming reports whether the repair of sqn, confirmed at the time since, is to be
// expected within wait after the last one. Each repair can be the reason only
// once, as there is less missing after it.
func (t *repairTrack) coming(at time.Duration, sqn SQN, since, wait time.Duration) bool {
	passed := t.highAt >= since && sqn.Before(t.high)
	return !passed && t.last.Before(sqn) && at-t.lastAt < wait
}
