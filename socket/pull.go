package socket

// A pull is the PULL pattern: messages from all PUSHes, a message from each in
// turn.
//
// https://rfc.zeromq.org/spec/30/#the-pull-socket-type
type pull struct {
	bystander
	fq fq
}

func newPull() *pull { return &pull{fq: newFQ()} }

func (s *pull) attach(p *pipe)            { s.fq.add(p) }
func (s *pull) detach(p *pipe)            { s.fq.remove(p) }
func (s *pull) readable(p *pipe)          { s.fq.activate(p) }
func (s *pull) straight() (out, in *pipe) { return nil, s.fq.only() }
func (s *pull) send([][]byte) error       { return errPullSends }
func (s *pull) canRecv() bool             { return s.fq.waiting() }

func (s *pull) recv(m *Message) error {
	if s.fq.recv(m) == nil {
		return errWouldBlock
	}
	return nil
}
