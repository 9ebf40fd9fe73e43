package socket

// A sub is the SUB pattern: an XSUB that sends nothing but subscriptions, and
// drops what it did not subscribe to.
//
// The subscriptions are read by recv and written by subscribe and unsubscribe:
// these are called under both locks.
//
// https://rfc.zeromq.org/spec/29/#the-sub-socket-type
type sub struct {
	xsub
	invert bool
	missed uint32 // packets lost in front of messages that were not wanted
}

func newSub(o *Options) *sub { return &sub{xsub: *newXSub(), invert: o.InvertMatching} }

// recv returns the next message whose first frame starts with a topic
// subscribed to. Publishers filter too, but not all of them (multicast goes to
// everybody), and what was on its way when a subscription ended still arrives.
func (s *sub) recv(m *Message) error {
	for s.fq.recv(m) != nil {
		missed := addMissed(s.missed, m.note.missed)
		if s.wants(m.Frame(0)) {
			m.note.missed, s.missed = missed, 0
			return nil
		}
		s.missed = missed
	}
	return errWouldBlock
}

// wants reports whether the user is to get a message of that first frame.
func (s *sub) wants(first []byte) bool { return s.subs.matches(first) != s.invert }

func (s *sub) send([][]byte) error { return errSubSends }
func (s *sub) canSend() bool       { return false }
