package socket

// A push is the PUSH pattern: each message goes to one PULL, in turn.
//
// https://rfc.zeromq.org/spec/30/#the-push-socket-type
type push struct {
	bystander
	lb lb
}

func newPush() *push { return &push{lb: newLB()} }

func (s *push) attach(p *pipe) {
	s.lb.add(p)
	discard(p)
}

func (s *push) detach(p *pipe)            { s.lb.remove(p) }
func (s *push) writable(p *pipe)          { s.lb.activate(p) }
func (s *push) straight() (out, in *pipe) { return s.lb.only(), nil }

// readable drops what a PULL should not have sent: "SHALL only send messages".
func (s *push) readable(p *pipe) { discard(p) }

// send waits if nobody has room: "SHALL NOT discard messages that it cannot
// queue."
func (s *push) send(parts [][]byte) error { return s.lb.send(nil, parts) }
func (s *push) canSend() bool             { return s.lb.room() }
func (s *push) recv(*Message) error       { return errPushReceives }
