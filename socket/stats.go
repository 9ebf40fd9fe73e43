package socket

import "github.com/zeroring/zeroring/zmtp"

// Stats is what a socket knows about its peers.
type Stats struct {
	Peers []PeerStats
}

// PeerStats is one peer's part. Counts are of messages since the peer was
// first there, and survive a reconnect.
type PeerStats struct {
	Endpoint string // by which it came
	Address  string // where it is, was, or is being tried: host:port or a path; empty for inproc, and before
	Identity []byte
	Type     string            // its type as it told it: "SUB"; empty while it has not been there
	Metadata map[string]string // what else it told: its Options.Metadata; nil for nothing
	Up       bool              // its handshake is done
	Sent     uint64            // queued towards it
	Received uint64            // taken by Recv, or a little ahead of it
	Dropped  uint64            // not sent for want of room, or because the peer's connection broke at it twice
	Queued   int               // of Sent, not written out yet

	Subscriptions int // topics it is subscribed to, at a PUB or XPUB

	Multicast *MulticastStats // of a pgm:// or epgm:// endpoint; else nil
}

// Stats returns a snapshot of the socket's peers, in no particular order.
func (s *Socket) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lockBoth()
	defer s.unlockBoth()
	s.pat.settle()
	var st Stats
	for p := range s.pipes {
		if p.detached {
			continue // its lanes may be gone
		}
		ps := PeerStats{
			Identity: append([]byte(nil), p.identity...), Up: p.online(), Dropped: p.dropped.Load(),
			Sent: p.out.written(), Received: p.in.stream.Consumed(), Queued: p.out.queued(),
			Endpoint: p.name, Subscriptions: p.subscriptions,
		}
		if c, ok := p.link.(*session); ok {
			ps.Endpoint, ps.Address = c.peer, c.address()
		}
		if l, ok := p.link.(*multicast); ok {
			ps.Multicast = l.stats()
		}
		if p.about != nil {
			ps.Type, ps.Metadata = p.about.SocketType, metadata(p.about)
		}
		st.Peers = append(st.Peers, ps)
	}
	return st
}

// metadata is the peer's as users see it.
func metadata(peer *zmtp.Peer) map[string]string {
	if len(peer.Properties) == 0 {
		return nil
	}
	m := make(map[string]string, len(peer.Properties))
	for i := range peer.Properties {
		m[peer.Properties[i].Name] = string(peer.Properties[i].Value)
	}
	return m
}

// SetSendHWM changes SendHWM, at once and for all peers.
func (s *Socket) SetSendHWM(messages int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sendHWM.Store(hwmOf(messages))
	for p := range s.pipes {
		p.setHWM()
		p.roomReady()
	}
}

// SetRecvHWM changes RecvHWM, at once and for all peers.
func (s *Socket) SetRecvHWM(messages int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recvHWM.Store(hwmOf(messages))
	for p := range s.pipes {
		if p.setHWM() {
			p.in.producer.roomReady()
		}
	}
}

// Subscribe is for SUB and XSUB; see [Sub].
func (s *Socket) Subscribe(topic []byte) error {
	return s.withSubscriber(topic, func(p subscriber) { p.subscribe(topic) })
}

// Unsubscribe is for SUB and XSUB; see [Sub].
func (s *Socket) Unsubscribe(topic []byte) error {
	return s.withSubscriber(topic, func(p subscriber) { p.unsubscribe(topic) })
}

// A subscriber is a pattern that subscribes.
type subscriber interface {
	subscribe(topic []byte)
	unsubscribe(topic []byte)
}

func (s *Socket) withSubscriber(topic []byte, f func(subscriber)) error {
	p, ok := s.pat.(subscriber)
	if !ok {
		return notSupported(s.typ, "does not subscribe")
	}
	switch {
	case s.closed.Load():
		return ErrClosed
	case len(topic) > zmtp.MaxTopic:
		return ErrTopicTooLong
	}
	s.lockBoth()
	f(p)
	if s.sieve != nil {
		s.loans.sift(s.sieve) // by what is subscribed to now
	}
	s.unlockBoth()
	return nil
}

func (s *Socket) applySubscription(topic []byte, cancel bool) error {
	p, ok := s.pat.(interface {
		setSubscription(topic []byte, cancel bool)
	})
	if !ok {
		return notSupported(s.typ, "has no subscriptions of its peers to apply")
	}
	s.lockBoth()
	p.setSubscription(topic, cancel)
	s.resubscribed = false // as all are told, below
	s.unlockBoth()
	s.subscriptionsChanged()
	return nil
}

// subscriptionsChanged wakes those who wait for peers with subscriptions, or for
// room towards one that has ended its own. Any goroutine, without locks.
func (s *Socket) subscriptionsChanged() {
	if s.choosy {
		s.wakeSender()
	}
	s.peersChanged()
}
