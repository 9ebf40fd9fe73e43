package reactor

import (
	"math"
	"time"
)

// A Timer calls Fire once when its time has come, on the reactor's thread. Its
// owner embeds it, so that starting one allocates nothing. The zero Timer with
// Fire set is stopped and ready. Reactor thread only.
type Timer struct {
	Fire func(now time.Time)
	slot int // 1 + index in timerHeap.entries; 0 exactly when stopped
}

// Active reports whether t is started and has not fired yet.
func (t *Timer) Active() bool { return t.slot != 0 }

// A timerHeap holds the started timers, the earliest on top. Timers of the same
// time fire in the order they were started: a simulation must not depend on how
// a heap happens to be arranged.
//
// It is a heap of four children each, which is half as deep as one of two: what
// it costs is the cache misses on the way down.
//
// Invariants: entries[i].timer.slot == i+1 for all i, and no entry is before the
// one above it, entries[(i-1)/4].
type timerHeap struct {
	entries []timerEntry
	started uint64        // timers ever started
	base    time.Time     // what entries count from; set by the first
	reached time.Duration // up to when due was asked last
}

// A timerEntry carries the time so that sifting does not visit the timers.
type timerEntry struct {
	at    time.Duration // since base: compared faster than a time.Time
	order uint64
	timer *Timer
}

func (e *timerEntry) before(f *timerEntry) bool {
	return e.at < f.at || e.at == f.at && e.order < f.order
}

// start makes t fire at the given time, whether it was started before or not.
//
// A time that passed before due was asked last is as good as that: otherwise a
// timer that starts itself for the past, to catch up, would stay in front of all
// that are due.
func (h *timerHeap) start(t *Timer, at time.Time) {
	assert(t.Fire != nil)
	if h.base.IsZero() {
		h.base, h.reached = at, math.MinInt64
	}
	h.started++
	e := timerEntry{at: max(at.Sub(h.base), h.reached), order: h.started, timer: t}
	if t.slot == 0 {
		h.entries = append(h.entries, e)
		t.slot = len(h.entries)
	}
	h.place(t.slot-1, e)
}

// stop makes t not fire.
func (h *timerHeap) stop(t *Timer) {
	if t.slot == 0 {
		return
	}
	i, last := t.slot-1, len(h.entries)-1
	assert(h.entries[i].timer == t)
	t.slot = 0
	e := h.entries[last]
	h.entries[last] = timerEntry{}
	h.entries = h.entries[:last]
	if i < last {
		h.place(i, e)
	}
}

// next is when the earliest timer is due; zero if there is none.
func (h *timerHeap) next() time.Time {
	if len(h.entries) == 0 {
		return time.Time{}
	}
	return h.base.Add(h.entries[0].at)
}

// due takes the earliest timer off the heap if its time has come, or returns
// nil. Timers started after mark, a value of started, are left for later:
// one that restarts itself for now must not keep the reactor from its work.
func (h *timerHeap) due(now time.Time, mark uint64) *Timer {
	if len(h.entries) == 0 {
		return nil
	}
	h.reached = now.Sub(h.base)
	e := &h.entries[0]
	if e.at > h.reached || e.order > mark {
		return nil
	}
	t := e.timer
	h.stop(t)
	return t
}

// place puts e where it belongs, given that entry i is free and that the rest
// is in order.
func (h *timerHeap) place(i int, e timerEntry) {
	for i > 0 {
		up := (i - 1) / 4
		if !e.before(&h.entries[up]) {
			break
		}
		h.set(i, h.entries[up])
		i = up
	}
	for {
		down := h.earliestChild(i)
		if down < 0 || !h.entries[down].before(&e) {
			break
		}
		h.set(i, h.entries[down])
		i = down
	}
	h.set(i, e)
}

// earliestChild is the index of the earliest entry right below i, or -1.
func (h *timerHeap) earliestChild(i int) int {
	first := 4*i + 1
	if first >= len(h.entries) {
		return -1
	}
	best := first
	for c := first + 1; c < min(first+4, len(h.entries)); c++ {
		if h.entries[c].before(&h.entries[best]) {
			best = c
		}
	}
	return best
}

func (h *timerHeap) set(i int, e timerEntry) {
	h.entries[i] = e
	e.timer.slot = i + 1
}
