package pgm

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestBackOffDraw compares with the truncated exponential distribution: its ends,
// and how many of so many receivers fire in the first twentieth, which is a round
// trip.
func TestBackOffDraw(t *testing.T) {
	const rtt = time.Millisecond
	for _, receivers := range []int{9, 100, 10_000} {
		dice := rand.New(rand.NewPCG(1, 1))
		b := newBackOff(dice.Float64)
		b.unit, b.receivers = rtt, receivers
		var all []time.Duration
		early := 0
		for range 100_000 {
			d := b.draw()
			all = append(all, d)
			if d <= rtt {
				early++
			}
		}
		lambda := math.Log(float64(receivers)) + 1
		want := 100_000 * math.Expm1(lambda/backOffRTTs) / math.Expm1(lambda)
		if math.Abs(float64(early)-want) > 4*math.Sqrt(want)+1 {
			t.Errorf("%d receivers: %d of 100,000 fire in a round trip, want %.1f", receivers, early, want)
		}
		if slices.Max(all) > backOffRTTs*rtt || slices.Max(all) < (backOffRTTs-1)*rtt || slices.Min(all) < guardTime {
			t.Errorf("%d receivers: from %v to %v", receivers, slices.Min(all), slices.Max(all))
		}
	}
	b := newBackOff(func() float64 { return 0 })
	b.unit, b.receivers = 200*time.Microsecond, 1
	if d := b.draw(); d != 200*time.Microsecond {
		t.Errorf("the shortest for one is %v", d)
	}
	b.dice = func() float64 { return 1 }
	if d := b.draw(); d != time.Millisecond {
		t.Errorf("the longest for one is %v", d)
	}
}

func TestBackOffLearn(t *testing.T) {
	b := newBackOff(func() float64 { return 0.5 })
	o := &Options{Present: SetOf(OptNAKBOIvl, OptNAKBORng), NAKBackOffMinimum: time.Millisecond, NAKBackOffInterval: 300 * time.Millisecond}
	b.learn(o)
	if b.unit != time.Millisecond || b.receivers != 300 {
		t.Errorf("unit %v, %d receivers", b.unit, b.receivers)
	}
	o.NAKBackOffSQN, o.NAKBackOffInterval = 1, 100*time.Millisecond
	b.learn(o) // stems from a POLL that we do not follow
	if b.receivers != 300 {
		t.Errorf("%d receivers", b.receivers)
	}
	*o = Options{Present: SetOf(OptNAKBOIvl, OptNAKBORng), NAKBackOffInterval: time.Hour}
	b.learn(o) // nonsense
	if b.unit != 10*time.Microsecond || b.receivers != maxAdvertised {
		t.Errorf("unit %v, %d receivers", b.unit, b.receivers)
	}
	o.NAKBackOffMinimum, o.NAKBackOffInterval = time.Hour, 0
	b.learn(o)
	if b.unit != maxRTT || b.receivers != 1 {
		t.Errorf("unit %v, %d receivers", b.unit, b.receivers)
	}
}

// TestEstimate: one late answer in three, as half of the answers lost make of
// them, does not carry the estimate away.
func TestEstimate(t *testing.T) {
	var e estimate
	for range 1000 {
		e.sample(200 * time.Microsecond)
		e.sample(200 * time.Microsecond)
		e.sample(2*e.mean + 2*time.Millisecond)
	}
	if e.mean > 700*time.Microsecond {
		t.Errorf("mean %v", e.mean)
	}
	e = estimate{}
	e.sample(time.Millisecond)
	e.sample(time.Hour)
	if e.mean > 2*time.Millisecond {
		t.Errorf("mean %v after one that is out of all proportion", e.mean)
	}
	for range 200 {
		e.sample(20 * time.Millisecond)
	}
	if e.mean < 19*time.Millisecond || e.deviation > time.Millisecond {
		t.Errorf("%v ± %v of 20 ms", e.mean, e.deviation)
	}
}

// TestBackOffGuard: packets that change places make the guard longer, and losses
// make it shorter again.
func TestBackOffGuard(t *testing.T) {
	b := newBackOff(func() float64 { return 0 })
	b.reordered(time.Millisecond)
	if b.guard != 1250*time.Microsecond || b.draw() != b.guard {
		t.Errorf("guard %v", b.guard)
	}
	b.reordered(time.Hour)
	if b.guard != maxGuardTime {
		t.Errorf("guard %v", b.guard)
	}
	for range 1000 {
		b.settled()
	}
	if b.guard != guardTime {
		t.Errorf("guard %v", b.guard)
	}
	for retries, want := range []time.Duration{1, 1, 1, 2, 2, 2, 4} {
		if got := grow(0, uint8(retries)); got != want*ms {
			t.Errorf("%v after %d retries, want %v", got, retries, want*ms)
		}
	}
	if grow(ms, 250) != maxRepeat {
		t.Error("no limit")
	}
}

// TestBackOffStrain: where repairs come late they are waited for longer, up to a
// bound, and as before when they come in time again.
func TestBackOffStrain(t *testing.T) {
	b := newBackOff(func() float64 { return 0 })
	calm := b.data(0)
	for doubled := 1; doubled <= 4; doubled++ {
		for range strainStep / 2 {
			b.strained()
		}
		if got, want := b.data(0), min(calm<<min(doubled, 3), maxRepeat); got != want {
			t.Errorf("after %d timeouts: %v, want %v", doubled*strainStep/2, got, want)
		}
	}
	if got := b.data(200); got != maxRepeat {
		t.Errorf("with retries %v, want %v", got, maxRepeat)
	}
	for range maxStrain {
		b.eased()
	}
	if got := b.data(0); got != calm {
		t.Errorf("afterwards %v, want %v", got, calm)
	}
}
