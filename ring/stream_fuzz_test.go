package ring

import (
	"bytes"
	"testing"
)

// FuzzStream compares a Stream with a plain slice, over any sequence of calls
// that the contract allows.
func FuzzStream(f *testing.F) {
	f.Add([]byte{0, 10, 0, 200, 1, 3, 2, 0, 3, 0, 4, 100, 5, 5, 6, 0, 7, 0, 8, 1})
	f.Add([]byte{1, 1, 4, 1, 6, 0, 4, 9, 1, 2, 4, 255, 7, 0})
	f.Add([]byte{0, 9, 11, 0, 12, 99, 12, 50, 3, 0, 12, 230, 3, 0, 12, 230, 12, 230, 12, 239, 1, 4, 12, 9, 14, 0, 3, 0})
	f.Add([]byte{11, 0, 12, 9, 13, 0, 12, 8, 12, 250, 11, 0, 0, 9, 12, 1, 10, 0, 12, 1, 13, 0, 3, 0})
	f.Add([]byte{9, 250, 0, 1, 5, 3, 9, 9, 5, 255, 3, 0, 7, 0, 10, 0, 0, 1, 3, 0})
	f.Fuzz(func(t *testing.T, ops []byte) {
		noLeak(t)
		m := streamModel{t: t}
		t.Cleanup(m.s.Discard)
		for n := 0; n < 100 && len(ops) >= 2; n++ {
			m.run(ops[0]%15, int(ops[1]))
			m.check()
			ops = ops[2:]
		}
	})
}

// A streamModel is a Stream and the plain slice it must behave like.
type streamModel struct {
	t *testing.T
	s Stream

	octets   []byte // all that were ever filled
	shown    int    // of octets, surely published; a stage may run out before that
	ends     []int  // where each message ends
	at       int    // of octets, consumed
	counted  uint64 // messages that surely count as consumed
	credited uint64
	reserved int
	cuts     bool // Shipped was used, so counts may lag
}

// size spreads an operand over the sizes where chunks change.
func size(arg int) int {
	switch {
	case arg < 200:
		return arg + 1
	case arg < 240:
		return arg * 20
	}
	return (arg - 239) * 12_000
}

func (m *streamModel) run(op byte, arg int) {
	switch op {
	case 0:
		m.commit(size(arg))
	case 1:
		m.append(arg%5 + 1)
	case 2:
		m.advance(arg % 8)
	case 3:
		m.advanceAll()
	case 4, 5:
		m.ship(int(op)*arg*arg/100+1, arg%4+1)
	case 6:
		m.breakOff()
	case 7:
		if got, want := m.s.Credit(), m.credited != m.s.Consumed(); got != want {
			m.t.Fatalf("Credit = %v, want %v", got, want)
		}
		m.credited = m.s.Consumed()
	case 8:
		m.full(uint64(arg))
	case 9:
		m.reserved = max(m.reserved, size(arg))
		m.s.Reserve(size(arg))
	case 10:
		if arg%8 == 0 {
			m.s.Discard()
			m.at, m.counted, m.credited = len(m.octets), uint64(len(m.ends)), uint64(len(m.ends))
			m.shown = m.at
		}
	case 11:
		m.s.Stage()
		m.shown = len(m.octets)
	case 12:
		n := size(arg)
		copy(m.s.Reserve(n), m.publish(n))
		m.s.Fill(n)
	case 13:
		m.s.Unstage()
		m.s.Publish()
		m.shown = len(m.octets)
	case 14:
		m.s.Publish()
		m.shown = len(m.octets)
	}
}

// publish adds message number len(ends) to the slice.
func (m *streamModel) publish(n int) []byte {
	for i := range n {
		m.octets = append(m.octets, byte(len(m.ends)+i*7))
	}
	m.ends = append(m.ends, len(m.octets))
	return m.octets[len(m.octets)-n:]
}

func (m *streamModel) commit(n int) {
	copy(m.s.Reserve(n), m.publish(n))
	m.s.Commit(n)
	m.shown = len(m.octets)
}

func (m *streamModel) append(messages int) {
	from := len(m.octets)
	for i := range messages {
		m.publish(i*i*50 + 1)
	}
	buf := NewBuf(len(m.octets) - from)
	m.s.Append(buf, buf.Data[:copy(buf.Data, m.octets[from:])], messages)
	m.shown = len(m.octets)
}

// peek checks Peek, and returns the octets.
func (m *streamModel) peek() []byte {
	octets, buf := m.s.Peek()
	if !bytes.HasPrefix(m.octets[m.at:], octets) {
		m.t.Fatalf("Peek returns %d octets, not those at %d", len(octets), m.at)
	}
	if len(octets) == 0 && m.at < m.shown || (len(octets) > 0) != (buf != nil) {
		m.t.Fatalf("Peek returns %d octets, %d wait", len(octets), m.shown-m.at)
	}
	return octets
}

// next is how many messages were consumed whole, cut short by none.
func (m *streamModel) next() int {
	n := 0
	for n < len(m.ends) && m.ends[n] <= m.at {
		n++
	}
	return n
}

// cut is how many octets of a message were consumed without its rest.
func (m *streamModel) cut() int {
	if n := m.next(); n > 0 {
		return m.at - m.ends[n-1]
	}
	return m.at
}

// advance consumes up to messages as a receiver does, from a message's start.
// A receiver never ships, and the counts are exact.
func (m *streamModel) advance(messages int) {
	if m.cuts {
		return
	}
	for octets := m.peek(); messages > 0 && len(octets) > 0; messages-- {
		n := m.ends[m.next()] - m.at
		m.s.Advance(n, 1)
		octets = octets[n:]
		m.at += n
		m.counted++
	}
}

func (m *streamModel) advanceAll() {
	octets := m.peek()
	before := m.s.Consumed()
	n := m.s.AdvanceAll()
	m.at += len(octets)
	if m.s.Consumed() != before+uint64(n) || m.cut() != 0 && len(octets) > 0 {
		m.t.Fatalf("AdvanceAll = %d, from %d to %d, %d octets into a message", n, before, m.s.Consumed(), m.cut())
	}
	if len(octets) > 0 {
		m.counted = uint64(m.next())
	}
}

func (m *streamModel) ship(n, limit int) {
	m.cuts = true
	bufs := m.s.Gather(nil, limit)
	octets := bytes.Join(bufs, nil)
	if len(bufs) > limit || !bytes.HasPrefix(m.octets[m.at:], octets) || len(octets) == 0 && m.at < m.shown {
		m.t.Fatalf("Gather returns %d slices of %d octets, wrong ones", len(bufs), len(octets))
	}
	if len(bufs) < limit && len(octets) < m.shown-m.at {
		m.t.Fatalf("Gather returns %d octets, %d wait", len(octets), m.shown-m.at)
	}
	n = min(n, len(octets))
	m.s.Shipped(n)
	m.at += n
}

// breakOff rewinds to the start of the message that was cut.
func (m *streamModel) breakOff() {
	cut := m.cut()
	done := m.s.Interrupted()
	if len(done) < cut || !bytes.HasSuffix(m.octets[:m.at], done) && len(done) <= m.at {
		m.t.Fatalf("Interrupted returns %d octets, %d of the message cut", len(done), cut)
	}
	if len(done) > 0 && !m.startsMessage(m.at-len(done)) {
		m.t.Fatalf("Interrupted starts at %d, inside a message", m.at-len(done))
	}
	m.s.Rewind(cut)
	m.at -= cut
}

func (m *streamModel) startsMessage(at int) bool {
	for _, end := range m.ends {
		if end == at {
			return true
		}
	}
	return at == 0
}

func (m *streamModel) full(limit uint64) {
	queued := uint64(len(m.ends)) - m.credited
	if got, want := m.s.Full(limit), queued >= limit; got != want {
		m.t.Fatalf("Full(%d) = %v with %d queued", limit, got, queued)
	}
	if room := m.s.Room(limit); room > limit-min(limit, queued) || (room == 0) != (queued >= limit) {
		m.t.Fatalf("Room(%d) = %d with %d queued", limit, room, queued)
	}
}

// check compares the counts.
func (m *streamModel) check() {
	written, consumed := m.s.Written(), m.s.Consumed()
	if written != uint64(len(m.ends)) {
		m.t.Fatalf("Written = %d, want %d", written, len(m.ends))
	}
	whole := uint64(m.next())
	if consumed > whole || consumed < m.counted || !m.cuts && consumed != whole {
		m.t.Fatalf("Consumed = %d; %d messages were consumed whole, %d counted", consumed, whole, m.counted)
	}
	if m.at == len(m.octets) && consumed != written {
		m.t.Fatalf("Consumed = %d of %d, and nothing waits", consumed, written)
	}
	if got := m.s.Queued(); got != int(written-m.credited) {
		m.t.Fatalf("Queued = %d, want %d", got, written-m.credited)
	}
	if got := m.s.Uncredited(); got != consumed-m.credited {
		m.t.Fatalf("Uncredited = %d, want %d", got, consumed-m.credited)
	}
}
