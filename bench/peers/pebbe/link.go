package main

import (
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/pebbe/zmq4"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/bench/peers/internal/peer"
)

// A link is a socket of libzmq, which must be used by one thread at a time.
type link struct {
	driver *driver
	kind   bench.Kind
	closed atomic.Bool  // set before Close locks, so that who waits in a call leaves
	once   sync.Once    // of Close
	mu     sync.Mutex   // held during each call of socket
	socket *zmq4.Socket // closed once closed is set
	watch  *watch       // of a sender's connections over ipc
}

// use calls f with the socket to itself, and again while f's time runs out.
func (l *link) use(f func() error) error {
	for {
		l.mu.Lock()
		if l.closed.Load() {
			l.mu.Unlock()
			return peer.ErrClosed
		}
		err := f()
		l.mu.Unlock()
		if !again(err) {
			return err
		}
	}
}

func again(err error) bool {
	return err != nil && zmq4.AsErrno(err) == zmq4.Errno(syscall.EAGAIN)
}

func (l *link) Bind(endpoint string) (at string, err error) {
	err = l.use(func() error {
		if err := l.socket.Bind(endpoint); err != nil {
			return err
		}
		at, err = l.socket.GetLastEndpoint()
		return err
	})
	return strings.TrimRight(at, "\x00"), err
}

func (l *link) Connect(endpoint string) error {
	return l.use(func() error { return l.socket.Connect(endpoint) })
}

func (l *link) Subscribe(topic []byte) error {
	return l.use(func() error { return l.socket.SetSubscribe(string(topic)) })
}

// Await counts what an XPUB receives: subscriptions, each starting with a 1.
func (l *link) Await(n int) error {
	if l.kind != bench.Publisher {
		return peer.NotSupported("waiting for the peers of a socket that is no XPUB")
	}
	for n > 0 {
		command, err := l.Recv()
		if err != nil {
			return err
		}
		if len(command) > 0 && command[0] == 1 {
			n--
		}
	}
	return nil
}

func (l *link) Send(body []byte) error {
	for {
		l.mu.Lock()
		if l.closed.Load() {
			l.mu.Unlock()
			return peer.ErrClosed
		}
		_, err := l.socket.SendBytes(body, 0)
		l.mu.Unlock()
		if !again(err) {
			return err
		}
	}
}

func (l *link) Recv() ([]byte, error) {
	for {
		l.mu.Lock()
		if l.closed.Load() {
			l.mu.Unlock()
			return nil, peer.ErrClosed
		}
		body, err := l.socket.RecvBytes(0)
		l.mu.Unlock()
		if !again(err) {
			return body, err
		}
	}
}

func (l *link) Echo() error {
	if l.kind == bench.Router {
		return l.use(l.echoRouted)
	}
	return l.use(func() error {
		body, err := l.socket.RecvBytes(0)
		if err != nil {
			return err
		}
		_, err = l.socket.SendBytes(body, 0)
		return err
	})
}

// echoRouted echoes two frames, the peer's identity and the body.
func (l *link) echoRouted() error {
	id, err := l.socket.RecvBytes(0)
	if err != nil {
		return err
	}
	body, err := l.socket.RecvBytes(0)
	if err != nil {
		return err
	}
	for {
		_, err = l.socket.SendBytes(id, zmq4.SNDMORE)
		if !again(err) {
			break
		}
		if l.closed.Load() {
			return peer.ErrClosed
		}
	}
	if err != nil {
		if zmq4.AsErrno(err) == zmq4.EHOSTUNREACH {
			return nil // the peer is gone, and its replies with it
		}
		return err
	}
	_, err = l.socket.SendBytes(body, 0)
	return err
}

// Close sends what is queued once the driver's last link is closed.
func (l *link) Close() (err error) {
	l.once.Do(func() {
		l.closed.Store(true)
		l.mu.Lock()
		defer l.mu.Unlock()
		duplicates := l.watch.duplicate()
		err = l.socket.Close()
		l.driver.release(duplicates)
	})
	return err
}
