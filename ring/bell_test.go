package ring

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

func TestBell(t *testing.T) {
	var b Bell
	if b.Ring() {
		t.Error("a bell rings that was never armed")
	}
	b.Arm()
	if !b.Ring() {
		t.Error("an armed bell does not ring")
	}
	if b.Ring() {
		t.Error("a bell rings twice for one Arm")
	}
	b.Arm()
	b.Disarm()
	if b.Ring() {
		t.Error("a disarmed bell rings")
	}
}

// TestBellStress counts every item and every wake-up: a lost wake-up hangs, and
// there are never more than the consumer armed for.
func TestBellStress(t *testing.T) {
	const producers = 3
	items := int64(200_000)
	if testing.Short() {
		items = 20_000
	}
	var b Bell
	var queue, wakes atomic.Int64
	// Unbuffered, so that a wake-up which nobody armed for would hang.
	wake := make(chan struct{})
	var publishing sync.WaitGroup
	for range producers {
		publishing.Go(func() {
			for range items {
				queue.Add(1)
				if b.Ring() {
					wakes.Add(1)
					wake <- struct{}{}
				}
			}
		})
	}
	var consumed, arms int64
	for {
		consumed += queue.Swap(0)
		if consumed == producers*items {
			break
		}
		b.Arm()
		arms++
		if queue.Load() == 0 {
			<-wake
			continue
		}
		// Awake after all. Whoever rang in between is on its way, so hear
		// it out: what Disarm would do, and exactly who won is known.
		if !b.Ring() {
			<-wake
		}
	}
	publishing.Wait()
	if wakes.Load() > arms {
		t.Errorf("%d wake-ups for %d times armed", wakes.Load(), arms)
	}
	t.Logf("%d items, %d wake-ups", consumed, wakes.Load())
}

// TestBellOneWinner has two producers ring at the same moment: one of them must
// wake the consumer, and one only.
func TestBellOneWinner(t *testing.T) {
	rounds := int64(50_000)
	if testing.Short() {
		rounds = 10_000
	}
	var b Bell
	var winners atomic.Int64
	lockstep(t, rounds, b.Arm, func(int) {
		if b.Ring() {
			winners.Add(1)
		}
	}, func() string {
		if got := winners.Swap(0); got != 1 {
			return fmt.Sprintf("%d winners", got)
		}
		return ""
	})
}

func TestBellDoesNotAllocate(t *testing.T) {
	var b Bell
	doesNotAllocate(t, "arm and ring", func() { b.Arm(); b.Ring(); b.Disarm() })
}
