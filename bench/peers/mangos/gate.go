package main

import (
	"sync"
	"sync/atomic"
	"time"
)

// A gate counts what goes into a queue of the library and what comes out of it,
// and lets no more in than there is room for. The library's own PUB and SUB drop
// what does not fit.
type gate struct {
	limit int64
	in    atomic.Int64 // by one goroutine at a time
	out   atomic.Int64
	waits atomic.Int32 // who is about to wait, or waits

	mu      sync.Mutex
	changed sync.Cond
	open    bool // for ever, whatever is in
}

func newGate(limit int) *gate {
	g := &gate{limit: int64(limit)}
	g.changed.L = &g.mu
	return g
}

// enter counts one in, once there is room.
func (g *gate) enter() {
	if g.in.Add(1)-g.out.Load() > g.limit {
		g.until(g.limit)
	}
}

// leave counts one out.
func (g *gate) leave() {
	g.out.Add(1)
	// Whoever begins to wait after this looks at out once more.
	if g.waits.Load() > 0 {
		g.mu.Lock()
		g.changed.Broadcast()
		g.mu.Unlock()
	}
}

// until waits until no more than n are in.
func (g *gate) until(n int64) {
	g.waits.Add(1)
	defer g.waits.Add(-1)
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.open && g.in.Load()-g.out.Load() > n {
		g.changed.Wait()
	}
}

// drain waits until all are out, but not for ever.
func (g *gate) drain(patience time.Duration) {
	late := time.AfterFunc(patience, g.unlock)
	defer late.Stop()
	g.until(0)
}

// unlock opens the gate for ever.
func (g *gate) unlock() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = true
	g.changed.Broadcast()
}
