package socket

// A dealer is the DEALER pattern: messages go to peers in turn and come from
// them in turn, unchanged, and neither depends on the other.
//
// https://rfc.zeromq.org/spec/28/#the-dealer-socket-type
type dealer struct {
	bystander
	lb    lb
	fq    fq
	probe bool
}

func newDealer(o *Options) *dealer {
	return &dealer{lb: newLB(), fq: newFQ(), probe: o.ProbeRouter}
}

func (s *dealer) attach(p *pipe) {
	s.lb.add(p)
	s.fq.add(p)
}

func (s *dealer) detach(p *pipe) {
	s.lb.remove(p)
	s.fq.remove(p)
}

func (s *dealer) straight() (out, in *pipe) { return s.lb.only(), s.fq.only() }

func (s *dealer) connected(p *pipe) {
	if s.probe {
		p.write(nil, probe)
	}
}

func (s *dealer) readable(p *pipe)          { s.fq.activate(p) }
func (s *dealer) writable(p *pipe)          { s.lb.activate(p) }
func (s *dealer) send(parts [][]byte) error { return s.lb.send(nil, parts) }
func (s *dealer) canSend() bool             { return s.lb.room() }
func (s *dealer) canRecv() bool             { return s.fq.waiting() }

func (s *dealer) recv(m *Message) error {
	if s.fq.recv(m) == nil {
		return errWouldBlock
	}
	return nil
}
