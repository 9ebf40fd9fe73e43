package socket

import (
	"context"
	"iter"
)

// What every type of socket has.
type ends struct{ s *Socket }

// Bind is [Socket.Bind].
func (e ends) Bind(endpoint string) (resolved string, err error) { return e.s.Bind(endpoint) }

// Connect is [Socket.Connect].
func (e ends) Connect(endpoint string) error { return e.s.Connect(endpoint) }

// Unbind is [Socket.Unbind].
func (e ends) Unbind(endpoint string) error { return e.s.Unbind(endpoint) }

// Disconnect is [Socket.Disconnect].
func (e ends) Disconnect(endpoint string) error { return e.s.Disconnect(endpoint) }

// Close is [Socket.Close].
func (e ends) Close() error { return e.s.Close() }

// WaitPeers is [Socket.WaitPeers].
func (e ends) WaitPeers(ctx context.Context, n int) error { return e.s.WaitPeers(ctx, n) }

// Events is [Socket.Events].
func (e ends) Events(ctx context.Context) iter.Seq[Event] { return e.s.Events(ctx) }

// Stats is [Socket.Stats].
func (e ends) Stats() Stats { return e.s.Stats() }

// Engine is [Socket.Engine].
func (e ends) Engine() *Engine { return e.s.Engine() }

// Untyped returns the socket in the form that has all methods, for code that
// works with any type, such as Proxy.
func (e ends) Untyped() *Socket { return e.s }

// What sockets have that send.
type sends struct{ s *Socket }

// Send is [Socket.Send].
func (x sends) Send(ctx context.Context, m *Message) error { return x.s.Send(ctx, m) }

// SendBytes is [Socket.SendBytes].
func (x sends) SendBytes(ctx context.Context, body []byte) error { return x.s.SendBytes(ctx, body) }

// SendParts is [Socket.SendParts].
func (x sends) SendParts(ctx context.Context, frames ...[]byte) error {
	return x.s.SendParts(ctx, frames...)
}

// SendBatch is [Socket.SendBatch].
func (x sends) SendBatch(ctx context.Context, bodies [][]byte) (int, error) {
	return x.s.SendBatch(ctx, bodies)
}

// TrySend is [Socket.TrySend].
func (x sends) TrySend(m *Message) error { return x.s.TrySend(m) }

// TrySendBytes is [Socket.TrySendBytes].
func (x sends) TrySendBytes(body []byte) error { return x.s.TrySendBytes(body) }

// TrySendParts is [Socket.TrySendParts].
func (x sends) TrySendParts(frames ...[]byte) error { return x.s.TrySendParts(frames...) }

// SetSendHWM is [Socket.SetSendHWM].
func (x sends) SetSendHWM(messages int) { x.s.SetSendHWM(messages) }

// What sockets have that receive.
type receives struct{ s *Socket }

// Recv is [Socket.Recv].
func (x receives) Recv(ctx context.Context) (*Message, error) { return x.s.Recv(ctx) }

// TryRecv is [Socket.TryRecv].
func (x receives) TryRecv() (*Message, error) { return x.s.TryRecv() }

// RecvBatch is [Socket.RecvBatch].
func (x receives) RecvBatch(ctx context.Context, msgs []*Message) (int, error) {
	return x.s.RecvBatch(ctx, msgs)
}

// Messages is [Socket.Messages].
func (x receives) Messages(ctx context.Context) iter.Seq2[*Message, error] { return x.s.Messages(ctx) }

// SetRecvHWM is [Socket.SetRecvHWM].
func (x receives) SetRecvHWM(messages int) { x.s.SetRecvHWM(messages) }

// What sockets have that subscribe.
type subscribes struct{ s *Socket }

// Subscribe asks for messages whose first frame starts with topic, which may
// have 65,526 octets. An empty one asks for all. Subscribing twice takes two
// Unsubscribes.
func (x subscribes) Subscribe(topic []byte) error { return x.s.Subscribe(topic) }

// Unsubscribe takes back one Subscribe. Of a topic that is not subscribed to it
// does nothing.
func (x subscribes) Unsubscribe(topic []byte) error { return x.s.Unsubscribe(topic) }

// A Push hands each message to one of its peers in turn.
type Push struct {
	ends
	sends
}

// A Pull receives messages from all its peers in turn.
type Pull struct {
	ends
	receives
}

// A Pub sends each message to every peer that subscribed to it.
type Pub struct {
	ends
	sends
}

// A Sub receives the messages that it subscribes to.
type Sub struct {
	ends
	receives
	subscribes
}

// An XPub is a Pub that also receives its peers' subscriptions, as messages of
// an octet 1, or 0 for the end of one, and the topic.
type XPub struct {
	ends
	sends
	receives
}

// ApplySubscription and ApplyCancel are for Options.XPubManual: they change
// what the peer whose subscription was received last is subscribed to.
func (x *XPub) ApplySubscription(topic []byte) error {
	return x.sends.s.applySubscription(topic, false)
}

// ApplyCancel takes back an ApplySubscription.
func (x *XPub) ApplyCancel(topic []byte) error { return x.sends.s.applySubscription(topic, true) }

// An XSub is a Sub that can also send messages to its publishers. A message
// that starts with an octet 1 or 0 subscribes or unsubscribes.
type XSub struct {
	ends
	sends
	receives
	subscribes
}

// A Req sends requests and receives the reply to each, in strict turns.
type Req struct {
	ends
	sends
	receives
}

// A Rep receives requests and sends the reply to each, in strict turns.
type Rep struct {
	ends
	sends
	receives
}

// A Dealer sends to its peers in turn and receives from all. It is a Req without
// the turns: its user writes the envelope.
type Dealer struct {
	ends
	sends
	receives
}

// A Router receives from all its peers, each message with the sender's routing
// id as an extra first frame, and sends to the one that the first frame names.
type Router struct {
	ends
	sends
	receives
}

// ConnectAs is [Socket.ConnectAs].
func (r *Router) ConnectAs(endpoint string, id []byte) error { return r.ends.s.ConnectAs(endpoint, id) }

// A Pair talks to exactly one peer.
type Pair struct {
	ends
	sends
	receives
}

// NewPush returns a Push. opts may be nil.
func NewPush(opts *Options) (*Push, error) {
	s, err := New(TypePush, opts)
	if err != nil {
		return nil, err
	}
	return &Push{ends{s}, sends{s}}, nil
}

// NewPull returns a Pull. opts may be nil.
func NewPull(opts *Options) (*Pull, error) {
	s, err := New(TypePull, opts)
	if err != nil {
		return nil, err
	}
	return &Pull{ends{s}, receives{s}}, nil
}

// NewPub returns a Pub. opts may be nil.
func NewPub(opts *Options) (*Pub, error) {
	s, err := New(TypePub, opts)
	if err != nil {
		return nil, err
	}
	return &Pub{ends{s}, sends{s}}, nil
}

// NewSub returns a Sub. opts may be nil.
func NewSub(opts *Options) (*Sub, error) {
	s, err := New(TypeSub, opts)
	if err != nil {
		return nil, err
	}
	return &Sub{ends{s}, receives{s}, subscribes{s}}, nil
}

// NewXPub returns an XPub. opts may be nil.
func NewXPub(opts *Options) (*XPub, error) {
	s, err := New(TypeXPub, opts)
	if err != nil {
		return nil, err
	}
	return &XPub{ends{s}, sends{s}, receives{s}}, nil
}

// NewXSub returns an XSub. opts may be nil.
func NewXSub(opts *Options) (*XSub, error) {
	s, err := New(TypeXSub, opts)
	if err != nil {
		return nil, err
	}
	return &XSub{ends{s}, sends{s}, receives{s}, subscribes{s}}, nil
}

// NewReq returns a Req. opts may be nil.
func NewReq(opts *Options) (*Req, error) {
	s, err := New(TypeReq, opts)
	if err != nil {
		return nil, err
	}
	return &Req{ends{s}, sends{s}, receives{s}}, nil
}

// NewRep returns a Rep. opts may be nil.
func NewRep(opts *Options) (*Rep, error) {
	s, err := New(TypeRep, opts)
	if err != nil {
		return nil, err
	}
	return &Rep{ends{s}, sends{s}, receives{s}}, nil
}

// NewDealer returns a Dealer. opts may be nil.
func NewDealer(opts *Options) (*Dealer, error) {
	s, err := New(TypeDealer, opts)
	if err != nil {
		return nil, err
	}
	return &Dealer{ends{s}, sends{s}, receives{s}}, nil
}

// NewRouter returns a Router. opts may be nil.
func NewRouter(opts *Options) (*Router, error) {
	s, err := New(TypeRouter, opts)
	if err != nil {
		return nil, err
	}
	return &Router{ends{s}, sends{s}, receives{s}}, nil
}

// NewPair returns a Pair. opts may be nil.
func NewPair(opts *Options) (*Pair, error) {
	s, err := New(TypePair, opts)
	if err != nil {
		return nil, err
	}
	return &Pair{ends{s}, sends{s}, receives{s}}, nil
}
