package socket_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zeroring/zeroring/socket"
)

// unlimited lets everything be queued at once.
func unlimited(o *socket.Options) { o.SendHWM, o.RecvHWM = -1, -1 }

func lingering(d time.Duration) change {
	return func(o *socket.Options) { o.Linger = d }
}

// TestLinger: everything that was queued before Close arrives, be it much more
// than the kernel takes, and Close returns once it was sent.
func TestLinger(t *testing.T) {
	const count = 30_000
	for _, linger := range []time.Duration{socket.Off, time.Hour, 0} {
		t.Run(fmt.Sprint(linger), func(t *testing.T) {
			everywhere(t, anyTransport, func(t *testing.T, b *bed) {
				k := talk{from: socket.TypePush, to: socket.TypePull}
				from, to := k.ends(t, b, true, unlimited, lingering(linger))
				body := make([]byte, 200)
				for i := range count {
					if err := from.TrySendParts(fmt.Append(nil, i), body); err != nil {
						t.Fatal(err)
					}
				}
				closed := make(chan error, 1)
				go func() { closed <- from.Close() }()
				for i := range count {
					if got := recv(t, to); got[0] != fmt.Sprint(i) {
						t.Fatalf("received %s, want %d", got[0], i)
					}
				}
				if err := soon(t, "Close returns", closed); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// TestLingerOfEveryPattern: the last message before Close arrives, whatever
// the pattern and whichever end binds. A PUB's too: its subscribers are there.
func TestLingerOfEveryPattern(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		for _, k := range talks {
			for _, senderBinds := range []bool{true, false} {
				if k.to == socket.TypeRep && senderBinds {
					continue // requests go with the connection that their replies would take
				}
				from, to := k.ends(t, b, senderBinds, lingering(socket.Off))
				send(t, from, append(envelope(k.from, k.to), "last words")...)
				closeNow(t, from)
				if got := recv(t, to); got[len(got)-1] != "last words" {
					t.Fatalf("%v: received %q", k, got)
				}
				closeNow(t, to)
			}
		}
	})
}

// TestLingerWaitsForPeer: a socket that is closed before its peer is there
// delivers once it is.
func TestLingerWaitsForPeer(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		endpoint := b.endpoint(t)
		from := b.open(t, socket.TypePush, lingering(socket.Off))
		connectTo(t, from, endpoint)
		for i := range 100 {
			send(t, from, fmt.Sprint(i))
		}
		closed := make(chan error, 1)
		go func() { closed <- from.Close() }()
		to := b.open(t, socket.TypePull)
		bindTo(t, to, endpoint)
		for i := range 100 {
			want(t, to, fmt.Sprint(i))
		}
		if err := soon(t, "Close returns", closed); err != nil {
			t.Fatal(err)
		}
	})
}

// TestLingerResolves: a socket that is closed before the name it connects to is
// resolved goes on resolving it, for as long as it lingers.
func TestLingerResolves(t *testing.T) {
	everywhere(t, []string{"tcp"}, func(t *testing.T, b *bed) {
		to := b.open(t, socket.TypePull)
		endpoint := strings.Replace(bindTo(t, to, b.wildcard(t)), "127.0.0.1", "localhost", 1)
		for range 10 {
			from := b.open(t, socket.TypePush, lingering(time.Minute))
			connectTo(t, from, endpoint)
			send(t, from, "last words")
			closed := make(chan error, 1)
			go func() { closed <- from.Close() }()
			want(t, to, "last words")
			if err := soon(t, "Close returns", closed); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestLingerEnds: Close gives up on a peer that does not take what is queued,
// or is not there, or does not finish its handshake; and at once without linger.
func TestLingerEnds(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		for _, linger := range []time.Duration{socket.NoLinger, 20 * time.Millisecond} {
			for _, endpoint := range []string{b.endpoint(t), b.rawListen(t).endpoint} {
				from := b.open(t, socket.TypePush, lingering(linger), unlimited)
				connectTo(t, from, endpoint)
				send(t, from, "never taken")
				closeNow(t, from)
			}
			// A peer that stopped reading in the middle of it all.
			silent := b.rawListen(t)
			from := b.open(t, socket.TypePush, lingering(linger), unlimited)
			connectTo(t, from, silent.endpoint)
			stuck := silent.accept(t)
			stuck.handshake(t, "PULL")
			waitPeers(t, from, 1)
			for range 200 {
				send(t, from, string(make([]byte, 100_000)))
			}
			closeNow(t, from)
		}
	})
}

// TestNoLinger: what is queued is dropped, and does not come when the peer
// does.
func TestNoLinger(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		endpoint := b.endpoint(t)
		from := b.open(t, socket.TypePush)
		connectTo(t, from, endpoint)
		send(t, from, "dropped")
		closeNow(t, from)
		to := b.open(t, socket.TypePull)
		bindTo(t, to, endpoint)
		other := b.open(t, socket.TypePush)
		connectTo(t, other, endpoint)
		send(t, other, "first")
		want(t, to, "first")
		if n := len(to.Stats().Peers); n != 1 {
			t.Fatalf("%d peers, one of which is closed", n)
		}
	})
}

// TestSetLinger changes it after the fact.
func TestSetLinger(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		from := b.open(t, socket.TypePush, lingering(socket.Off))
		connectTo(t, from, b.endpoint(t))
		send(t, from, "never taken")
		from.SetLinger(socket.NoLinger)
		closeNow(t, from)
	})
}

// TestLingerOfEngine: closing the engine lets each socket linger.
func TestLingerOfEngine(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		far := newEngine(t, &socket.EngineOptions{Backend: b.backend})
		defer far.Close()
		to := b.open(t, socket.TypePull, unlimited, func(o *socket.Options) { o.Engine = far })
		endpoint := b.bind(t, to)
		from := b.open(t, socket.TypePush, unlimited, lingering(socket.Off))
		connectTo(t, from, endpoint)
		const count = 5000
		for i := range count {
			send(t, from, fmt.Sprint(i))
		}
		closed := make(chan error, 1)
		go func() { closed <- b.engine.Close() }()
		for i := range count {
			want(t, to, fmt.Sprint(i))
		}
		if err := soon(t, "the engine is closed", closed); err != nil {
			t.Fatal(err)
		}
	})
}

// TestDisconnectLingers: what is queued for an endpoint arrives although it is
// disconnected, or unbound, and nothing that is sent afterwards.
func TestDisconnectLingers(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		k := talk{from: socket.TypePush, to: socket.TypePull}
		for _, senderBinds := range []bool{true, false} {
			from := b.open(t, k.from, unlimited, lingering(socket.Off))
			to := b.open(t, k.to, unlimited)
			binds, connects := to, from
			if senderBinds {
				binds, connects = from, to
			}
			endpoint := b.join(t, binds, connects)
			for i := range 3000 {
				send(t, from, fmt.Sprint(i))
			}
			var err error
			if senderBinds {
				err = from.Unbind(endpoint)
			} else {
				err = from.Disconnect(endpoint)
			}
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3000 {
				want(t, to, fmt.Sprint(i))
			}
			if b.transport == "inproc" && senderBinds {
				continue // who came by an inproc name stays
			}
			until(t, "the peer is gone", func() bool { return len(from.Stats().Peers) == 0 })
			wantError(t, "sending to nobody", from.TrySendBytes([]byte("x")), socket.ErrWouldBlock)
		}
	})
}
