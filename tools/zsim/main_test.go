package main

import (
	"testing"

	"github.com/zeroring/zeroring/reactor"
	"github.com/zeroring/zeroring/socket"
)

// TestSeeds runs enough seeds to meet each story, each fault, and most pairs of
// them. The long run is `make sim`.
func TestSeeds(t *testing.T) {
	seeds := uint64(150)
	if testing.Short() {
		seeds = 30
	}
	sent, received := 0, 0
	for s := range seeds {
		w := newWorld(s + 1)
		if err := w.run(); err != nil {
			t.Fatalf("seed %d (%s): turn %d: %v\nrepeat with: go run ./tools/zsim -seed %d -v", s+1, w.plan, w.turns, err, s+1)
		}
		sent += w.sent
		received += w.received
	}
	if sent < 1000 || received < 1000 {
		t.Errorf("only %d messages sent and %d received: the worlds are too quiet to find anything", sent, received)
	}
	t.Logf("seeds 1 to %d: %d messages sent, %d received", seeds, sent, received)
}

// TestSameSeedSameRun: without it a printed seed is worth nothing.
func TestSameSeedSameRun(t *testing.T) {
	for seed := uint64(1); seed <= 40; seed++ {
		a, b := newWorld(seed), newWorld(seed)
		if err := a.run(); err != nil {
			t.Fatal(err)
		}
		if err := b.run(); err != nil {
			t.Fatal(err)
		}
		if a.net.Digest() != b.net.Digest() || a.turns != b.turns || a.received != b.received {
			t.Errorf("seed %d (%s): %d turns and digest %x, then %d turns and digest %x",
				seed, a.plan, a.turns, a.net.Digest(), b.turns, b.net.Digest())
		}
	}
}

// TestCheckersCheck: each checker objects to what it is there to find.
func TestCheckersCheck(t *testing.T) {
	w := newWorld(1)
	w.lossy = false
	l := w.newLedger(2)
	l.next = []uint32{3, 3}
	for _, step := range []struct {
		receiver uint32
		st       stamp
		ok       bool
	}{
		{0, stamp{0, 0}, true},
		{0, stamp{0, 2}, true},
		{0, stamp{0, 1}, false}, // out of order
		{1, stamp{0, 2}, false}, // a second time, if elsewhere
		{0, stamp{1, 3}, false}, // never sent
		{1, stamp{0, 1}, true},  // another path has an order of its own
	} {
		if err := l.arrived(step.receiver, step.st); (err == nil) != step.ok {
			t.Errorf("%v at receiver %d: error %v, want ok %v", step.st, step.receiver, err, step.ok)
		}
	}
	whole := w.frames(stamp{1, 2})
	if st, err := w.open(socket.NewMessage(whole...), 0); err != nil || st != (stamp{1, 2}) {
		t.Errorf("a message as it was sent: %v, %v", st, err)
	}
	torn := socket.NewMessage(whole[:len(whole)-1]...)
	more := socket.NewMessage(append(whole, []byte("x"))...)
	for _, m := range []*socket.Message{torn, more} {
		if _, err := w.open(m, 0); err == nil {
			t.Errorf("%d frames of %d passed for a message", m.Len(), len(whole))
		}
	}
}

// TestStoryFindsLoss: a world whose network loses what was sent does not pass.
func TestStoryFindsLoss(t *testing.T) {
	for seed := uint64(1); seed < 200; seed++ {
		w := newWorld(seed)
		if w.lossy {
			continue
		}
		w.net = reactor.NewNetwork(seed, reactor.Faults{Reset: 0.2}) // breaks connections; the world expects that none breaks
		if w.run() != nil {
			return
		}
	}
	t.Error("connections broke in every world, and none noticed")
}
