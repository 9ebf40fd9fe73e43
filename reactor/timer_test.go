package reactor

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// check crashes if the heap's invariants do not hold.
func (h *timerHeap) check() {
	for i := range h.entries {
		e := &h.entries[i]
		assert(e.timer.slot == i+1)
		assert(i == 0 || !e.before(&h.entries[(i-1)/4]))
	}
}

// TestTimerHeap compares the heap with a sorted slice under random starts,
// restarts and stops.
func TestTimerHeap(t *testing.T) {
	dice := rand.New(rand.NewPCG(3, 4))
	type planned struct {
		at    time.Time
		order int
		timer int
	}
	var heap timerHeap
	var model []planned
	reached := simEpoch
	timers := make([]Timer, 40)
	for i := range timers {
		timers[i].Fire = func(time.Time) {}
	}
	forget := func(i int) {
		model = slices.DeleteFunc(model, func(p planned) bool { return p.timer == i })
	}
	for order := range 20_000 {
		i := dice.IntN(len(timers))
		switch dice.IntN(4) {
		case 0:
			heap.stop(&timers[i])
			forget(i)
		case 1:
			now := simEpoch.Add(time.Duration(dice.IntN(20)) * time.Second)
			slices.SortFunc(model, func(a, b planned) int {
				return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.order, b.order))
			})
			got := heap.due(now, heap.started)
			if len(model) > 0 {
				reached = now
			}
			if len(model) == 0 || model[0].at.After(now) {
				if got != nil {
					t.Fatalf("step %d: a timer fired, want none", order)
				}
				continue
			}
			if got != &timers[model[0].timer] {
				t.Fatalf("step %d: not the earliest timer fired", order)
			}
			model = model[1:]
		default:
			at := simEpoch.Add(time.Duration(dice.IntN(20)) * time.Second)
			heap.start(&timers[i], at)
			forget(i)
			if at.Before(reached) {
				at = reached
			}
			model = append(model, planned{at, order, i})
		}
		heap.check()
		if len(heap.entries) != len(model) {
			t.Fatalf("step %d: %d timers, want %d", order, len(heap.entries), len(model))
		}
		for j := range timers {
			if active := slices.ContainsFunc(model, func(p planned) bool { return p.timer == j }); active != timers[j].Active() {
				t.Fatalf("step %d: timer %d active %v, want %v", order, j, timers[j].Active(), active)
			}
		}
	}
}

func TestTimerAllocatesNothing(t *testing.T) {
	var heap timerHeap
	timers := make([]Timer, 1000)
	for i := range timers {
		timers[i].Fire = func(time.Time) {}
		heap.start(&timers[i], simEpoch.Add(time.Duration(i*7919%1000)))
	}
	if n := testing.AllocsPerRun(100, func() {
		for i := range timers {
			heap.stop(&timers[i])
		}
		for i := range timers {
			heap.start(&timers[i], simEpoch.Add(time.Duration(i)))
		}
		for heap.due(simEpoch.Add(time.Hour), heap.started) != nil {
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestSpinner(t *testing.T) {
	s := spinner{limit: 10}
	if s.worthIt() {
		t.Error("it spins before it has seen a short pause")
	}
	for range 100 {
		s.learn(10)
	}
	if !s.worthIt() {
		t.Error("after short pauses it does not spin")
	}
	for range maxScore {
		s.learn(11)
	}
	if s.worthIt() {
		t.Errorf("after %d long pauses it still spins", maxScore)
	}
	s.learn(1)
	if s.worthIt() {
		t.Error("one short pause makes it spin")
	}
	if s.learn(1); !s.worthIt() {
		t.Error("two short pauses do not make it spin")
	}
}
