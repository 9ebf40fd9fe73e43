package pgm

import (
	"math"
	"slices"
	"testing"
	"time"
)

// A closedForm is the closed form that simulations are checked against. It shares nothing
// with the engine but the intervals that the engine's comments promise.
//
// Receivers notice a loss that all share when what follows it comes, each after its
// own delay D, and each waits for T, whose distribution is F. A NAK takes D too, and so
// does the NCF. So receiver j's NAK is with the source at T+2D, and its NCF stops i if
// that is sooner than T of i:
//
//	E[NAKs]  = Σi ∫ Πj≠i (1 − F(t − 2Dj)) dF(t)
//	E[first] = ∫ Πj (1 − F(t − 2Dj)) dt
//
// The second is when the first NAK is with the source, from when it sent what shows the
// loss.
type closedForm struct {
	rtt    time.Duration // as advertised
	delays []time.Duration
}

// cdf is F for a back-off of t: up to eight receivers draw from one to five round
// trips, uniformly; more from a truncated exponential distribution over twenty (RFC
// 5401, section 3.2.3). Nobody asks before the guard against reordering is over.
func (f *closedForm) cdf(t float64) float64 {
	const guard = 100e3
	rtt, n := float64(f.rtt), float64(len(f.delays))
	if t < guard {
		return 0
	}
	if n <= 8 {
		return min(max((t-rtt)/(4*rtt), 0), 1)
	}
	lambda := math.Log(n) + 1
	return min(math.Expm1(lambda*t/(20*rtt))/math.Expm1(lambda), 1)
}

// expect returns the mean of NAKs of a loss, and of the time to the first.
func (f *closedForm) expect() (naks float64, first time.Duration) {
	const steps = 500
	end := 20 * float64(f.rtt)
	if len(f.delays) <= 8 {
		end = 5 * float64(f.rtt)
	}
	end += 2 * float64(slices.Max(f.delays))
	step, before := end/steps, 0.0
	for k := range steps {
		at := (float64(k) + 0.5) * step
		none, each := 1.0, 0.0
		for _, d := range f.delays {
			later := 1 - f.cdf(at-2*float64(d))
			if none *= later; none == 0 {
				break
			}
			each += 1 / later
		}
		mass := f.cdf((float64(k)+1)*step) - before
		before += mass
		naks += mass * none * each
		first += time.Duration(none * step)
	}
	return naks, first
}

// near reports whether two figures are within 20 % of each other's.
func near(got, want float64) bool { return got >= want*0.8 && got <= want*1.2 }

// TestForm checks the closed form where it is simple: one receiver, two that are as far
// away as can be, and any number that hear of each other at once.
func TestForm(t *testing.T) {
	const rtt = time.Millisecond
	for _, test := range []struct {
		name   string
		delays []time.Duration
		naks   float64
		first  time.Duration
	}{
		{"one", []time.Duration{0}, 1, 3 * rtt},
		{"two that hear each other too late", []time.Duration{5 * rtt, 5 * rtt}, 2, 0},
		{"two half a width apart", []time.Duration{rtt, rtt}, 2 - 0.25, 2*rtt + rtt + 4*rtt/3},
		{"three at once", make([]time.Duration, 3), 1, rtt + rtt},
		{"many at once", make([]time.Duration, 1000), 1, 0},
	} {
		form := closedForm{rtt: rtt, delays: test.delays}
		naks, first := form.expect()
		if math.Abs(naks-test.naks) > 0.02 || test.first != 0 && (first-test.first).Abs() > rtt/20 {
			t.Errorf("%s: %.3f NAKs, the first after %v, want %v and %v", test.name, naks, first, test.naks, test.first)
		}
	}
}
