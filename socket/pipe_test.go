package socket

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/zeroring/zeroring/ring"
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

// TestConflatingLane: what the consumer has looked at stays, and of what is
// published after it only the last waits.
func TestConflatingLane(t *testing.T) {
	l := lane{conflate: true}
	defer l.discard()
	publish := func(bodies ...byte) {
		for _, body := range bodies {
			buf := ring.NewBuf(3)
			putMessage(buf.Data[:3], nil, [][]byte{{body}})
			l.publishBuf(buf, buf.Data[:3], 1)
		}
		if n := l.queued(); n != 1 {
			t.Errorf("%d messages wait behind what was looked at, want 1", n)
		}
	}
	want := func(body byte) {
		t.Helper()
		octets, _ := l.look()
		if len(octets) != 3 || octets[2] != body {
			t.Fatalf("found %q, want a message of %q", octets, body)
		}
	}
	publish('a', 'b')
	want('b')
	publish('c')
	want('b')
	publish('d')
	want('b')
	l.taken(3, 1)
	want('d')
	l.taken(3, 1)
	if octets, _ := l.look(); len(octets) > 0 || l.queued() != 0 {
		t.Errorf("found %q behind the last, %d wait", octets, l.queued())
	}
	if n := l.written(); n != 4 {
		t.Errorf("%d messages were published, want 4", n)
	}
}

// TestPurgeMakesRoom: a producer that waits for room hears of it when all that
// waits is dropped.
func TestPurgeMakesRoom(t *testing.T) {
	told := 0
	l := lane{producer: producingEnd{nil, func() { told++ }}}
	l.hwm.Store(8)
	defer l.discard()
	for !l.full() {
		l.stream.Reserve(1)
		l.stream.Commit(1)
	}
	l.purge()
	if told != 1 || l.full() {
		t.Errorf("told %d times; still full: %v", told, l.full())
	}
}

// TestFoundBetweenLooks: a consumer whose second look finds what was published
// after the first sleeps for nothing, so there is no bell to ring.
func TestFoundBetweenLooks(t *testing.T) {
	var l lane
	l.hwm.Store(defaultHWM)
	defer l.discard()
	publish := func() {
		l.stream.Reserve(1)
		l.stream.Commit(1)
	}
	l.producer = producingEnd{nil, publish}
	publish()
	l.look()
	l.taken(1, 1)
	l.room.Arm() // so that the producer is told of room between two looks
	if octets, _ := l.peek(); len(octets) != 1 {
		t.Fatalf("found %q", octets)
	}
	if l.data.Ring() {
		t.Error("the bell is armed")
	}
}
