package lab

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// The queue against a slice that is sorted.
func TestDelayQueue(t *testing.T) {
	dice := rand.New(rand.NewPCG(testSeed, 1))
	var q delayQueue
	var want []delayed
	for i := range 20_000 {
		if dice.IntN(3) > 0 {
			at := time.Duration(dice.IntN(50))
			q.push(at, i%7, int32(i))
			want = append(want, delayed{at: at, port: int32(i % 7), buf: int32(i)})
			continue
		}
		// Stable: of equal times the first goes first.
		slices.SortStableFunc(want, func(a, b delayed) int { return int(a.at - b.at) })
		now := time.Duration(dice.IntN(50))
		for len(want) > 0 && want[0].at <= now {
			if !q.due(now) {
				t.Fatalf("nothing is due at %v, want %+v", now, want[0])
			}
			if got := q.pop(); got.at != want[0].at || got.buf != want[0].buf || got.port != want[0].port {
				t.Fatalf("%+v, want %+v", got, want[0])
			}
			want = want[1:]
		}
		if q.due(now) {
			t.Fatalf("%+v is due at %v", q.heap[0], now)
		}
	}
}

func TestArena(t *testing.T) {
	a := arena{size: 10}
	one := a.get()
	copy(a.octets(one), "abc")
	a.cut(one, 3)
	a.retain(one)
	two := a.clone(one)
	a.octets(two)[0] = 'x'
	if string(a.octets(one)) != "abc" || string(a.octets(two)) != "xbc" {
		t.Errorf("%q and %q", a.octets(one), a.octets(two))
	}
	a.drop(one)
	if slices.Contains(a.free, one) {
		t.Error("free with a reference left")
	}
	a.drop(one)
	a.drop(two)
	if len(a.free) != len(a.bufs) {
		t.Errorf("%d of %d buffers are free", len(a.free), len(a.bufs))
	}
	if again := a.get(); len(a.octets(again)) != a.size {
		t.Errorf("a buffer of %d octets, want %d", len(a.octets(again)), a.size)
	}
}

func TestQueueDoesNotAllocate(t *testing.T) {
	a := arena{size: 100}
	q := delayQueue{heap: make([]delayed, 0, 8)}
	n := testing.AllocsPerRun(1000, func() {
		for i := range 8 {
			q.push(time.Duration(i*5%8), i, a.get())
		}
		for q.due(8) {
			a.drop(q.pop().buf)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
