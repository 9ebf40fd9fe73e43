package socket

import (
	"slices"

	"github.com/zeroring/zeroring/ring"
)

// loans are messages that a socket lends to those who receive. Most users
// release one before they receive the next, and then a loan costs less than the
// pool. Who keeps messages gets others, from the pool.
//
// Some may be filled ahead, before anybody has asked for them: they then cost
// their receiver one atomic operation and no lock.
//
// Ownership. Messages that are back are the receive lock's. Those that are
// filled ahead are offered, and belong to who claims them. A message never
// changes place and is not filled again before it is back, so a claimer may look
// it up after it has claimed it, whatever others do meanwhile.
type loans struct {
	ahead    ring.Offer
	messages [maxLoans]*Message
	kept     []*Message // claimed by sift, to be received before all else; under the receive lock
}

// maxLoans is how many messages a socket lends at once, and so the most that
// are taken ahead: enough to make what is done once a time cheap, and few
// enough to stay in a processor's first cache.
const maxLoans = 16

// claim returns a message that was filled ahead, or nil if there is none. Any
// goroutine.
func (l *loans) claim() *Message {
	if i, ok := l.ahead.Claim(); ok {
		return l.messages[i%maxLoans]
	}
	return nil
}

// back returns the message of slot i, or nil if somebody has it. Under the
// receive lock.
func (l *loans) back(i int) *Message {
	m := l.messages[i]
	if m == nil {
		m = newMessage()
		m.lendable = true
		l.messages[i] = m
	} else if m.back.Load() != m.lent {
		return nil
	}
	return m
}

// next returns an empty message to fill, and the slot behind the one that it is
// from. Under the receive lock.
func (l *loans) next() (m *Message, behind int) {
	for i := range l.messages {
		if m := l.back(i); m != nil {
			m.lent++
			return m, i + 1
		}
	}
	return newMessage(), maxLoans
}

// undo takes back a message that next has returned and nobody got. Under the
// receive lock.
func (l *loans) undo(m *Message) {
	m.reset()
	if m.lendable {
		m.lent--
		return
	}
	m.Release()
}

// fill takes messages that p has seen ahead, at most limit and into slots from
// start on, without those that sieve, unless that is nil, does not want. It stops
// at one that is not a single small frame: larger ones gain nothing and hold
// memory. Under the receive lock, with nothing ahead.
func (l *loans) fill(start, limit int, p *pipe, sieve sieve) {
	octets, _ := p.in.stream.Seen()
	used, seen, end := 0, 0, start
	for limit = min(limit, maxLoans-start); seen < limit; seen++ {
		body, n := smallFrame(octets[used:])
		if n == 0 {
			break
		}
		if sieve != nil && !sieve.wants(octets[used+body:used+n]) {
			used += n
			continue
		}
		m := l.back(end)
		if m == nil {
			break
		}
		m.lent++
		m.takeSmall(octets[used:], body, n)
		used += n
		end++
	}
	if seen > 0 {
		p.in.taken(used, seen)
	}
	if end > start {
		l.ahead.Make(uint32(start), uint32(end))
	}
}

// A sieve is a pattern that does not pass on everything that it receives.
type sieve interface {
	wants(first []byte) bool
}

// sift drops what was filled ahead and sieve does not want any more. It claims all
// of that at once: who claims one meanwhile would get it before those that come
// first and are being sifted. Under the receive lock.
func (l *loans) sift(sieve sieve) {
	kept := l.kept[:0]
	for _, m := range l.kept {
		kept = sifted(kept, m, sieve)
	}
	for i, end := l.ahead.ClaimRest(); i < end; i++ {
		kept = sifted(kept, l.messages[i], sieve)
	}
	l.kept = kept
}

func sifted(kept []*Message, m *Message, sieve sieve) []*Message {
	if sieve.wants(m.Frame(0)) {
		return append(kept, m)
	}
	m.Release()
	return kept
}

// keptFirst returns the first of kept. Under the receive lock.
func (l *loans) keptFirst() *Message {
	m := l.kept[0]
	l.kept = slices.Delete(l.kept, 0, 1)
	return m
}

// drop releases what was filled ahead. It claims all of that at once: who claims
// one meanwhile would get it after those that come first were dropped. Under the
// receive lock.
func (l *loans) drop() {
	for _, m := range l.kept {
		m.Release()
	}
	l.kept = nil
	for i, end := l.ahead.ClaimRest(); i < end; i++ {
		l.messages[i].Release()
	}
}
