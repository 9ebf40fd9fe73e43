package socket

import "github.com/zeroring/zeroring/zmtp"

// An xsub is the XSUB pattern: messages come from all publishers, in turn, and
// subscriptions and messages go to all of them.
//
// Subscriptions are state, not traffic: a publisher is told of all of them each
// time its connection comes up, and the high-water mark does not apply.
//
// https://rfc.zeromq.org/spec/29/#the-xsub-socket-type
type xsub struct {
	bystander
	fq   fq
	dist dist
	subs trie // with a reference for each time that the user subscribed
}

func newXSub() *xsub { return &xsub{fq: newFQ(), dist: newDist(), subs: newTrie()} }

func (s *xsub) attach(p *pipe) {
	s.fq.add(p)
	if !p.oneWay {
		s.dist.add(p)
	}
}

// detach sends p nothing. "When closing a connection to a publisher SHOULD send
// unsubscribe requests for all subscriptions", but the end of the connection
// says the same, and libzmq leaves it at that.
func (s *xsub) detach(p *pipe) {
	s.fq.remove(p)
	s.dist.remove(p)
}

// connected tells p of each topic, once.
func (s *xsub) connected(p *pipe) {
	s.subs.retained(func(topic string) { p.writeSubscribe([]byte(topic), false) })
}

func (s *xsub) readable(p *pipe) { s.fq.activate(p) }
func (s *xsub) writable(p *pipe) { s.dist.activate(p) }

// subscribe adds a subscription. Publishers are told even of one they know: an
// XPUB behind a proxy may want to hear of each.
func (s *xsub) subscribe(topic []byte) {
	s.subs.retain(topic)
	s.tell(topic, false)
}

// unsubscribe takes one back. Publishers are told of the last one for the
// topic, and nothing is done about a topic that was not subscribed to.
func (s *xsub) unsubscribe(topic []byte) {
	if s.subs.release(topic) {
		s.tell(topic, true)
	}
}

// tell tells all publishers that are there. The others will be when they are.
func (s *xsub) tell(topic []byte, cancel bool) {
	for _, p := range s.dist.pipes {
		if p.online() {
			p.writeSubscribe(topic, cancel)
		}
	}
}

// send takes subscriptions, in the form that XPUB receives them, and sends
// everything else "to all connected publishers. SHALL silently drop the message
// if the outgoing queue for a publisher is full. SHALL NOT block on sending."
//
// Which frames are subscriptions is decided as by xpub.handle.
func (s *xsub) send(parts [][]byte) error {
	if !isSubscription(parts[0]) {
		s.dist.send(s.dist.everyone(), parts)
		return nil
	}
	for _, frame := range parts {
		if isSubscription(frame) && len(frame)-1 > zmtp.MaxTopic {
			return ErrTopicTooLong
		}
	}
	for i, frame := range parts {
		switch {
		case !isSubscription(frame):
			s.dist.send(s.dist.everyone(), parts[i:i+1])
		case frame[0] == subscribeOctet:
			s.subscribe(frame[1:])
		default:
			s.unsubscribe(frame[1:])
		}
	}
	return nil
}

// recv returns the next message, filtered or not: it is for the publishers to
// know what this socket subscribed to, and for a SUB to check.
func (s *xsub) recv(m *Message) error {
	if s.fq.recv(m) == nil {
		return errWouldBlock
	}
	return nil
}

func (s *xsub) straight() (out, in *pipe) { return nil, s.fq.only() }
func (s *xsub) canSend() bool             { return true }
func (s *xsub) canRecv() bool             { return s.fq.waiting() }
func (s *xsub) close()                    { s.dist.wire.release() }
