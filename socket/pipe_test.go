package socket

import (
	"runtime"
	"sync/atomic"
	"testing"
)

// TestRoomIsRungFor: a producer that finds room in the very moment that it is
// made does not take the wake-up from another who sleeps until there is.
func TestRoomIsRungFor(t *testing.T) {
	rounds := 200_000
	if testing.Short() {
		rounds = 20_000
	}
	var l lane
	defer l.discard()
	l.hwm.Store(1)
	var round, over atomic.Int64
	rung := false
	credit := func() { rung = l.stream.Credit() && l.room.Ring() }
	go func() {
		for r := range int64(rounds) {
			for looks := 1; round.Load() <= r; looks++ {
				if looks%200 == 0 {
					runtime.Gosched()
				}
			}
			for range r / 64 % 64 {
				round.Load()
			}
			credit()
			over.Store(r + 1)
		}
	}()
	for r := range int64(rounds) {
		l.stream.Reserve(1)
		l.stream.Commit(1)
		l.stream.Peek()
		l.stream.AdvanceAll()
		l.room.Arm() // by who sleeps
		round.Store(r + 1)
		for range r % 64 {
			over.Load()
		}
		full := l.full()
		for looks := 1; over.Load() <= r; looks++ {
			if looks%200 == 0 {
				runtime.Gosched()
			}
		}
		if !rung && !l.room.Ring() {
			t.Fatalf("round %d: there is room, full said %v, and who sleeps is not woken", r, full)
		}
	}
}
