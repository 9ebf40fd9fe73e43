package socket

import (
	"runtime"
	"testing"
	"time"
)

// TestSubscriberIsKilled: a publisher gives a subscriber up, for its too many
// topics, while that is in Subscribe and holds its locks.
func TestSubscriberIsKilled(t *testing.T) {
	e := quietEngine(t)
	pub := newSocket(t, e, TypePub, Options{})
	sub := newSocket(t, e, TypeSub, Options{})
	if _, err := pub.Bind("inproc://killed"); err != nil {
		t.Fatal(err)
	}
	if err := sub.Connect("inproc://killed"); err != nil {
		t.Fatal(err)
	}
	pub.sendMu.Lock()
	for p := range pub.pipes {
		p.kill() // as one topic too many does
	}
	pub.sendMu.Unlock()
	done := make(chan error, 1)
	go func() { done <- sub.Subscribe([]byte("one more")) }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("Subscribe hangs")
	}
	for limit := time.Now().Add(patience); len(pub.Stats().Peers)+len(sub.Stats().Peers) > 0; {
		if time.Now().After(limit) {
			t.Fatalf("still there: %+v, %+v", pub.Stats(), sub.Stats())
		}
		runtime.Gosched()
	}
}

// TestPeerLeavesWhileMeeting: an inproc peer leaves after the other side was
// told of it and before that has taken it in. Nothing of it stays.
func TestPeerLeavesWhileMeeting(t *testing.T) {
	e := quietEngine(t)
	owner := newSocket(t, e, TypePull, Options{})
	other := newSocket(t, e, TypePush, Options{})
	near, far := other.inprocPair(owner)
	other.attach(near, false)
	far.host = owner
	near.leave()
	owner.attach(far, true)
	if n := len(owner.pipes) + len(other.pipes); n != 0 {
		t.Errorf("%d pipes are left", n)
	}
}

// TestEmptiedPipeIsForgotten: a peer has left, its last message has been taken,
// and the one who took it looks for more, for others who wait.
func TestEmptiedPipeIsForgotten(t *testing.T) {
	x := newTandem(t)
	push, pull := x.push, x.pull
	sendBody(t, push, "last")
	if err := push.Close(); err != nil {
		t.Fatal(err)
	}
	wantBody(t, pull, "last")
	other := pull.receiving.add()
	pull.passOnRecv()
	pull.receiving.remove(other)
	if _, err := pull.TryRecv(); err != ErrWouldBlock {
		t.Fatal(err)
	}
	if n := len(pull.pipes); n != 0 {
		t.Errorf("%d pipes are left", n)
	}
}
