package socket

import (
	"context"
	"errors"
	"testing"
)

// TestTooLarge: a message that no queue can hold is refused by every way to
// send, before anything is copied, and the socket goes on working.
func TestTooLarge(t *testing.T) {
	e, err := NewEngine(&EngineOptions{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	push, err := NewPush(&Options{Engine: e})
	if err != nil {
		t.Fatal(err)
	}
	pull, err := NewPull(&Options{Engine: e})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pull.Bind("inproc://large"); err != nil {
		t.Fatal(err)
	}
	if err := push.Connect("inproc://large"); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	body := make([]byte, 1<<32) // never touched, so never backed by memory
	half := body[:1<<31]
	for name, err := range map[string]error{
		"SendBytes":             push.SendBytes(ctx, body),
		"TrySendBytes":          push.TrySendBytes(body),
		"SendParts":             push.SendParts(ctx, body),
		"SendParts, two halves": push.SendParts(ctx, half, half),
	} {
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: error %v, want ErrTooLarge", name, err)
		}
	}
	if n, err := push.SendBatch(ctx, [][]byte{{1}, body, {2}}); n != 1 || !errors.Is(err, ErrTooLarge) {
		t.Errorf("SendBatch: %d sent, error %v; want 1 and ErrTooLarge", n, err)
	}
	m, err := pull.Recv(ctx)
	if err != nil || m.Len() != 1 || m.Frame(0)[0] != 1 {
		t.Errorf("received %v, error %v", m, err)
	}
}
