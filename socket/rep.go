package socket

// A rep is the REP pattern: a request, then the reply to it, then the next
// request.
//
//	ready    --recv: request--> replying
//	replying --send-----------> ready
//
// https://rfc.zeromq.org/spec/28/#the-rep-socket-type
type rep struct {
	bystander
	fq       fq
	replying bool
	peer     *pipe    // sent the request; nil if ready, or the peer is gone
	envelope [][]byte // the request's frames up to the delimiter, in octets
	octets   []byte   // reused from request to request
}

func newRep() *rep { return &rep{fq: newFQ()} }

func (s *rep) attach(p *pipe) { s.fq.add(p) }

func (s *rep) detach(p *pipe) {
	s.fq.remove(p)
	s.disconnected(p)
}

// disconnected forgets the peer: "SHALL silently discard the reply, or return
// an error, if the originating peer is no longer connected." Who connects next
// need not be the same. If we are the side that connects again, requests not
// received yet go with the connection that they came by: their replies would
// come by the next one and pass for those to other requests.
func (s *rep) disconnected(p *pipe) {
	if !p.gone() {
		discard(p)
	}
	if p == s.peer {
		s.peer = nil
	}
}

func (s *rep) readable(p *pipe) { s.fq.activate(p) }

// recv returns the next request. It drops what has no envelope.
func (s *rep) recv(m *Message) error {
	if s.replying {
		return errRepOwes
	}
	for p := s.fq.recv(m); p != nil; p = s.fq.recv(m) {
		if s.open(m) {
			s.replying, s.peer = true, p
			return nil
		}
	}
	return errWouldBlock
}

// open takes the envelope off a request and keeps it: "SHALL remove and store
// the address envelope, including the delimiter." It reports false if there is
// no delimiter, or nothing behind it.
func (s *rep) open(m *Message) bool {
	size, delimiter := 0, 0
	for len(m.Frame(delimiter)) > 0 {
		size += len(m.Frame(delimiter))
		if delimiter++; delimiter == m.Len() {
			return false
		}
	}
	if delimiter == m.Len()-1 {
		return false
	}
	s.keep(m.parts()[:delimiter+1], size)
	m.dropFront(delimiter + 1)
	return true
}

// keep copies frames of size octets together into the envelope. A huge one's
// memory is not kept for the next.
func (s *rep) keep(frames [][]byte, size int) {
	if size > cap(s.octets) || cap(s.octets) > keepOctets {
		s.octets = make([]byte, 0, size)
	}
	if cap(s.envelope) > keepOctets/16 {
		s.envelope = nil
	}
	s.octets, s.envelope = s.octets[:0], s.envelope[:0]
	for _, frame := range frames {
		from := len(s.octets)
		s.octets = append(s.octets, frame...)
		s.envelope = append(s.envelope, s.octets[from:])
	}
}

// send replies. "SHALL prepend the address envelope and delimiter. SHALL
// deliver this message back to the originating peer." "SHALL not block on
// sending": if the peer is gone, or takes no more, the reply is dropped.
func (s *rep) send(parts [][]byte) error {
	if !s.replying {
		return errRepFirst
	}
	switch p := s.peer; {
	case p == nil:
	case p.writable():
		p.write(s.envelope, parts)
	default:
		p.drop()
	}
	s.replying, s.peer = false, nil
	return nil
}

func (s *rep) canSend() bool { return s.replying }
func (s *rep) canRecv() bool { return !s.replying && s.fq.waiting() }
func (s *rep) joint() bool   { return true }
