package ring

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestOffer(t *testing.T) {
	var o Offer
	claimed := func(want ...uint32) {
		t.Helper()
		for _, w := range want {
			if o.Empty() {
				t.Fatalf("empty, want slot %d", w)
			}
			if slot, ok := o.Claim(); !ok || slot != w {
				t.Fatalf("claimed slot %d, %v, want %d", slot, ok, w)
			}
		}
		for range 3 {
			if _, ok := o.Claim(); ok || !o.Empty() {
				t.Fatal("a slot is left")
			}
		}
	}
	claimed()
	o.Make(0, 3)
	claimed(0, 1, 2)
	o.Make(2, 3)
	claimed(2)
	o.Make(5, 5)
	claimed()
	rest := func(from, to uint32) {
		t.Helper()
		if start, end := o.ClaimRest(); start != from || end != to {
			t.Fatalf("claimed slots from %d up to %d, want from %d up to %d", start, end, from, to)
		}
		claimed()
	}
	o.Make(3, 6)
	rest(3, 6)
	o.Make(3, 6)
	if slot, ok := o.Claim(); !ok || slot != 3 {
		t.Fatalf("claimed slot %d, %v, want 3", slot, ok)
	}
	rest(4, 6)
	rest(0, 0)
}

// TestOfferCounts: claimers of an empty Offer do not count on, or after four
// billion of them the count would reach the end that stands beside it.
func TestOfferCounts(t *testing.T) {
	var o Offer
	o.Make(0, 1)
	o.Claim()
	before := o.word.Load()
	for range 100 {
		o.Claim()
	}
	if after := o.word.Load(); after != before {
		t.Errorf("%#x, was %#x", after, before)
	}
}

// TestOfferStress has goroutines that claim, and under a lock offer anew what is
// back, as a socket's receivers do. Each item goes to one of them, whole.
func TestOfferStress(t *testing.T) {
	const slots, claimers = 8, 4
	items := 200_000
	if testing.Short() {
		items = 20_000
	}
	var (
		o     Offer
		mu    sync.Mutex
		given int
		boxes [slots]struct {
			item int
			out  atomic.Bool
		}
		seen = make([]atomic.Int32, items)
	)
	// fill is called with nothing offered, and reports whether items are left.
	fill := func() bool {
		start := 0
		for start < slots && boxes[start].out.Load() {
			start++
		}
		end := start
		for ; end < slots && given < items && !boxes[end].out.Load(); end++ {
			boxes[end].item = given
			boxes[end].out.Store(true)
			given++
		}
		o.Make(uint32(start), uint32(end))
		return given < items || end > start
	}
	var all sync.WaitGroup
	for range claimers {
		all.Go(func() {
			for {
				slot, ok := o.Claim()
				if !ok {
					mu.Lock()
					more := !o.Empty() || fill()
					mu.Unlock()
					if !more {
						return
					}
					yield()
					continue
				}
				seen[boxes[slot].item].Add(1)
				boxes[slot].out.Store(false)
			}
		})
	}
	all.Wait()
	for i := range seen {
		if n := seen[i].Load(); n != 1 {
			t.Fatalf("item %d was claimed %d times", i, n)
		}
	}
}

func TestOfferAllocs(t *testing.T) {
	var o Offer
	doesNotAllocate(t, "Make and Claim", func() {
		o.Make(0, 1)
		o.Claim()
	})
}

// BenchmarkOffer is what one item costs, with sixteen to an offer.
func BenchmarkOffer(b *testing.B) {
	var o Offer
	for i := 0; i < b.N; i++ {
		if _, ok := o.Claim(); !ok {
			o.Make(0, 16)
		}
	}
}
