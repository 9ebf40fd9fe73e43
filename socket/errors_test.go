package socket

import (
	"context"
	"errors"
	"testing"
)

// TestNotSupported: what a type of socket does not do is an error that says so of
// that type, also where an untyped socket has a method for it. It costs no
// allocation where a program may try for each message.
func TestNotSupported(t *testing.T) {
	ctx, body := context.Background(), []byte("x")
	send := func(s *Socket) error { return s.SendBytes(ctx, body) }
	recv := func(s *Socket) error { _, err := s.Recv(ctx); return err }
	trySend := func(s *Socket) error { return s.TrySendBytes(body) }
	tryRecv := func(s *Socket) error { _, err := s.TryRecv(); return err }
	subscribe := func(s *Socket) error { return s.Subscribe(body) }
	for _, c := range []struct {
		typ  Type
		call func(s *Socket) error
		says string
		hot  bool
	}{
		{TypePull, send, "socket: a PULL does not send", true},
		{TypePull, trySend, "socket: a PULL does not send", true},
		{TypeSub, trySend, "socket: a SUB does not send; it subscribes by Subscribe", true},
		{TypePush, recv, "socket: a PUSH does not receive", true},
		{TypePush, tryRecv, "socket: a PUSH does not receive", true},
		{TypePub, tryRecv, "socket: a PUB does not receive; an XPUB receives subscriptions", true},
		{TypePub, subscribe, "socket: a PUB does not subscribe", false},
		{TypeXPub, subscribe, "socket: an XPUB does not subscribe", false},
		{TypeReq, func(s *Socket) error { return s.applySubscription(body, false) }, "socket: a REQ has no subscriptions of its peers to apply", false},
		{
			TypeDealer, func(s *Socket) error { return s.ConnectAs("tcp://127.0.0.1:1", body) },
			`socket: connect "tcp://127.0.0.1:1": socket: a DEALER gives its peers no routing ids`, false,
		},
	} {
		s, err := New(c.typ, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = c.call(s)
		if !errors.Is(err, ErrNotSupported) || err.Error() != c.says {
			t.Errorf("error %q, want %q", err, c.says)
		}
		if n := testing.AllocsPerRun(100, func() { _ = c.call(s) }); c.hot && n != 0 {
			t.Errorf("%q allocates %v times", err, n)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
