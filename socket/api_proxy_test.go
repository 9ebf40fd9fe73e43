package socket_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zeroring/zeroring/socket"
)

// A relay is a running Proxy.
type relay struct {
	front, back string // endpoints
	cancel      context.CancelFunc
	done        chan error
}

// proxy binds two sockets and starts a Proxy between them.
func (b *bed) proxy(t testing.TB, front, back, capture *socket.Socket) *relay {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &relay{b.bind(t, front), b.bind(t, back), cancel, make(chan error, 1)}
	go func() { r.done <- socket.Proxy(ctx, front, back, capture) }()
	t.Cleanup(cancel)
	return r
}

// end ends the proxy as its context does.
func (r *relay) end(t testing.TB) {
	t.Helper()
	r.cancel()
	if err := soon(t, "Proxy returns", r.done); err != nil {
		t.Fatal(err)
	}
}

// TestProxyOfRequests: each of many REQs gets its own replies, from whichever
// REP.
func TestProxyOfRequests(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		const clients, workers, each = 6, 3, 100
		r := b.proxy(t, b.open(t, socket.TypeRouter), b.open(t, socket.TypeDealer), nil)
		var working, asking sync.WaitGroup
		served := make([]int, workers)
		var reps []*socket.Socket
		for i := range workers {
			rep := b.open(t, socket.TypeRep)
			connectTo(t, rep, r.back)
			waitPeers(t, rep, 1)
			reps = append(reps, rep)
			working.Go(func() {
				for m, err := range rep.Messages(patient(t)) {
					if err == nil {
						err = rep.SendParts(patient(t), []byte("re:"), m.Frame(0))
					}
					if err != nil {
						t.Error(err)
						return
					}
					served[i]++
				}
			})
		}
		for i := range clients {
			req := b.open(t, socket.TypeReq)
			connectTo(t, req, r.front)
			asking.Go(func() {
				for n := range each {
					question := fmt.Sprint(i, " ", n)
					send(t, req, question)
					want(t, req, "re:", question)
				}
			})
		}
		asking.Wait()
		for _, rep := range reps {
			closeNow(t, rep)
		}
		working.Wait()
		r.end(t)
		if slices.Contains(served, 0) {
			t.Errorf("the workers served %v requests", served)
		}
	})
}

// TestProxyOfSubscriptions: subscriptions go up, messages come down, and only
// those that were asked for reach the proxy.
func TestProxyOfSubscriptions(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		xsub, xpub := b.open(t, socket.TypeXSub), b.open(t, socket.TypeXPub)
		r := b.proxy(t, xsub, xpub, nil)
		pub := b.open(t, socket.TypePub)
		connectTo(t, pub, r.front)
		var subs []*socket.Socket
		for range 3 {
			s := b.open(t, socket.TypeSub)
			subscribe(t, s, "a")
			connectTo(t, s, r.back)
			subs = append(subs, s)
		}
		subscribe(t, subs[2], "b")
		topics := func(n int) func() bool {
			return func() bool { p := pub.Stats().Peers; return len(p) == 1 && p[0].Subscriptions == n }
		}
		waitPeers(t, xpub, len(subs))
		until(t, "the publisher knows of both topics", topics(2))
		send(t, pub, "c", "nobody wants")
		send(t, pub, "b", "one wants")
		send(t, pub, "a", "all want")
		want(t, subs[2], "b", "one wants")
		for _, s := range subs {
			want(t, s, "a", "all want")
		}
		if got := xsub.Stats().Peers[0].Received; got != 2 {
			t.Errorf("the proxy received %d messages, of which 2 were asked for", got)
		}
		closeNow(t, subs[2])
		until(t, "the publisher knows that one topic is left", topics(1))
		r.end(t)
	})
}

// TestProxyOfPipeline: high-water marks hold from end to end, and a capture that
// nobody empties holds up nothing.
func TestProxyOfPipeline(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		capture, seen := talk{from: socket.TypePush, to: socket.TypePull}.ends(t, b, true, marks(5, 5))
		front := b.open(t, socket.TypePull, marks(0, 4))
		r := b.proxy(t, front, b.open(t, socket.TypePush), capture)
		push := b.open(t, socket.TypePush, marks(3, 0))
		connectTo(t, push, r.front)
		const count = 200
		done := make(chan error, 1)
		go func() {
			for n := range count {
				if err := push.SendParts(patient(t), fmt.Append(nil, n), make([]byte, 10_000)); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		if b.transport == "inproc" {
			asleep(t, push, 1, 0) // with nobody to take them
			if sent := push.Stats().Peers[0].Sent; sent > 3+4+1 {
				t.Errorf("%d messages went into a proxy that has room for 8", sent)
			}
		}
		pull := b.open(t, socket.TypePull)
		connectTo(t, pull, r.back)
		for n := range count {
			if got := recv(t, pull); got[0] != fmt.Sprint(n) || len(got[1]) != 10_000 {
				t.Fatalf("received %s, want %d", brief(got), n)
			}
		}
		if err := soon(t, "the sender ends", done); err != nil {
			t.Fatal(err)
		}
		want(t, seen, "0", strings.Repeat("\x00", 10_000))
		r.end(t)
	})
}

// TestProxyCaptures all that passes, both ways.
func TestProxyCaptures(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		capture, seen := talk{from: socket.TypePush, to: socket.TypePull}.ends(t, b, true)
		r := b.proxy(t, b.open(t, socket.TypeDealer), b.open(t, socket.TypeDealer), capture)
		left, right := b.open(t, socket.TypeDealer), b.open(t, socket.TypeDealer)
		connectTo(t, left, r.front)
		connectTo(t, right, r.back)
		for n := range 100 {
			send(t, left, "there", fmt.Sprint(n))
			want(t, right, "there", fmt.Sprint(n))
			send(t, right, "and back", fmt.Sprint(n))
			want(t, left, "and back", fmt.Sprint(n))
			want(t, seen, "there", fmt.Sprint(n))
			want(t, seen, "and back", fmt.Sprint(n))
		}
		r.end(t)
	})
}

// TestProxyEnds with its context, and with any of its sockets, whatever it
// waits for.
func TestProxyEnds(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		for _, full := range []bool{false, true} {
			for end := range 3 {
				front, back := b.open(t, socket.TypePull), b.open(t, socket.TypePush, marks(1, 0))
				r := b.proxy(t, front, back, nil)
				push := b.open(t, socket.TypePush)
				connectTo(t, push, r.front)
				if full { // so that it waits for room and not for a message
					send(t, push, "nobody takes this")
					asleep(t, back, 1, 0)
				} else {
					asleep(t, front, 0, 1)
				}
				switch end {
				case 0:
					r.cancel()
				case 1:
					closeNow(t, back)
					if !full { // it notices when it has something to send
						send(t, push, "nobody takes this")
					}
				case 2:
					closeNow(t, front)
					if full { // it notices when it wants the next
						pull := b.open(t, socket.TypePull)
						connectTo(t, pull, r.back)
						want(t, pull, "nobody takes this")
					}
				}
				if err := soon(t, "Proxy returns", r.done); err != nil {
					t.Fatalf("ended by %d: %v", end, err)
				}
			}
		}
	})
}

// TestProxyLosesNothing: the message that a proxy holds when it is to end is sent
// on, if somebody takes it in time. If not the proxy ends all the same, be the
// target's Linger short or without end.
func TestProxyLosesNothing(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		for _, c := range []struct {
			linger, most time.Duration
			comes        bool
		}{
			{time.Hour, patience, true}, {socket.Off, patience, true},
			{time.Millisecond, time.Hour, false}, {time.Hour, time.Millisecond, false}, {socket.Off, time.Millisecond, false},
		} {
			defer socket.SetLastWait(c.most)()
			front, back := b.open(t, socket.TypePull), b.open(t, socket.TypePush, lingering(c.linger))
			r := b.proxy(t, front, back, nil)
			push := b.open(t, socket.TypePush)
			connectTo(t, push, r.front)
			send(t, push, "held")
			asleep(t, back, 1, 0)
			r.cancel()
			if c.comes {
				pull := b.open(t, socket.TypePull)
				connectTo(t, pull, r.back)
				want(t, pull, "held")
			}
			if err := soon(t, "Proxy returns", r.done); err != nil {
				t.Fatal(err)
			}
			back.SetLinger(socket.NoLinger)
		}
	})
}

// TestProxyFails when a socket's pattern does not allow it.
func TestProxyFails(t *testing.T) {
	b := newBed(t, "inproc", backends()[0])
	err := socket.Proxy(patient(t), b.open(t, socket.TypeReq), b.open(t, socket.TypeRep), nil)
	if !errors.Is(err, socket.ErrState) {
		t.Fatalf("between a REQ and a REP: %v", err)
	}
}
