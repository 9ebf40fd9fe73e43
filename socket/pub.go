package socket

// A pub is the PUB pattern: an XPUB whose user is told of nothing. "SHALL NOT
// deliver these commands to its calling application." "SHALL silently discard
// any messages that subscribers send it."
//
// https://rfc.zeromq.org/spec/29/#the-pub-socket-type
type pub struct{ xpub }

func newPub(o *Options) *pub {
	s := &pub{*newXPub(o)}
	s.silent, s.manual = true, false
	return s
}

func (s *pub) recv(*Message) error { return errPubReceives }
func (s *pub) canRecv() bool       { return false }
