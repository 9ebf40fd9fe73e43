package socket

import (
	"context"
	"iter"
	"time"
)

// Recv returns the next message, waiting for one as long as ctx allows. The
// caller owns it and should Release it when done.
func (s *Socket) Recv(ctx context.Context) (*Message, error) {
	if m := s.loans.claim(); m != nil {
		return m, nil
	}
	m, err := s.recvOnce()
	if err == errWouldBlock {
		return s.recvSlowly(ctx)
	}
	return m, err
}

// unlockRecv gives recvMu back and then does what fell to its holder.
func (s *Socket) unlockRecv() {
	drained, resubscribed := len(s.drained) > 0, false
	if s.recvMu == &s.sendMu {
		if s.resubscribed { // by what an XPUB had left unread
			s.resubscribed, resubscribed = false, true
		}
		s.unlockSend()
	} else {
		s.recvMu.Unlock()
	}
	if drained || resubscribed {
		s.reap()
	}
	if resubscribed {
		s.subscriptionsChanged()
	}
}

// TryRecv is Recv that returns ErrWouldBlock where Recv would wait.
func (s *Socket) TryRecv() (*Message, error) {
	m, err := s.recvOnce()
	if err == errWouldBlock {
		s.writeLate()
		if c := s.polled(); c != nil && c.readFromCaller() == readSome {
			m, err = s.recvOnce()
		}
	}
	return m, err
}

// recvOnce returns the next message, if there is one.
func (s *Socket) recvOnce() (*Message, error) {
	for {
		s.recvMu.Lock()
		m, err := s.recvLocked(true)
		p := s.tended
		stop := p != nil && (err == errWouldBlock || p != s.inlet)
		s.unlockRecv()
		if stop {
			p.stopTending()
		}
		if !stop || err != errWouldBlock {
			return m, err
		}
	}
}

// recvLocked is recvOnce under recvMu, but finds only what was published. With
// ahead it takes more than the one message, if the pattern need not know of them,
// and looks on for a moment where many came lately.
func (s *Socket) recvLocked(ahead bool) (*Message, error) {
	if s.closed.Load() {
		return nil, ErrClosed
	}
	if m := s.loans.claim(); m != nil {
		return m, nil
	}
	if len(s.loans.kept) > 0 {
		return s.loans.keptFirst(), nil
	}
	m, behind := s.loans.next()
	p := s.inlet
	if p == nil || !s.recvStraight(p, m, ahead) {
		if err := s.recvPattern(m); err != nil {
			s.loans.undo(m)
			return nil, err
		}
	}
	if p != nil && ahead {
		s.takeAhead(p, behind)
	}
	return m, nil
}

// recvStraight takes p's next message into m, if that is for the user as it is.
// Otherwise it leaves it to the pattern. Under recvMu.
func (s *Socket) recvStraight(p *pipe, m *Message, ahead bool) bool {
	if s.sieve == nil {
		return p.readSeen(m) || ahead && s.await(p) && p.readSeen(m)
	}
	if octets, _ := p.in.stream.Seen(); ahead && len(octets) == 0 {
		s.await(p) // whether or not what comes is wanted
	}
	return false
}

// recvPattern takes the pattern's next message into m. It tells the pattern first
// who has messages again: a peer that always has some must not keep the others
// from being heard. Under recvMu.
func (s *Socket) recvPattern(m *Message) error {
	if !s.readable.Empty() {
		s.drainReadable()
	}
	err := s.pat.recv(m)
	if err == errWouldBlock {
		s.hungry.Store(true)
	}
	return err
}

// takeAhead takes messages that p has seen before anybody asks for them, into
// the loans from slot behind on. They count as received, so a high-water mark
// is exceeded by what is taken ahead, at most an eighth of it. Under recvMu.
func (s *Socket) takeAhead(p *pipe, behind int) {
	s.loans.fill(behind, int(min(p.in.lowWater()/4, maxLoans)), p, s.sieve)
	s.tend(p)
}

// recvSlowly waits for a message.
func (s *Socket) recvSlowly(ctx context.Context) (*Message, error) {
	for {
		s.writeLate()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if c := s.polled(); c != nil {
			if m, err := s.recvSpinning(ctx, c); err != errWouldBlock {
				s.passOnRecv()
				return m, err
			}
		}
		if s.receiving.worthSpinning(s) && s.receiving.spin(s, &s.readable) {
			if m, err := s.recvOnce(); err != errWouldBlock {
				s.passOnRecv()
				return m, err
			}
		}
		w := s.receiving.add()
		m, err := s.recvOnce()
		if err != errWouldBlock {
			s.receiving.remove(w)
			s.passOnRecv()
			return m, err
		}
		c := s.polled()
		if c != nil {
			if c.callersRead() {
				s.receiving.remove(w) // it is for us to read
				continue
			}
		}
		from := time.Now()
		woken, ok := w.wait(ctx)
		if !ok {
			s.receiving.remove(w)
			return nil, ctx.Err()
		}
		s.receiving.done(w)
		s.receiving.slept(s, from, woken)
		if c != nil {
			c.spinning().slept(from, woken, s.engine.spin)
		}
		if m, err = s.recvOnce(); err != errWouldBlock {
			s.passOnRecv()
			return m, err
		}
	}
}

// passOnRecv wakes the next receiver if there is more: one wake-up stands for
// a whole batch.
func (s *Socket) passOnRecv() {
	if s.receiving.waiting.Load() == 0 {
		return
	}
	s.recvMu.Lock()
	s.drainReadable()
	more := !s.loans.ahead.Empty() || len(s.loans.kept) > 0 || s.pat.canRecv()
	s.unlockRecv()
	if more {
		s.receiving.wake()
	} else if c := s.polled(); c != nil {
		c.yieldReading() // nobody else may be left to read it
	}
}

// RecvBatch fills msgs with what is there, waiting only for the first, and
// returns how many it filled. The caller owns them, as with Recv.
func (s *Socket) RecvBatch(ctx context.Context, msgs []*Message) (int, error) {
	if len(msgs) == 0 {
		return 0, nil
	}
	first, err := s.Recv(ctx)
	if err != nil {
		return 0, err
	}
	msgs[0] = first
	n := 1
	s.recvMu.Lock()
	for n < len(msgs) {
		m, err := s.recvLocked(false)
		if err != nil {
			break
		}
		msgs[n] = m
		n++
	}
	s.unlockRecv()
	return n, nil
}

// Messages returns an iterator over what is received until ctx is done or the
// socket is closed, which ends it; any other error is yielded. Each message is
// released when the loop body ends, and to Release or Send it there does no harm:
// to keep one, Clone it.
func (s *Socket) Messages(ctx context.Context) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		for {
			m, err := s.Recv(ctx)
			if err == ErrClosed || err != nil && ctx.Err() != nil {
				return
			}
			if err != nil {
				if !yield(nil, err) {
					return
				}
				continue
			}
			m.looped = true
			more := yield(m, nil)
			m.looped = false
			m.Release()
			if !more {
				return
			}
		}
	}
}
