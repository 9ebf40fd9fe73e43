package socket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/zeroring/zeroring/socket"
)

// TestConnectBeforeBind: nobody need be there yet when a socket connects and
// sends.
func TestConnectBeforeBind(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		for _, k := range talks {
			if k.from == socket.TypeRouter || k.from == socket.TypePub || k.from == socket.TypeXPub {
				continue // who may send to nobody, so there is nothing to wait for
			}
			endpoint := b.endpoint(t)
			from := b.open(t, k.from)
			connectTo(t, from, endpoint)
			send(t, from, append(envelope(k.from, k.to), "early")...)
			to := b.open(t, k.to)
			bindTo(t, to, endpoint)
			if got := recv(t, to); got[len(got)-1] != "early" {
				t.Fatalf("%v: received %q", k, got)
			}
			closeNow(t, from)
			closeNow(t, to)
		}
	})
}

// TestSubscribeBeforeBind is the same for those who receive first.
func TestSubscribeBeforeBind(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		endpoint := b.endpoint(t)
		sub := b.open(t, socket.TypeSub)
		connectTo(t, sub, endpoint)
		subscribe(t, sub, "t")
		pub := b.open(t, socket.TypePub)
		bindTo(t, pub, endpoint)
		waitPeers(t, pub, 1)
		send(t, pub, "u, which nobody wants")
		send(t, pub, "topic")
		want(t, sub, "topic")
	})
}

// TestRebind closes the bound peer and binds another on the same endpoint, time
// and again: messages flow again, both ways.
func TestRebind(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		endpoint := b.endpoint(t)
		dealer := b.open(t, socket.TypeDealer)
		connectTo(t, dealer, endpoint)
		for i := range 10 {
			peer := b.open(t, socket.TypeDealer)
			bindTo(t, peer, endpoint)
			waitPeers(t, peer, 1)
			waitPeers(t, dealer, 1)
			send(t, dealer, fmt.Sprint("to ", i))
			want(t, peer, fmt.Sprint("to ", i))
			send(t, peer, fmt.Sprint("from ", i))
			want(t, dealer, fmt.Sprint("from ", i))
			closeNow(t, peer)
			untilDown(t, dealer)
		}
	})
}

// untilDown waits until s knows that none of its peers is there.
func untilDown(t testing.TB, s *socket.Socket) {
	t.Helper()
	until(t, "the peer is gone", func() bool {
		for _, p := range s.Stats().Peers {
			if p.Up {
				return false
			}
		}
		return true
	})
}

// TestQueueSurvivesReconnect: what was queued while the peer was away arrives
// at the one that comes instead, in order and once.
func TestQueueSurvivesReconnect(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		push := b.open(t, socket.TypePush)
		pull := b.open(t, socket.TypePull)
		endpoint := b.endpoint(t)
		bindTo(t, pull, endpoint)
		connectTo(t, push, endpoint)
		send(t, push, "before")
		want(t, pull, "before")
		closeNow(t, pull)
		untilDown(t, push)
		for i := range 500 {
			send(t, push, fmt.Sprint(i))
		}
		again := b.open(t, socket.TypePull)
		bindTo(t, again, endpoint)
		for i := range 500 {
			want(t, again, fmt.Sprint(i))
		}
	})
}

// TestCutMessage: a message that was written in part when the connection broke
// goes out on the next, whole, and those behind it follow.
func TestCutMessage(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		const size, count = 3 << 20, 3
		parts := []int{1, 2, 100, 1000, 200_000}
		if raced {
			parts = parts[3:]
		}
		for _, part := range parts {
			server := b.rawListen(t)
			push := b.open(t, socket.TypePush, func(o *socket.Options) { o.SendBuf = 64 << 10 }) // less than a message
			connectTo(t, push, server.endpoint)
			for i := range count {
				send(t, push, fmt.Sprint(i), string(bytes.Repeat([]byte{byte(i)}, size)))
			}
			c := server.accept(t)
			_ = server.Close()
			c.handshake(t, "PULL")
			c.hear(t, part)
			_ = c.Close()

			pull := b.open(t, socket.TypePull)
			bindTo(t, pull, server.endpoint)
			for i := range count {
				want(t, pull, fmt.Sprint(i), string(bytes.Repeat([]byte{byte(i)}, size)))
			}
			closeNow(t, push)
			closeNow(t, pull)
		}
	})
}

// TestSubscriptionsSurviveReconnect: a publisher that comes back is told of all
// subscriptions, with those made meanwhile and without those taken back, and
// of more than the high-water mark would let through.
func TestSubscriptionsSurviveReconnect(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		for _, k := range []talk{
			{from: socket.TypePub, to: socket.TypeSub},
			{from: socket.TypeXPub, to: socket.TypeXSub},
		} {
			const topics = 2000
			endpoint := b.endpoint(t)
			sub := b.open(t, k.to, func(o *socket.Options) { o.SendHWM, o.RecvHWM = 1, 10 })
			for i := range topics {
				subscribe(t, sub, fmt.Sprintf("%d.", i))
			}
			pub := b.open(t, k.from)
			bindTo(t, pub, endpoint)
			connectTo(t, sub, endpoint)
			waitPeers(t, pub, 1)
			closeNow(t, pub)
			untilDown(t, sub)
			subscribe(t, sub, "meanwhile")
			if err := sub.Unsubscribe([]byte("7.")); err != nil {
				t.Fatal(err)
			}

			pub = b.open(t, k.from)
			bindTo(t, pub, endpoint)
			until(t, "all subscriptions are back", func() bool {
				peers := pub.Stats().Peers
				return len(peers) == 1 && peers[0].Subscriptions == topics
			})
			send(t, pub, "7.", "taken back")
			send(t, pub, "1999.", "last")
			send(t, pub, "meanwhile", "new")
			want(t, sub, "1999.", "last")
			want(t, sub, "meanwhile", "new")
			closeNow(t, sub)
			closeNow(t, pub)
		}
	})
}

// TestPeerLost: a REQ whose peer goes without having replied is told, and can
// go on to the next request.
func TestPeerLost(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		endpoint := b.endpoint(t)
		req := b.open(t, socket.TypeReq)
		for i := range 5 {
			rep := b.open(t, socket.TypeRep)
			bindTo(t, rep, endpoint)
			if i == 0 || b.transport == "inproc" {
				connectTo(t, req, endpoint) // over inproc a peer that went is gone for good
			}
			send(t, req, "question")
			want(t, rep, "question")
			lost := make(chan error, 1)
			go func() {
				_, err := req.Recv(context.Background())
				lost <- err
			}()
			if i%2 == 0 {
				asleep(t, req, 0, 1)
			}
			closeNow(t, rep)
			wantError(t, "the peer is lost", soon(t, "Recv returns", lost), socket.ErrPeerLost)
			_, err := req.TryRecv()
			wantError(t, "without a request", err, socket.ErrState)
		}
		rep := b.open(t, socket.TypeRep)
		bindTo(t, rep, endpoint)
		if b.transport == "inproc" {
			connectTo(t, req, endpoint)
		}
		send(t, req, "question")
		want(t, rep, "question")
		send(t, rep, "answer")
		want(t, req, "answer")
	})
}

// TestPeerLostByBoundReq is the same where the REQ is the end that binds.
func TestPeerLostByBoundReq(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		req, rep := b.open(t, socket.TypeReq), b.open(t, socket.TypeRep)
		b.join(t, req, rep)
		send(t, req, "question")
		want(t, rep, "question")
		closeNow(t, rep)
		_, err := req.Recv(patient(t))
		wantError(t, "the peer is lost", err, socket.ErrPeerLost)
		wantError(t, "and nobody else is there", req.TrySendBytes([]byte("question")), socket.ErrWouldBlock)
	})
}

// TestReconnectStorm restarts the bound end again and again while the other
// sends, and wants each message at most once and in order; and in the end,
// with both there, each.
func TestReconnectStorm(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		restarts, each := 40, 20
		endpoint := b.endpoint(t)
		push := b.open(t, socket.TypePush, func(o *socket.Options) { o.SendHWM = 10 })
		connectTo(t, push, endpoint)
		ctx, stop := context.WithCancel(patient(t))
		sent := make(chan int, 1)
		go func() {
			n := 0
			for push.SendBytes(ctx, fmt.Append(nil, n)) == nil {
				n++
			}
			sent <- n
		}()
		last := -1
		next := func(pull *socket.Socket) {
			var n int
			if _, err := fmt.Sscan(recv(t, pull)[0], &n); err != nil || n <= last {
				t.Fatalf("received %d after %d, %v", n, last, err)
			}
			last = n
		}
		for range restarts {
			pull := b.open(t, socket.TypePull, func(o *socket.Options) { o.RecvHWM = 10 })
			bindTo(t, pull, endpoint)
			for range each {
				next(pull)
			}
			closeNow(t, pull)
		}
		stop()
		total := soon(t, "the sender stops", sent)
		pull := b.open(t, socket.TypePull)
		bindTo(t, pull, endpoint)
		send(t, push, fmt.Sprint(total))
		for last < total {
			next(pull)
		}
	})
}

// TestBothReconnect: either end of an endpoint can be replaced while other
// peers of the same socket are untouched.
func TestBothReconnect(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		pull := b.open(t, socket.TypePull)
		endpoint := b.bind(t, pull)
		steady := b.open(t, socket.TypePush)
		connectTo(t, steady, endpoint)
		for i := range 30 {
			guest := b.open(t, socket.TypePush, lingering(socket.Off))
			connectTo(t, guest, endpoint)
			send(t, guest, "guest")
			closeNow(t, guest)
			want(t, pull, "guest")
			send(t, steady, fmt.Sprint(i))
			want(t, pull, fmt.Sprint(i))
		}
		until(t, "the guests are gone", func() bool { return len(pull.Stats().Peers) == 1 })
	})
}

// TestNoReconnect: with ReconnectInterval Off there is one attempt.
func TestNoReconnect(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		push := b.open(t, socket.TypePush, func(o *socket.Options) { o.ReconnectInterval = socket.Off })
		events := watch(t, push)
		connectTo(t, push, b.endpoint(t))
		events.want(t, socket.EventDisconnected)
		until(t, "the connection is given up", func() bool { return len(push.Stats().Peers) == 0 })
		wantError(t, "sending to nobody", push.TrySendBytes([]byte("x")), socket.ErrWouldBlock)
	})
}

// TestDisconnectStopsConnecting: a connection that was taken back is not tried
// again.
func TestDisconnectStopsConnecting(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		endpoint := b.endpoint(t)
		push := b.open(t, socket.TypePush)
		connectTo(t, push, endpoint)
		if err := push.Disconnect(endpoint); err != nil {
			t.Fatal(err)
		}
		wantError(t, "again", push.Disconnect(endpoint), socket.ErrNotFound)
		until(t, "it is given up", func() bool { return len(push.Stats().Peers) == 0 })
		raw := b.rawListenAt(t, endpoint)
		done := make(chan error, 1)
		go func() {
			c, err := raw.Accept()
			if err == nil {
				_ = c.Close()
				err = errors.New("somebody connects all the same")
			}
			done <- err
		}()
		other := b.open(t, socket.TypePush) // proves that one who connects is seen
		connectTo(t, other, endpoint)
		if err := soon(t, "the other one connects", done); err == nil || len(push.Stats().Peers) > 0 {
			t.Fatal(err)
		}
	})
}

// TestTooLargeForPeer: a message that is larger than the peer takes does not block
// those behind it for ever.
func TestTooLargeForPeer(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		pull := b.open(t, socket.TypePull, func(o *socket.Options) { o.MaxMsgSize = 1000 })
		push := b.open(t, socket.TypePush)
		b.join(t, pull, push)
		send(t, push, "before")
		want(t, pull, "before")
		send(t, push, strings.Repeat("x", 20<<20)) // more than systems keep on the way
		// What is written just behind it may go with its connection, so the other
		// is sent until it comes.
		until(t, "what comes behind arrives", func() bool {
			_ = push.TrySendBytes([]byte("behind"))
			m, err := pull.TryRecv()
			return err == nil && unpack(m)[0] == "behind"
		})
	})
}

// TestInterruptedTwice: a message whose writing was interrupted is written anew,
// from its start, on the next connection; and if that too breaks, no more. The next
// then gets as many chances.
func TestInterruptedTwice(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		peer := b.rawListen(t)
		var log bytes.Buffer
		push := b.open(t, socket.TypePush, unlimited, func(o *socket.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		connectTo(t, push, peer.endpoint)
		large := strings.Repeat("x", 20<<20)
		for i := range 3 {
			send(t, push, fmt.Sprint(i), large)
		}
		for _, first := range []string{"0", "0", "1", "1"} {
			c := peer.accept(t)
			c.handshake(t, "PULL")
			if got := c.hear(t, 3+1000); got[0] != 1 || string(got[2:3]) != first {
				t.Fatalf("the connection starts with %q, want message %s", got[:10], first)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
		c := peer.accept(t)
		c.handshake(t, "PULL")
		if got := c.hear(t, 3+9+len(large)); string(got[2:3]) != "2" || string(got[12:]) != large {
			t.Errorf("the last connection starts with %q, want message 2", got[:10])
		}
		if st := push.Stats().Peers; len(st) != 1 || st[0].Dropped != 2 {
			t.Errorf("%+v", st)
		}
		closeNow(t, push)
		if lines := strings.Count(log.String(), "message dropped"); lines < 1 || lines > 2 || !strings.Contains(log.String(), fmt.Sprint("octets=", 3+9+len(large))) {
			t.Errorf("the log has:\n%s", log.String())
		}
	})
}
