package socket_test

import (
	"testing"

	"github.com/zeroring/zeroring/socket"
)

// Senders of one socket that wait for different peers: whoever's peer has room,
// or is gone, goes on, whoever has waited longer for another.

// full is a sender and two peers, A and B, with no room for either.
func (b *bed) full(t *testing.T, typ, peers socket.Type, option change) (s *socket.Socket, at map[string]*socket.Socket) {
	t.Helper()
	s = b.open(t, typ, option, func(o *socket.Options) { o.SendHWM = 1 })
	endpoint := b.bind(t, s)
	at = make(map[string]*socket.Socket)
	for _, name := range []string{"A", "B"} {
		p := b.open(t, peers, func(o *socket.Options) { o.RecvHWM, o.Identity = 1, []byte(name) })
		connectTo(t, p, endpoint)
		if peers == socket.TypeSub {
			subscribe(t, p, name)
		}
		at[name] = p
	}
	waitPeers(t, s, 2)
	for name := range at {
		for range 2 { // what both sides hold together
			send(t, s, name, "fills the queue")
		}
	}
	return s, at
}

func TestSendersWaitForTheirPeers(t *testing.T) {
	choosy := []struct {
		typ, peers socket.Type
		option     change
	}{
		{socket.TypeRouter, socket.TypeDealer, func(o *socket.Options) { o.RouterMandatory = true }},
		{socket.TypePub, socket.TypeSub, func(o *socket.Options) { o.XPubNoDrop = true }},
	}
	everywhere(t, []string{"inproc"}, func(t *testing.T, b *bed) {
		for _, c := range choosy {
			for _, leaves := range []bool{false, true} {
				s, at := b.full(t, c.typ, c.peers, c.option)
				sent := make(map[string]chan error)
				for i, name := range []string{"A", "B"} {
					sent[name] = make(chan error, 1)
					go func() { sent[name] <- s.SendParts(patient(t), []byte(name), []byte("waits")) }()
					asleep(t, s, i+1, 0)
				}
				if leaves {
					closeNow(t, at["B"])
				} else {
					recv(t, at["B"])
					recv(t, at["B"])
				}
				switch err := soon(t, "B's sender", sent["B"]); {
				case leaves && c.typ == socket.TypeRouter:
					wantError(t, "to a peer that left", err, socket.ErrNoRoute)
				case err != nil:
					t.Errorf("%v: %v", c.typ, err)
				}
				closeNow(t, s)
				wantError(t, "the other", soon(t, "A's sender", sent["A"]), socket.ErrClosed)
			}
		}
	})
}

// TestDisconnectWakes: who waits for a peer that this side gives up sees that,
// over every transport.
func TestDisconnectWakes(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		rep := b.open(t, socket.TypeRep)
		req := b.open(t, socket.TypeReq)
		endpoint := b.join(t, rep, req)
		send(t, req, "question")
		want(t, rep, "question")
		received := make(chan error, 1)
		go func() {
			_, err := req.Recv(patient(t))
			received <- err
		}()
		asleep(t, req, 0, 1)
		if err := req.Disconnect(endpoint); err != nil {
			t.Fatal(err)
		}
		wantError(t, "Recv", soon(t, "the receiver", received), socket.ErrPeerLost)
	})
	everywhere(t, []string{"inproc"}, func(t *testing.T, b *bed) {
		small := func(o *socket.Options) { o.SendHWM, o.RecvHWM, o.Identity, o.RouterMandatory = 1, 1, []byte("R"), true }
		far, near := b.open(t, socket.TypeRouter, small, func(o *socket.Options) { o.Identity = []byte("far") }), b.open(t, socket.TypeRouter, small)
		endpoint := b.join(t, far, near)
		send(t, near, "far", "1")
		send(t, near, "far", "2")
		sent := make(chan error, 1)
		go func() { sent <- near.SendParts(patient(t), []byte("far"), []byte("3")) }()
		asleep(t, near, 1, 0)
		if err := near.Disconnect(endpoint); err != nil {
			t.Fatal(err)
		}
		wantError(t, "Send", soon(t, "the sender", sent), socket.ErrNoRoute)
	})
}

// TestRetiringWakes: who waits for room towards a peer that this side gives up is
// told at once, though what is queued for that peer may go on being sent for ever.
func TestRetiringWakes(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		small := func(o *socket.Options) {
			o.SendHWM, o.Linger, o.RouterMandatory, o.XPubNoDrop = 1, socket.Off, true, true
		}
		router := b.open(t, socket.TypeRouter, small)
		t.Cleanup(func() { router.SetLinger(socket.NoLinger) }) // before it is closed
		endpoint := b.endpoint(t)
		if err := router.ConnectAs(endpoint, []byte("A")); err != nil {
			t.Fatal(err)
		}
		send(t, router, "A", "waits for somebody to bind")
		sent := make(chan error, 1)
		go func() { sent <- router.SendParts(patient(t), []byte("A"), []byte("no room")) }()
		asleep(t, router, 1, 0)
		if err := router.Disconnect(endpoint); err != nil {
			t.Fatal(err)
		}
		wantError(t, "Send", soon(t, "the ROUTER's sender", sent), socket.ErrNoRoute)
		if len(router.Stats().Peers) != 1 {
			t.Error("what is queued is given up")
		}
		pub := b.open(t, socket.TypePub, small)
		t.Cleanup(func() { pub.SetLinger(socket.NoLinger) })
		endpoint = b.bind(t, pub)
		stuck := rawDial(t, endpoint)
		stuck.handshake(t, "SUB")
		stuck.say(command([]byte("\x09SUBSCRIBE")))
		waitPeers(t, pub, 1)
		go func() {
			var err error
			for body := make([]byte, 1<<20); err == nil && len(pub.Stats().Peers) > 0; {
				if err = pub.TrySendBytes(body); err == socket.ErrWouldBlock {
					err = pub.SendBytes(patient(t), body)
					break
				}
			}
			sent <- err
		}()
		asleep(t, pub, 1, 0)
		if err := pub.Unbind(endpoint); err != nil {
			t.Fatal(err)
		}
		if err := soon(t, "the PUB's sender", sent); err != nil {
			t.Fatal(err)
		}
	})
}

// TestUnsubscribingWakes: who waits for a subscriber that does not want the message
// any more goes on, though that never makes room.
func TestUnsubscribingWakes(t *testing.T) {
	noDrop := func(o *socket.Options) { o.XPubNoDrop = true }
	everywhere(t, []string{"inproc"}, func(t *testing.T, b *bed) {
		pub, at := b.full(t, socket.TypePub, socket.TypeSub, noDrop)
		sent := make(chan error, 1)
		go func() { sent <- pub.SendParts(patient(t), []byte("A")) }()
		asleep(t, pub, 1, 0)
		if err := at["A"].Unsubscribe([]byte("A")); err != nil {
			t.Fatal(err)
		}
		if err := soon(t, "the sender", sent); err != nil {
			t.Error(err)
		}
	})
	everywhere(t, []string{"inproc"}, func(t *testing.T, b *bed) {
		manual, err := socket.NewXPub(&socket.Options{Engine: b.engine, SendHWM: 1, XPubNoDrop: true, XPubManual: true})
		if err != nil {
			t.Fatal(err)
		}
		pub := manual.Untyped()
		defer closeNow(t, pub)
		sub := b.open(t, socket.TypeSub, func(o *socket.Options) { o.RecvHWM = 1 })
		subscribe(t, sub, "A")
		connectTo(t, sub, b.bind(t, pub))
		want(t, pub, "\x01A")
		if err := manual.ApplySubscription([]byte("A")); err != nil {
			t.Fatal(err)
		}
		send(t, pub, "A1")
		send(t, pub, "A2")
		sent := make(chan error, 1)
		go func() { sent <- pub.SendParts(patient(t), []byte("A")) }()
		asleep(t, pub, 1, 0)
		if err := manual.ApplyCancel([]byte("A")); err != nil {
			t.Fatal(err)
		}
		if err := soon(t, "the XPUB's sender", sent); err != nil {
			t.Error(err)
		}
	})
}
