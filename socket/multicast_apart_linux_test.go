package socket_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/zeroring/zeroring/pgm"
	"github.com/zeroring/zeroring/socket"
)

// TestMulticastCloseMeanwhile: a socket may be closed, and an endpoint taken back,
// while another call opens it.
func TestMulticastCloseMeanwhile(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		l := newLink(t)
		for i := range 200 {
			typ := []socket.Type{socket.TypeSub, socket.TypePub}[i%2]
			s := b.open(t, typ)
			var both sync.WaitGroup
			both.Go(func() {
				if _, err := s.Bind(l.endpoint()); err != nil && !errors.Is(err, socket.ErrClosed) {
					t.Error(err)
				}
			})
			both.Go(func() {
				var err error = socket.ErrNotFound
				for errors.Is(err, socket.ErrNotFound) && i%4 < 2 {
					err = s.Unbind(l.endpoint())
				}
				if err != nil && !errors.Is(err, socket.ErrNotFound) {
					t.Error(err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			both.Wait()
		}
	})
}

// TestMulticastSlowNeighbor: of two SUBs of an engine at one endpoint the one that is
// not read does not keep the other from hearing, neither while it is there nor when
// it has gone.
func TestMulticastSlowNeighbor(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		s := newScripted(newLink(t))
		slow := b.sub(t, s.endpoint(), func(o *socket.Options) { o.RecvHWM = 2 })
		quick := b.sub(t, s.endpoint())
		s.odata(0, "first")
		for _, sub := range []*socket.Socket{slow, quick} {
			want(t, sub, "first")
		}
		for i := 1; i < 100; i++ {
			s.odata(pgm.SQN(i), fmt.Sprint("message ", i))
			want(t, quick, fmt.Sprint("message ", i))
		}
		if err := slow.Close(); err != nil {
			t.Fatal(err)
		}
		s.odata(100, "last")
		want(t, quick, "last")
	})
}

// TestMulticastStalledGoes: what a SUB that is full has left unread is for the next.
func TestMulticastStalledGoes(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		s := newScripted(newLink(t))
		one := b.sub(t, s.endpoint(), func(o *socket.Options) { o.RecvHWM = 1 })
		s.odata(0, "first")
		want(t, one, "first")
		for i := 1; i < 10; i++ {
			s.odata(pgm.SQN(i), "more")
		}
		for heard(t, one, s.id()).Packets < 2 {
		}
		other := b.sub(t, s.endpoint())
		if err := one.Close(); err != nil {
			t.Fatal(err)
		}
		for i := 10; ; i++ { // the endpoint's thread joins it when it comes to that
			s.odata(pgm.SQN(i), "last")
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			m, err := other.Recv(ctx)
			cancel()
			if err == nil {
				m.Release()
				return
			}
			if i > 500 {
				t.Fatalf("hears nothing: %v", err)
			}
		}
	})
}

// TestMulticastNAKElsewhere: what asks for a source's data by another group than
// its own is left alone, whatever the source is doing.
func TestMulticastNAKElsewhere(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		r := newReceiver(newLink(t))
		pub := b.pub(t, r.endpoint(), eager)
		send(t, pub, "message")
		r.hear(pgm.TypeODATA)
		other := r.second()
		b.sub(t, other.endpoint())
		var both sync.WaitGroup
		stop := make(chan struct{})
		both.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					send(t, pub, "message")
				}
			}
		})
		for range 2000 {
			other.multicast(r.nakPacket(r.tsi, 0))
		}
		close(stop)
		both.Wait()
	})
}

// TestMulticastSourcesThatEnded: sources that have gone make room for others.
func TestMulticastSourcesThatEnded(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		l := newLink(t)
		sub := b.sub(t, l.endpoint(), func(o *socket.Options) { o.Multicast.MaxSources = 2 })
		for i := range 5 {
			s := newScripted(l)
			for sqn := range pgm.SQN(40) {
				s.odata(sqn, fmt.Sprint(i, sqn))
				want(t, sub, fmt.Sprint(i, sqn))
			}
			s.spm(0, 39, has(pgm.OptFIN))
			for range 20 {
				s.spm(0, 39, has(pgm.OptFIN))
			}
		}
		if m := multicastStats(t, sub); m.Ignored > 0 {
			t.Errorf("ignored %d packets", m.Ignored)
		}
	})
}

// TestMulticastPolled: what a call that polls leaves to timers, which give up what is
// missing, comes in order and whole.
func TestMulticastPolled(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		polling := *b
		polling.engine = newEngine(t, &socket.EngineOptions{Backend: b.backend, BusyPoll: true})
		t.Cleanup(func() { polling.engine.Close() })
		s := newScripted(newLink(t))
		sub := polling.sub(t, s.endpoint(), func(o *socket.Options) {
			o.Multicast.LatencyBudget, o.RecvHWM = 500*time.Microsecond, 10
		})
		s.odata(0, "0")
		want(t, sub, "0")
		sent := make(chan struct{})
		const last = 2000
		go func() {
			defer close(sent)
			for i := 1; i <= last; i++ {
				if i%3 != 0 || i == last {
					s.odata(pgm.SQN(i), fmt.Sprint(i))
				}
				if i%20 == 0 {
					<-time.After(100 * time.Microsecond) // for the timers to come
				}
			}
		}()
		for before := 0; before < last; {
			m := recv(t, sub)
			var n int
			if _, err := fmt.Sscan(m[0], &n); err != nil || n <= before {
				t.Fatalf("%q after %d", m[0], before)
			}
			before = n
		}
		<-sent
	})
}

// TestMulticastPollersOfOneGroup: several SUBs of an engine that polls hear what comes, and
// each Recv ends with its context.
func TestMulticastPollersOfOneGroup(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		polling := *b
		polling.engine = newEngine(t, &socket.EngineOptions{Backend: b.backend, BusyPoll: true})
		t.Cleanup(func() { polling.engine.Close() })
		s := newScripted(newLink(t))
		first := polling.sub(t, s.endpoint())
		s.odata(0, "message 0")
		want(t, first, "message 0")
		var all sync.WaitGroup
		all.Go(func() {
			for i := 1; i <= 300; i++ {
				want(t, first, fmt.Sprint("message ", i))
			}
		})
		second := polling.sub(t, s.endpoint(), func(o *socket.Options) { o.RecvHWM = 1 })
		for i := 1; i <= 300; i++ {
			s.odata(pgm.SQN(i), fmt.Sprint("message ", i))
		}
		all.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := first.Recv(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("receiving: %v", err)
		}
		if err := second.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestMulticastPubOfAllKinds: a PUB sends what it sends to several groups and over tcp,
// few peers or many.
func TestMulticastPubOfAllKinds(t *testing.T) {
	for _, peers := range []int{1, 8} {
		t.Run(fmt.Sprint("peers=", peers), func(t *testing.T) {
			onMulticast(t, func(t *testing.T, b *bed) {
				l := newLink(t)
				pub := b.pub(t, l.endpoint())
				bindTo(t, pub, l.second().endpoint())
				tcp := bindTo(t, pub, "tcp://127.0.0.1:*")
				subs := []*socket.Socket{b.sub(t, l.endpoint()), b.sub(t, l.second().endpoint())}
				for range peers {
					subs = append(subs, b.sub(t, tcp))
				}
				if err := pub.WaitPeers(patient(t), peers+2); err != nil {
					t.Fatal(err)
				}
				const messages = 2000
				var all sync.WaitGroup
				for _, sub := range subs {
					all.Go(func() {
						for i := range messages {
							want(t, sub, fmt.Sprint(i))
						}
					})
				}
				for i := range messages {
					send(t, pub, fmt.Sprint(i))
					if i%100 == 0 {
						pub.Stats()
					}
				}
				all.Wait()
			})
		})
	}
}

// TestMulticastInverted: with InvertMatching a PUB's group is a peer as well.
func TestMulticastInverted(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		pub := b.pub(t, newLink(t).endpoint(), func(o *socket.Options) { o.InvertMatching = true })
		if err := pub.WaitPeers(patient(t), 1); err != nil {
			t.Error(err)
		}
	})
}

// TestMulticastCycles: what comes and goes a thousand times leaves nothing.
func TestMulticastCycles(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		l := newLink(t)
		pub, sub := b.pub(t, l.endpoint()), b.open(t, socket.TypeSub)
		subscribe(t, sub, "")
		for i := range 500 {
			connectTo(t, sub, l.endpoint())
			connectTo(t, sub, l.endpoint())
			send(t, pub, fmt.Sprint(i))
			if i%10 == 0 {
				send(t, pub, fmt.Sprint(i))
				_ = recv(t, sub)
			}
			if err := sub.Disconnect(l.endpoint()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
