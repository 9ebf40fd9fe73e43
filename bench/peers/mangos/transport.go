package main

import (
	"sync"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/transport"
	"go.nanomsg.org/mangos/v3/transport/inproc"
	"go.nanomsg.org/mangos/v3/transport/ipc"
	"go.nanomsg.org/mangos/v3/transport/tcp"

	"github.com/zeroring/zeroring/bench"
)

// The library's transports, each behind one that counts messages at the gates
// of links. All else is left to them.
func init() {
	for _, t := range []transport.Transport{tcp.Transport, ipc.Transport, inproc.Transport} {
		transport.RegisterTransport(counted{t})
	}
}

// links has the link of each socket, of which a transport is told.
var links sync.Map

type counted struct{ transport.Transport }

func (c counted) NewDialer(url string, s mangos.Socket) (transport.Dialer, error) {
	d, err := c.Transport.NewDialer(url, s)
	return dialer{d, linkOf(s)}, err
}

func (c counted) NewListener(url string, s mangos.Socket) (transport.Listener, error) {
	l, err := c.Transport.NewListener(url, s)
	return listener{l, linkOf(s)}, err
}

func linkOf(s mangos.Socket) *link {
	l, _ := links.Load(s)
	return l.(*link)
}

type dialer struct {
	transport.Dialer
	link *link
}

func (d dialer) Dial() (transport.Pipe, error) { return d.link.count(d.Dialer.Dial()) }

type listener struct {
	transport.Listener
	link *link
}

func (l listener) Accept() (transport.Pipe, error) { return l.link.count(l.Listener.Accept()) }

// count has a connection's messages counted, where the link's kind needs it.
func (l *link) count(p transport.Pipe, err error) (transport.Pipe, error) {
	if err != nil {
		return nil, err
	}
	switch l.kind {
	case bench.Pusher:
		return sender{p, l.gate}, nil
	case bench.Publisher:
		return sender{p, newGate(l.hwm)}, nil
	case bench.Subscriber:
		return receiver{p, l.gate}, nil
	default:
		return p, nil
	}
}

// A sender is a connection whose gate messages enter in the link's Send, and
// leave when they are written. A PUSH has one gate for all its connections.
type sender struct {
	transport.Pipe
	gate *gate
}

func (s sender) Send(m *mangos.Message) error {
	err := s.Pipe.Send(m)
	s.gate.leave()
	return err
}

// optionGate is how a link asks for a connection's gate.
const optionGate = "bench-gate"

func (s sender) GetOption(name string) (any, error) {
	if name == optionGate {
		return s.gate, nil
	}
	return s.Pipe.GetOption(name)
}

// A receiver is a connection that reads no more than its link has room for.
// Each message enters, as a SUB asks for all there are.
type receiver struct {
	transport.Pipe
	gate *gate
}

func (r receiver) Recv() (*mangos.Message, error) {
	m, err := r.Pipe.Recv()
	if err == nil {
		r.gate.enter()
	}
	return m, err
}
