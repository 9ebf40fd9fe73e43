package socket

import "encoding/binary"

// A req is the REQ pattern: a request, then its reply, then the next request.
//
//	ready   --send--------------------> waiting
//	waiting --recv: reply-------------> ready
//	waiting --peer lost---------------> failed
//	failed  --recv: ErrPeerLost-------> ready
//	waiting, failed --send if relaxed-> waiting
//
// A request goes out as "a delimiter, consisting of an empty frame, added by
// the REQ socket" and the user's frames. If replies are correlated, the request's
// number stands in front.
//
// https://rfc.zeromq.org/spec/28/#the-req-socket-type
type req struct {
	bystander
	lb    lb
	fq    fq
	state reqState
	peer  *pipe // has the request; nil if ready, or if failed and it is gone

	correlate, relaxed, probe bool

	number   [4]byte // of the last request; the peer only echoes it
	envelope [][]byte
}

type reqState uint8

const (
	reqReady   reqState = iota
	reqWaiting          // the reply is owed
	reqFailed           // and will not come
)

func newReq(o *Options, start uint32) *req {
	s := &req{lb: newLB(), fq: newFQ(), correlate: o.ReqCorrelate, relaxed: o.ReqRelaxed, probe: o.ProbeRouter}
	binary.BigEndian.PutUint32(s.number[:], start)
	s.envelope = [][]byte{nil}
	if s.correlate {
		s.envelope = [][]byte{s.number[:], nil}
	}
	return s
}

func (s *req) attach(p *pipe) {
	s.lb.add(p)
	s.fq.add(p)
}

func (s *req) detach(p *pipe) {
	s.lb.remove(p)
	s.fq.remove(p)
	if p == s.peer {
		s.fail()
		s.peer = nil
	}
}

// disconnected fails the exchange, except that a request which the peer has not
// been sent yet goes out on the next connection.
//
// A reply that arrived before is still the reply: recv looks for one first.
func (s *req) disconnected(p *pipe) {
	if p == s.peer && (p.gone() || !p.unsent()) {
		s.fail()
	}
}

// fail ends the exchange without reply. RFC 28 says nothing of a peer that is
// lost. libzmq waits on and takes the next reply from anybody
// (req_t::xpipe_terminated); an error is better than that, and than waiting for ever.
func (s *req) fail() {
	s.state = reqFailed
}

func (s *req) connected(p *pipe) {
	if s.probe {
		p.write(nil, probe)
	}
}

func (s *req) readable(p *pipe) { s.fq.activate(p) }
func (s *req) writable(p *pipe) { s.lb.activate(p) }

// send routes a request "to connected peers using a round-robin strategy".
func (s *req) send(parts [][]byte) error {
	if s.state != reqReady && !s.relaxed {
		return errReqOwed
	}
	p := s.lb.next()
	if p == nil {
		return errWouldBlock
	}
	s.discardStale()
	binary.BigEndian.PutUint32(s.number[:], binary.BigEndian.Uint32(s.number[:])+1)
	p.write(s.envelope, parts)
	s.state, s.peer = reqWaiting, p
	return nil
}

// discardStale drops everything that arrived before the request that comes
// now, and so cannot be its reply. Otherwise the reply to a request that was
// given up could pass for that to a later one to the same peer.
func (s *req) discardStale() {
	if s.fq.active == 0 {
		return
	}
	m := newMessage()
	for s.fq.recv(m) != nil {
	}
	m.Release()
}

// recv returns the reply. "SHALL accept an incoming message only from the last
// peer that it sent a request to. SHALL discard silently any messages received
// from other peers."
func (s *req) recv(m *Message) error {
	if s.state == reqReady {
		return errReqFirst
	}
	for p := s.fq.recv(m); p != nil; p = s.fq.recv(m) {
		if p == s.peer && s.open(m) {
			s.state, s.peer = reqReady, nil
			return nil
		}
	}
	if s.state == reqFailed {
		s.state, s.peer = reqReady, nil
		return ErrPeerLost
	}
	return errWouldBlock
}

// open takes the envelope off a reply. It reports false if m is not the reply:
// it lacks the delimiter or a body, or is the reply to another request. Such a
// message is dropped, and the peer that sent it stays, as with libzmq's inproc;
// its tcp sessions end the connection (req_session_t::push_msg).
func (s *req) open(m *Message) bool {
	last := len(s.envelope) - 1
	if m.Len() <= last+1 || len(m.Frame(last)) != 0 {
		return false
	}
	if s.correlate && string(m.Frame(0)) != string(s.number[:]) {
		return false
	}
	m.dropFront(last + 1)
	return true
}

func (s *req) canSend() bool {
	return (s.state == reqReady || s.relaxed) && s.lb.room()
}

func (s *req) canRecv() bool {
	return s.state == reqFailed || s.state == reqWaiting && s.fq.waiting()
}

func (s *req) joint() bool { return true }
