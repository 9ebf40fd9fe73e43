package socket

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/zeroring/zeroring/reactor"
	"github.com/zeroring/zeroring/zmtp"
)

// callerReads reports whether goroutines in Recv are to read c's connection
// themselves from now on. They are if c is the only one, somebody has looked
// for messages since we last asked, and spinning for them has paid before or is
// what BusyPoll asks for.
func (s *Socket) callerReads(c *session) bool {
	if s.sole.Load() != c || s.inline || s.engine.spin == 0 || s.closed.Load() {
		return false
	}
	if !c.spin.pays() && !s.engine.mayPoll() {
		return false
	}
	return s.hungry.Swap(false)
}

// A polled is a connection that goroutines in Recv may read themselves.
type polled interface {
	// readFromCaller reads it on the calling goroutine.
	readFromCaller() readResult
	// yieldReading gives reading back to the reactor.
	yieldReading()
	// callersRead reports whether it is for goroutines in Recv to read it now.
	callersRead() bool
	spinning() *spinning
	home() *reactor.Reactor
}

// polled is the connection of the only pipe, or nil.
func (s *Socket) polled() polled {
	if c := s.sole.Load(); c != nil {
		return c
	}
	if l := s.cast.Load(); l != nil {
		return l
	}
	return nil
}

// A spinning says whether a caller's spinning pays: how often octets came while it
// spun, or would have come. Any goroutine; it is only a guess.
type spinning struct{ score atomic.Int32 }

func (p *spinning) pays() bool { return p.score.Load() >= 0 }

// How far a spinning's score goes. It takes a few waits that were short to
// start spinning again after a few that were long.
const (
	spinScoreMax = 4
	spinScoreMin = -4
)

// scored moves the score by n.
func (p *spinning) scored(n int32) {
	if now := p.score.Load(); now+n <= spinScoreMax && now+n >= spinScoreMin {
		p.score.Store(now + n)
	}
}

// recvSpinning reads c's connection on the calling goroutine, and spins for a
// bounded time if nothing is there: a message that comes soon then costs no
// hop between threads. Who polls without end does so until ctx is done.
func (s *Socket) recvSpinning(ctx context.Context, c polled) (*Message, error) {
	r := c.home()
	endless := s.engine.startPolling()
	if endless {
		defer s.engine.stopPolling()
	}
	s.engine.looking.Add(1)
	defer s.engine.looking.Add(-1)
	var start time.Time
	for look := 1; ; look++ {
		switch c.readFromCaller() {
		case readNotMine:
			return nil, errWouldBlock
		case readSome:
			if m, err := s.recvOnce(); err != errWouldBlock {
				c.spinning().scored(+1)
				return m, err
			}
			continue
		}
		now := r.Now()
		if start.IsZero() {
			start = now
		}
		if endless && now.Sub(start) > s.engine.spin && s.polled() == c && ctx.Err() == nil {
			// Other callers read c too, and leave here what they do not take.
			if m, err := s.recvOnce(); err != errWouldBlock {
				return m, err
			}
			start = now
		}
		if now.Sub(start) > s.engine.spin || s.receiving.waiting.Load() > 0 || s.closed.Load() {
			c.spinning().scored(-2)
			c.yieldReading()
			return nil, errWouldBlock
		}
		company := s.engine.looking.Load() > 1
		if s.oneWay && !company && look%calmLooks != 0 {
			for i := 0; i < calmPause && !s.closed.Load(); i++ {
			}
			continue
		}
		r.GiveWay(company || look%goschedLooks == 0)
	}
}

// Who looks on alone gives way to other goroutines after goschedLooks only. For
// Gosched wakes an idle thread, if there is one, which finds nothing to do and goes
// back to sleep, and that would make each look cost two context switches.
const goschedLooks = 16

// A stream's receiver that has caught up, and is alone, looks on calmly: it lets
// calmPause loops pass, about a microsecond, between two looks, and gives way after
// calmLooks. Each look locks the kernel's socket, and whoever sends finds it
// locked. Of a reply, the microsecond would be seen.
const (
	calmPause = 2000
	calmLooks = 8
)

// slept learns from a receiver's sleep whether spinning would have met the
// message.
func (p *spinning) slept(from, woken time.Time, spin time.Duration) {
	if woken.Sub(from) < spin {
		p.scored(+1)
	} else {
		p.scored(-1)
	}
}

// connected joins c, whose handshake is done, to its pipe, making one if it
// has none. Under c's rd.
func (s *Socket) connected(c *session, peer *zmtp.Peer) error {
	s.mu.Lock()
	fresh := c.p == nil
	if fresh {
		if s.closed.Load() || c.retired {
			s.mu.Unlock()
			return errEnded
		}
		s.pipes[c.newPipe()] = struct{}{}
		s.findSole()
	}
	s.mu.Unlock()
	p := c.p
	s.lockBoth()
	p.identity = append(p.identity[:0], peer.Identity...)
	p.about, p.minor, p.up = peer, peer.Minor, true
	if fresh {
		s.takeIn(p)
	}
	s.pat.connected(p)
	s.pat.readable(p)
	ignored := p.ignored
	s.unlockBoth()
	s.sweep()
	s.wakeSender()
	s.receiving.wake() // to look at the pipe and so arm its bell
	s.peersChanged()
	s.events.emit(Event{Kind: EventReady, Endpoint: c.peer, Remote: c.address()})
	if ignored {
		s.ignores(c.peer, c.address(), peer.Identity)
	}
	return nil
}

// ignores tells of a peer that a ROUTER ignores, who would otherwise never learn
// why nothing comes of it.
func (s *Socket) ignores(endpoint, remote string, identity []byte) {
	s.events.emit(Event{Kind: EventIgnored, Endpoint: endpoint, Remote: remote, Err: ErrIdentityTaken})
	if left, line := s.namesakes.due(s.engine.now()); line {
		s.logger().Warn("peer ignored", "type", s.typ.String(), "endpoint", endpoint, "remote", remote,
			"identity", string(identity), "err", ErrIdentityTaken, "left_out", left)
	}
}

// attach adds the pipe of a connection that is still to be made, or of an
// inproc peer that is there already, and reports whether the socket is open.
func (s *Socket) attach(p *pipe, up bool) bool {
	s.mu.Lock()
	if s.closed.Load() {
		s.mu.Unlock()
		return false
	}
	s.pipes[p] = struct{}{}
	p.setHWM()
	s.findSole()
	s.mu.Unlock()
	s.lockBoth()
	if p.detached { // by Close, or by a peer that left meanwhile
		s.forget = append(s.forget, p)
	} else {
		p.up = up
		s.takeIn(p)
		if up {
			s.pat.connected(p)
		}
		s.pat.readable(p)
	}
	ignored, name, identity := p.ignored, "", p.identity
	if ignored { // then p is an inproc peer that was there already
		name = "inproc://" + p.peer.name
	}
	s.unlockBoth()
	s.sweep()
	s.wakeSender()
	s.receiving.wake()
	s.peersChanged()
	if ignored {
		s.ignores(name, "", identity)
	}
	return true
}

// takeIn gives p to the pattern. Under both locks.
func (s *Socket) takeIn(p *pipe) {
	s.pat.attach(p)
	s.outlet, s.inlet = s.pat.straight()
	if s.typ == TypePair && s.inlet == p {
		s.loans.drop() // taken ahead from the peer that p follows, and so dropped with the rest
	}
}

// lost tells that a connection, or an attempt at one, ended with err. remote is
// the address at the other end, if there was one.
func (s *Socket) lost(endpoint, remote string, err error) {
	s.trouble.Store(&trouble{endpoint, err})
	s.events.emit(Event{Kind: EventDisconnected, Endpoint: endpoint, Remote: remote, Err: err})
}

// disconnected takes note that c's connection, which may never have come up,
// ended with err. Reactor thread.
func (s *Socket) disconnected(c *session, err error) {
	s.lost(c.peer, c.address(), err)
	p := c.p
	if p == nil {
		return
	}
	if c.ending || c.dial == nil || s.opts.Immediate || fatal(err) {
		c.p = nil
		s.endPipe(p)
		return
	}
	s.lockBoth()
	s.drainReadable() // what arrived before is not lost with the connection
	if p.up {
		p.up = false
		s.pat.disconnected(p)
	}
	c.outlived()
	s.unlockBoth()
	s.receiving.wake() // a REQ may have lost the peer that owes it a reply
	s.peersChanged()
}

// gaveUp tells of a message of so many octets that is dropped because c's
// connection broke twice while it was being written.
func (s *Socket) gaveUp(now time.Time, c *session, octets int) {
	if left, line := s.giveUps.due(now); line {
		s.logger().Warn("message dropped, larger perhaps than the peer takes: its connection broke twice while this was sent",
			"type", s.typ.String(), "endpoint", c.peer, "octets", octets, "err", c.err, "left_out", left)
	}
}

// endPipe takes note that p's peer is gone for good. What it sent can still be
// received: p is detached once that has been.
func (s *Socket) endPipe(p *pipe) {
	s.lockBoth()
	if p.detached {
		s.unlockBoth()
		return
	}
	s.drainReadable() // the last messages came before the news that it left
	p.left.Store(true)
	p.in.ended.Store(true)
	s.pat.disconnected(p)
	p.up = false
	if !s.typ.receives() || p.in.empty() {
		s.detach(p)
	}
	s.unlockBoth()
	s.sweep()
	s.wakeSender()
	s.receiving.wake()
	s.peersChanged()
}

// noteDrained takes note that p is empty. Under recvMu.
func (s *Socket) noteDrained(p *pipe) {
	if p.in.ended.Load() && !p.detached && p.in.empty() {
		s.drained = append(s.drained, p)
	}
}

// reap detaches pipes whose peer is gone and whose messages are all received.
func (s *Socket) reap() {
	s.lockBoth()
	for _, p := range s.drained {
		s.detach(p)
	}
	clear(s.drained)
	s.drained = s.drained[:0]
	s.unlockBoth()
	s.sweep()
}

// detach forgets p. Under both locks.
func (s *Socket) detach(p *pipe) {
	if p.detached {
		return
	}
	p.detached = true
	p.left.Store(true)
	s.pat.detach(p)
	s.outlet, s.inlet = s.pat.straight()
	p.free()
	s.forget = append(s.forget, p)
}

// sweep removes detached pipes from the set of all, and ends the inproc pipes
// that the pattern killed.
func (s *Socket) sweep() {
	s.mu.Lock()
	s.sendMu.Lock()
	gone, doomed := s.forget, s.doomed
	s.forget, s.doomed = nil, nil
	s.unlockSend()
	for _, p := range gone {
		delete(s.pipes, p)
	}
	if len(gone) > 0 {
		s.findSole()
	}
	s.mu.Unlock()
	for _, p := range doomed {
		if s.inline {
			// The call may be the peer's own, which subscribes and holds the
			// very locks that it takes to leave.
			go p.leave()
			continue
		}
		p.leave()
	}
}

// findSole sets sole and cast. Under mu.
func (s *Socket) findSole() {
	s.sole.Store(nil)
	s.cast.Store(nil)
	if len(s.pipes) == 1 {
		for p := range s.pipes {
			if c, ok := p.link.(*session); ok {
				s.sole.Store(c)
			}
			if l, ok := p.link.(*multicast); ok && !l.sends() {
				s.cast.Store(l)
			}
		}
	}
}

// peersChanged wakes those who wait for peers.
func (s *Socket) peersChanged() {
	s.mu.Lock()
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
	s.mu.Unlock()
}

// WaitPeers waits until n peers are there: connected, their handshake done
// and, for PUB and XPUB, subscribed to something. It replaces the sleep that
// slow joiners otherwise call for. If ctx ends first, the error says how many
// are there, and what the last connection that was lost was lost for.
func (s *Socket) WaitPeers(ctx context.Context, n int) error {
	for {
		s.mu.Lock()
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		there := s.peers()
		s.mu.Unlock()
		if there >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return s.tooFew(there, n, ctx.Err())
		case <-s.done:
			return ErrClosed
		}
	}
}

// trouble is why a connection was lost, or could not be made.
type trouble struct {
	endpoint string
	err      error
}

// tooFew says that just some of n peers were there when a context ended with
// err.
func (s *Socket) tooFew(there, n int, err error) error {
	if last := s.trouble.Load(); last != nil {
		return fmt.Errorf("socket: %d of %d peers are there: %w (last trouble: %s: %v)", there, n, err, last.endpoint, last.err)
	}
	return fmt.Errorf("socket: %d of %d peers are there: %w", there, n, err)
}

// peers counts the peers that are there. Under mu.
func (s *Socket) peers() int {
	s.sendMu.Lock()
	defer s.unlockSend()
	n := 0
	for p := range s.pipes {
		if p.online() && (!s.inline || p.subscriptions > 0) {
			n++
		}
	}
	return n
}
