package main

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-zeromq/zmq4"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/bench/peers/internal/peer"
)

type link struct {
	kind   bench.Kind
	socket zmq4.Socket
	stamp  bench.Stamp
	bound  uint64 // of what a publisher may have in flight
	copies bool   // whether what is sent is read after Send has returned
	closed atomic.Bool
	once   sync.Once // of Close

	// Of a subscriber, by the goroutine that receives.
	subscriptions uint64
	received      uint64
	id            uint64

	// Of a publisher.
	ledger *ledger
	sent   atomic.Uint64
}

func (l *link) Bind(endpoint string) (string, error) {
	tcp := strings.HasPrefix(endpoint, "tcp:")
	if tcp {
		endpoint = strings.Replace(endpoint, "*", "0", 1)
	}
	if err := l.socket.Listen(endpoint); err != nil {
		return "", err
	}
	if tcp {
		endpoint = "tcp://" + l.socket.Addr().String()
	}
	return endpoint, nil
}

// Connect returns when the connection is there.
func (l *link) Connect(endpoint string) error {
	if err := l.socket.Dial(endpoint); err != nil {
		return err
	}
	if l.kind == bench.Subscriber {
		return l.hello()
	}
	return nil
}

// Subscribe is called before Connect, which then says hello with all of them.
func (l *link) Subscribe(topic []byte) error {
	l.subscriptions++
	return l.socket.SetOption(zmq4.OptionSubscribe, string(topic))
}

func (l *link) Await(n int) error {
	if l.kind != bench.Publisher {
		return peer.NotSupported("waiting for the peers of a socket that is no XPUB")
	}
	return l.ledger.await(uint64(n))
}

func (l *link) Send(body []byte) error {
	if l.ledger != nil {
		if err := l.ledger.room(l.sent.Add(1), l.bound); err != nil {
			return err
		}
	}
	if l.copies {
		body = bytes.Clone(body)
	}
	return l.socket.SendMulti(zmq4.NewMsg(body))
}

func (l *link) Recv() ([]byte, error) {
	m, err := l.recv()
	if err != nil {
		return nil, err
	}
	body := m.Frames[len(m.Frames)-1]
	if l.kind == bench.Subscriber {
		l.received++
		if _, end := l.stamp.IsEnd(body); end || l.received%acknowledged(l.bound) == 0 {
			err = l.acknowledge()
		}
	}
	return body, err
}

// recv receives a message with all its frames. That one peer has gone is an
// error of Recv, after which there may be messages of others; but a REQ has only
// the one it asked.
func (l *link) recv() (zmq4.Msg, error) {
	for {
		m, err := l.socket.Recv()
		switch {
		case l.closed.Load():
			return m, peer.ErrClosed
		case err == nil && len(m.Frames) > 0:
			return m, nil
		case l.kind == bench.Requester && err != nil:
			return m, err
		}
	}
}

// Echo returns all frames, for a ROUTER the identity too.
func (l *link) Echo() error {
	m, err := l.recv()
	if err != nil {
		return err
	}
	return l.socket.SendMulti(m)
}

// Close waits for a publisher's queue. All others have written what they sent;
// only inproc then loses what is not yet read. That a peer closed first is an
// error of the library's.
func (l *link) Close() (err error) {
	l.once.Do(func() {
		if l.ledger != nil {
			l.ledger.close(l.sent.Load())
		}
		l.closed.Store(true)
		if err = l.socket.Close(); errors.Is(err, net.ErrClosed) {
			err = nil
		}
	})
	return err
}
