package socket

import (
	"encoding/binary"
	"slices"

	"github.com/zeroring/zeroring/ring"
	"github.com/zeroring/zeroring/zmtp"
)

// isSubscription reports whether a frame is a subscription or its end. Anything
// else is the user's.
func isSubscription(frame []byte) bool {
	return len(frame) > 0 && (frame[0] == cancelOctet || frame[0] == subscribeOctet)
}

// maxTopics is how many topics one peer may be subscribed to, and maxTopicOctets
// how long they may be together. The connection of one that wants more is ended:
// a topic costs us some 300 octets and twice its length. So is that of one whose
// topic is longer than zmtp.MaxTopic and would not fit the command, which only the
// form of ZMTP 3.0 allows: an XSUB behind us could not pass it on.
const (
	maxTopics      = 1 << 20
	maxTopicOctets = 256 << 20
)

// An XPUB's notices wait for its user, who may be slow. With this many of them, or
// octets in them, subscribers are not read any further; they are again when
// half of that is left.
const (
	maxNotices      = 10_000
	maxNoticeOctets = 16 << 20
)

// An xpub is the XPUB pattern: messages go to the subscribers of what they
// start with, and the user is told of subscriptions. PUB is the same with a
// user who does not listen.
//
// https://rfc.zeromq.org/spec/29/#the-xpub-socket-type
type xpub struct {
	bystander
	dist dist
	fan  fan
	fq   fq
	subs trie
	sets [][]*pipe // what matched; memory reused from message to message

	silent   bool // the user is told nothing: PUB
	invert   bool
	verbose  bool     // tell of repeated subscriptions
	verboser bool     // and of cancellations that are not the last
	welcome  [][]byte // to each new peer; nil for none

	// notices are messages for the user. If manual, each has a frame in front,
	// head, with the number of the pipe it came from.
	notices ring.Stream
	head    [][]byte
	octets  int  // in notices
	stalled bool // notices were too many; fq may have more

	// manual says that subscriptions wait for the user to apply them to the
	// pipe numbered last, that of the message received last. asked holds what
	// peers asked for, subs what was applied.
	manual bool
	asked  trie
	last   uint64 // 0 is nobody
}

func newXPub(o *Options) *xpub {
	s := &xpub{
		dist: newDist(), fq: newFQ(), subs: newTrie(), asked: newTrie(),
		invert: o.InvertMatching, manual: o.XPubManual,
		verbose: o.XPubVerbose || o.XPubVerboser, verboser: o.XPubVerboser,
	}
	s.dist.noDrop = o.XPubNoDrop
	if len(o.XPubWelcome) > 0 {
		s.welcome = [][]byte{slices.Clone(o.XPubWelcome)}
	}
	if s.manual {
		s.head = [][]byte{make([]byte, 8)}
	}
	return s
}

func (s *xpub) attach(p *pipe) {
	s.fan.settle() // with InvertMatching p is one of those whom all is for
	s.dist.add(p)
	s.fq.add(p)
	if p.oneWay {
		s.sendAll(p)
	}
	s.drain()
}

// sendAll subscribes p to everything: who receives by multicast chooses by itself.
// The user is told as of any other subscription, so that a proxy passes it on.
func (s *xpub) sendAll(p *pipe) {
	if !s.invert && s.subs.add(nil, p) && !s.manual {
		s.tell(p.number, [][]byte{{subscribeOctet}})
	}
	p.subscribed(1)
}

// detach ends p's subscriptions: "SHALL, if the subscriber peer disconnects
// prematurely, generate a suitable unsubscribe request for the calling
// application."
func (s *xpub) detach(p *pipe) {
	s.fan.forget()
	s.dist.remove(p)
	s.fq.remove(p)
	held := &s.subs
	if s.manual {
		s.subs.removeAll(p, nil)
		held = &s.asked
	}
	held.removeAll(p, func(topic string, last bool) {
		if last || s.verboser || s.manual {
			s.tell(0, [][]byte{append([]byte{cancelOctet}, topic...)})
		}
	})
}

// connected greets p. Subscriptions it made on an earlier connection are kept:
// in between, messages queue for it as they do for any peer we connect to.
func (s *xpub) connected(p *pipe) {
	if s.welcome != nil {
		s.fan.settle()
		p.write(nil, s.welcome)
	}
}

// disconnected looks anew who has room: p has none any more if it left for good.
func (s *xpub) disconnected(*pipe) { s.fan.settle() }

func (s *xpub) writable(p *pipe) {
	s.fan.settle()
	s.dist.activate(p)
}

func (s *xpub) settle()            { s.fan.settle() }
func (s *xpub) collect(c *courier) { s.fan.collect(c) }

// send gives the message to all who have subscribed to what it starts with, or
// with InvertMatching to the rest. "SHALL silently drop the message if the
// queue for a subscriber is full. SHALL NOT block on sending." With XPubNoDrop
// it waits until all of them have room.
func (s *xpub) send(parts [][]byte) error {
	s.sets = s.subs.match(parts[0], s.sets[:0])
	n := wireSize(nil, parts)
	if s.fan.takes(s.sets, n) {
		s.fan.add(n, parts)
		return nil
	}
	to := s.audience()
	if len(to) == 0 {
		return nil
	}
	again := s.fan.follows(to)
	if s.fan.room == 0 || n > fanMessage {
		s.fan.settle()
		if s.dist.noDrop && !s.dist.allOpen(to) {
			s.fan.busy = true
			return errWouldBlock
		}
		if !again || n > fanMessage || !s.fan.open(&s.dist) {
			s.dist.send(to, parts)
			if again {
				s.fan.summon(to)
			}
			return nil
		}
	}
	s.fan.sets = append(s.fan.sets[:0], s.sets...)
	s.fan.add(n, parts)
	return nil
}

// audience is who the message that matched sets is for. Valid as dist.union's.
func (s *xpub) audience() []*pipe {
	switch {
	case s.invert:
		return s.dist.others(s.sets)
	case len(s.sets) == 0:
		return nil
	case len(s.sets) == 1:
		return s.sets[0]
	}
	return s.dist.union(s.sets)
}

// readable takes in p's subscriptions at once, whether or not anybody receives.
func (s *xpub) readable(p *pipe) {
	s.fq.activate(p)
	s.drain()
}

// drain handles what subscribers have sent, until there is nothing more or the
// user has too much to read.
func (s *xpub) drain() {
	m := newMessage()
	for {
		if s.stalled = s.crowded(1); s.stalled {
			break
		}
		p := s.fq.recv(m)
		if p == nil {
			break
		}
		s.handle(p, m)
	}
	m.Release()
}

// crowded reports whether the notices are more than the given fraction of the
// most there may be.
func (s *xpub) crowded(fraction int) bool {
	return s.notices.Queued() >= maxNotices/fraction || s.octets >= maxNoticeOctets/fraction
}

// handle takes in one message of a subscriber.
//
// Its first frame decides. If that is a subscription the other frames may be as
// well; otherwise the message is the user's, whatever its other frames start
// with. This is how libzmq is with ZMQ_ONLY_FIRST_SUBSCRIBE; without, it takes
// the user's frames for subscriptions (xpub_t::xread_activated).
func (s *xpub) handle(p *pipe, m *Message) {
	if !isSubscription(m.Frame(0)) {
		s.tell(p.number, m.parts())
		return
	}
	for i, frame := range m.parts() {
		if !isSubscription(frame) || s.request(p, frame) {
			s.tell(p.number, m.parts()[i:i+1])
		}
	}
}

// request takes in one subscription, or the end of one, and reports whether the
// user is to be told. "MAY, depending on configuration, normalize commands
// delivered to its calling application so that multiple identical subscriptions
// result in a single command only."
func (s *xpub) request(p *pipe, frame []byte) (news bool) {
	topic, held := frame[1:], &s.subs
	if s.manual {
		held = &s.asked
	} else {
		s.fan.forget() // what was sent before goes to those who were subscribed then
	}
	switch {
	case frame[0] == cancelOctet:
		found, last := held.remove(topic, p)
		if found {
			p.topicOctets -= len(topic)
		}
		news = last || s.verboser || s.manual
	case len(topic) > zmtp.MaxTopic, held.count(p) == maxTopics, p.topicOctets+len(topic) > maxTopicOctets:
		p.kill()
	default:
		before := held.count(p)
		first := held.add(topic, p)
		if held.count(p) > before {
			p.topicOctets += len(topic)
		}
		news = first || s.verbose || s.manual
	}
	p.subscribed(s.subs.count(p))
	return news
}

// tell queues a message for the user, from the pipe of that number, or from
// ourselves if 0.
func (s *xpub) tell(number uint64, frames [][]byte) {
	if s.silent {
		return
	}
	if s.manual {
		binary.BigEndian.PutUint64(s.head[0], number)
	}
	n := wireSize(s.head, frames)
	putMessage(s.notices.Reserve(n), s.head, frames)
	s.notices.Commit(n)
	s.octets += n
}

// recv returns the next notice: a subscription, the end of one, or what a
// subscriber sent that is neither.
func (s *xpub) recv(m *Message) error {
	waiting, buf := s.notices.Peek()
	if len(waiting) == 0 {
		return errWouldBlock
	}
	n := m.take(waiting, buf)
	s.notices.Advance(n, 1)
	s.notices.Credit()
	s.octets -= n
	if s.manual {
		s.last = binary.BigEndian.Uint64(m.Frame(0))
		m.dropFront(len(s.head))
	}
	if s.stalled && !s.crowded(2) {
		s.drain()
	}
	return nil
}

// setSubscription subscribes the peer that the message received last came from,
// or ends its subscription. If that is gone, or nobody because the XPUB is not
// manual, it does nothing.
func (s *xpub) setSubscription(topic []byte, cancel bool) {
	p := s.dist.numbered(s.last)
	if p == nil {
		return
	}
	s.fan.forget()
	if cancel {
		s.subs.remove(topic, p)
	} else {
		s.subs.add(topic, p)
	}
	p.subscribed(s.subs.count(p))
}

func (s *xpub) canSend() bool { return true }
func (s *xpub) canRecv() bool { return s.notices.Queued() > 0 }
func (s *xpub) joint() bool   { return true }

func (s *xpub) close() {
	s.notices.Discard()
	s.dist.wire.release()
	s.fan.release()
}
