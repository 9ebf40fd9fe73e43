package pgm

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

// fill adds a packet of that many octets, each of value v.
func fill(t *testing.T, w *txw, at time.Duration, size int, v byte) bool {
	t.Helper()
	room := w.reserve()
	if room == nil {
		return false
	}
	if len(room) != w.largest {
		t.Fatalf("room for %d octets", len(room))
	}
	for i := range size {
		room[i] = v
	}
	w.commit(at, 0, size, 0)
	w.check()
	return true
}

// TestTXWModel compares with a list of packets, over the wrap of the numbers.
func TestTXWModel(t *testing.T) {
	const largest = 100
	for seed := range uint64(20) {
		dice := rand.New(rand.NewPCG(seed, 3))
		first := SQN(0xffffff00)
		w := newTXW(first, 3000+dice.IntN(2000), 64, largest, 0)
		for i := range 2000 {
			size, v := 24+dice.IntN(largest-23), byte(i)
			if !fill(t, w, 0, size, v) {
				t.Fatalf("seed %d: no room with %d to %d, all sent", seed, w.trail, w.lead)
			}
			w.next = w.lead + 1
			if w.lead != first+SQN(i) || !w.has(w.lead) || w.has(w.lead+1) || w.has(w.trail-1) {
				t.Fatalf("seed %d: %d to %d", seed, w.trail, w.lead)
			}
			held := 0
			for sqn := w.trail; sqn != w.lead+1; sqn++ {
				packet := w.octets(sqn)
				held += len(packet)
				if want := bytes.Repeat([]byte{byte(sqn - first)}, len(packet)); !bytes.Equal(packet, want) {
					t.Fatalf("seed %d: packet %d is %x", seed, sqn, packet)
				}
			}
			if i > 100 && w.lead+1-w.trail < 64 && held < len(w.ring)-3*largest {
				t.Fatalf("seed %d: only %d octets of %d are used", seed, held, len(w.ring))
			}
		}
	}
}

// TestTXWUnsent: what was not sent is never given up.
func TestTXWUnsent(t *testing.T) {
	w := newTXW(5, 1000, 64, 100, 0)
	n := 0
	for fill(t, w, 0, 100, 1) {
		n++
	}
	if n != 10 || w.trail != 5 || w.unsent() != 10 || w.has(5) {
		t.Errorf("%d packets of a tenth of the ring each, trail %d", n, w.trail)
	}
	w.next++
	if !fill(t, w, 0, 50, 1) || w.trail != 6 {
		t.Errorf("trail %d", w.trail)
	}
}

// TestTXWAge: adding gives up what is older than the recovery interval, and
// nothing else does.
func TestTXWAge(t *testing.T) {
	w := newTXW(0, 10_000, 64, 100, time.Second)
	for i := range 10 {
		fill(t, w, time.Duration(i)*300*time.Millisecond, 50, 0)
		w.next = w.lead + 1
	}
	if w.trail != 6 { // 1.8 s, at 2.7 s
		t.Errorf("trail %d", w.trail)
	}
	fill(t, w, time.Minute, 50, 0)
	if w.trail != 10 || w.lead != 10 {
		t.Errorf("%d to %d after a minute", w.trail, w.lead)
	}
}

// TestTXWRepairs compares with a set: repairs come once each, the oldest first.
func TestTXWRepairs(t *testing.T) {
	for _, packets := range []int{64, 256} {
		dice := rand.New(rand.NewPCG(1, uint64(packets)))
		w := newTXW(0xfffffff0, 1<<20, packets, 100, 0)
		waiting := map[SQN]bool{}
		for i := range 5000 {
			fill(t, w, 0, 30, 0)
			w.next = w.lead + 1
			delete(waiting, w.lead-SQN(packets))
			for range dice.IntN(3) {
				sqn := w.trail + SQN(dice.IntN(int(w.next-w.trail)))
				if w.repair(sqn, sqn%3 == 0) == waiting[sqn] {
					t.Fatalf("%d: repair of %d is new: %v", i, sqn, !waiting[sqn])
				}
				waiting[sqn] = true
			}
			if len(waiting) != w.waiting() {
				t.Fatalf("%d: %d repairs, want %d", i, w.waiting(), len(waiting))
			}
			for range dice.IntN(3) {
				if w.waiting() == 0 {
					break
				}
				sqn := w.oldest()
				for other := range waiting {
					if late := sqn%3 == 0; late == (other%3 == 0) && other.Before(sqn) || late && other%3 != 0 {
						t.Fatalf("%d: %d before %d", i, sqn, other)
					}
				}
				if !waiting[sqn] {
					t.Fatalf("%d: %d was not asked for", i, sqn)
				}
				w.clear(sqn)
				delete(waiting, sqn)
			}
		}
	}
}
