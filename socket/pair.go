package socket

// A pair is the PAIR pattern: one peer at a time, both ways.
//
// https://rfc.zeromq.org/spec/31/#the-pair-socket-type
type pair struct {
	bystander
	peer *pipe

	// quiet says that the peer was found to have nothing. It is then not read
	// before readable: a read that finds something after all takes the wake-up
	// from a receiver that sleeps.
	quiet bool
}

// attach turns p away if there is a peer: "MAY be connected to at most one PAIR
// peers". One that has left makes way, and what it sent and nobody has received
// is dropped: "If this peer disconnects, the PAIR socket SHALL destroy its
// double queue and SHALL discard any messages it contains." In libzmq
// (pair_t::xattach_pipe) it keeps others out until it is read to the end.
func (s *pair) attach(p *pipe) {
	switch {
	case s.peer == nil:
		s.peer, s.quiet = p, false
	case s.peer.gone():
		discard(s.peer)
		s.peer, s.quiet = p, false
	default:
		p.kill()
		discard(p)
	}
}

func (s *pair) detach(p *pipe) {
	if p == s.peer {
		s.peer = nil
	}
}

// readable drops what comes from a peer that was turned away.
func (s *pair) readable(p *pipe) {
	if p != s.peer {
		discard(p)
		return
	}
	s.quiet = false
}

func (s *pair) send(parts [][]byte) error {
	if !s.canSend() {
		return errWouldBlock
	}
	s.peer.write(nil, parts)
	return nil
}

func (s *pair) recv(m *Message) error {
	if s.peer != nil && !s.quiet {
		if s.peer.read(m) {
			return nil
		}
		s.quiet = true
	}
	return errWouldBlock
}

func (s *pair) straight() (out, in *pipe) { return s.peer, s.peer }

func (s *pair) canSend() bool { return s.peer != nil && s.peer.writable() }

func (s *pair) canRecv() bool {
	if s.peer != nil && !s.quiet {
		if s.peer.waiting() {
			return true
		}
		s.quiet = true
	}
	return false
}
