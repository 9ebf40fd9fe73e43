package ring

import (
	"math"
	"sync"
	"sync/atomic"
)

// A Stream is a queue of whole messages from one producer to one consumer, as
// the octets that go on the wire. Octets cross over by the chunk: a message
// costs the producer one atomic store, and the consumer nothing until it has
// used up what it saw at its last look.
//
// A chunk holds whole messages only, and each message lies in one piece. So
// both a decoder and a writer work in place, and a chunk's start is always a
// message's start.
//
// Ownership. The producer owns a chunk's octets from the published position on
// and the consumer those before it; storing published hands octets over. A
// chunk is sealed by storing its next, after which its published never changes
// and the producer does not touch it again; the consumer frees it once it has
// passed its end.
//
// The zero Stream is empty and ready. It grows with what is in it: the bound is
// the caller's, by Full (the high-water mark, in messages). An empty one keeps
// the chunk that the producer was filling, which is small unless the stream was
// long lately, and no other memory: see Slack.
type Stream struct {
	first atomic.Pointer[chunk] // where the consumer starts; stored once by the producer

	_ cacheLinePad

	// The producer's.
	tail     *chunk
	room     []byte // the tail's octets, or nil if it takes no more messages
	tailAt   int    // octets of room filled and published: tailAt ≤ len(room)
	tailMsgs uint32 // messages filled in room
	tailSeen uint32 // and published: tailSeen ≤ tailMsgs
	written  uint64 // messages published since the beginning
	readSeen uint64 // the producer's last look at read; may lag, never lead
	stage    stage

	_ cacheLinePad

	// The consumer's: headAt ≤ octets of seen ≤ octets of head.published.
	head     *chunk
	headAt   int    // octets consumed of head
	headMsgs uint32 // messages consumed of head
	consumed uint64 // messages consumed since the beginning
	seen     uint64 // its last look at head.published

	_ cacheLinePad

	// The producer looks at read while the consumer moves the fields above.
	read atomic.Uint64 // consumed, as far as the producer was told: read ≤ consumed ≤ written

	_ cacheLinePad
}

// A chunk is one piece of a Stream.
//
// Its first half is written once per life and its second at each Commit. They
// are different cache lines, so that a consumer with something left to consume
// does not wait for the producer's line.
type chunk struct {
	data []byte
	buf  *Buf                  // what data is part of; the chunk holds one reference
	next atomic.Pointer[chunk] // not nil once sealed
	once bool                  // published once; nobody writes to data after that

	_ [64 - 48]byte

	published atomic.Uint64 // messages<<32 | octets

	_ [64 - 8]byte // with it a chunk begins at a cache line
}

var chunks = sync.Pool{New: func() any { return new(chunk) }}

func newChunk(buf *Buf, data []byte, once bool) *chunk {
	c := chunks.Get().(*chunk)
	c.buf, c.data, c.once = buf, data, once
	return c
}

// release drops the octets. The consumer calls it once nobody writes there.
func (c *chunk) release() {
	if c.buf != nil {
		c.buf.Release()
		c.buf, c.data = nil, nil
	}
}

// free recycles c. Its consumer calls it after next was set, or when both sides
// are done.
func (c *chunk) free() {
	c.release()
	c.published.Store(0)
	c.next.Store(nil)
	chunks.Put(c)
}

// A stream's first chunk is small, because most connections idle. Each time
// one fills up before the consumer has emptied the stream, the next is larger.
// A message too large for the largest gets a chunk to itself.
const (
	minChunk = 2 << 10
	maxChunk = 128 << 10
)

// MaxOctets is the most that a message, or what is appended at once, may have.
// A chunk counts its octets in 32 bits, beside its messages, so that one store
// publishes both.
const MaxOctets = math.MaxUint32

// Reserve returns n octets of room for the producer to fill. They stay the
// producer's, and a second Reserve returns the same ones, until Commit. It
// panics if n is more than MaxOctets.
func (s *Stream) Reserve(n int) []byte {
	if len(s.room)-s.tailAt < n {
		s.makeRoom(n)
	}
	return s.room[s.tailAt:][:n:n]
}

func (s *Stream) makeRoom(n int) {
	if s.stage.buf != nil {
		if n <= stageOctets/4 {
			s.setStage(s.unload())
			return
		}
		s.Unstage()
		if len(s.room)-s.tailAt >= n {
			return
		}
	}
	s.grow(n)
}

// Commit publishes the first n octets reserved, at least one, as one message.
func (s *Stream) Commit(n int) {
	s.Fill(n)
	s.Publish()
}

// Fill makes the first n octets reserved, at least one, a message that the next
// Publish, Commit or Append hands over with all others. It spares a producer
// that sends many the atomic store for each.
func (s *Stream) Fill(n int) {
	s.tailAt += n
	s.tailMsgs++
	s.written++
}

// CommitRun is Commit of a run of messages, at least one, that have n octets
// together.
func (s *Stream) CommitRun(n, messages int) {
	s.tailAt += n
	s.tailMsgs += uint32(messages)
	s.written += uint64(messages)
	s.Publish()
}

// Spare is how many octets can be reserved without taking more memory. The
// producer's to call.
func (s *Stream) Spare() int { return len(s.room) - s.tailAt }

// Filled is how many messages were filled since the last were handed over. The
// producer's to call.
func (s *Stream) Filled() int { return int(s.tailMsgs - s.tailSeen) }

// Publish hands over what was filled.
func (s *Stream) Publish() {
	if s.stage.buf != nil {
		s.setStage(s.unload())
		return
	}
	if s.room == nil {
		return
	}
	s.tailSeen = s.tailMsgs
	s.tail.published.Store(uint64(s.tailMsgs)<<32 | uint64(s.tailAt)) // the consumer owns the octets from here on
	if len(s.room) > maxChunk {
		s.room, s.tailAt, s.tailMsgs, s.tailSeen = nil, 0, 0, 0 // as grow promised the consumer
	}
}

// grow makes room for n octets in a new chunk.
func (s *Stream) grow(n int) {
	size := minChunk
	if s.read.Load() != s.written {
		size = max(minChunk, min(2*len(s.room), maxChunk))
	}
	if n > size {
		checkOctets(n)
		size = n
	}
	buf := NewBuf(size)
	s.push(newChunk(buf, buf.Data, len(buf.Data) > maxChunk))
	s.room = buf.Data
}

// push seals the tail and puts c behind it.
func (s *Stream) push(c *chunk) {
	s.Publish()
	if s.tail == nil {
		s.first.Store(c) // the consumer owns what c has published from here on
	} else {
		s.tail.next.Store(c) // and all of the old tail
	}
	s.tail, s.room, s.tailAt, s.tailMsgs, s.tailSeen = c, nil, 0, 0, 0
}

// Append publishes octets of buf that hold whole messages, at least one,
// without copying. It takes over one reference to buf. Nobody may write to
// octets any more.
func (s *Stream) Append(buf *Buf, octets []byte, messages int) {
	checkOctets(len(octets))
	s.Unstage()
	c := newChunk(buf, octets, true)
	c.published.Store(uint64(messages)<<32 | uint64(len(octets)))
	s.written += uint64(messages)
	s.push(c)
}

func checkOctets(n int) {
	if uint64(n) > MaxOctets {
		panic("ring: more octets at once than a Stream can count")
	}
}

// Written is how many messages were ever published or filled. The producer's to call.
func (s *Stream) Written() uint64 { return s.written }

// Full reports whether limit messages or more are queued. The producer's to
// call. It looks at the consumer's count, a cache miss, only if the last look
// does not settle it.
func (s *Stream) Full(limit uint64) bool {
	if s.written-s.readSeen < limit {
		return false
	}
	s.readSeen = s.read.Load()
	return s.written-s.readSeen >= limit
}

// Room is how many more messages fit under limit, or fewer, but none only if
// there is none. The producer's to call.
func (s *Stream) Room(limit uint64) uint64 {
	if s.written-s.readSeen > limit/2 { // if it still is so, Room is little and will be asked for often
		s.readSeen = s.read.Load()
	}
	if s.Full(limit) {
		return 0
	}
	return limit - (s.written - s.readSeen)
}

// Peek returns the octets of whole messages that lie in one piece at the head,
// empty if the stream is, and the Buf they are part of. They stay the
// consumer's until Advance passes them. Only the consumer may call it.
func (s *Stream) Peek() ([]byte, *Buf) {
	if octets, buf := s.Seen(); len(octets) > 0 {
		return octets, buf
	}
	return s.look()
}

// Seen is Peek that does not look for more: it returns what the last Peek saw and
// was not consumed yet. It costs no atomic access.
func (s *Stream) Seen() ([]byte, *Buf) {
	if end := int(uint32(s.seen)); end > s.headAt {
		return s.head.data[s.headAt:end], s.head.buf
	}
	return nil, nil
}

// look is Peek when everything seen was consumed.
func (s *Stream) look() ([]byte, *Buf) {
	if s.head == nil {
		if s.head = s.first.Load(); s.head == nil {
			return nil, nil
		}
	}
	for {
		// The order matters: a chunk is final once its next is set, so next
		// is read before published. Read the other way round, messages
		// published in between would be skipped.
		c := s.head
		next := c.next.Load()
		s.seen = c.published.Load()
		switch end := int(uint32(s.seen)); {
		case end > s.headAt:
			return c.data[s.headAt:end], c.buf
		case end < s.headAt:
			panic("ring: Stream consumed beyond what was published")
		case next != nil:
			c.free()
			s.head, s.headAt, s.headMsgs, s.seen = next, 0, 0, 0
		case c.once && end > 0:
			// The producer is through with this one too, though it still
			// has to link the next to it. Whatever data is part of, a
			// reader's large buffer perhaps, need not wait for that.
			c.release()
			return nil, nil
		default:
			return nil, nil
		}
	}
}

// Advance consumes octets and messages that Peek returned. The producer learns
// of it at the next Credit.
func (s *Stream) Advance(octets, messages int) {
	s.headAt += octets
	s.headMsgs += uint32(messages)
	s.consumed += uint64(messages)
}

// AdvanceAll consumes what Peek returned last, whole, and returns how many
// messages that was.
func (s *Stream) AdvanceAll() int {
	messages := uint32(s.seen>>32) - s.headMsgs
	s.Advance(int(uint32(s.seen))-s.headAt, int(messages))
	return int(messages)
}

// Consumed is how many messages were ever consumed. The consumer's to call.
func (s *Stream) Consumed() uint64 { return s.consumed }

// Credit tells the producer how far the consumer is, if that has changed, and
// reports whether it had.
func (s *Stream) Credit() bool {
	if s.read.Load() == s.consumed {
		return false
	}
	s.read.Store(s.consumed)
	return true
}

// Uncredited is how many messages the consumer has consumed without telling.
func (s *Stream) Uncredited() uint64 { return s.consumed - s.read.Load() }

// Queued is how many messages wait, as far as both sides have told. Any
// goroutine that may call the producer's methods may call it.
func (s *Stream) Queued() int { return int(s.written - s.read.Load()) }

// Gather appends to bufs the octets that wait, until it has limit slices,
// without consuming them. The consumer writes them out and calls Shipped.
func (s *Stream) Gather(bufs [][]byte, limit int) [][]byte {
	if octets, _ := s.Peek(); len(octets) == 0 {
		return bufs
	}
	for c, from := s.head, s.headAt; c != nil && len(bufs) < limit; from = 0 {
		// As in look: what is behind c may be taken if all of c was, and
		// next, read before published, says whether this is all.
		next := c.next.Load()
		if end := int(uint32(c.published.Load())); end > from {
			bufs = append(bufs, c.data[from:end])
		}
		c = next
	}
	return bufs
}

// Shipped consumes n octets that Gather returned. Where that cuts a message in
// two, this message, and perhaps those before it in its chunk, count as consumed
// only when the rest is.
func (s *Stream) Shipped(n int) {
	for n > 0 {
		octets, _ := s.Peek()
		if len(octets) == 0 {
			panic("ring: Stream shipped more than was gathered")
		}
		if n < len(octets) {
			s.headAt += n
			return
		}
		n -= len(octets)
		s.AdvanceAll()
	}
}

// Interrupted returns the octets already consumed of the chunk at the head,
// whose start is a message's start, or nothing if that cannot be in the middle
// of a message. A writer whose connection broke finds in them where the message
// began that it was in the middle of, and Rewinds.
func (s *Stream) Interrupted() []byte {
	if s.head == nil || s.head.data == nil {
		return nil
	}
	return s.head.data[:s.headAt]
}

// Rewind makes the last n octets that Interrupted returned wait again.
func (s *Stream) Rewind(n int) {
	if n > len(s.Interrupted()) {
		panic("ring: Stream rewound beyond its chunk")
	}
	s.headAt -= n
}

// Slack is how many octets of memory the chunk has that the consumer is at, all
// that an empty stream keeps. The consumer's to call.
func (s *Stream) Slack() int {
	if s.head == nil {
		return 0
	}
	return len(s.head.data)
}

// Discard frees everything and leaves the stream empty. Neither side may be
// using it, so it is for whoever has outlived both, or keeps both out.
func (s *Stream) Discard() {
	c := s.head
	if c == nil {
		c = s.first.Load()
	}
	for c != nil {
		next := c.next.Load()
		c.free()
		c = next
	}
	s.first.Store(nil)
	s.head, s.headAt, s.headMsgs, s.seen = nil, 0, 0, 0
	if s.stage.buf != nil {
		s.stage.buf.Release()
		s.stage = stage{}
	}
	s.tail, s.room, s.tailAt, s.tailMsgs, s.tailSeen = nil, nil, 0, 0, 0
	s.consumed = s.written
	s.read.Store(s.written)
}
