package ring

import (
	"math/rand/v2"
	"sync"
	"testing"
)

// TestStreamStress runs a producer and a consumer freely, under -race if so
// built, and checks every octet of every message and the high-water mark. Three
// kinds of consumer read a stream: message by message, all that is seen, and a
// writer that gathers, ships in part, and now and then loses its connection.
func TestStreamStress(t *testing.T) {
	for _, tt := range []struct {
		name    string
		consume func(c *streamConsumer)
	}{
		{"advance", (*streamConsumer).advance},
		{"advance all", (*streamConsumer).advanceAll},
		{"gather", (*streamConsumer).gather},
	} {
		for _, limit := range []uint64{1, 3, 1000} {
			t.Run(tt.name, func(t *testing.T) {
				noLeak(t)
				messages := uint64(300_000)
				if testing.Short() {
					messages = 20_000
				}
				if limit < 10 {
					messages /= 10 // each is a hand-over between processors
				}
				streamStress(t, limit, messages, tt.consume)
			})
		}
	}
}

func streamStress(t *testing.T, limit, messages uint64, consume func(c *streamConsumer)) {
	var s Stream
	c := &streamConsumer{T: t, s: &s, dice: rand.New(rand.NewPCG(limit, messages))}
	var producer sync.WaitGroup
	producer.Go(func() { produceStress(&s, limit, messages) })
	for c.got < messages {
		before := c.got
		consume(c)
		if s.Credit(); c.got == before {
			yield()
		}
	}
	producer.Wait()
	if octets, _ := s.Peek(); len(octets) != 0 || s.Consumed() != messages || s.Written() != messages {
		t.Errorf("%d octets left, %d consumed, %d written, want none and %d", len(octets), s.Consumed(), s.Written(), messages)
	}
	s.Discard()
}

// produceStress publishes messages in every way there is.
func produceStress(s *Stream, limit, messages uint64) {
	dice := rand.New(rand.NewPCG(messages, limit))
	for i := uint64(0); i < messages; {
		room := s.Room(limit)
		if room == 0 {
			yield()
			continue
		}
		run := min(1+dice.Uint64N(4), room, messages-i)
		switch dice.Uint64N(16) {
		case 0, 1, 2:
			appendMessages(s, i, int(run))
			i += run
			continue
		case 3: // more room than the message turns out to need
			s.Reserve(testSize(i) + 5000)
		case 4:
			if dice.Uint64N(50) == 0 {
				s.Reserve(maxChunk + 1)
			}
		}
		switch dice.Uint64N(64) {
		case 0:
			s.Stage()
		case 1:
			s.Unstage()
		}
		commitMessage(s, i)
		i++
	}
}

// A streamConsumer checks what comes out of a stream.
type streamConsumer struct {
	*testing.T
	s    *Stream
	got  uint64 // messages
	cut  []byte // of message got, what was shipped
	dice *rand.Rand
}

func (c *streamConsumer) advance() {
	octets, _ := c.s.Peek()
	for range c.dice.IntN(5) {
		if len(octets) == 0 {
			return
		}
		n := takeTestMessage(c, octets, c.got)
		c.got++
		octets = octets[n:]
		c.s.Advance(n, 1)
	}
}

func (c *streamConsumer) advanceAll() {
	octets, _ := c.s.Peek()
	messages := 0
	for ; len(octets) > 0; messages++ {
		octets = octets[takeTestMessage(c, octets, c.got):]
		c.got++
	}
	if n := c.s.AdvanceAll(); n != messages {
		c.Fatalf("AdvanceAll = %d, Peek returned %d messages", n, messages)
	}
}

func (c *streamConsumer) gather() {
	var space [4][]byte
	total := 0
	bufs := c.s.Gather(space[:0], 1+c.dice.IntN(len(space)))
	for _, b := range bufs {
		total += len(b)
	}
	if total == 0 {
		return
	}
	n := total
	if c.dice.IntN(2) == 0 {
		n = 1 + c.dice.IntN(total)
	}
	left := n
	for _, b := range bufs {
		b = b[:min(len(b), left)]
		left -= len(b)
		c.cut = append(c.cut, b...)
	}
	for len(c.cut) >= testHeader && len(c.cut) >= testSize(c.got) {
		c.cut = c.cut[takeTestMessage(c, c.cut, c.got):]
		c.got++
	}
	c.s.Shipped(n)
	if c.dice.IntN(8) == 0 {
		if done := c.s.Interrupted(); len(done) < len(c.cut) {
			c.Fatalf("Interrupted has %d octets, the message cut lost %d", len(done), len(c.cut))
		}
		c.s.Rewind(len(c.cut))
		c.cut = nil
	}
}

// TestStreamSeal has the producer publish a chunk's last message and seal it
// in one breath, while the consumer looks at that very chunk: were next and
// published looked at in the wrong order, the message would be skipped.
func TestStreamSeal(t *testing.T) {
	t.Run("peek", func(t *testing.T) {
		sealStress(t, func(s *Stream, got uint64) uint64 {
			octets, _ := s.Peek()
			for ; len(octets) > 0; got++ {
				octets = octets[takeTestMessage(t, octets, got):]
			}
			s.AdvanceAll()
			return got
		})
	})
	t.Run("gather", func(t *testing.T) {
		bufs := make([][]byte, 0, 4)
		sealStress(t, func(s *Stream, got uint64) uint64 {
			n := 0
			for _, octets := range s.Gather(bufs, cap(bufs)) {
				n += len(octets)
				for ; len(octets) > 0; got++ {
					octets = octets[takeTestMessage(t, octets, got):]
				}
			}
			s.Shipped(n)
			return got
		})
	})
}

// sealStress runs a producer that commits two messages to a chunk and appends
// one behind it, against a consumer that returns how many it has got.
func sealStress(t *testing.T, consume func(s *Stream, got uint64) uint64) {
	noLeak(t)
	messages := uint64(99_999)
	if testing.Short() {
		messages = 9_999
	}
	var s Stream
	var producer sync.WaitGroup
	producer.Go(func() {
		for i := uint64(0); i < messages; i += 3 {
			buf, n := NewBuf(1024), testSize(i+2)
			putTestMessage(buf.Data[:n], i+2)
			for s.Full(3) {
				yield()
			}
			commitMessage(&s, i)
			octets := s.Reserve(testSize(i + 1))
			putTestMessage(octets, i+1)
			s.Commit(len(octets))
			s.Append(buf, buf.Data[:n], 1)
		}
	})
	for got := uint64(0); got < messages; {
		before := got
		if got = consume(&s, got); got == before && !s.Credit() {
			yield()
		}
	}
	producer.Wait()
	s.Discard()
}
