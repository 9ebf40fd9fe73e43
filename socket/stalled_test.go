package socket

import (
	"errors"
	"testing"
)

// A crowdedXPub is an XPUB with XPubNoDrop whose user has not received the notices
// that its subscriber, an XSUB, has sent: it reads no further.
type crowdedXPub struct {
	t         *testing.T
	pub, peer *Socket
}

func newCrowdedXPub(t *testing.T, topics ...string) *crowdedXPub {
	t.Helper()
	e := quietEngine(t)
	x := &crowdedXPub{t: t, pub: newSocket(t, e, TypeXPub, Options{SendHWM: 1, XPubNoDrop: true}), peer: newSocket(t, e, TypeXSub, Options{RecvHWM: 1})}
	if _, err := x.pub.Bind("inproc://x"); err != nil {
		t.Fatal(err)
	}
	if err := x.peer.Connect("inproc://x"); err != nil {
		t.Fatal(err)
	}
	for _, topic := range topics {
		if err := x.peer.Subscribe([]byte(topic)); err != nil {
			t.Fatal(err)
		}
	}
	for range maxNotices - len(topics) {
		if err := x.peer.TrySendBytes([]byte("notice")); err != nil {
			t.Fatal(err)
		}
	}
	if !x.pub.pat.(*xpub).stalled {
		t.Fatal("it reads on")
	}
	return x
}

// resume receives until the XPUB reads on.
func (x *crowdedXPub) resume() {
	x.t.Helper()
	for x.pub.pat.(*xpub).stalled {
		m, err := x.pub.TryRecv()
		if err != nil {
			x.t.Fatal(err)
		}
		m.Release()
	}
}

// TestStalledUnsubscribeWakes: who waits for a subscriber to have room goes on when
// it is found, late, that this one has unsubscribed.
func TestStalledUnsubscribeWakes(t *testing.T) {
	x := newCrowdedXPub(t, "A")
	var err error
	for err == nil {
		err = x.pub.TrySendBytes([]byte("A"))
	}
	if !errors.Is(err, ErrWouldBlock) {
		t.Fatal(err)
	}
	if err := x.peer.Unsubscribe([]byte("A")); err != nil {
		t.Fatal(err)
	}
	if err := x.pub.TrySendBytes([]byte("A")); !errors.Is(err, ErrWouldBlock) {
		t.Fatalf("the unsubscription was not held back: %v", err)
	}
	w := x.pub.sending.add()
	x.resume()
	select {
	case <-w.woken:
		x.pub.sending.done(w)
	default:
		t.Error("the sender sleeps")
		x.pub.sending.remove(w)
	}
	if err := x.pub.TrySendBytes([]byte("A")); err != nil {
		t.Error(err)
	}
}

// TestStalledSubscribeWakes: who waits for subscribers learns of one whose
// subscription is taken in late.
func TestStalledSubscribeWakes(t *testing.T) {
	x := newCrowdedXPub(t)
	if err := x.peer.Subscribe([]byte("A")); err != nil {
		t.Fatal(err)
	}
	changed := make(chan struct{})
	x.pub.mu.Lock()
	x.pub.changed = changed
	there := x.pub.peers()
	x.pub.mu.Unlock()
	if there != 0 {
		t.Fatal("the subscription was not held back")
	}
	x.resume()
	select {
	case <-changed:
	default:
		t.Error("who waits for it is not told")
	}
	if err := x.pub.WaitPeers(patient(t), 1); err != nil {
		t.Error(err)
	}
}

// TestStalledPeerIsKilled: a peer that wants too much leaves when that is found,
// late.
func TestStalledPeerIsKilled(t *testing.T) {
	x := newCrowdedXPub(t)
	x.pub.mu.Lock()
	for p := range x.pub.pipes {
		p.topicOctets = maxTopicOctets
	}
	x.pub.mu.Unlock()
	if err := x.peer.Subscribe([]byte("A")); err != nil {
		t.Fatal(err)
	}
	x.resume()
	x.pub.sendMu.Lock()
	doomed := len(x.pub.doomed)
	x.pub.sendMu.Unlock()
	if doomed != 0 {
		t.Error("nobody ends its connection")
	}
}
