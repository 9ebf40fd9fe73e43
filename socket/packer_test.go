package socket

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/zeroring/zeroring/pgm"
)

// randomMessages returns messages of all kinds of sizes, small ones most of all, and
// their encoding in a pipe.
func randomMessages(rng *rand.Rand, n, largest int) (messages [][][]byte) {
	for range n {
		var parts [][]byte
		for range 1 + rng.IntN(3) {
			size := rng.IntN(40)
			if rng.IntN(8) == 0 {
				size = rng.IntN(largest)
			}
			part := make([]byte, size)
			for i := range part {
				part[i] = byte(rng.Uint32())
			}
			parts = append(parts, part)
		}
		messages = append(messages, parts)
	}
	return messages
}

// packAll packs messages into payloads of so many octets. Now and then it ends one
// early, as a source does that has nothing more to send.
func packAll(rng *rand.Rand, messages [][][]byte, size int) (payloads [][]byte) {
	var k packer
	end := func() {
		room := k.room
		payloads = append(payloads, room[:k.end()])
	}
	for _, parts := range messages {
		octets := make([]byte, wireSize(nil, parts))
		putMessage(octets, nil, parts)
		for done := false; !done; {
			if k.room == nil {
				k.begin(make([]byte, size))
			}
			used, n := k.pack(octets)
			octets = octets[used:]
			done = n == 1
			if k.full() {
				end()
			}
		}
		if k.filled() && rng.IntN(5) == 0 {
			end()
		}
	}
	if k.filled() {
		end()
	}
	return payloads
}

// drainLane receives all that a lane holds.
func drainLane(l *lane) (messages []*Message) {
	l.stream.Publish()
	for {
		octets, buf := l.look()
		if len(octets) == 0 {
			return messages
		}
		m := newMessage()
		l.taken(m.take(octets, buf), 1)
		messages = append(messages, m)
	}
}

func checkMessage(t *testing.T, m *Message, want [][]byte) {
	t.Helper()
	if m.Len() != len(want) {
		t.Fatalf("%d frames, want %d", m.Len(), len(want))
	}
	for i := range want {
		if !bytes.Equal(m.Frame(i), want[i]) {
			t.Fatalf("frame %d: %d octets, want %d", i, len(m.Frame(i)), len(want[i]))
		}
	}
}

func testLane(t *testing.T) *lane {
	l := new(lane)
	t.Cleanup(l.discard)
	l.hwm.Store(unlimited)
	return l
}

func TestPackUnpack(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			messages := randomMessages(rng, 200, 5000)
			payloads := packAll(rng, messages, 3+rng.IntN(1500))
			l := testLane(t)
			u := newUnpacker(1<<20, 1<<20)
			for _, p := range payloads {
				if err := u.unpack(l, p, int64(seed)); err != nil {
					t.Fatal(err)
				}
			}
			got := drainLane(l)
			if len(got) != len(messages) {
				t.Fatalf("%d messages, want %d", len(got), len(messages))
			}
			for i, m := range got {
				checkMessage(t, m, messages[i])
				if m.Received().IsZero() != (seed == 0) || m.Missed() != 0 {
					t.Fatalf("received %v, missed %d", m.Received(), m.Missed())
				}
				m.Release()
			}
		})
	}
}

// found returns the index in messages of m, from start on.
func found(m *Message, messages [][][]byte, start int) int {
	for i := start; i < len(messages); i++ {
		same := m.Len() == len(messages[i])
		for k := 0; same && k < m.Len(); k++ {
			same = bytes.Equal(m.Frame(k), messages[i][k])
		}
		if same {
			return i
		}
	}
	return -1
}

// numbered makes each message one of its own.
func numbered(messages [][][]byte) {
	for i := range messages {
		messages[i][0] = append(fmt.Appendf(nil, "%d.", i), messages[i][0]...)
	}
}

// After a loss whole messages come, in order, and nothing that was not sent. Those
// that are wholly in packets which came, behind the next that begins, are all there.
func TestUnpackLoss(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 2))
		messages := randomMessages(rng, 300, 3000)
		numbered(messages)
		payloads := packAll(rng, messages, 20+rng.IntN(1400))
		l := testLane(t)
		u := newUnpacker(1<<20, 1<<20)
		lost := 0
		for _, p := range payloads {
			if rng.IntN(10) == 0 {
				u.lose(1)
				lost++
				continue
			}
			if err := u.unpack(l, p, 0); err != nil {
				t.Fatal(err)
			}
		}
		next, missed := 0, 0
		for _, m := range drainLane(l) {
			at := found(m, messages, next)
			if at < 0 {
				t.Fatalf("seed %d: a message that was not sent, or out of order", seed)
			}
			if at > next && m.Missed() == 0 {
				t.Fatalf("seed %d: a gap without notice", seed)
			}
			next, missed = at+1, missed+m.Missed()
			m.Release()
		}
		if missed+int(u.missed) != lost {
			t.Fatalf("seed %d: %d packets missed, want %d", seed, missed+int(u.missed), lost)
		}
	}
}

// In any order all messages come, if nothing is lost, and otherwise all that have no
// piece in what is lost.
func TestScatter(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 3))
		messages := randomMessages(rng, 200, 4000)
		numbered(messages)
		payloads := packAll(rng, messages, 20+rng.IntN(1400))
		l := testLane(t)
		s := newScatter(newUnpacker(1<<20, 1<<20), 1<<16, 1<<20)
		first := pgm.SQN(0xffffffff - rng.Uint32N(100))
		lost := map[int]bool{}
		for _, k := range rng.Perm(len(payloads)) {
			if seed%2 == 1 && rng.IntN(20) == 0 {
				lost[k] = true
				s.lose(first+pgm.SQN(k), first+pgm.SQN(k), 1)
				continue
			}
			if err := s.unpack(l, first+pgm.SQN(k), payloads[k], 0); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		for k := range lost { // what came after the news
			s.lose(first+pgm.SQN(k), first+pgm.SQN(k), 0)
		}
		seen := map[int]bool{}
		for _, m := range drainLane(l) {
			at := found(m, messages, 0)
			if at < 0 || seen[at] {
				t.Fatalf("seed %d: a message that was not sent, or twice", seed)
			}
			seen[at] = true
			m.Release()
		}
		if len(lost) == 0 && len(seen) != len(messages) {
			t.Fatalf("seed %d: %d messages, want %d", seed, len(seen), len(messages))
		}
		if s.octets != 0 || len(s.heads) != 0 {
			t.Fatalf("seed %d: %d chains and %d heads of %d octets are left", seed, len(s.chains), len(s.heads), s.octets)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 4))
	for _, p := range packAll(rng, randomMessages(rng, 20, 200), 100) {
		f.Add(p, uint8(rng.UintN(256)))
	}
	f.Fuzz(func(t *testing.T, data []byte, cut uint8) {
		l := testLane(t)
		u := newUnpacker(1<<12, 1<<14)
		s := newScatter(newUnpacker(1<<12, 1<<14), 64, 1<<14)
		for sqn := pgm.SQN(0); len(data) > 0; sqn++ {
			n := min(int(cut)+1, len(data))
			_ = u.unpack(l, data[:n], 1)
			if err := s.unpack(l, sqn, data[:n], 0); err != nil {
				s.lose(sqn, sqn, 1)
			}
			data = data[n:]
		}
		if cap(u.part) > 1<<15 || s.octets > 1<<14 {
			t.Fatal("more memory than there may be")
		}
		octets := 0
		for _, c := range s.chains {
			octets += len(c.octets)
		}
		for _, h := range s.heads {
			octets += len(h.octets)
		}
		if octets != s.octets {
			t.Fatalf("%d octets counted, %d there", s.octets, octets)
		}
		for _, m := range drainLane(l) {
			m.Release()
		}
	})
}
