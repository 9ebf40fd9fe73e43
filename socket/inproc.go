package socket

import (
	"fmt"
	"slices"
	"sync/atomic"
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
func (s *Socket) connectInproc(name string) error {
	e := s.engine
	e.mu.Lock()
	owner := e.inproc[name]
	e.mu.Unlock()
	if owner != nil && !s.typ.compatible(owner.typ.String()) {
		return fmt.Errorf("%v does not talk to %v, which bound it", s.typ, owner.typ)
	}
	near, far := s.inprocPair(owner)
	near.name = name
	if !s.attach(near, false) {
		return ErrClosed
	}
	e.mu.Lock()
	owner = e.inproc[name]
	if owner == nil {
		e.pending[name] = append(e.pending[name], far)
	}
	e.mu.Unlock()
	if owner != nil {
		far.meet(owner)
	}
	return nil
}

// inprocPair makes the two ends of a connection. The far end has no host yet,
// though owner, if not nil, is likely to be it.
func (s *Socket) inprocPair(owner *Socket) (near, far *pipe) {
	there, back := new(lane), new(lane)
	there.hwm.Store(hwmOf(s.opts.SendHWM))
	back.hwm.Store(hwmOf(s.opts.RecvHWM))
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
func (p *pipe) meet(owner *Socket) {
	near := p.peer
	p.host = owner
	p.identity = near.host.opts.Identity
	// "HWM over inproc is the sum of the sender's and the receiver's": each
	// side alone is what was there until now.
	p.in.hwm.Store(addHWM(p.in.hwm.Load(), hwmOf(owner.opts.RecvHWM)))
	p.out.hwm.Store(addHWM(p.out.hwm.Load(), hwmOf(owner.opts.SendHWM)))
	if !owner.typ.compatible(near.host.typ.String()) || !owner.attach(p, true) {
		p.free()
		near.host.endPipe(near)
		return
	}
	near.host.met(near, owner.opts.Identity)
	near.roomReady()
}

// met takes note that the far end of p's connection has a host.
func (s *Socket) met(p *pipe, identity []byte) {
	s.lockBoth()
	if !p.detached {
		p.identity, p.up = identity, true
		s.pat.connected(p)
		s.pat.readable(p)
	}
	s.unlockBoth()
	s.sweep()
	s.sending.wake()
	s.receiving.wake() // to look at the pipe and so arm its bell
	s.peersChanged()
}

// leave ends an inproc connection from p's side. The other side can still
// receive what was sent.
func (p *pipe) leave() {
	e, far := p.host.engine, p.peer
	e.mu.Lock()
	waiting := e.pending[p.name]
	i := slices.Index(waiting, far)
	if i >= 0 {
		e.pending[p.name] = slices.Delete(waiting, i, i+1)
		if len(e.pending[p.name]) == 0 {
			delete(e.pending, p.name)
		}
	}
	e.mu.Unlock()
	if i >= 0 {
		p.free() // for the far end, which never had a host
	}
	p.host.drop(p)
	if i < 0 {
		far.host.endPipe(far)
	}
}

// drop detaches p whatever waits in it.
func (s *Socket) drop(p *pipe) {
	s.lockBoth()
	p.left.Store(true)
	p.up = false
	s.detach(p)
	s.unlockBoth()
	s.sweep()
	s.peersChanged()
}
