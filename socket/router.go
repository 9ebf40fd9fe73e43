package socket

import (
	"encoding/binary"
	"slices"
)

// A router is the ROUTER pattern: messages come in with their sender's routing
// id in front, and go out to the peer whose routing id stands in front.
//
// A peer is anonymous, neither read nor written, until its connection is up: it
// may then name itself, and is otherwise given a name. One that the user connects
// to may have been named in advance, and then it has no say in it.
//
// https://rfc.zeromq.org/spec/28/#the-router-socket-type
type router struct {
	bystander
	fq    fq
	peers map[string]*pipe // by routing id; invariant: string(peers[id].routingID) == id
	next  uint32           // of the names given out

	mandatory, handover, probe bool
}

func newRouter(o *Options, start uint32) *router {
	return &router{
		fq:        newFQ(),
		peers:     make(map[string]*pipe),
		next:      start,
		mandatory: o.RouterMandatory,
		handover:  o.RouterHandover,
		probe:     o.ProbeRouter,
	}
}

func (s *router) attach(p *pipe) {
	if p.given != nil && !s.taken(p.given) {
		s.name(p, p.given)
	}
}

// taken reports whether a peer that has not left has this routing id.
func (s *router) taken(id []byte) bool {
	holder := s.peers[string(id)]
	return holder != nil && !holder.gone()
}

func (s *router) detach(p *pipe) {
	s.forget(p)
	s.fq.remove(p)
}

// connected lets p name itself: "SHOULD allow the peer to specify its identity
// explicitly through the Identity metadata property." A peer that connects
// again keeps the name it was given, and nobody takes over one that was made up
// or that the user gave: there is no way to come by it but to guess.
func (s *router) connected(p *pipe) {
	if s.probe {
		p.write(nil, probe)
	}
	id := p.identity
	if p.given != nil {
		id = p.given
	}
	if len(id) == 0 {
		if !s.knows(p) {
			s.name(p, s.unusedID())
		}
		return
	}
	switch holder := s.peers[string(id)]; {
	case holder == nil || holder == p:
	case holder.gone():
		// It has made way, though what it sent is not all received yet: that
		// comes under the name that its successor has now. With libzmq a peer
		// that is back too soon is ignored.
	case s.handover && len(holder.identity) > 0 && holder.given == nil:
		s.evict(holder)
	default:
		s.ignore(p)
		return
	}
	s.forget(p)
	s.name(p, slices.Clone(id))
}

// ignore leaves p connected and unheard, for good. It came with a routing id
// that another peer has; libzmq does the same (router_t::identify_peer).
func (s *router) ignore(p *pipe) {
	s.forget(p)
	s.fq.remove(p)
	p.ignored = true
	discard(p)
}

// evict ends p's connection. What p has sent can be received still, under a
// name that nobody has used.
func (s *router) evict(p *pipe) {
	s.forget(p)
	s.name(p, s.unusedID())
	p.kill()
}

// name makes id the routing id of p.
func (s *router) name(p *pipe, id []byte) {
	p.routingID, p.ignored = id, false
	s.peers[string(id)] = p
	if !s.fq.has(p) {
		s.fq.add(p)
	}
}

// forget takes p's name away.
func (s *router) forget(p *pipe) {
	if s.knows(p) {
		delete(s.peers, string(p.routingID))
	}
}

func (s *router) knows(p *pipe) bool { return s.peers[string(p.routingID)] == p }

// unusedID makes up a routing id: five octets, of which the first is zero, so
// that it differs from those that peers should choose. A peer may have chosen one
// all the same, so that is checked.
func (s *router) unusedID() []byte {
	id := make([]byte, 5)
	for {
		binary.BigEndian.PutUint32(id[1:], s.next)
		s.next++
		if s.peers[string(id)] == nil {
			return id
		}
	}
}

// readable drops what an ignored peer sends.
func (s *router) readable(p *pipe) {
	s.fq.activate(p)
	if p.ignored {
		discard(p)
	}
}

// send routes a message to the peer that its first frame names. "SHALL either
// silently drop the message, or return an error, depending on configuration,
// if the queue does not exist, or is full." With RouterMandatory a full queue
// is waited for, as in libzmq. A message of no more than the routing id is dropped
// whatever the configuration.
func (s *router) send(parts [][]byte) error {
	if len(parts) < 2 {
		return nil
	}
	p := s.peers[string(parts[0])]
	switch {
	case p != nil && p.writable():
		p.write(nil, parts[1:])
	case s.mandatory && (p == nil || p.gone()):
		return ErrNoRoute
	case s.mandatory:
		return errWouldBlock
	case p != nil:
		p.drop()
	}
	return nil
}

// recv returns the next message. "SHALL prefix each incoming message with a
// frame containing the identity of the originating double queue."
func (s *router) recv(m *Message) error {
	p := s.fq.recv(m)
	if p == nil {
		return errWouldBlock
	}
	m.pushFront(p.routingID)
	return nil
}

// canSend is always true, since without RouterMandatory nothing ever waits.
// With it, somebody must have room, as in libzmq (router_t::xhas_out).
func (s *router) canSend() bool {
	if !s.mandatory {
		return true
	}
	for _, p := range s.peers {
		if p.writable() {
			return true
		}
	}
	return false
}

func (s *router) canRecv() bool { return s.fq.waiting() }
