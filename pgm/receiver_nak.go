package pgm

import "time"

// maxRestarts is how often NCFs and others' NAKs may put off the next NAK for
// one packet, since the last: whoever forges them delays a repair by so many
// times NAK_RDATA_IVL and no more.
const maxRestarts = 3

// handleNAK takes in an NCF, or a NAK that another receiver multicast.
//
// Those for data that was not heard of yet are ignored, though the RFC allows
// taking them for the news of a loss: a forged one would have us report gaps that
// are none. Heartbeats bring the same news.
//
// https://www.rfc-editor.org/rfc/rfc3208#section-6.3
func (r *Receiver) handleNAK(at time.Duration, h *Header, k *NAK) {
	if h.Type == TypeNCF {
		r.stats.NCFs++
	} else {
		r.stats.OthersNAKs++
	}
	if r.phase != phaseJoined {
		return
	}
	suppress := r.suppress
	if h.Options&BitParity != 0 {
		suppress = r.suppressGroup
	}
	suppress(at, h.Type, k.SQN)
	for _, sqn := range r.options.NAKList() {
		suppress(at, h.Type, sqn)
	}
}

// suppressGroup moves what is missing in a group, if as much parity was asked for
// as we need or more. "A confirming NCF for a parity NAK is a parity NCF with
// NCF_PKT_CNT equal to or greater than that specified by the parity NAK."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-11.5
func (r *Receiver) suppressGroup(at time.Duration, t Type, sqn SQN) {
	f := &r.fec
	if need := r.parityNeeded(sqn); need == 0 || int(sqn&f.mask)+1 < need {
		return
	}
	for i := range f.k {
		r.suppress(at, t, sqn&^f.mask+SQN(i))
	}
}

// suppress moves one packet to the state in which its NAK has been sent, by us or
// another, and starts the timer of that state.
func (r *Receiver) suppress(at time.Duration, t Type, sqn SQN) {
	w := r.rxw
	if !w.has(sqn) {
		return
	}
	p := w.at(sqn)
	if !p.missing() || p.restarts >= maxRestarts {
		return
	}
	if t == TypeNCF && p.state == rxWaitNCF && p.mine {
		r.backOff.rtt.sample(at - p.since)
	}
	p.restarts++
	p.mine = false
	wait := r.backOff.data(p.dataRetries)
	switch {
	case t == TypeNCF && p.state != rxWaitData:
		p.state, p.since = rxWaitData, at
	case t == TypeNAK && p.state != rxWaitData:
		p.state, p.since = rxWaitNCF, at
		wait = r.backOff.repeat(p.ncfRetries)
	}
	if p.timer != 0 {
		w.timers.move(w, p, at+wait)
	} else if len(w.timers) < timerLimit {
		w.timers.add(w, sqn, at+wait)
	}
}
