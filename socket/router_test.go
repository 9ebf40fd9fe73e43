package socket

import (
	"context"
	"runtime"
	"testing"
	"time"
)

// TestRouterRecvBeforeBind: a ROUTER does not read a peer before it knows its
// name, so who is in Recv by then must be woken when the peer comes.
func TestRouterRecvBeforeBind(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	router, err := New(TypeRouter, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer router.Close()
	dealer, err := New(TypeDealer, &Options{Identity: []byte("D")})
	if err != nil {
		t.Fatal(err)
	}
	defer dealer.Close()
	if err := router.Connect("inproc://" + t.Name()); err != nil {
		t.Fatal(err)
	}
	received := make(chan error, 1)
	go func() {
		m, err := router.Recv(ctx)
		if err == nil {
			if m.Len() != 2 || string(m.Frame(0)) != "D" {
				t.Errorf("got %q", m.parts())
			}
			m.Release()
		}
		received <- err
	}()
	for router.receiving.waiting.Load() == 0 && ctx.Err() == nil {
		runtime.Gosched()
	}
	if _, err := dealer.Bind("inproc://" + t.Name()); err != nil {
		t.Fatal(err)
	}
	if err := dealer.SendBytes(context.Background(), []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := <-received; err != nil {
		t.Errorf("nothing received: %v", err)
	}
}
