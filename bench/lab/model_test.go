package lab

import (
	"math"
	"testing"
	"time"
)

const (
	testSeed   = 20261128
	testFrames = 50_000
	testSize   = 1000
)

// near checks a frequency against its expectation, to five standard deviations
// of a binomial variable: with the seed fixed it holds or it does not.
func near(t *testing.T, what string, count, of int, chance float64) {
	t.Helper()
	mean := float64(of) * chance
	margin := 5*math.Sqrt(mean*(1-chance)) + 1e-9
	if math.Abs(float64(count)-mean) > margin {
		t.Errorf("%s: %d of %d, want %.0f ± %.0f (seed %d)", what, count, of, mean, margin, testSeed)
	}
}

// fates runs frames that come a microsecond apart through a model.
func fates(f Faults, stream uint64, frames int) []fate {
	m := newModel(f, testSeed, stream)
	shared := newModel(Faults{}, testSeed, sharedTestStream).dice
	all := make([]fate, frames)
	for i := range all {
		all[i] = m.fate(time.Duration(i)*time.Microsecond, testSize, drawFrom(shared))
	}
	return all
}

const sharedTestStream = 99

func count(all []fate, is func(fate) bool) (n int) {
	for _, f := range all {
		if is(f) {
			n++
		}
	}
	return n
}

func TestChances(t *testing.T) {
	for _, percent := range []float64{0, 0.1, 1, 20, 50, 100} {
		chance := percent / 100
		lost := fates(Faults{Loss: percent}, 1, testFrames)
		near(t, "lost", count(lost, func(f fate) bool { return f.lost && f.copies == 0 }), testFrames, chance)
		twice := fates(Faults{Duplicate: percent}, 1, testFrames)
		near(t, "duplicated", count(twice, func(f fate) bool { return f.copies == 2 }), testFrames, chance)
		late := fates(Faults{Reorder: percent, ReorderDelay: time.Millisecond}, 1, testFrames)
		near(t, "reordered", count(late, func(f fate) bool { return f.copy[0].reordered }), testFrames, chance)
		for i, f := range late {
			at := time.Duration(i) * time.Microsecond
			if f.copy[0].reordered {
				at += time.Millisecond
			}
			if f.copy[0].at != at {
				t.Fatalf("frame %d arrives at %v, want %v", i, f.copy[0].at, at)
			}
		}
		bad := fates(Faults{Corrupt: percent}, 1, testFrames)
		near(t, "corrupt", count(bad, func(f fate) bool { return f.copy[0].corrupt }), testFrames, chance)
		for _, f := range bad {
			if w := f.copy[0].where; w < 0 || w >= 1 {
				t.Fatalf("a bit is flipped at %v", w)
			}
		}
	}
}

// A burst takes BurstLength frames on average, and begins with a chance of
// BurstEnter after each frame that no burst took. The frame that ends a burst
// begins none.
func TestBursts(t *testing.T) {
	for _, f := range []Faults{
		{BurstEnter: 0.2, BurstLength: 20}, {BurstEnter: 1, BurstLength: 1}, {BurstEnter: 5, BurstLength: 100}, {BurstEnter: 100, BurstLength: 3},
	} {
		all := fates(f, 1, 10*testFrames)
		lost := count(all, func(f fate) bool { return f.lost && f.burst })
		begun := 0
		for i := range all {
			if all[i].burst && (i == 0 || !all[i-1].burst) {
				begun++
			}
		}
		length := float64(lost) / float64(begun)
		// The variance of a geometric variable is (1-p)/p².
		deviation := math.Sqrt(f.BurstLength*(f.BurstLength-1)) / math.Sqrt(float64(begun))
		if math.Abs(length-f.BurstLength) > 5*deviation+1e-9 {
			t.Errorf("%+v: bursts of %.2f frames, want %.2f ± %.2f", f, length, f.BurstLength, 5*deviation)
		}
		share, want := float64(lost)/float64(len(all)), f.BurstLength/(f.BurstLength+100/f.BurstEnter)
		if math.Abs(share-want) > 0.1*want {
			t.Errorf("%+v: %.4f of all frames lost, want %.4f", f, share, want)
		}
	}
	if n := count(fates(Faults{}, 1, testFrames), func(f fate) bool { return f.lost }); n != 0 {
		t.Errorf("%d lost without faults", n)
	}
}

func TestDelayAndJitter(t *testing.T) {
	const delay, jitter = time.Millisecond, 100 * time.Microsecond
	var sum time.Duration
	for i, f := range fates(Faults{Delay: delay, Jitter: jitter}, 1, testFrames) {
		late := f.copy[0].at - time.Duration(i)*time.Microsecond
		if late < delay || late >= delay+jitter {
			t.Fatalf("frame %d is %v late", i, late)
		}
		sum += late - delay
	}
	mean, want := sum/testFrames, jitter/2
	// The deviation of a uniform variable is its range over √12.
	margin := 5 * float64(jitter) / math.Sqrt(12*testFrames)
	if math.Abs(float64(mean-want)) > margin {
		t.Errorf("jitter is %v on average, want %v ± %v", mean, want, time.Duration(margin))
	}
}

// A link of 1 Gbit/s takes 8 µs for each frame of 1000 octets.
func TestRate(t *testing.T) {
	const takes, queue = 8 * time.Microsecond, time.Millisecond
	m := newModel(Faults{Rate: 1e9, Queue: queue}, testSeed, 1)
	const burst = 300 // at once, of which 1 + 125 fit: one on the link, and a queue of a millisecond
	const room = 1 + int(queue/takes)
	for i := range burst {
		f := m.fate(0, testSize, draw{})
		switch {
		case i < room && (f.copies != 1 || f.copy[0].at != time.Duration(i+1)*takes):
			t.Fatalf("frame %d: %+v, want it at %v", i, f, time.Duration(i+1)*takes)
		case i >= room && (f.copies != 0 || f.limited != 1 || f.lost):
			t.Fatalf("frame %d: %+v, want no room", i, f)
		}
	}
	// When the queue has been sent there is room for one that comes then, and an
	// idle link has saved nothing up.
	for _, now := range []time.Duration{time.Duration(room) * takes, time.Second, time.Second} {
		f := m.fate(now, testSize, draw{})
		want := max(now, m.free-takes) + takes
		if f.copies != 1 || f.copy[0].at != want {
			t.Fatalf("at %v: %+v, want it at %v", now, f, want)
		}
	}
}

// A full bucket lets as many octets pass at once, and then the rate applies.
func TestBucket(t *testing.T) {
	const takes, bucket = 8 * time.Microsecond, 10
	m := newModel(Faults{Rate: 1e9, Bucket: bucket * testSize, Queue: time.Second}, testSeed, 1)
	for i := range 3 * bucket {
		want := time.Hour + time.Duration(max(0, i+1-bucket))*takes
		if f := m.fate(time.Hour, testSize, draw{}); f.copies != 1 || f.copy[0].at != want {
			t.Fatalf("frame %d: %+v, want it at %v", i, f, want)
		}
	}
}

// Both copies of a frame take their time on the link.
func TestRateOfDuplicates(t *testing.T) {
	m := newModel(Faults{Rate: 1e9, Duplicate: 100}, testSeed, 1)
	f := m.fate(0, testSize, draw{})
	if f.copies != 2 || f.copy[0].at != 8*time.Microsecond || f.copy[1].at != 16*time.Microsecond {
		t.Errorf("%+v", f)
	}
}

// The same seed and stream have the same fates, others have others.
func TestSeeds(t *testing.T) {
	f := Faults{
		Loss: 10, BurstEnter: 1, BurstLength: 5, Duplicate: 10, Corrupt: 10, Reorder: 10,
		Delay: time.Millisecond, Jitter: time.Millisecond, Rate: 1e9,
	}
	one, same, other := fates(f, 1, 10_000), fates(f, 1, 10_000), fates(f, 2, 10_000)
	equal := 0
	for i := range one {
		if one[i] != same[i] {
			t.Fatalf("frame %d: %+v and then %+v", i, one[i], same[i])
		}
		if one[i].lost && other[i].lost {
			equal++
		}
	}
	// 14 % are lost; independent streams have 2 % in common.
	if equal > 400 {
		t.Errorf("two streams lose %d of 10000 frames in common", equal)
	}
}

// Which frames are lost is the same whatever else happens.
func TestLossIsIndependent(t *testing.T) {
	alone := fates(Faults{Loss: 5}, 1, 10_000)
	among := fates(Faults{
		Loss: 5, Duplicate: 50, Corrupt: 50, Reorder: 50, Jitter: time.Millisecond, Rate: 1e10, Queue: time.Second,
	}, 1, 10_000)
	for i := range alone {
		if alone[i].lost != among[i].lost {
			t.Fatalf("frame %d: %+v alone, %+v among others", i, alone[i], among[i])
		}
	}
}

// Hosts whose faults are shared lose the same frames.
func TestShared(t *testing.T) {
	f := Faults{Loss: 5, BurstEnter: 0.5, BurstLength: 10, Shared: true, Duplicate: 50}
	one, two := fates(f, 1, testFrames), fates(f, 2, testFrames)
	lost, different := 0, 0
	for i := range one {
		if one[i].lost != two[i].lost || one[i].burst != two[i].burst {
			t.Fatalf("frame %d: %+v and %+v", i, one[i], two[i])
		}
		if one[i].lost {
			lost++
		} else if one[i].copies != two[i].copies {
			different++
		}
	}
	if lost == 0 || different == 0 {
		t.Errorf("%d lost, %d duplicated at one of the two", lost, different)
	}
}

func TestModelDoesNotAllocate(t *testing.T) {
	m := newModel(Faults{Loss: 1, Duplicate: 10, Jitter: time.Millisecond, Rate: 1e9}, testSeed, 1)
	if n := testing.AllocsPerRun(1000, func() { m.fate(0, testSize, draw{}) }); n != 0 {
		t.Errorf("%v allocations for each frame", n)
	}
}

func BenchmarkFate(b *testing.B) {
	m := newModel(Faults{Loss: 1, Duplicate: 1, Jitter: time.Millisecond}, testSeed, 1)
	for b.Loop() {
		m.fate(0, testSize, draw{})
	}
}
