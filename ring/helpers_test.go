package ring

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// noLeak fails the test if it ends with more Bufs alive than it began with.
func noLeak(t testing.TB) {
	before := LiveBufs()
	t.Cleanup(func() {
		if after := LiveBufs(); after != before {
			t.Errorf("%d Bufs are alive, %d were before the test", after, before)
		}
	})
}

// doesNotAllocate fails the test if f allocates, on the average of many runs.
func doesNotAllocate(t *testing.T, what string, f func()) {
	t.Helper()
	if raceDetector {
		f() // still worth running
		return
	}
	for range 100 {
		f() // fill the pools
	}
	if n := testing.AllocsPerRun(1000, f); n != 0 {
		t.Errorf("%s: %v allocations, want 0", what, n)
	}
}

// A test message is its size in two octets, its number in eight, and octets
// that follow from the number; so a reader can find its end, its place and any
// octet that is wrong.
const testHeader = 10

func putTestMessage(b []byte, number uint64) {
	binary.LittleEndian.PutUint16(b, uint16(len(b)))
	binary.LittleEndian.PutUint64(b[2:], number)
	for i := range b[testHeader:] {
		b[testHeader+i] = byte(number) + byte(i)
	}
}

// testSize is the size of message number, from 10 octets to several hundred.
func testSize(number uint64) int {
	return testHeader + int(number*2654435761>>7%50)*int(number%13)
}

func testMessage(number uint64) []byte {
	b := make([]byte, testSize(number))
	putTestMessage(b, number)
	return b
}

// takeTestMessage checks that b starts with message number, whole, and returns
// its size.
func takeTestMessage(t testing.TB, b []byte, number uint64) int {
	t.Helper()
	if len(b) < testHeader || len(b) < int(binary.LittleEndian.Uint16(b)) {
		t.Fatalf("message %d: %d octets are not a whole message", number, len(b))
	}
	got := b[:binary.LittleEndian.Uint16(b)]
	if at := binary.LittleEndian.Uint64(got[2:]); at != number {
		t.Fatalf("message %d stands where %d should", at, number)
	}
	if !bytes.Equal(got, testMessage(number)) {
		t.Fatalf("message %d is damaged: %x", number, got)
	}
	return len(got)
}

// commitMessage publishes message number by Reserve and Commit.
func commitMessage(s *Stream, number uint64) {
	n := testSize(number)
	putTestMessage(s.Reserve(n), number)
	s.Commit(n)
}

// appendMessages publishes messages from number on by Append.
func appendMessages(s *Stream, number uint64, messages int) {
	buf, n := NewBuf(messages*1024), 0
	for i := range uint64(messages) {
		size := testSize(number + i)
		putTestMessage(buf.Data[n:n+size], number+i)
		n += size
	}
	s.Append(buf, buf.Data[:n], messages)
}

// yield lets the other side of a queue run. Now and then it sleeps: who does no
// more than yield to its own process keeps the processor, and on a busy machine
// the other side, on a thread of its own, then waits for the end of a time slice,
// at every message.
func yield() {
	if rand.IntN(100) == 0 { // not counted: a count that both sides keep would order them
		nap()
		return
	}
	runtime.Gosched()
}

// nap gives up the processor.
func nap() { <-time.After(time.Microsecond) }

// lockstep runs two goroutines that call act at the same moment, round after
// round, as nearly as two processors can. Before each round it calls prepare,
// and after it judge, which says what is wrong and so ends the test.
func lockstep(t *testing.T, rounds int64, prepare func(), act func(me int), judge func() string) {
	t.Helper()
	var round, done atomic.Int64
	spin := func(until func() bool) {
		for i, from := 1, time.Now(); !until(); i++ {
			switch {
			case i%100 != 0:
			case time.Since(from) > 50*time.Microsecond:
				nap() // who is waited for is not even running
			default:
				runtime.Gosched() // there may be one processor only
			}
		}
	}
	var actors sync.WaitGroup
	for me := range 2 {
		actors.Go(func() {
			for r := int64(1); r <= rounds; r++ {
				spin(func() bool { return round.Load() >= r })
				act(me)
				done.Add(1)
			}
		})
	}
	for r := int64(1); r <= rounds; r++ {
		prepare()
		round.Store(r)
		spin(func() bool { return done.Load() == 2*r })
		if wrong := judge(); wrong != "" {
			t.Errorf("round %d: %s", r, wrong)
			break
		}
	}
	round.Store(rounds) // let go of them, wherever they are
	actors.Wait()
}
