package socket

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// A reply that arrived is the reply, though the peer that sent it is gone by
// the time it is asked for. The REQ has looked before, so that it is the news
// of the reply and not the reply itself that could be overtaken.
func TestReqTakesTheLastReplyOfAPeerThatLeft(t *testing.T) {
	abstract := fmt.Sprintf("ipc://@zeroring-last-reply-%d", os.Getpid()) // the name is the whole system's
	for _, endpoint := range []string{"inproc://last-reply", abstract, "tcp://127.0.0.1:*"} {
		t.Run(endpoint, func(t *testing.T) {
			e, err := NewEngine(nil)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			ctx := context.Background()
			rep, err := NewRep(&Options{Engine: e})
			if err != nil {
				t.Fatal(err)
			}
			at, err := rep.Bind(endpoint)
			if err != nil {
				t.Fatal(err)
			}
			req, err := NewReq(&Options{Engine: e})
			if err != nil {
				t.Fatal(err)
			}
			if err := req.Connect(at); err != nil {
				t.Fatal(err)
			}
			if err := req.SendBytes(ctx, []byte("question")); err != nil {
				t.Fatal(err)
			}
			if _, err := req.TryRecv(); err != ErrWouldBlock {
				t.Fatalf("before the reply: %v", err)
			}
			m, err := rep.Recv(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := rep.Send(ctx, m); err != nil {
				t.Fatal(err)
			}
			if err := rep.Close(); err != nil {
				t.Fatal(err)
			}
			m, err = req.Recv(ctx)
			if err != nil || string(m.Frame(0)) != "question" {
				t.Fatalf("%v, %v", m, err)
			}
			m.Release()
		})
	}
}
