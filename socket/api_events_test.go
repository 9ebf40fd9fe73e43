package socket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zeroring/zeroring/socket"
)

// A watcher collects a socket's events.
type watcher struct {
	events chan socket.Event
	done   chan struct{} // closed when there are no more
}

// watch collects what happens to s from now on.
func watch(t testing.TB, s *socket.Socket) watcher {
	ctx, cancel := context.WithCancel(context.Background())
	w := watcher{make(chan socket.Event, 10_000), make(chan struct{})}
	events := s.Events(ctx)
	go func() {
		defer close(w.done)
		for ev := range events {
			w.events <- ev
		}
	}()
	t.Cleanup(func() {
		cancel()
		soon(t, "Events ends", w.done)
	})
	return w
}

// want expects exactly these kinds of events to be the next, and returns the
// last of them.
func (w watcher) want(t testing.TB, kinds ...socket.EventKind) (ev socket.Event) {
	t.Helper()
	for i, kind := range kinds {
		ev = soon(t, kind.String(), w.events)
		if ev.Kind != kind {
			t.Fatalf("event %d of %v is %v: %+v", i, kinds, ev.Kind, ev)
		}
		if ev.Time.IsZero() {
			t.Fatalf("%v has no time", ev.Kind)
		}
		if ev.Dropped != 0 {
			t.Fatalf("%d events dropped before %v", ev.Dropped, ev.Kind)
		}
	}
	return ev
}

// ended skips events until a connection ends, and returns why.
func (w watcher) ended(t testing.TB, which string) error {
	t.Helper()
	for {
		if ev := soon(t, which+" ends", w.events); ev.Kind == socket.EventDisconnected {
			return ev.Err
		}
	}
}

// TestEvents follows one connection on both sides, from before it could be made
// until its end, and its successor.
func TestEvents(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		endpoint := b.endpoint(t)
		push := b.open(t, socket.TypePush)
		client := watch(t, push)
		connectTo(t, push, endpoint)
		ev := client.want(t, socket.EventDisconnected)
		if ev.Endpoint != endpoint || !refused(ev.Err) {
			t.Fatalf("a refused connection: %+v", ev)
		}
		if ev = client.want(t, socket.EventRetrying); ev.Wait <= 0 || ev.Endpoint != endpoint {
			t.Fatalf("retrying: %+v", ev)
		}
		pull := b.open(t, socket.TypePull)
		server := watch(t, pull)
		bindTo(t, pull, endpoint)
		ev = client.untilKind(t, socket.EventConnected)
		if ev.Endpoint != endpoint {
			t.Fatalf("connected: %+v", ev)
		}
		client.want(t, socket.EventReady)
		ev = server.want(t, socket.EventListening, socket.EventAccepted, socket.EventReady)
		if ev.Endpoint != endpoint {
			t.Fatalf("ready: %+v", ev)
		}
		if err := push.Disconnect(endpoint); err != nil {
			t.Fatal(err)
		}
		client.want(t, socket.EventDisconnected)
		if ev = server.want(t, socket.EventDisconnected); ev.Err == nil {
			t.Fatal("disconnected for no reason")
		}
		connectTo(t, push, endpoint)
		client.want(t, socket.EventConnected, socket.EventReady)
		server.want(t, socket.EventAccepted, socket.EventReady)
		if err := pull.Unbind(endpoint); err != nil {
			t.Fatal(err)
		}
		server.want(t, socket.EventClosed, socket.EventDisconnected)
		client.want(t, socket.EventDisconnected, socket.EventRetrying)
	})
}

// TestEventsTellWho: whoever connects, and whoever is connected to, is named as
// in Stats. A peer over ipc has a name only if it bound one.
func TestEventsTellWho(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		endpoint := b.endpoint(t)
		_, there := rawAddress(endpoint)
		client := ""
		push := b.open(t, socket.TypePush)
		calls := watch(t, push)
		connectTo(t, push, endpoint)
		if ev := calls.want(t, socket.EventDisconnected); ev.Remote != there {
			t.Errorf("refused by %q, want %q", ev.Remote, there)
		}
		if err := push.Disconnect(endpoint); err != nil {
			t.Fatal(err)
		}

		pull := b.open(t, socket.TypePull)
		answers := watch(t, pull)
		bindTo(t, pull, endpoint)
		answers.want(t, socket.EventListening)
		stranger := rawDial(t, endpoint)
		if b.transport == "tcp" {
			client = stranger.LocalAddr().String()
		}
		if ev := answers.want(t, socket.EventAccepted); ev.Remote != client {
			t.Errorf("accepted from %q, want %q", ev.Remote, client)
		}
		if err := stranger.Close(); err != nil {
			t.Fatal(err)
		}
		if ev := answers.want(t, socket.EventDisconnected); ev.Remote != client || ev.Err == nil {
			t.Errorf("lost %q to %v, want %q", ev.Remote, ev.Err, client)
		}

		calls = watch(t, push)
		connectTo(t, push, endpoint)
		for _, kind := range []socket.EventKind{socket.EventConnected, socket.EventReady} {
			if ev := calls.untilKind(t, kind); ev.Remote != there || ev.Endpoint != endpoint {
				t.Errorf("%v: %q, want %q", kind, ev.Remote, there)
			}
		}
		from := answers.want(t, socket.EventAccepted).Remote
		if ev := answers.want(t, socket.EventReady); ev.Remote != from || (from == "") != (b.transport == "ipc") {
			t.Errorf("accepted from %q, and %q is ready", from, ev.Remote)
		}
		if st := pull.Stats().Peers; len(st) != 1 || st[0].Address != from {
			t.Errorf("Events tell of %q, and Stats of %+v", from, st)
		}
		if err := push.Disconnect(endpoint); err != nil {
			t.Fatal(err)
		}
		if ev := calls.untilKind(t, socket.EventDisconnected); ev.Remote != there {
			t.Errorf("disconnected from %q, want %q", ev.Remote, there)
		}
		if ev := answers.want(t, socket.EventDisconnected); ev.Remote != from {
			t.Errorf("lost %q, want %q", ev.Remote, from)
		}
	})
}

// wantNone looks at the rest of a closed socket's events, none of which may be
// of the given kind.
func (w watcher) wantNone(t testing.TB, kind socket.EventKind) {
	t.Helper()
	soon(t, "Events ends", w.done)
	for len(w.events) > 0 {
		if ev := <-w.events; ev.Kind == kind {
			t.Errorf("%v: %+v", kind, ev)
		}
	}
}

// untilKind skips events until one of the given kind.
func (w watcher) untilKind(t testing.TB, kind socket.EventKind) socket.Event {
	t.Helper()
	for {
		if ev := soon(t, kind.String(), w.events); ev.Kind == kind {
			return ev
		}
	}
}

// refused reports whether err says that nobody listens.
func refused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT)
}

// TestEventsOfClose: whoever watches a socket sees it close its endpoints and
// connections, and then Events ends.
func TestEventsOfClose(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		pull, push := b.open(t, socket.TypePull), b.open(t, socket.TypePush)
		server := watch(t, pull)
		client := watch(t, push)
		b.join(t, pull, push)
		server.want(t, socket.EventListening, socket.EventAccepted, socket.EventReady)
		client.want(t, socket.EventConnected, socket.EventReady)
		closeNow(t, pull)
		server.want(t, socket.EventClosed, socket.EventDisconnected)
		client.want(t, socket.EventDisconnected, socket.EventRetrying)
		closeNow(t, push)
	})
}

// TestEventsNeverStall: a watcher who does not look is told how much it
// missed, and stalls nothing.
func TestEventsNeverStall(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		const connections = 200 // each makes three events, and 256 wait at most
		pull := b.open(t, socket.TypePull)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		events := pull.Events(ctx)
		endpoint := b.bind(t, pull)
		for range connections {
			push := b.open(t, socket.TypePush, lingering(socket.Off))
			connectTo(t, push, endpoint)
			send(t, push, "x")
			closeNow(t, push)
			want(t, pull, "x")
		}
		until(t, "all have left", func() bool {
			_, err := pull.TryRecv() // a peer that left stays until its messages are found to be read
			return err == socket.ErrWouldBlock && len(pull.Stats().Peers) == 0
		})
		seen, missed := 0, 0
		for ev := range events {
			seen++
			missed += ev.Dropped
			if seen == 256 {
				// There is room again: the next event says what was missed.
				push := b.open(t, socket.TypePush)
				connectTo(t, push, endpoint)
			}
			if ev.Dropped > 0 {
				break
			}
		}
		if all := 1 + 3*connections; seen-1+missed != all {
			t.Fatalf("%d events seen and %d missed, of %d", seen-1, missed, all)
		}
	})
}

// TestEventsEnd: Events ends with its context, with the loop, and with the
// socket, and many may watch.
func TestEventsEnd(t *testing.T) {
	b := newBed(t, "inproc", backends()[0])
	s := b.open(t, socket.TypePair)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	for range 3 {
		go func() {
			for range s.Events(ctx) {
			}
			done <- struct{}{}
		}()
	}
	cancel()
	for range 3 {
		soon(t, "Events ends", done)
	}
	for range s.Events(ctx) {
		t.Fatal("an event after the end of its context")
	}
	closeNow(t, s)
	for range s.Events(context.Background()) {
		t.Fatal("a closed socket has events")
	}
}

// TestEventsUntilTheEnd: a watcher sees all there was to see, though it looks
// after the socket was closed; one that stops looking does not matter.
func TestEventsUntilTheEnd(t *testing.T) {
	b := newBed(t, "inproc", backends()[0])
	for range 50 {
		s := b.open(t, socket.TypePair)
		first, second := s.Events(context.Background()), s.Events(context.Background())
		if _, err := s.Bind("tcp://127.0.0.1:*"); err != nil {
			t.Fatal(err)
		}
		for ev := range first {
			if ev.Kind != socket.EventListening {
				t.Fatalf("%v", ev.Kind)
			}
			break
		}
		closeNow(t, s)
		kinds := ""
		for ev := range second {
			kinds += ev.Kind.String() + " "
		}
		if kinds != "listening closed " {
			t.Fatalf("the other watcher saw %q", kinds)
		}
	}
}

// TestEventKindNames: each has its own.
func TestEventKindNames(t *testing.T) {
	seen := map[string]bool{}
	for k := range socket.EventIgnored + 2 {
		if name := k.String(); name == "" || seen[name] {
			t.Errorf("kind %d is called %q", k, name)
		} else {
			seen[name] = true
		}
	}
}

// TestStats: counts of a peer on both sides, while it is there, and across a
// reconnection.
func TestStats(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		dealer := b.open(t, socket.TypeDealer, func(o *socket.Options) { o.Identity = []byte("me") })
		router := b.open(t, socket.TypeRouter)
		endpoint := b.join(t, router, dealer)
		for range 5 {
			send(t, dealer, "x", "y")
		}
		for range 3 {
			recv(t, router)
		}
		send(t, router, "me", "back")
		want(t, dealer, "back")

		st := router.Stats().Peers
		if len(st) != 1 || !st[0].Up || string(st[0].Identity) != "me" || st[0].Received != 3 || st[0].Sent != 1 {
			t.Fatalf("ROUTER: %+v", st)
		}
		st = dealer.Stats().Peers
		if len(st) != 1 || !st[0].Up || st[0].Received != 1 || st[0].Sent != 5 || st[0].Dropped != 0 {
			t.Fatalf("DEALER: %+v", st)
		}
		if b.transport == "inproc" {
			return
		}
		if st[0].Endpoint != endpoint || st[0].Address == "" {
			t.Fatalf("DEALER: %+v", st)
		}
		until(t, "all is written", func() bool { return dealer.Stats().Peers[0].Queued == 0 })
		closeNow(t, router)
		untilDown(t, dealer)
		send(t, dealer, "waits")
		st = dealer.Stats().Peers
		if len(st) != 1 || st[0].Up || st[0].Sent != 6 || st[0].Queued != 1 {
			t.Fatalf("DEALER without its peer: %+v", st)
		}
	})
}

// TestPeersTell: the Stats have the type and the metadata that a peer told.
func TestPeersTell(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		told := map[string]string{"X-Hello": "World", "X-Empty": ""}
		rep := b.open(t, socket.TypeRep, func(o *socket.Options) { o.Metadata = told })
		req := b.open(t, socket.TypeReq)
		connectTo(t, req, bindTo(t, rep, b.wildcard(t)))
		waitPeers(t, req, 1)
		waitPeers(t, rep, 1)
		st := req.Stats().Peers
		if len(st) != 1 || st[0].Type != "REP" || !maps.Equal(st[0].Metadata, told) {
			t.Errorf("of the REP: %+v", st)
		}
		st = rep.Stats().Peers
		if len(st) != 1 || st[0].Type != "REQ" || st[0].Metadata != nil {
			t.Errorf("of the REQ: %+v", st)
		}
	})
}

// TestWaitPeers counts up and down, and gives up with its context.
func TestWaitPeers(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		pull := b.open(t, socket.TypePull)
		endpoint := b.bind(t, pull)
		if err := pull.WaitPeers(patient(t), 0); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		waited := make(chan error, 3)
		for _, n := range []int{1, 2, 3} {
			go func() { waited <- pull.WaitPeers(ctx, n) }()
		}
		first := b.open(t, socket.TypePush)
		connectTo(t, first, endpoint)
		if err := soon(t, "one peer", waited); err != nil {
			t.Fatal(err)
		}
		second := b.open(t, socket.TypePush)
		connectTo(t, second, endpoint)
		if err := soon(t, "two peers", waited); err != nil {
			t.Fatal(err)
		}
		closeNow(t, first)
		until(t, "one peer is gone", func() bool { return len(pull.Stats().Peers) == 1 })
		cancel()
		wantError(t, "a third", soon(t, "WaitPeers returns", waited), context.Canceled)
		ctx, cancel = context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		err := pull.WaitPeers(ctx, 2)
		wantError(t, "again two", err, context.DeadlineExceeded)
		if !strings.Contains(err.Error(), "1 of 2 peers are there") {
			t.Errorf("%v", err)
		}
		waitPeers(t, pull, 1)
	})
}

// TestWaitPeersOfPub: a PUB's peer is there once it has subscribed, so that
// what is sent then arrives.
func TestWaitPeersOfPub(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		pub := b.open(t, socket.TypePub)
		endpoint := b.bind(t, pub)
		waited := make(chan error, 1)
		go func() { waited <- pub.WaitPeers(patient(t), 3) }()
		subs := make([]*socket.Socket, 3)
		for i := range subs {
			subs[i] = b.open(t, socket.TypeSub)
			connectTo(t, subs[i], endpoint)
			waitPeers(t, subs[i], 1)
		}
		if len(waited) > 0 {
			t.Fatal("connected is not subscribed")
		}
		for _, s := range subs {
			subscribe(t, s, "")
		}
		if err := soon(t, "three subscribers", waited); err != nil {
			t.Fatal(err)
		}
		send(t, pub, "hello")
		for _, s := range subs {
			want(t, s, "hello")
		}
		if err := subs[0].Unsubscribe(nil); err != nil {
			t.Fatal(err)
		}
		until(t, "one is not subscribed any more", func() bool {
			n := 0
			for _, p := range pub.Stats().Peers {
				if p.Subscriptions > 0 {
					n++
				}
			}
			return n == 2
		})
		send(t, pub, "for two")
		want(t, subs[1], "for two")
		want(t, subs[2], "for two")
		if m, err := subs[0].TryRecv(); !errors.Is(err, socket.ErrWouldBlock) {
			t.Fatal(fmt.Sprint("unsubscribed, and received ", m, err))
		}
	})
}

// TestTroubleIsTold: an endpoint that cannot be connected to, whoever is there,
// is logged once however often it is tried, and is named by a WaitPeers that
// gives up.
func TestTroubleIsTold(t *testing.T) {
	everywhere(t, []string{"tcp"}, func(t *testing.T, b *bed) {
		const endpoint = "tcp://no-such-device;127.0.0.1:1"
		var log bytes.Buffer
		push := b.open(t, socket.TypePush, func(o *socket.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		retries := 0
		events := push.Events(patient(t))
		connectTo(t, push, endpoint)
		for ev := range events {
			if ev.Kind != socket.EventRetrying {
				continue
			}
			if retries++; retries == 3 {
				break
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		err := push.WaitPeers(ctx, 1)
		wantError(t, "nobody there", err, context.DeadlineExceeded)
		for _, has := range []string{"0 of 1 peers are there", endpoint + ": source address", "no-such-device"} {
			if !strings.Contains(err.Error(), has) {
				t.Errorf("%q lacks %q", err, has)
			}
		}
		closeNow(t, push)
		if got := log.String(); retries != 3 || strings.Count(got, "cannot connect yet") != 1 || !strings.Contains(got, endpoint) {
			t.Errorf("%d retries, and the log has:\n%s", retries, got)
		}
	})
}
