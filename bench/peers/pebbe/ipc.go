package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/bench/peers/internal/peer"
)

// Over ipc, libzmq loses the end of a stream whose sender closes while the
// receiver is at its high-water mark: it has stopped to read, epoll tells it of
// the hang-up all the same, and it drops the connection with what the kernel
// still holds. (Of tcp's half-closed connections epoll tells nothing.) So that
// nothing hangs up too early, a sender's descriptors are duplicated before it
// closes, and the duplicates closed when the receiver has read everything.

// A watch knows the descriptors of a socket's connections. It belongs to who
// closes the socket.
type watch struct {
	events *zmq4.Socket
}

var watches atomic.Uint64

// newWatch watches a socket of a kind that sends one way, over ipc; all others
// need none.
func newWatch(zmq *zmq4.Context, s *zmq4.Socket, k bench.Kind, j bench.Job) (*watch, error) {
	if j.Transport != bench.IPC || k != bench.Pusher && k != bench.Publisher {
		return nil, nil
	}
	at := fmt.Sprintf("inproc://watch%d", watches.Add(1))
	if err := s.Monitor(at, zmq4.EVENT_CONNECTED|zmq4.EVENT_ACCEPTED|zmq4.EVENT_DISCONNECTED); err != nil {
		return nil, err
	}
	events, err := zmq.NewSocket(zmq4.PAIR)
	if err != nil {
		return nil, err
	}
	w := &watch{events}
	if err := events.SetRcvhwm(0); err != nil {
		return w, err
	}
	return w, events.Connect(at)
}

// duplicate duplicates the descriptors of the connections that are there, and
// ends the watch.
func (w *watch) duplicate() (duplicates []int) {
	if w == nil {
		return nil
	}
	there := make(map[int]bool)
	for {
		event, _, fd, err := w.events.RecvEvent(zmq4.DONTWAIT)
		if err != nil {
			break
		}
		there[fd] = event != zmq4.EVENT_DISCONNECTED
	}
	_ = w.events.Close()
	for fd, connected := range there {
		if !connected {
			continue
		}
		if d, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err == nil {
			duplicates = append(duplicates, d)
		}
	}
	return duplicates
}

// hangUp closes descriptors once nothing is left that the peer has not read.
// The context has ended, so that libzmq writes nothing more.
func hangUp(duplicates []int) {
	deadline := time.Now().Add(peer.Linger)
	for _, fd := range duplicates {
		for time.Now().Before(deadline) {
			if n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ); err != nil || n == 0 {
				break
			}
			bench.Pause()
		}
		_ = unix.Close(fd)
	}
}
