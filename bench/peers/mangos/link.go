package main

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"go.nanomsg.org/mangos/v3"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/bench/peers/internal/peer"
)

type link struct {
	kind   bench.Kind
	socket mangos.Socket
	topics int
	hwm    int
	gate   *gate           // of a PUSH's queue, or a SUB's
	last   *mangos.Message // what Recv returned and the caller may look at
	once   sync.Once       // of Close

	mu      sync.Mutex
	changed sync.Cond
	closed  bool
	peers   int
	gates   atomic.Pointer[[]*gate] // of a PUB's connections; changed with mu held

	_ [128]byte // another link may be another processor's
}

// hook is told of connections that come and go.
func (l *link) hook(e mangos.PipeEvent, p mangos.Pipe) {
	l.mu.Lock()
	defer l.mu.Unlock()
	gates := slices.Clone(*l.gates.Load())
	g := gateOf(p)
	switch e {
	case mangos.PipeEventAttached:
		l.peers++
		if l.kind == bench.Publisher {
			gates = append(gates, g)
		}
	case mangos.PipeEventDetached:
		l.peers--
		if l.kind == bench.Publisher {
			gates = slices.DeleteFunc(gates, func(other *gate) bool { return other == g })
			g.unlock()
		}
		if l.kind == bench.Pusher && l.peers == 0 {
			l.gate.unlock() // nobody is there whom Close might wait for
		}
	}
	l.gates.Store(&gates)
	l.changed.Broadcast()
}

func gateOf(p mangos.Pipe) *gate {
	v, err := p.GetOption(optionGate)
	if err != nil {
		return nil
	}
	return v.(*gate)
}

func (l *link) Bind(endpoint string) (string, error) {
	tcp := strings.HasPrefix(endpoint, "tcp:")
	if tcp {
		endpoint = strings.Replace(endpoint, "*", "0", 1)
	}
	listener, err := l.socket.NewListener(endpoint, nil)
	if err != nil {
		return "", err
	}
	if err := listener.Listen(); err != nil {
		return "", err
	}
	if tcp {
		endpoint = listener.Address()
	}
	return endpoint, nil
}

// Connect returns when the connection is there.
func (l *link) Connect(endpoint string) error { return l.socket.Dial(endpoint) }

func (l *link) Subscribe(topic []byte) error {
	return l.socket.SetOption(mangos.OptionSubscribe, topic)
}

// Await waits for connections. The publisher is not told of subscriptions: each
// SUB filters by itself what it receives, and had them before it connected.
func (l *link) Await(n int) error {
	n = (n + l.topics - 1) / l.topics
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.peers < n {
		if l.closed {
			return peer.ErrClosed
		}
		l.changed.Wait()
	}
	return nil
}

func (l *link) Send(body []byte) error {
	switch l.kind {
	case bench.Pusher:
		l.gate.enter()
	case bench.Publisher:
		for _, g := range *l.gates.Load() {
			g.enter()
		}
	}
	m := mangos.NewMessage(len(body))
	m.Body = append(m.Body, body...)
	err := l.socket.SendMsg(m)
	if err != nil {
		m.Free()
	}
	return err
}

func (l *link) Recv() ([]byte, error) {
	l.last.Free()
	l.last = nil
	m, err := l.socket.RecvMsg()
	if err != nil {
		return nil, err
	}
	if l.kind == bench.Subscriber {
		l.gate.leave()
	}
	l.last = m
	return m.Body, nil
}

// Echo sends the message that it received.
func (l *link) Echo() error {
	m, err := l.socket.RecvMsg()
	if err != nil {
		return err
	}
	if err := l.socket.SendMsg(m); err != nil {
		m.Free()
		return err
	}
	return nil
}

// Close waits until what was sent is written, as the library would drop it.
func (l *link) Close() (err error) {
	l.once.Do(func() {
		switch l.kind {
		case bench.Pusher:
			l.gate.drain(peer.Linger)
		case bench.Publisher:
			for _, g := range *l.gates.Load() {
				g.drain(peer.Linger)
			}
		case bench.Subscriber:
			l.gate.unlock()
		}
		l.mu.Lock()
		l.closed = true
		l.changed.Broadcast()
		l.mu.Unlock()
		err = l.socket.Close()
	})
	return err
}
