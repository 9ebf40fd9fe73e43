package socket

import (
	"testing"
	"time"
	"unsafe"
)

// steppedWall is t as somebody reads it who has set the wall clock forward, or
// back: the time since any other is the same.
func steppedWall(t time.Time, seconds int64) time.Time {
	const nsecBits = 30 // of the first word; the seconds are above
	*(*uint64)(unsafe.Pointer(&t)) += uint64(seconds << nsecBits)
	return t
}

// TestLingerAndWallClock: whoever sets the clock makes no Close longer or shorter.
func TestLingerAndWallClock(t *testing.T) {
	e, err := NewEngine(&EngineOptions{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	s, err := New(TypePush, &Options{Engine: e})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, step := range []int64{-3600, 0, 3600} {
		c := newSession(s, "tcp://nowhere:1")
		before := c.r.Now()
		if after := steppedWall(before, step); after.Unix()-before.Unix() != step || after.Sub(before) != 0 {
			t.Fatalf("stepped by %d s: %v after %v", step, after, before)
		}
		c.closeWithin(time.Minute)
		for seconds, want := range map[time.Duration]bool{50: true, 120: false} {
			if now := steppedWall(before.Add(seconds*time.Second), step); c.lingering(now) != want {
				t.Errorf("clock stepped by %d s, %d s into a minute's linger: lingering is %v", step, seconds, !want)
			}
		}
	}
}
