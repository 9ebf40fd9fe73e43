package reactor

import "time"

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
// Invariant: entries[i].timer.slot == i+1 for all i.
type timerHeap struct {
	entries []timerEntry
	started uint64 // timers ever started
}

// A timerEntry carries the time so that sifting does not visit the timers.
type timerEntry struct {
	at    time.Time
	order uint64
	timer *Timer
}

func (e *timerEntry) before(f *timerEntry) bool {
	if c := e.at.Compare(f.at); c != 0 {
		return c < 0
	}
	return e.order < f.order
}

// start makes t fire at the given time, whether it was started before or not.
func (h *timerHeap) start(t *Timer, at time.Time) {
	assert(t.Fire != nil)
	h.started++
	e := timerEntry{at: at, order: h.started, timer: t}
	if t.slot == 0 {
		h.entries = append(h.entries, e)
		t.slot = len(h.entries)
	} else {
		h.entries[t.slot-1] = e
	}
	h.fix(t.slot - 1)
}

// stop makes t not fire.
func (h *timerHeap) stop(t *Timer) {
	if t.slot == 0 {
		return
	}
	i, last := t.slot-1, len(h.entries)-1
	assert(h.entries[i].timer == t)
	t.slot = 0
	h.entries[i] = h.entries[last]
	h.entries[last] = timerEntry{}
	h.entries = h.entries[:last]
	if i < last {
		h.entries[i].timer.slot = i + 1
		h.fix(i)
	}
}

// next is when the earliest timer is due; zero if there is none.
func (h *timerHeap) next() time.Time {
	if len(h.entries) == 0 {
		return time.Time{}
	}
	return h.entries[0].at
}

// due takes the earliest timer off the heap if its time has come, or returns
// nil. Timers started after mark, a value of started, are left for later:
// one that restarts itself for now must not keep the reactor from its work.
func (h *timerHeap) due(now time.Time, mark uint64) *Timer {
	if len(h.entries) == 0 {
		return nil
	}
	e := &h.entries[0]
	if e.at.After(now) || e.order > mark {
		return nil
	}
	t := e.timer
	h.stop(t)
	return t
}

// fix restores the heap's order after entry i changed.
func (h *timerHeap) fix(i int) {
	for i > 0 {
		up := (i - 1) / 2
		if !h.entries[i].before(&h.entries[up]) {
			break
		}
		h.swap(i, up)
		i = up
	}
	for {
		down := 2*i + 1
		if down >= len(h.entries) {
			return
		}
		if right := down + 1; right < len(h.entries) && h.entries[right].before(&h.entries[down]) {
			down = right
		}
		if !h.entries[down].before(&h.entries[i]) {
			return
		}
		h.swap(i, down)
		i = down
	}
}

func (h *timerHeap) swap(i, j int) {
	h.entries[i], h.entries[j] = h.entries[j], h.entries[i]
	h.entries[i].timer.slot = i + 1
	h.entries[j].timer.slot = j + 1
}
