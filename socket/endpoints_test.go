package socket

import (
	"context"
	"fmt"
	"testing"

	"github.com/zeroring/zeroring/reactor"
	"github.com/zeroring/zeroring/zmtp"
)

// TestEndpointsAreForgotten: what was connected and taken back leaves nothing.
func TestEndpointsAreForgotten(t *testing.T) {
	onBackends(t, func(t *testing.T, e *Engine) {
		push := newSocket(t, e, TypePush, Options{})
		for i := range 10 {
			endpoint := fmt.Sprintf("ipc://@zeroring-nobody-%d", i)
			for range 2 {
				if err := push.Connect(endpoint); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if err := push.Disconnect(endpoint); err != nil {
					t.Fatal(err)
				}
			}
		}
		push.mu.Lock()
		defer push.mu.Unlock()
		if n := len(push.dialers); n != 0 {
			t.Errorf("%d endpoints are remembered", n)
		}
	})
}

// TestEndpointEndsByItself is the same for one that its connection gave up.
func TestEndpointEndsByItself(t *testing.T) {
	onBackends(t, func(t *testing.T, e *Engine) {
		pub := newSocket(t, e, TypePub, Options{})
		endpoint, err := pub.Bind("tcp://127.0.0.1:*")
		if err != nil {
			t.Fatal(err)
		}
		push := newSocket(t, e, TypePush, Options{Logger: quiet})
		ended := push.Events(patient(t))
		if err := push.Connect(endpoint); err != nil {
			t.Fatal(err)
		}
		for ev := range ended {
			if ev.Kind == EventDisconnected {
				break
			}
		}
		for ctx := patient(t); ; {
			push.mu.Lock()
			n, live := len(push.dialers), push.live
			push.mu.Unlock()
			if n == 0 && live == 0 {
				return
			}
			if ctx.Err() != nil {
				t.Fatalf("%d endpoints are remembered, %d connections", n, live)
			}
		}
	})
}

// TestDisconnectedTakesNothing: once Disconnect has returned nothing more is
// queued for that connection, though it may last until its queue is written.
func TestDisconnectedTakesNothing(t *testing.T) {
	x := newPorch(t, TypePull, reactor.Faults{})
	push, err := New(TypePush, &Options{Engine: x.s.engine, Linger: NoLinger})
	if err != nil {
		t.Fatal(err)
	}
	if err := push.Connect(x.ep); err != nil {
		t.Fatal(err)
	}
	sendBody(t, push, "before")
	if err := push.Disconnect(x.ep); err != nil {
		t.Fatal(err)
	}
	if push.outlet == nil {
		t.Fatal("the connection is over, so the test would see nothing")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := push.SendBytes(ended, []byte("after")); err != context.Canceled {
		t.Errorf("sending to nobody: %v", err)
	}
}

// TestDisconnectedGivesNothing: nothing is received of an inproc peer that this
// side has left, though it had seen more messages than it had taken.
func TestDisconnectedGivesNothing(t *testing.T) {
	e := quietEngine(t)
	far, near := newSocket(t, e, TypeDealer, Options{}), newSocket(t, e, TypeDealer, Options{})
	endpoint, err := far.Bind("inproc://left")
	if err != nil {
		t.Fatal(err)
	}
	if err := near.Connect(endpoint); err != nil {
		t.Fatal(err)
	}
	large := string(make([]byte, smallMessage)) // none is taken ahead, and a look sees all
	for range 3 {
		sendBody(t, far, large)
	}
	sendBody(t, near, "unread") // for which the other side stays
	wantBody(t, near, large)
	if err := near.Disconnect(endpoint); err != nil {
		t.Fatal(err)
	}
	if _, err := near.TryRecv(); err != ErrWouldBlock {
		t.Errorf("receiving from nobody: %v", err)
	}
}

// TestRetiredConnectionGetsNoPipe: a connection that the user takes back while its
// handshake goes on is not there for any message when that is done.
func TestRetiredConnectionGetsNoPipe(t *testing.T) {
	s := newSocket(t, quietEngine(t), TypePush, Options{})
	c := newSession(s, "tcp://nowhere:1")
	c.retired = true
	if err := s.connected(c, new(zmtp.Peer)); err != errEnded {
		t.Errorf("its handshake ends with %v, want %v", err, errEnded)
	}
	if len(s.pipes) != 0 {
		t.Error("it has a pipe")
	}
	c.sever()
}
