package socket

import (
	"fmt"
	"testing"
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
