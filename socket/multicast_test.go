package socket

import (
	"context"
	"fmt"
	"testing"
	"time"
)

func TestMulticastLoopback(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	e, err := NewEngine(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	sub, err := NewSub(&Options{Engine: e})
	if err != nil {
		t.Fatal(err)
	}
	sub.Subscribe(nil)
	at := "epgm://127.0.0.1;239.192.77.1:7701"
	if err := sub.Connect(at); err != nil {
		t.Fatal(err)
	}
	pub, err := NewPub(&Options{Engine: e, XPubNoDrop: true, Multicast: MulticastOptions{Rate: -1}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pub.Bind(at); err != nil {
		t.Fatal(err)
	}
	const n = 200000
	go func() {
		for i := range n {
			if err := pub.SendBytes(ctx, fmt.Appendf(nil, "message %d", i)); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	start := time.Now()
	for i := range n {
		m, err := sub.Recv(ctx)
		if err != nil {
			t.Fatalf("%d: %v %+v", i, err, sub.Stats().Peers[0].Multicast)
		}
		if string(m.Frame(0)) != fmt.Sprintf("message %d", i) {
			t.Fatalf("%d: %q", i, m.Frame(0))
		}
		m.Release()
	}
	t.Log(time.Since(start))
	st := sub.Stats().Peers[0].Multicast
	t.Logf("%+v", st)
	st = pub.Stats().Peers[0].Multicast
	t.Logf("%+v", st.Source)
}
