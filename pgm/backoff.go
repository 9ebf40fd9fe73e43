package pgm

import (
	"math"
	"time"
)

const (
	// backOffRTTs is T, the interval a back-off is drawn from, in round trips. An
	// NCF must have come back to the others before many of them fire.
	backOffRTTs = 20

	minBackOff = 500 * time.Microsecond // of T
	maxBackOff = 500 * time.Millisecond // of T: 20 round trips of 25 ms

	// few is up to how many receivers the back-off is uniform over 1 to 5 round
	// trips, and sooner over than a truncated exponential one would be.
	few = 8

	// guardTime is how long a gap may be no more than packets that changed
	// places. "A possible mechanism to achieve this is to assume loss only after
	// the reception of N packets with sequence numbers higher […] This method
	// SHOULD be complemented with a timeout based mechanism". With time alone
	// nothing is to be counted for each packet, and at the rates that reorder the
	// two are the same. A late ODATA packet makes it longer.
	//
	// https://www.rfc-editor.org/rfc/rfc3208#section-6.3
	guardTime    = 100 * time.Microsecond
	maxGuardTime = 5 * time.Millisecond

	minRepeat = time.Millisecond       // of NAK_RPT_IVL and NAK_RDATA_IVL
	maxRepeat = 200 * time.Millisecond // OpenPGM's in libzmq

	unknownRTT = 500 * time.Microsecond // of a source that advertises nothing
	maxRTT     = 200 * time.Millisecond // of what is believed
)

// A backOff has the intervals of NAK generation. Those of the RFC are NAK_RB_IVL
// ([backOff.draw]), NAK_RPT_IVL ([backOff.repeat]) and NAK_RDATA_IVL
// ([backOff.data]).
//
// https://www.rfc-editor.org/rfc/rfc3208#section-6.3
type backOff struct {
	dice func() float64 // uniform in [0, 1)

	receivers int           // as many may lose a packet together; ≥ 1
	unit      time.Duration // the source's idea of a round trip; > 0
	rtt       estimate      // NAK to NCF
	repair    estimate      // NCF to RDATA
	guard     time.Duration // guardTime ≤ guard ≤ maxGuardTime
	strain    int           // 0 ≤ strain ≤ maxStrain: see strained
}

// newBackOff knows nothing of the source yet.
func newBackOff(dice func() float64) backOff {
	return backOff{dice: dice, receivers: 10, unit: unknownRTT, guard: guardTime}
}

// learn takes what a source of ours advertises, or another that follows RFC 3208,
// appendix E. See tuner.describe.
func (b *backOff) learn(o *Options) {
	b.unit = min(max(o.NAKBackOffMinimum, 10*time.Microsecond), maxRTT)
	// "NAK_BO_IVL MUST NOT be used unless the receiver has also seen" a POLL, if
	// it stems from one, and POLLs are not supported here.
	if o.Present.Has(OptNAKBOIvl) && o.NAKBackOffSQN == 0 {
		b.receivers = int(min(max(o.NAKBackOffInterval/b.unit, 1), maxAdvertised))
	}
}

// roundTrip returns the longest that a round trip usually takes: others are
// farther away than we, perhaps, and wait for the same NCF.
func (b *backOff) roundTrip() time.Duration {
	if b.unit == unknownRTT && b.rtt.known {
		return b.rtt.mean
	}
	return max(b.unit, b.rtt.mean)
}

// draw returns how long to wait before a NAK: NAK_RB_IVL. The many draw from a
// truncated exponential distribution, in which few fire early whatever their
// number (https://www.rfc-editor.org/rfc/rfc5401#section-3.2.3).
func (b *backOff) draw() time.Duration {
	rtt := b.roundTrip()
	if b.receivers <= few {
		return max(b.guard, rtt+time.Duration(b.dice()*float64(4*rtt)))
	}
	interval := float64(min(max(backOffRTTs*rtt, minBackOff), maxBackOff))
	lambda := math.Log(float64(b.receivers)) + 1
	wait := interval / lambda * math.Log(b.dice()*math.Expm1(lambda)+1)
	return max(b.guard, time.Duration(wait))
}

// repeat returns how long to wait for an NCF: NAK_RPT_IVL. It grows with each
// time that none came.
func (b *backOff) repeat(retries uint8) time.Duration {
	return grow(b.rtt.limit(b.roundTrip()), retries)
}

// data returns how long to wait for RDATA: NAK_RDATA_IVL.
func (b *backOff) data(retries uint8) time.Duration {
	return min(grow(b.repair.limit(b.roundTrip()), retries)<<(b.strain/strainStep), maxRepeat)
}

// A source or a network that is overloaded repeats what was asked for later than it
// is waited for. Then all is asked for again and again, and that adds to the load,
// while nothing can be learnt of how long repairs take: those that come may answer
// any of the questions. So what is waited for doubles with each strainStep that
// timeouts, counted twice, are ahead of repairs that came in time.
const (
	strainStep = 64
	maxStrain  = 4*strainStep - 1
)

// strained notes that a repair did not come in time.
func (b *backOff) strained() { b.strain = min(b.strain+2, maxStrain) }

// eased notes that one did.
func (b *backOff) eased() { b.strain = max(b.strain-1, 0) }

// grow doubles an interval with each third retry. The first are for loss, which
// passes soon; the others are for a source that cannot keep up.
func grow(d time.Duration, retries uint8) time.Duration {
	return min(max(d, minRepeat)<<min(retries/3, 8), maxRepeat)
}

// reordered notes that original data came late by that much and was no loss.
func (b *backOff) reordered(late time.Duration) {
	b.guard = max(b.guard, min(late+late/4, maxGuardTime))
}

// settled shortens the guard a little, since a loss was real.
func (b *backOff) settled() { b.guard = max(guardTime, b.guard-b.guard/64) }

// An estimate is a smoothed duration and its deviation, as TCP has them for its
// round trip (https://www.rfc-editor.org/rfc/rfc6298#section-2), but it falls
// faster than it rises. An answer may be to another receiver's question: if it
// comes too soon, the source's own idea of the round trip still holds; if ours was
// lost and it comes too late, then believing it would make us wait longer, and
// find more such answers.
type estimate struct {
	known     bool
	mean      time.Duration
	deviation time.Duration
}

// sample takes one measurement.
func (e *estimate) sample(d time.Duration) {
	d = min(max(d, 0), maxRTT)
	if !e.known {
		*e = estimate{known: true, mean: d, deviation: d / 2}
		return
	}
	off := d - e.mean
	if off < 0 {
		e.mean += off / 4
		e.deviation += (-off - e.deviation) / 4
		return
	}
	off = min(off, 4*e.mean+minRepeat)
	e.mean += off / 16
	e.deviation += (off - e.deviation) / 16
}

// limit returns after how long what was measured may be taken as lost.
func (e *estimate) limit(rtt time.Duration) time.Duration {
	if !e.known {
		return 4*rtt + 2*minRepeat
	}
	return 2*rtt + e.mean + 4*e.deviation
}
