package socket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/zeroring/zeroring/socket"
)

func marks(send, recv int) change {
	return func(o *socket.Options) { o.SendHWM, o.RecvHWM = send, recv }
}

// waiters are the talks whose sender waits for room.
var waiters = []talk{
	{socket.TypePush, socket.TypePull, false},
	{socket.TypeDealer, socket.TypeDealer, true},
	{socket.TypeDealer, socket.TypeRouter, true},
	{socket.TypePair, socket.TypePair, true},
}

// TestHWM: with nobody there to take them, exactly SendHWM messages are
// queued, and the next waits until there is.
func TestHWM(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		for _, hwm := range []int{1, 2, 10, 0} {
			for _, k := range waiters {
				from := b.open(t, k.from, marks(hwm, 0))
				endpoint := b.endpoint(t)
				connectTo(t, from, endpoint)
				room := hwm
				if hwm == 0 {
					room = 1000
				}
				if n := fill(t, from); n != room {
					t.Fatalf("%v: SendHWM %d took %d messages", k, hwm, n)
				}
				wantError(t, "TrySendParts", from.TrySendParts([]byte("x"), []byte("y")), socket.ErrWouldBlock)
				wantError(t, "TrySend", from.TrySend(socket.NewMessage([]byte("x"))), socket.ErrWouldBlock)
				done := make(chan error, 1)
				go func() { done <- from.SendBytes(patient(t), []byte("waits")) }()
				asleep(t, from, 1, 0)

				to := b.open(t, k.to)
				bindTo(t, to, endpoint)
				for i := range room {
					if got := recv(t, to); got[len(got)-1] != fmt.Sprint(i) {
						t.Fatalf("%v: received %q, want %d", k, got, i)
					}
				}
				if err := soon(t, "Send returns", done); err != nil {
					t.Fatal(err)
				}
				if got := recv(t, to); got[len(got)-1] != "waits" {
					t.Fatalf("%v: received %q", k, got)
				}
				closeNow(t, from)
				closeNow(t, to)
			}
		}
	})
}

// TestHWMAddsUp: over inproc there is one queue, of both ends' high-water
// marks, and none if either end has none.
func TestHWMAddsUp(t *testing.T) {
	everywhere(t, []string{"inproc"}, func(t *testing.T, b *bed) {
		for _, k := range waiters {
			for _, senderBinds := range []bool{true, false} {
				from, to := b.open(t, k.from, marks(7, 1)), b.open(t, k.to, marks(1, 5))
				if senderBinds {
					b.join(t, from, to)
				} else {
					b.join(t, to, from)
				}
				if n := fill(t, from); n != 12 {
					t.Fatalf("%v: 7 and 5 took %d messages", k, n)
				}
				to.SetRecvHWM(8)
				if n := fill(t, from); n != 3 {
					t.Fatalf("%v: 3 more took %d", k, n)
				}
				from.SetSendHWM(17)
				if n := fill(t, from); n != 10 {
					t.Fatalf("%v: 10 more took %d", k, n)
				}
				for range 25 {
					recv(t, to)
				}
				// Room is given back by halves of the mark, and all of it when the
				// receiver finds nothing more.
				_, err := to.TryRecv()
				wantError(t, "emptied", err, socket.ErrWouldBlock)
				if n := fill(t, from); n != 25 {
					t.Fatalf("%v: emptied, 25 took %d", k, n)
				}
				to.SetRecvHWM(-1)
				for range 10_000 {
					if err := from.TrySendBytes([]byte("x")); err != nil {
						t.Fatalf("%v: without a limit: %v", k, err)
					}
				}
				closeNow(t, from)
				closeNow(t, to)
			}
		}
	})
}

// TestSetSendHWM raises and lowers the mark of a full queue: who waits goes on,
// and nothing is lost.
func TestSetSendHWM(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		s, endpoint, sent := fullSocket(t, b)
		done := make(chan error, 1)
		go func() { done <- s.SendBytes(patient(t), fmt.Append(nil, sent)) }()
		asleep(t, s, 1, 0)
		s.SetSendHWM(sent + 10)
		if err := soon(t, "Send returns", done); err != nil {
			t.Fatal(err)
		}
		sent++
		for ; ; sent++ {
			if err := s.TrySendBytes(fmt.Append(nil, sent)); err != nil {
				wantError(t, "full again", err, socket.ErrWouldBlock)
				break
			}
		}
		if sent != 15 {
			t.Fatalf("%d messages taken, want 15", sent)
		}
		s.SetSendHWM(2)
		wantError(t, "lowered", s.TrySendBytes([]byte("x")), socket.ErrWouldBlock)
		peer := b.open(t, socket.TypeDealer)
		bindTo(t, peer, endpoint)
		for i := range sent {
			want(t, peer, fmt.Sprint(i))
		}
		send(t, s, "after")
		want(t, peer, "after")
	})
}

// TestBackpressure: over a wire a sender stops soon after the receiver does, at
// both high-water marks and what the kernel and one buffer hold, and goes on
// with it, without loss.
func TestBackpressure(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		const hwm, size, count = 5, 100_000, 100
		buffers := func(o *socket.Options) { o.SendHWM, o.RecvHWM, o.SendBuf, o.RecvBuf = hwm, hwm, 32<<10, 32<<10 }
		from, to := talk{from: socket.TypePush, to: socket.TypePull}.ends(t, b, true, buffers)
		var sent atomic.Int64
		done := make(chan error, 1)
		go func() {
			for i := range count {
				if err := from.SendBytes(patient(t), bytes.Repeat([]byte{byte(i)}, size)); err != nil {
					done <- err
					return
				}
				sent.Add(1)
			}
			done <- nil
		}()
		for received := range count {
			if received < count/2 {
				asleep(t, from, 1, 0) // so it does stop
			}
			if ahead := int(sent.Load()) - received; ahead > 2*hwm+10 {
				t.Fatalf("%d messages ahead of the receiver", ahead)
			}
			if got := recv(t, to)[0]; len(got) != size || got[0] != byte(received) || got[size-1] != byte(received) {
				t.Fatalf("message %d is damaged", received)
			}
		}
		if err := soon(t, "the sender ends", done); err != nil {
			t.Fatal(err)
		}
	})
}

// TestPubDrops: a PUB never waits. What a subscriber has no room for is dropped
// for that one, whole, and counted; others are not concerned.
func TestPubDrops(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		pub := b.open(t, socket.TypePub, marks(10, 0), func(o *socket.Options) { o.SendBuf, o.RecvBuf = 8<<10, 8<<10 })
		endpoint := b.bind(t, pub)
		slow := b.open(t, socket.TypeSub, marks(0, 10), func(o *socket.Options) { o.SendBuf, o.RecvBuf = 8<<10, 8<<10 })
		quick := b.open(t, socket.TypeSub, marks(0, 10))
		for _, s := range []*socket.Socket{slow, quick} {
			subscribe(t, s, "")
			connectTo(t, s, endpoint)
		}
		waitPeers(t, pub, 2)
		const count = 500
		body := make([]byte, 5000)
		for i := range count {
			send(t, pub, fmt.Sprint(i), string(body))
			want(t, quick, fmt.Sprint(i), string(body))
		}
		var dropped, delivered uint64
		for _, p := range pub.Stats().Peers {
			if p.Sent+p.Dropped != count {
				t.Fatalf("of %d messages %d sent and %d dropped", count, p.Sent, p.Dropped)
			}
			if p.Dropped > 0 {
				dropped, delivered = p.Dropped, p.Sent
			}
		}
		if dropped == 0 || b.transport == "inproc" && delivered != 20 {
			t.Fatalf("%d messages sent to a subscriber that takes 20, %d dropped", delivered, dropped)
		}
		last := -1
		for range delivered {
			var i int
			got := recv(t, slow)
			if _, err := fmt.Sscan(got[0], &i); err != nil || i <= last || len(got) != 2 || len(got[1]) != len(body) {
				t.Fatalf("after message %d: %s, %v", last, brief(got), err)
			}
			last = i
		}
		send(t, pub, "room again")
		want(t, slow, "room again")
	})
}

// TestNoDrop: with XPubNoDrop a PUB waits for its slowest subscriber.
func TestNoDrop(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		noDrop := func(o *socket.Options) { o.XPubNoDrop = true }
		pub := b.open(t, socket.TypePub, marks(5, 0), noDrop)
		endpoint := b.bind(t, pub)
		subs := []*socket.Socket{b.open(t, socket.TypeSub, marks(0, 5)), b.open(t, socket.TypeSub, marks(0, 5))}
		for _, s := range subs {
			subscribe(t, s, "")
			connectTo(t, s, endpoint)
		}
		waitPeers(t, pub, len(subs))
		const count = 2000
		done := make(chan error, 1)
		go func() {
			for i := range count {
				if err := pub.SendParts(patient(t), fmt.Append(nil, i), make([]byte, 1000)); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		for i := range count {
			for _, s := range subs {
				if got := recv(t, s); got[0] != fmt.Sprint(i) {
					t.Fatalf("received %s, want %d", got[0], i)
				}
			}
		}
		if err := soon(t, "the sender ends", done); err != nil {
			t.Fatal(err)
		}
		if b.transport == "inproc" {
			for _, s := range subs {
				_, err := s.TryRecv() // see TestHWMAddsUp
				wantError(t, "emptied", err, socket.ErrWouldBlock)
			}
			if n := fill(t, pub); n != 10 {
				t.Fatalf("5 and 5 took %d messages", n)
			}
		}
		for _, p := range pub.Stats().Peers {
			if p.Dropped != 0 {
				t.Fatalf("%d dropped", p.Dropped)
			}
		}
	})
}

// TestConflate: of all that is sent while nobody takes it, the last is left.
func TestConflate(t *testing.T) {
	conflate := func(o *socket.Options) { o.Conflate = true }
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		for _, k := range []talk{
			{from: socket.TypePush, to: socket.TypePull},
			{from: socket.TypeDealer, to: socket.TypeDealer},
		} {
			from := b.open(t, k.from, conflate)
			endpoint := b.endpoint(t)
			connectTo(t, from, endpoint)
			for i := range 2500 { // each way of sending ends with the last
				send(t, from, "old", fmt.Sprint(i))
				if err := from.SendBytes(patient(t), []byte(fmt.Sprint(i))); err != nil {
					t.Fatal(err)
				}
			}
			to := b.open(t, k.to, conflate)
			bindTo(t, to, endpoint)
			want(t, to, "2499")
			send(t, from, "new")
			want(t, to, "new")
			_, err := to.TryRecv()
			wantError(t, "nothing else", err, socket.ErrWouldBlock)
			closeNow(t, from)
			closeNow(t, to)
		}
	})
}

// TestConflateReceiver: one that is slow gets ever newer messages, and the
// last of all.
func TestConflateReceiver(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		pub := b.open(t, socket.TypePub, marks(-1, 0))
		endpoint := b.bind(t, pub)
		sub := b.open(t, socket.TypeSub, func(o *socket.Options) { o.Conflate = true })
		subscribe(t, sub, "")
		connectTo(t, sub, endpoint)
		waitPeers(t, pub, 1)
		const count = 5000
		for i := range count {
			send(t, pub, fmt.Sprint(i))
		}
		got := 0
		for last := -1; last != count-1; got++ {
			var i int
			if _, err := fmt.Sscan(recv(t, sub)[0], &i); err != nil || i <= last {
				t.Fatalf("received %d after %d, %v", i, last, err)
			}
			last = i
		}
		if b.transport == "inproc" && got != 1 {
			t.Fatalf("%d messages, of which all but one were old", got)
		}
		_, err := sub.TryRecv()
		wantError(t, "nothing else", err, socket.ErrWouldBlock)
	})
}

// TestConflateSubscribers: each of several gets the last of all, whether the
// message is copied for each or shared.
func TestConflateSubscribers(t *testing.T) {
	everywhere(t, []string{"inproc"}, func(t *testing.T, b *bed) {
		pub := b.open(t, socket.TypePub, func(o *socket.Options) { o.Conflate = true })
		endpoint := b.bind(t, pub)
		subs := []*socket.Socket{b.open(t, socket.TypeSub), b.open(t, socket.TypeSub)}
		for _, s := range subs {
			subscribe(t, s, "")
			connectTo(t, s, endpoint)
		}
		waitPeers(t, pub, len(subs))
		for _, size := range []int{0, 10_000} {
			rest := string(make([]byte, size))
			for i := range 5 {
				send(t, pub, fmt.Sprint(i), rest)
			}
			for _, s := range subs {
				want(t, s, "4", rest)
				_, err := s.TryRecv()
				wantError(t, "nothing else", err, socket.ErrWouldBlock)
			}
		}
	})
}

// TestConflateTypes: it is for some types only.
func TestConflateTypes(t *testing.T) {
	for _, typ := range everyType {
		var option *socket.OptionError
		s, err := socket.New(typ, &socket.Options{Conflate: true})
		switch typ {
		case socket.TypePush, socket.TypePull, socket.TypePub, socket.TypeSub, socket.TypeDealer:
			if err != nil {
				t.Errorf("%v: %v", typ, err)
			} else {
				closeNow(t, s)
			}
		default:
			if !errors.As(err, &option) || option.Option != "Conflate" {
				t.Errorf("%v: %v", typ, err)
			}
		}
	}
}

// TestImmediate: with it messages go only to peers that are there; without,
// half of them wait for the one that is not.
func TestImmediate(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		for _, immediate := range []bool{true, false} {
			push := b.open(t, socket.TypePush, func(o *socket.Options) { o.Immediate = immediate })
			absent := b.endpoint(t)
			connectTo(t, push, absent)
			err := push.TrySendBytes([]byte("nobody is there"))
			if immediate {
				wantError(t, "without a peer", err, socket.ErrWouldBlock)
			} else if err != nil {
				t.Fatal(err)
			}
			pull := b.open(t, socket.TypePull)
			connectTo(t, push, b.bind(t, pull))
			waitPeers(t, push, 1)
			const count = 100
			for i := range count {
				send(t, push, fmt.Sprint(i))
			}
			late := b.open(t, socket.TypePull)
			bindTo(t, late, absent)
			if immediate {
				for i := range count {
					want(t, pull, fmt.Sprint(i))
				}
				waitPeers(t, push, 2)
				send(t, push, "shared")
				send(t, push, "shared")
				want(t, late, "shared")
				want(t, pull, "shared")
			} else {
				want(t, late, "nobody is there")
				for range count / 2 {
					recv(t, pull)
					recv(t, late)
				}
			}
			closeNow(t, push)
			closeNow(t, pull)
			closeNow(t, late)
		}
	})
}

// TestImmediateLosesPeer: once the only peer is lost, senders wait for the next.
func TestImmediateLosesPeer(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		endpoint := b.endpoint(t)
		push := b.open(t, socket.TypePush, func(o *socket.Options) { o.Immediate = true })
		pull := b.open(t, socket.TypePull)
		bindTo(t, pull, endpoint)
		connectTo(t, push, endpoint)
		waitPeers(t, push, 1)
		closeNow(t, pull)
		until(t, "the peer is gone", func() bool { return len(push.Stats().Peers) == 0 })
		wantError(t, "without a peer", push.TrySendBytes([]byte("x")), socket.ErrWouldBlock)
		done := make(chan error, 1)
		go func() { done <- push.SendBytes(context.Background(), []byte("for the next")) }()
		asleep(t, push, 1, 0)
		again := b.open(t, socket.TypePull)
		bindTo(t, again, endpoint)
		want(t, again, "for the next")
		if err := soon(t, "Send returns", done); err != nil {
			t.Fatal(err)
		}
	})
}
