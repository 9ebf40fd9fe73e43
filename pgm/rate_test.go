package pgm

import (
	"math"
	"testing"
	"time"
)

// TestRateAccuracy: what goes in 100 ms is what the rate says, to 0.1 %, whatever
// the rate and the size of packets, if the owner calls when it is told to.
func TestRateAccuracy(t *testing.T) {
	for _, octetsPerSec := range []int64{1_250_000, 12_500_000, 125_000_000, 1_250_000_000, 12_345_677} {
		for _, size := range []int{64, 1000, 1452, 9000} {
			r := newRate(octetsPerSec, size, 0)
			at, sent := time.Duration(0), 0
			depth := int(r.depth / tokens)
			for at <= 100*time.Millisecond {
				for r.allows(at, size) {
					r.charge(at, size)
					sent += size
				}
				next := r.when(size)
				if next <= at {
					t.Fatalf("when says %v at %v, and nothing is allowed", next, at)
				}
				at = next
			}
			want := float64(octetsPerSec) / 10
			if off := math.Abs(float64(sent-depth)-want) / want; off > 0.001 && math.Abs(float64(sent-depth)-want) > float64(size) {
				t.Errorf("%d octets/s in packets of %d: %d in 100 ms, %.2f %% off", octetsPerSec, size, sent, 100*off)
			}
			if limit := max(int(octetsPerSec/1000), size); depth > limit {
				t.Errorf("a burst of %d, more than %d", depth, limit)
			}
		}
	}
}

// TestRateDoesNotDrift: a rate that no nanosecond divides, over an hour, in steps
// as short as they get.
func TestRateDoesNotDrift(t *testing.T) {
	r := newRate(999_983, 100, 0)
	at, sent := time.Duration(0), int64(0)
	for at < time.Hour {
		at += 333_337 * time.Nanosecond
		r.refill(at - 100*time.Nanosecond)
		for r.allows(at, 100) {
			r.charge(at, 100)
			sent += 100
		}
	}
	if want := int64(999_983 * 3600); sent < want-1000 || sent > want+1000+r.depth/tokens {
		t.Errorf("%d octets in an hour, want %d", sent, want)
	}
}

// TestRateLate: who comes late, while something waits, gets what the rate says all
// the same, up to ten bursts at once; what was not waited for is at most one.
func TestRateLate(t *testing.T) {
	const octetsPerSec, size = 12_500_000, 1000
	for _, every := range []time.Duration{time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond} {
		r := newRate(octetsPerSec, size, 0)
		sent := 0
		r.waits(0, true)
		for at := time.Duration(0); at <= time.Second; at += every {
			for r.allows(at, size) {
				r.charge(at, size)
				sent += size
			}
		}
		if off := math.Abs(float64(sent)/octetsPerSec - 1); off > 0.02 {
			t.Errorf("every %v: %d in a second, %.1f %% off", every, sent, 100*off)
		}
		r.waits(time.Second, false)
		if r.refill(time.Minute); r.credit != r.depth {
			t.Errorf("idle: credit %d, want %d", r.credit, r.depth)
		}
		r.waits(time.Minute, true)
		if r.credit != r.depth {
			t.Errorf("after idling: credit %d, want %d", r.credit, r.depth)
		}
	}
}

func TestRateLimits(t *testing.T) {
	r := newRate(0, 100, 0)
	for range 100 {
		r.charge(0, 1<<20)
	}
	if !r.allows(0, 1<<20) || r.when(1) != 0 {
		t.Error("a rate of zero limits")
	}
	r = newRate(1000, 100, 0)
	for range 100 { // as packets do that never wait
		r.charge(0, 100)
	}
	if r.credit != -debt*r.depth || r.when(100) != (debt+1)*100*time.Millisecond {
		t.Errorf("credit %d, next at %v", r.credit, r.when(100))
	}
	r = newRate(maxOctetsPerSec, 0xffff, 0)
	r.charge(0, 0xffff)
	r.refill(math.MaxInt64)
	if r.credit != r.depth {
		t.Errorf("after 292 years credit is %d of %d", r.credit, r.depth)
	}
	r.refill(5) // the clock went back
	if r.credit != r.depth || r.last != math.MaxInt64 {
		t.Error("the clock going back did something")
	}
}
