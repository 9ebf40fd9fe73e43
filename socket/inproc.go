package socket

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/zeroring/zeroring/zmtp"
)

// bindInproc makes s the owner of a name and gives it the peers that connected
// before.
func (s *Socket) bindInproc(name string) error {
	e := s.engine
	e.mu.Lock()
	if e.inproc[name] != nil {
		e.mu.Unlock()
		return errNameTaken
	}
	e.inproc[name] = s
	waiting := e.pending[name]
	delete(e.pending, name)
	e.mu.Unlock()
	for _, far := range waiting {
		far.meet(s)
	}
	return nil
}

// unbindInproc gives a name back. As with libzmq, who came by it stays.
func (s *Socket) unbindInproc(name string) bool {
	e := s.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.inproc[name] != s {
		return false
	}
	delete(e.inproc, name)
	return true
}

// connectInproc joins s to the owner of a name, now or when there is one. No
// reactor is involved: each side's stream is the other side's.
func (s *Socket) connectInproc(name string, given []byte) error {
	e := s.engine
	e.mu.Lock()
	owner := e.inproc[name]
	e.mu.Unlock()
	if owner != nil && !s.typ.compatible(owner.typ.String()) {
		return fmt.Errorf("%v does not talk to %v, which bound it", s.typ, owner.typ)
	}
	near, far := s.inprocPair(owner)
	near.name, near.given = name, given
	if !s.attach(near, false) {
		return ErrClosed
	}
	e.mu.Lock()
	owner = e.inproc[name]
	if owner == nil && !near.parted {
		e.pending[name] = append(e.pending[name], far)
		e.mu.Unlock()
		return nil
	}
	e.mu.Unlock()
	if owner == nil {
		far.free() // s was closed meanwhile
		return nil
	}
	far.meet(owner)
	return nil
}

// inprocPair makes the two ends of a connection. The far end has no host yet,
// though owner, if not nil, is likely to be it.
func (s *Socket) inprocPair(owner *Socket) (near, far *pipe) {
	there, back := new(lane), new(lane)
	conflate := s.opts.Conflate || owner != nil && owner.opts.Conflate
	there.conflate = conflate && s.typ != TypeSub
	back.conflate = conflate && s.typ != TypePub
	near, far = newPipe(s, back, there), newPipe(nil, there, back)
	near.users = new(atomic.Int32)
	near.users.Store(2)
	far.users = near.users
	near.peer, far.peer = far, near
	// Their minor version stays 0: no engine turns the commands of later ones
	// into what patterns know.
	near.out.producer, near.out.consumer = near, far
	far.out.producer, far.out.consumer = far, near
	return near, far
}

// meet gives p, the far end of a connection, to the socket that bound the name.
// Either side may leave at any time: the engine's lock decides whether near left
// before it had a peer.
func (p *pipe) meet(owner *Socket) {
	near := p.peer
	owner.engine.mu.Lock()
	if near.parted {
		owner.engine.mu.Unlock()
		p.free()
		return
	}
	p.host = owner
	owner.engine.mu.Unlock()
	p.identity, p.about = near.host.opts.Identity, near.host.about()
	if !owner.typ.compatible(near.host.typ.String()) || !owner.attach(p, true) {
		owner.drop(p)
		near.host.endPipe(near)
		return
	}
	near.host.met(near, owner.opts.Identity, owner.about())
	near.roomReady()
}

// met takes note that the far end of p's connection has a host.
func (s *Socket) met(p *pipe, identity []byte, about *zmtp.Peer) {
	s.lockBoth()
	if !p.gone() {
		p.identity, p.about, p.up = identity, about, true
		s.pat.connected(p)
		s.pat.readable(p)
	}
	ignored := p.ignored
	s.unlockBoth()
	s.sweep()
	s.wakeSender()
	s.receiving.wake() // to look at the pipe and so arm its bell
	s.peersChanged()
	if ignored {
		s.ignores("inproc://"+p.name, "", identity)
	}
}

// about is what s would tell a peer of itself by READY.
func (s *Socket) about() *zmtp.Peer {
	return &zmtp.Peer{SocketType: s.zmtp[0].SocketType, Properties: s.zmtp[0].Metadata}
}

// leave ends an inproc connection from p's side. The other side can still
// receive what was sent.
func (p *pipe) leave() {
	e, far := p.host.engine, p.peer
	e.mu.Lock()
	p.parted = true
	peer := far.host
	waiting := e.pending[p.name]
	i := slices.Index(waiting, far)
	if i >= 0 {
		e.pending[p.name] = slices.Delete(waiting, i, i+1)
		if len(e.pending[p.name]) == 0 {
			delete(e.pending, p.name)
		}
	}
	e.mu.Unlock()
	p.host.drop(p)
	switch {
	case peer != nil:
		peer.endPipe(far)
	case i >= 0:
		far.free() // it never had a host
	}
}

// setHWM makes the high-water marks of p's lanes what its host's options say,
// and reports whether the other end is there. Over inproc the two sides' add
// up; until there is another side, one alone is what counts.
func (p *pipe) setHWM() (there bool) {
	far, e := p.peer, p.host.engine
	if far != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
	}
	send, recv := p.host.sendHWM.Load(), p.host.recvHWM.Load()
	if there = far == nil || far.host != nil; there && far != nil {
		send, recv = addHWM(send, far.host.recvHWM.Load()), addHWM(recv, far.host.sendHWM.Load())
	}
	p.out.hwm.Store(send)
	p.in.hwm.Store(recv)
	return there
}

// drop detaches p whatever waits in it.
func (s *Socket) drop(p *pipe) {
	s.lockBoth()
	p.left.Store(true)
	p.up = false
	if p.out.lazy { // the other side can still receive what waits
		p.out.settle()
		p.out.ring()
	}
	s.detach(p)
	s.unlockBoth()
	s.sweep()
	s.wakeSender()
	s.receiving.wake()
	s.peersChanged()
}
