package pgm

import "time"

// A rate is a token bucket, counted in octets times 10⁹ so that a nanosecond of
// any rate is a whole number: nothing is rounded, and so nothing drifts.
//
// "Over any arbitrarily chosen interval, the number of bytes the source may
// transmit MUST NOT exceed the token bucket size plus the product of the token
// rate and the chosen interval."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-5.1.2
type rate struct {
	octetsPerSec int64 // zero: unlimited
	depth        int64 // most that credit may be, if nothing waits for it
	credit       int64 // −debt·depth ≤ credit ≤ late·depth
	waiting      bool  // something waits: see waits
	last         time.Duration
}

const (
	tokens = int64(time.Second) // of one octet

	// burst is how much of the rate the bucket holds, if that is more than one
	// packet. OpenPGM's is the same.
	burst = time.Millisecond

	// late is how many depths credit may grow to while something waits for it. It was
	// then earned because who sends came late, and without it a source that is
	// starved of its processor would never get back to its rate. OpenPGM's is lost.
	late = 10

	// debt is how many depths those packets that never wait may take ahead of
	// the rate. Beyond it they come free, so that a storm of NAKs, each of which
	// is answered, does not stop the data.
	debt = 8

	// maxOctetsPerSec keeps late·depth, debt and one packet below 2⁶³.
	maxOctetsPerSec = 100 << 30
)

// newRate returns a full bucket. packet is the most that is taken at once.
func newRate(octetsPerSec int64, packet int, at time.Duration) rate {
	assert(octetsPerSec >= 0 && octetsPerSec <= maxOctetsPerSec, "rate out of range")
	depth := max(octetsPerSec*int64(burst), int64(packet)*tokens)
	return rate{octetsPerSec: octetsPerSec, depth: depth, credit: depth, last: at}
}

// refill brings credit up to the time at.
func (r *rate) refill(at time.Duration) {
	elapsed := int64(at - r.last)
	if elapsed <= 0 {
		return
	}
	r.last = at
	most := r.depth
	if r.waiting {
		most *= late
	}
	if missing := most - r.credit; r.octetsPerSec == 0 || elapsed > missing/r.octetsPerSec {
		r.credit = max(r.credit, most)
		return
	}
	r.credit += elapsed * r.octetsPerSec
}

// change makes the rate another from now on, of packets of at most that size.
func (r *rate) change(at time.Duration, octetsPerSec int64, packet int) {
	r.refill(at)
	r.octetsPerSec = octetsPerSec
	r.depth = max(octetsPerSec*int64(burst), int64(packet)*tokens)
	r.credit = min(r.credit, r.depth)
}

// waits takes note whether from now on something waits for credit.
func (r *rate) waits(at time.Duration, yes bool) {
	if yes == r.waiting {
		return
	}
	r.refill(at)
	if r.waiting = yes; !yes {
		r.credit = min(r.credit, r.depth) // a burst is no longer what was missed
	}
}

// allows reports whether n octets may go at the time at.
func (r *rate) allows(at time.Duration, n int) bool {
	r.refill(at)
	return r.octetsPerSec == 0 || r.credit >= int64(n)*tokens
}

// charge takes n octets, whether the rate allows them or not.
func (r *rate) charge(at time.Duration, n int) {
	r.refill(at)
	r.credit = max(r.credit-int64(n)*tokens, -debt*r.depth)
}

// when returns from when on the rate allows n octets, if nothing is taken before.
func (r *rate) when(n int) time.Duration {
	missing := int64(n)*tokens - r.credit
	if r.octetsPerSec == 0 || missing <= 0 {
		return r.last
	}
	return r.last + time.Duration((missing+r.octetsPerSec-1)/r.octetsPerSec)
}
