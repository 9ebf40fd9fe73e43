package ring

import (
	"bytes"
	"fmt"
	"testing"
	"unsafe"
)

// TestStreamLayout checks what the comments claim of cache lines.
func TestStreamLayout(t *testing.T) {
	var c chunk
	if size := unsafe.Sizeof(c); size != 128 {
		t.Errorf("a chunk has %d octets: chunks share cache lines unless it is 128", size)
	}
	if at := unsafe.Offsetof(c.published); at != 64 {
		t.Errorf("published is at %d, want 64", at)
	}
	var s Stream
	for _, pair := range [][2]uintptr{
		{unsafe.Offsetof(s.first), unsafe.Offsetof(s.tail)},
		{unsafe.Offsetof(s.readSeen), unsafe.Offsetof(s.head)},
		{unsafe.Offsetof(s.seen), unsafe.Offsetof(s.read)},
		{unsafe.Offsetof(s.read), unsafe.Sizeof(s) - 8},
	} {
		if pair[1]-pair[0] < 120 {
			t.Errorf("fields at %d and %d may share a pair of cache lines", pair[0], pair[1])
		}
	}
}

func TestStreamEmpty(t *testing.T) {
	noLeak(t)
	var s Stream
	check := func(when string) {
		t.Helper()
		if octets, buf := s.Peek(); len(octets) != 0 || buf != nil {
			t.Errorf("%s: Peek = %d octets, %v", when, len(octets), buf)
		}
		if bufs := s.Gather(nil, 4); len(bufs) != 0 {
			t.Errorf("%s: Gather = %d slices", when, len(bufs))
		}
		if n := s.AdvanceAll(); n != 0 {
			t.Errorf("%s: AdvanceAll = %d", when, n)
		}
		if s.Credit() {
			t.Errorf("%s: Credit reports a change", when)
		}
		s.Shipped(0)
		if got := s.Interrupted(); len(got) != 0 {
			t.Errorf("%s: Interrupted = %x", when, got)
		}
		if s.Queued() != 0 || s.Uncredited() != 0 {
			t.Errorf("%s: %d queued, %d uncredited", when, s.Queued(), s.Uncredited())
		}
	}
	check("zero")
	s.Discard()
	check("discarded")
	commitMessage(&s, 0)
	s.Peek()
	s.AdvanceAll()
	s.Credit()
	s.Rewind(0)
	s.Discard()
	check("discarded after use")
}

// TestStreamReserve checks that what is reserved is not visible, and is the
// same room until it is committed.
func TestStreamReserve(t *testing.T) {
	noLeak(t)
	var s Stream
	defer s.Discard()
	a := s.Reserve(100)
	if len(a) != 100 || cap(a) != 100 {
		t.Errorf("Reserve(100) has %d octets, capacity %d", len(a), cap(a))
	}
	if octets, _ := s.Peek(); len(octets) != 0 {
		t.Errorf("%d octets are visible that were only reserved", len(octets))
	}
	if b := s.Reserve(60); &a[0] != &b[0] {
		t.Error("a second Reserve returns other room")
	}
	copy(a, "hello")
	s.Commit(5)
	octets, buf := s.Peek()
	if string(octets) != "hello" || buf == nil {
		t.Errorf("Peek = %q, %v", octets, buf)
	}
	if again, _ := s.Peek(); &again[0] != &octets[0] || len(again) != 5 {
		t.Error("a second Peek differs")
	}
	if b := s.Reserve(10); &b[0] != &a[5] {
		t.Error("the next message does not lie behind the last")
	}
}

// TestStreamFillsChunks checks that a chunk takes as many messages as fit.
func TestStreamFillsChunks(t *testing.T) {
	noLeak(t)
	var s Stream
	defer s.Discard()
	before := LiveBufs()
	for i := range 2 * minChunk / 512 {
		s.Commit(len(s.Reserve(512)))
		if got, want := LiveBufs()-before, 1+i/(minChunk/512); got != want {
			t.Fatalf("%d messages of 512 octets take %d chunks, want %d", i+1, got, want)
		}
		s.Peek()
		s.Credit()
	}
}

// TestStreamRuns checks that a run counts as its messages, and that what is spare
// takes no chunk.
func TestStreamRuns(t *testing.T) {
	noLeak(t)
	var s Stream
	defer s.Discard()
	if s.Spare() != 0 {
		t.Errorf("an empty stream has %d octets to spare", s.Spare())
	}
	s.Commit(len(s.Reserve(10)))
	for before := LiveBufs(); s.Spare() >= 30; {
		s.Reserve(30)
		s.CommitRun(30, 3)
		if LiveBufs() != before {
			t.Fatal("a run that there is room for takes another chunk")
		}
	}
	if octets, _ := s.Peek(); s.Spare() != minChunk-len(octets) {
		t.Errorf("%d octets of %d filled, %d to spare", len(octets), minChunk, s.Spare())
	}
	want := 1 + 3*((minChunk-10)/30)
	if n := s.AdvanceAll(); n != want || s.Written() != uint64(want) {
		t.Errorf("%d messages came of %d, want %d", n, s.Written(), want)
	}
	buf := NewBuf(10)
	s.Append(buf, buf.Data[:10], 1)
	if s.Spare() != 0 {
		t.Errorf("%d octets to spare of memory that is not the stream's", s.Spare())
	}
}

func TestStreamCounts(t *testing.T) {
	noLeak(t)
	var s Stream
	defer s.Discard()
	const limit = 4
	for i := range uint64(limit) {
		if room := s.Room(limit); s.Full(limit) || room != limit-i {
			t.Fatalf("%d queued: Full = %v, Room = %d", i, s.Full(limit), room)
		}
		commitMessage(&s, i)
	}
	if !s.Full(limit) || s.Room(limit) != 0 || s.Room(limit-1) != 0 || s.Full(limit+1) || s.Written() != limit {
		t.Errorf("Full(%d) = %v, Full(%d) = %v, Written %d", limit, s.Full(limit), limit+1, s.Full(limit+1), s.Written())
	}
	octets, _ := s.Peek()
	s.Advance(takeTestMessage(t, octets, 0), 1)
	if s.Consumed() != 1 || s.Uncredited() != 1 || s.Queued() != limit || !s.Full(limit) {
		t.Errorf("before Credit: %d consumed, %d uncredited, %d queued, Full = %v",
			s.Consumed(), s.Uncredited(), s.Queued(), s.Full(limit))
	}
	if !s.Credit() || s.Credit() {
		t.Error("Credit does not report the one change")
	}
	if s.Uncredited() != 0 || s.Queued() != limit-1 || s.Full(limit) || s.Room(limit) != 1 {
		t.Errorf("after Credit: %d uncredited, %d queued, Full = %v, Room = %d",
			s.Uncredited(), s.Queued(), s.Full(limit), s.Room(limit))
	}
	s.Peek()
	if n := s.AdvanceAll(); n != limit-1 {
		t.Errorf("AdvanceAll = %d, want %d", n, limit-1)
	}
	if octets, _ := s.Peek(); len(octets) != 0 || s.Consumed() != limit {
		t.Errorf("%d octets left, %d consumed", len(octets), s.Consumed())
	}
}

// TestStreamGrowth checks the sizes of chunks: small while the consumer keeps
// up, doubling while it does not, and never for long that of one large message.
func TestStreamGrowth(t *testing.T) {
	noLeak(t)
	var s Stream
	defer s.Discard()
	fill := func(consume bool) (sizes []int) {
		var last *chunk
		for len(sizes) < 10 {
			copy(s.Reserve(512), make([]byte, 512))
			s.Commit(512)
			if s.tail != last {
				last = s.tail
				sizes = append(sizes, len(s.room))
			}
			if consume {
				s.Peek()
				s.AdvanceAll()
				s.Credit()
			}
		}
		return sizes
	}
	if got := fill(true); fmt.Sprint(got) != fmt.Sprint([]int{2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048}) {
		t.Errorf("with a consumer that keeps up, chunks of %v", got)
	}
	if got := fill(false); fmt.Sprint(got) != fmt.Sprint([]int{2048, 4096, 8192, 16384, 32768, 65536, 131072, 131072, 131072, 131072}) {
		t.Errorf("with a consumer that sleeps, chunks of %v", got)
	}
	s.Commit(copy(s.Reserve(1<<20), "huge"))
	commitMessage(&s, 0)
	if len(s.room) != minChunk {
		t.Errorf("after a huge message a chunk of %d", len(s.room))
	}
	appendMessages(&s, 1, 1)
	commitMessage(&s, 2)
	if len(s.room) != minChunk {
		t.Errorf("after an appended message a chunk of %d", len(s.room))
	}
}

// TestStreamLetsGo checks that an empty stream does not keep memory that nobody
// will write to again: what was appended, and a huge message's chunk.
func TestStreamLetsGo(t *testing.T) {
	noLeak(t)
	var s Stream
	defer s.Discard()
	before := LiveBufs()
	empty := func(what string) {
		t.Helper()
		for octets, _ := s.Peek(); len(octets) > 0; octets, _ = s.Peek() {
			s.Shipped(len(octets))
		}
		if got := LiveBufs() - before; got != 0 {
			t.Errorf("%s: the empty stream keeps %d Bufs", what, got)
		}
		if got := s.Interrupted(); len(got) != 0 {
			t.Errorf("%s: Interrupted = %d octets of a whole message", what, len(got))
		}
	}
	appendMessages(&s, 0, 3)
	empty("appended")
	s.Reserve(maxChunk + 1)
	s.Peek()
	if LiveBufs() == before {
		t.Error("a chunk is gone that the producer is filling")
	}
	s.Commit(maxChunk + 1)
	empty("huge")
	appendMessages(&s, 0, 1)
	appendMessages(&s, 1, 1)
	empty("appended twice")
}

// TestStreamPartialShip ships a stream of mixed chunks octet by octet, and at
// each octet breaks the connection: what is left must start at a message.
func TestStreamPartialShip(t *testing.T) {
	noLeak(t)
	for _, step := range []int{1, 2, 7, 64, 1000} {
		var s Stream
		var all []byte
		for i := uint64(0); i < 40; i += 4 {
			commitMessage(&s, i)
			appendMessages(&s, i+1, 2)
			commitMessage(&s, i+3)
		}
		for i := range uint64(40) {
			all = append(all, testMessage(i)...)
		}
		at := 0
		for at < len(all) {
			octets := bytes.Join(s.Gather(nil, 3), nil)
			if !bytes.HasPrefix(all[at:], octets) || len(octets) == 0 {
				t.Fatalf("step %d: at %d of %d Gather returns %d octets, wrong ones", step, at, len(all), len(octets))
			}
			n := min(step, len(octets))
			s.Shipped(n)
			at += n
			// Find the message that was cut, as a session does.
			cut := s.Interrupted()
			for len(cut) >= 2 && len(cut) >= int(cut[0])|int(cut[1])<<8 {
				cut = cut[int(cut[0])|int(cut[1])<<8:]
			}
			s.Rewind(len(cut))
			again := bytes.Join(s.Gather(nil, 3), nil)
			if !bytes.HasPrefix(all[at-len(cut):], again) {
				t.Fatalf("step %d: at %d, rewound by %d, Gather returns wrong octets", step, at, len(cut))
			}
			s.Shipped(len(cut))
		}
		if s.Consumed() != 40 {
			t.Errorf("step %d: %d messages count as consumed, want 40", step, s.Consumed())
		}
		s.Discard()
	}
}

// TestStreamShippedCounts checks that a message cut in two is not consumed.
func TestStreamShippedCounts(t *testing.T) {
	noLeak(t)
	var s Stream
	defer s.Discard()
	total := 0
	for i := range uint64(3) {
		commitMessage(&s, i)
		total += testSize(i)
	}
	s.Gather(nil, 1)
	s.Shipped(total - 1)
	if s.Consumed() == 3 {
		t.Error("the last message counts as consumed, its last octet waits")
	}
	s.Shipped(1)
	if s.Consumed() != 3 {
		t.Errorf("%d consumed, want 3", s.Consumed())
	}
}

func TestStreamGatherLimit(t *testing.T) {
	noLeak(t)
	var s Stream
	defer s.Discard()
	for i := range uint64(6) {
		appendMessages(&s, i, 1)
	}
	bufs := make([][]byte, 0, 8)
	for limit := range 8 {
		if got, want := len(s.Gather(bufs, limit)), min(limit, 6); got != want {
			t.Errorf("Gather with limit %d returns %d slices, want %d", limit, got, want)
		}
	}
	if got := len(s.Gather(bufs[:3], 4)); got != 4 {
		t.Errorf("Gather onto 3 slices with limit 4 returns %d, want 4", got)
	}
	if got := len(s.Gather(bufs[:3], 3)); got != 3 {
		t.Errorf("Gather onto 3 slices with limit 3 returns %d, want 3", got)
	}
}

// TestStreamGatherSeesAll checks that Gather is not content with what Peek saw
// before: after a partial write there is usually more.
func TestStreamGatherSeesAll(t *testing.T) {
	noLeak(t)
	var s Stream
	defer s.Discard()
	commitMessage(&s, 0)
	s.Gather(nil, 1)
	s.Shipped(1)
	commitMessage(&s, 1)
	want := append(testMessage(0)[1:], testMessage(1)...)
	if got := bytes.Join(s.Gather(nil, 1), nil); !bytes.Equal(got, want) {
		t.Errorf("Gather returns %d octets of %d", len(got), len(want))
	}
	s.Shipped(len(want))
	if s.Consumed() != 2 {
		t.Errorf("%d consumed, want 2", s.Consumed())
	}
}

func TestStreamMisuse(t *testing.T) {
	for _, tt := range []struct {
		name string
		call func(s *Stream)
	}{
		{"shipped more than waits", func(s *Stream) { s.Shipped(testSize(0) + 1) }},
		{"advanced beyond what waits", func(s *Stream) { s.Advance(testSize(0)+1, 1); s.Peek() }},
		{"rewound beyond the chunk", func(s *Stream) { s.Shipped(3); s.Rewind(4) }},
		{"reserved more than a chunk can count", func(s *Stream) {
			if n := uint64(MaxOctets) + 1; uint64(int(n)) == n {
				s.Reserve(int(n))
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s Stream
			defer s.Discard()
			commitMessage(&s, 0)
			defer func() {
				if recover() == nil {
					t.Error("does not panic")
				}
			}()
			tt.call(&s)
		})
	}
}

// TestStreamDiscard checks that every reference is given back, whatever state
// the stream is in, and that it can be used again.
func TestStreamDiscard(t *testing.T) {
	noLeak(t)
	var s Stream
	for state := range 6 {
		switch state {
		case 1:
			s.Reserve(1)
		case 2:
			commitMessage(&s, 0)
		case 3:
			appendMessages(&s, 0, 2)
			s.Reserve(1)
		case 4:
			appendMessages(&s, 0, 2)
			commitMessage(&s, 2)
			s.Peek()
			s.AdvanceAll()
			s.Peek()
		case 5:
			appendMessages(&s, 0, 2)
			s.Peek()
			s.AdvanceAll()
			s.Peek()
		}
		s.Discard()
		if s.Queued() != 0 || s.Consumed() != s.Written() || s.Full(1) {
			t.Errorf("state %d: %d queued, %d of %d consumed, Full = %v",
				state, s.Queued(), s.Consumed(), s.Written(), s.Full(1))
		}
		var other Stream // has the chunks that s gave back
		for i := range uint64(4) {
			appendMessages(&other, i, 1)
		}
		if octets, _ := s.Peek(); len(octets) != 0 {
			t.Errorf("state %d: %d octets wait", state, len(octets))
		}
		commitMessage(&s, 7)
		octets, _ := s.Peek()
		takeTestMessage(t, octets, 7)
		s.AdvanceAll()
		s.Discard()
		other.Discard()
	}
}

// TestStreamKeepsRetained checks that a message stays as it is after Advance
// for whoever retained its Buf.
func TestStreamKeepsRetained(t *testing.T) {
	noLeak(t)
	var s Stream
	commitMessage(&s, 0)
	octets, buf := s.Peek()
	buf.Retain(1)
	s.AdvanceAll()
	for i := range uint64(1000) {
		commitMessage(&s, i+1)
		s.Peek()
		s.AdvanceAll()
	}
	s.Discard()
	takeTestMessage(t, octets, 0)
	buf.Release()
}

func TestStreamDoesNotAllocate(t *testing.T) {
	noLeak(t)
	var s Stream
	defer s.Discard()
	body := make([]byte, 64)
	bufs := make([][]byte, 0, 16)
	doesNotAllocate(t, "commit, peek, advance and credit", func() {
		for range 100 {
			s.Commit(copy(s.Reserve(64), body))
		}
		for octets, _ := s.Peek(); len(octets) > 0; octets, _ = s.Peek() {
			s.AdvanceAll()
		}
		s.Credit()
	})
	doesNotAllocate(t, "append, gather and ship", func() {
		for range 10 {
			buf := NewBuf(4096)
			s.Append(buf, buf.Data[:100], 1)
		}
		for {
			n := 0
			for _, b := range s.Gather(bufs, cap(bufs)) {
				n += len(b)
			}
			if n == 0 {
				break
			}
			s.Shipped(n)
		}
		s.Credit()
	})
	doesNotAllocate(t, "large messages", func() {
		s.Commit(len(s.Reserve(300 << 10)))
		s.Peek()
		s.AdvanceAll()
		s.Credit()
	})
}
