package socket

import (
	"context"
	"iter"
	"time"
)

// Recv returns the next message, waiting for one as long as ctx allows. The
// caller owns it and should Release it when done.
func (s *Socket) Recv(ctx context.Context) (*Message, error) {
	s.recvMu.Lock()
	m := s.loans.next()
	err := s.recvLocked(m)
	s.unlockRecv()
	if err == errWouldBlock {
		err = s.recvSlowly(ctx, m)
	}
	if err != nil {
		m.Release()
		return nil, err
	}
	return m, nil
}

// unlockRecv gives recvMu back and then does what fell to its holder.
func (s *Socket) unlockRecv() {
	drained := len(s.drained) > 0
	if s.recvMu == &s.sendMu {
		s.unlockSend()
	} else {
		s.recvMu.Unlock()
	}
	if drained {
		s.reap()
	}
}

// TryRecv is Recv that returns ErrWouldBlock where Recv would wait.
func (s *Socket) TryRecv() (*Message, error) {
	m := newMessage()
	err := s.recvInto(m)
	if err == errWouldBlock {
		if c := s.sole.Load(); c != nil && c.readFromCaller() == readSome {
			err = s.recvInto(m)
		}
	}
	if err != nil {
		m.Release()
		return nil, err
	}
	return m, nil
}

// recvInto takes the next message, if there is one, into m.
func (s *Socket) recvInto(m *Message) error {
	s.recvMu.Lock()
	err := s.recvLocked(m)
	s.unlockRecv()
	return err
}

// recvLocked is recvInto under recvMu.
func (s *Socket) recvLocked(m *Message) error {
	if s.closed.Load() {
		return ErrClosed
	}
	err := s.pat.recv(m)
	if err == errWouldBlock && !s.readable.Empty() {
		s.drainReadable()
		err = s.pat.recv(m)
	}
	if err == errWouldBlock {
		s.hungry.Store(true)
	}
	return err
}

// recvSlowly waits for a message.
func (s *Socket) recvSlowly(ctx context.Context, m *Message) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if c := s.sole.Load(); c != nil {
			if err := s.recvSpinning(c, m); err != errWouldBlock {
				s.passOnRecv()
				return err
			}
		}
		if s.receiving.worthSpinning(s) && s.receiving.spin(s, &s.readable) {
			if err := s.recvInto(m); err != errWouldBlock {
				s.passOnRecv()
				return err
			}
		}
		w := s.receiving.add()
		err := s.recvInto(m)
		if err != errWouldBlock {
			s.receiving.remove(w)
			s.passOnRecv()
			return err
		}
		c := s.sole.Load()
		if c != nil {
			if c.byCaller.Load() {
				s.receiving.remove(w) // it is for us to read
				continue
			}
		}
		from := time.Now()
		woken, ok := w.wait(ctx)
		if !ok {
			s.receiving.remove(w)
			return ctx.Err()
		}
		s.receiving.done(w)
		s.receiving.slept(s, from, woken)
		if c != nil {
			c.slept(from, woken)
		}
		if err = s.recvInto(m); err != errWouldBlock {
			s.passOnRecv()
			return err
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
	more := s.pat.canRecv()
	s.recvMu.Unlock()
	if more {
		s.receiving.wake()
	} else if c := s.sole.Load(); c != nil {
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
		m := newMessage()
		if s.recvLocked(m) != nil {
			m.Release()
			break
		}
		msgs[n] = m
		n++
	}
	if s.recvMu == &s.sendMu {
		s.unlockSend()
	} else {
		s.recvMu.Unlock()
	}
	s.reap()
	return n, nil
}

// Messages returns an iterator over what is received until ctx is done or the
// socket is closed, which ends it; any other error is yielded. Each message is
// released when the loop body ends: to keep one, Clone it.
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
			more := yield(m, nil)
			m.Release()
			if !more {
				return
			}
		}
	}
}
