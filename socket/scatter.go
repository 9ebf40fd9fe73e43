package socket

import (
	"maps"

	"github.com/zeroring/zeroring/pgm"
	"github.com/zeroring/zeroring/zmtp"
)

// A scatter takes messages out of payloads that come in any order, for
// MulticastOptions.ArrivalOrder. What begins and ends in one payload is queued at
// once. A message that does not begins with the tail of one payload and goes on with
// the heads of those that follow:
//
//	payload    k−1            k           k+1
//	        [… │ tail]  [    head    ]  [head │ …]
//
// A chain is what is there of such a message from its beginning on without a hole.
// Heads that no chain has reached yet wait. All are copies.
type scatter struct {
	whole  *unpacker             // decodes what is in one piece
	chains map[pgm.SQN]*chain    // by the packet that is next
	heads  map[pgm.SQN]looseHead // by packet
	octets int                   // in both
	sweeps int                   // from how many pieces on sweep comes next
	limit  int                   // most octets there may be
	span   pgm.SQN               // how many packets behind the newest one may be missing
}

type chain struct {
	octets []byte
	walked int  // octets of whole frames at the start
	dead   bool // of a message whose beginning is lost: it takes heads and keeps nothing
}

type looseHead struct {
	octets []byte
	last   bool // a message begins behind it, so this one ends here
}

func newScatter(u *unpacker, packets, octets int) *scatter {
	return &scatter{
		whole: u, chains: make(map[pgm.SQN]*chain), heads: make(map[pgm.SQN]looseHead),
		limit: octets, span: pgm.SQN(packets), sweeps: sweepPieces,
	}
}

// unpack is the unpacker's, for the payload of packet sqn.
func (s *scatter) unpack(to *lane, sqn pgm.SQN, payload []byte, stamp int64) error {
	offset, data, err := pgm.ConsumeTSDU(payload)
	if err != nil {
		return err
	}
	head, rest := data, []byte(nil)
	if offset != pgm.NoMessage {
		head = data[:offset]
		if rest, err = s.messages(to, data[offset:], stamp); err != nil {
			return err
		}
	}
	if s.octets+len(head)+len(rest) > s.limit {
		return errWholeTooLarge
	}
	if len(rest) > 0 {
		s.chains[sqn+1] = &chain{octets: append([]byte(nil), rest...)}
		s.octets += len(rest)
	}
	switch c := s.chains[sqn]; {
	case len(head) > 0:
		s.heads[sqn] = looseHead{append([]byte(nil), head...), offset != pgm.NoMessage}
		s.octets += len(head)
	case c != nil && c.dead:
		delete(s.chains, sqn) // the message ended with the packet before
	case c != nil:
		return errPieces
	}
	if len(s.heads)+len(s.chains) > s.sweeps {
		s.sweep(sqn)
	}
	if err = s.extend(to, sqn, stamp); err == nil {
		err = s.extend(to, sqn+1, stamp)
	}
	return err
}

// messages queues the whole messages at the start of data, which begins with one,
// and returns what is left.
func (s *scatter) messages(to *lane, data []byte, stamp int64) (rest []byte, err error) {
	u := s.whole
	defer u.restart()
	rest = data
	for len(data) > 0 {
		f, n, whole, err := u.frames.Consume(data)
		if err != nil {
			return nil, err
		}
		if !whole {
			break
		}
		if err := u.frame(to, f, stamp); err != nil {
			return nil, err
		}
		if data = data[n:]; len(u.part) == 0 {
			rest = data
		}
	}
	return rest, nil
}

// extend has the chain that waits for packet next go on, as far as heads are there,
// and queues its message if that is whole.
func (s *scatter) extend(to *lane, next pgm.SQN, stamp int64) error {
	c := s.chains[next]
	if c == nil {
		return nil
	}
	from := next
	for {
		h, ok := s.heads[next]
		if !ok {
			break
		}
		delete(s.heads, next)
		next++
		if c.dead {
			s.octets -= len(h.octets)
		} else {
			c.octets = append(c.octets, h.octets...)
		}
		if !c.whole() && !h.last {
			continue
		}
		delete(s.chains, from)
		s.octets -= len(c.octets)
		rest, err := s.messages(to, c.octets, stamp)
		if err == nil && len(rest) > 0 {
			err = errPieces
		}
		return err
	}
	if next != from {
		delete(s.chains, from)
		s.chains[next] = c
	}
	return nil
}

// whole reports whether the chain ends with its message, by the headers of frames.
func (c *chain) whole() bool {
	for c.walked < len(c.octets) {
		h, n := zmtp.PeekV1FrameHeader(c.octets[c.walked:])
		if n == 0 || h.Size > len(c.octets)-c.walked-n {
			return false
		}
		if c.walked += n + h.Size; h.Flags&zmtp.FlagMore == 0 {
			return true
		}
	}
	return false
}

// sweepPieces is from how many pieces on it looks for those that are of no use, and
// again when there are twice as many as it has left.
const sweepPieces = 1024

// sweep drops what nothing will complete any more: pieces of messages that began
// before the first packet heard.
func (s *scatter) sweep(newest pgm.SQN) {
	old := func(sqn pgm.SQN) bool { return sqn.Before(newest) && newest-sqn > s.span }
	s.drop(old, old)
	s.sweeps = max(sweepPieces, 2*(len(s.heads)+len(s.chains)))
}

// lose gives up the messages that have pieces in packets first to last, which are
// lost, and counts those with the next message.
func (s *scatter) lose(first, last pgm.SQN, packets uint32) {
	s.whole.missed = addMissed(s.whole.missed, packets)
	s.drop(
		func(next pgm.SQN) bool { return next-first <= last-first+1 },
		func(sqn pgm.SQN) bool { return sqn-first <= last-first })
	s.chains[last+1] = &chain{dead: true}
	_ = s.extend(nil, last+1, 0) // a dead one queues nothing
}

// drop forgets the chains and heads that are to go.
func (s *scatter) drop(chains, heads func(pgm.SQN) bool) {
	maps.DeleteFunc(s.chains, func(next pgm.SQN, c *chain) bool {
		gone := chains(next)
		if gone {
			s.octets -= len(c.octets)
		}
		return gone
	})
	maps.DeleteFunc(s.heads, func(sqn pgm.SQN, h looseHead) bool {
		gone := heads(sqn)
		if gone {
			s.octets -= len(h.octets)
		}
		return gone
	})
}
