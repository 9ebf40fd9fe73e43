package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/zeroring/zeroring/socket"
)

// A stamp is what each message carries: who sent it, which of his it is, and a
// body that both can be told from.
type stamp struct{ sender, seq uint32 }

// frames writes the message of a stamp: one to four frames of sizes that the
// stamp decides, some of them empty, and a checksum over all.
func (w *world) frames(st stamp) [][]byte {
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, st.sender), st.seq)
	frames := [][]byte{head}
	h := st.sender*2654435761 + st.seq*40503
	for i := range h % 4 {
		size := (h >> (3 * i)) % 300
		if h%97 == 0 {
			size *= 301 // now and then some that no small buffer holds
		}
		frames = append(frames, bytes.Repeat([]byte{byte(h >> i)}, int(size)))
	}
	sum := crc32.NewIEEE()
	for _, f := range frames {
		sum.Write(f)
		sum.Write([]byte{'/'})
	}
	frames[0] = binary.BigEndian.AppendUint32(head, sum.Sum32())
	return frames
}

// open checks a message, from frame first on, against its own stamp.
func (w *world) open(m *socket.Message, first int) (stamp, error) {
	if m.Len() <= first || len(m.Frame(first)) != 12 {
		return stamp{}, fmt.Errorf("a message of %d frames is none that was sent", m.Len())
	}
	head := m.Frame(first)
	st := stamp{binary.BigEndian.Uint32(head), binary.BigEndian.Uint32(head[4:])}
	want := w.frames(st)
	if m.Len()-first != len(want) {
		return st, fmt.Errorf("message %v arrived with %d frames of %d", st, m.Len()-first, len(want))
	}
	for i, f := range want {
		if !bytes.Equal(m.Frame(first+i), f) {
			return st, fmt.Errorf("frame %d of message %v was changed", i, st)
		}
	}
	return st, nil
}

// A ledger keeps what was sent against what arrived: at most once, and in the
// order sent on each path from a sender to a receiver.
type ledger struct {
	ordered bool // order is kept: per connection, so as long as none breaks

	next   []uint32            // by sender: the next to send
	seen   map[stamp]bool      // arrived, or missed and so written off
	latest map[[2]uint32]int64 // by receiver and sender: the last that arrived
	owed   map[stamp]bool      // sent and not arrived
}

func (w *world) newLedger(senders int) *ledger {
	return &ledger{ordered: !w.lossy, next: make([]uint32, senders), seen: map[stamp]bool{}, latest: map[[2]uint32]int64{}, owed: map[stamp]bool{}}
}

// arrived books a message in.
func (l *ledger) arrived(receiver uint32, st stamp) error {
	if l.seen[st] {
		return fmt.Errorf("message %v arrived twice", st)
	}
	path := [2]uint32{receiver, st.sender}
	if last, ok := l.latest[path]; ok && l.ordered && int64(st.seq) < last {
		return fmt.Errorf("message %v arrived after number %d", st, last)
	}
	if int(st.sender) >= len(l.next) || st.seq >= l.next[st.sender] {
		return fmt.Errorf("message %v was never sent", st)
	}
	l.seen[st], l.latest[path] = true, int64(st.seq)
	delete(l.owed, st)
	return nil
}

// forgive writes off what is owed: it was sent over connections that broke.
func (l *ledger) forgive() { clear(l.owed) }

// A pipeline is PUSHes to PULLs, or DEALERs to DEALERs or a PAIR.
type pipeline struct {
	w      *world
	from   []*socket.Socket
	to     []*socket.Socket
	books  *ledger
	left   int // messages to send yet
	extra  int // and after the storm
	calmed bool
}

func newPipeline(w *world) (story, error) {
	types := [][2]socket.Type{
		{socket.TypePush, socket.TypePull}, {socket.TypeDealer, socket.TypeDealer}, {socket.TypePair, socket.TypePair},
	}[w.dice.IntN(3)]
	p := &pipeline{w: w, left: 200 + w.dice.IntN(800), extra: 50}
	senders, receivers := 1+w.dice.IntN(3), 1+w.dice.IntN(3)
	if types[0] == socket.TypePair {
		senders, receivers = 1, 1
	}
	w.plan = fmt.Sprintf("%d %v to %d %v", senders, types[0], receivers, types[1])
	for range senders {
		s, err := w.socket(types[0], socket.Options{})
		if err != nil {
			return nil, err
		}
		p.from = append(p.from, s)
	}
	for range receivers {
		s, err := w.socket(types[1], socket.Options{})
		if err != nil {
			return nil, err
		}
		p.to = append(p.to, s)
	}
	p.books = w.newLedger(senders)
	return p, w.mesh(p.from, p.to)
}

// mesh connects each of a with each of b: one of the two sides binds.
func (w *world) mesh(a, b []*socket.Socket) error {
	if w.dice.IntN(2) == 0 {
		a, b = b, a
	}
	for _, s := range a {
		at, err := w.bind(s)
		if err != nil {
			return err
		}
		for _, o := range b {
			if err := o.Connect(at); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *pipeline) String() string {
	return fmt.Sprintf("%d to send, %d owed", p.left, len(p.books.owed))
}

func (p *pipeline) act(calm bool) error {
	if calm && !p.calmed {
		p.calmed = true
		if p.w.lossy {
			// What is under way may be on a connection that broke already and
			// does not know yet. What is sent from now on may not be lost,
			// once connections are whole again.
			p.books.forgive()
			p.left = 0
		}
	}
	if p.calmed && p.extra > 0 && p.left == 0 && p.whole() {
		p.left, p.extra = p.extra, 0
	}
	for i, s := range p.from {
		for range p.w.dice.IntN(8) {
			if p.left == 0 {
				break
			}
			st := stamp{uint32(i), p.books.next[i]}
			if err := s.TrySendParts(p.w.frames(st)...); wait(err) {
				break
			} else if err != nil {
				return err
			}
			p.books.next[i]++
			p.books.owed[st] = true
			p.left--
			p.w.sent++
		}
	}
	for i, s := range p.to {
		for range p.w.dice.IntN(8) {
			m, err := s.TryRecv()
			if wait(err) {
				break
			} else if err != nil {
				return err
			}
			st, err := p.w.open(m, 0)
			m.Release()
			if err == nil {
				err = p.books.arrived(uint32(i), st)
			}
			if err != nil {
				return err
			}
			p.w.received++
		}
	}
	return nil
}

// whole reports whether all connections are up, as both their ends see it: one
// that broke is news to one of them first.
func (p *pipeline) whole() bool {
	for _, s := range p.to {
		if up(s) != len(p.from) {
			return false
		}
	}
	for _, s := range p.from {
		if up(s) < len(p.to) {
			return false
		}
	}
	return true
}

// up counts the peers that s believes to be there.
func up(s *socket.Socket) int {
	n := 0
	for _, p := range s.Stats().Peers {
		if p.Up {
			n++
		}
	}
	return n
}

func (p *pipeline) settled() bool {
	return p.calmed && p.extra == 0 && p.left == 0 && len(p.books.owed) == 0
}
