package socket_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zeroring/zeroring/pgm"
	"github.com/zeroring/zeroring/socket"
)

// TestMulticastEndpointErrors: what cannot be bound or connected says why.
func TestMulticastEndpointErrors(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		for _, c := range []struct{ endpoint, says string }{
			{"epgm://lo;239.192.1.1", `"239.192.1.1" has no port`},
			{"epgm://lo;239.192.1.1:0", `port "0"`},
			{"epgm://lo;239.192.1.1:65536", `port "65536"`},
			{"epgm://lo;239.192.1.1:*", `port "*"`},
			{"epgm://lo;239.192.1.1:http", `port "http"`},
			{"epgm://lo;239.192.1.1:", `port ""`},
			{"epgm://lo;10.0.0.1:5555", `"10.0.0.1" is no multicast group`},
			{"epgm://lo;localhost:5555", `"localhost" is no multicast group`},
			{"epgm://lo;[fd00::1]:5555", `"fd00::1" is no multicast group`},
			{"epgm://lo;[ff12::1%lo]:5555", `"ff12::1%lo" is no multicast group`},
			{"epgm://lo;ff12::1:5555", "brackets"},
			{"epgm://lo;:5555", "no host"},
			{"epgm://", "no port"},
			{"epgm://lo;", "no port"},
			{"epgm://lo;239.192.1.1;239.192.1.2:5555", "more than one semicolon"},
			{"epgm://lo;10.0.0.300@239.192.1.1:5555", `"10.0.0.300" is no source`},
			{"epgm://lo;@239.192.1.1:5555", `"" is no source`},
			{"epgm://lo;[fd00::1]@239.192.1.1:5555", `is no source`},
			{"epgm://lo;239.1.1.1@239.192.1.1:5555", `"239.1.1.1" is no source`},
			{"epgm://lo;127.0.0.1,@239.192.1.1:5555", `"" is no source`},
			{"epgm://lo;239.192.1.1:5555|lo;[ff12::1]:5555", "both of IPv4 or both of IPv6"},
			{"epgm://lo;239.192.1.1:5555|lo;239.192.1.2:5555|lo;239.192.1.3:5555", "more than 2 groups"},
			{"epgm://lo;239.192.1.1:5555|", "no port"},
			{"epgm://nowhere0;239.192.1.1:5555", `interface "nowhere0"`},
			{"epgm://198.51.100.77;239.192.1.1:5555", "no interface has the address 198.51.100.77"},
			{"epgm://lo;239.192.1.1:5555|nowhere0;239.192.1.2:5555", `interface "nowhere0"`},
			{"pgm://nowhere0;239.192.1.1:5555", `interface "nowhere0"`},
		} {
			for _, typ := range []socket.Type{socket.TypePub, socket.TypeSub} {
				s := b.open(t, typ)
				_, bound := s.Bind(c.endpoint)
				for _, err := range []error{bound, s.Connect(c.endpoint)} {
					var e *socket.EndpointError
					if !errors.As(err, &e) || e.Endpoint != c.endpoint || !strings.Contains(err.Error(), c.says) {
						t.Errorf("%v: %q: %v, want an error with %s", typ, c.endpoint, err, c.says)
					}
				}
				if n := len(s.Stats().Peers); n != 0 {
					t.Errorf("%v: %d peers by %q", typ, n, c.endpoint)
				}
			}
		}
	})
}

// TestMulticastTypes: only publishers and subscribers use multicast.
func TestMulticastTypes(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		l := newLink(t)
		for _, typ := range []socket.Type{
			socket.TypeReq, socket.TypeRep, socket.TypeDealer, socket.TypeRouter, socket.TypePush, socket.TypePull, socket.TypePair,
		} {
			s := b.open(t, typ)
			_, err := s.Bind(l.endpoint())
			wantError(t, fmt.Sprint(typ, " binds"), err, socket.ErrNotSupported)
			wantError(t, fmt.Sprint(typ, " connects"), s.Connect(l.endpoint()), socket.ErrNotSupported)
		}
	})
}

// TestMulticastBindFailsHalfway: of an endpoint of which one line cannot be opened
// nothing is left: newBed counts descriptors.
func TestMulticastBindFailsHalfway(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		l := newLink(t)
		port := newLink(t).port
		taken := listenAt(t, netip.AddrPortFrom(near, port))
		endpoint := fmt.Sprintf("%s|%v;%v:%d", l.endpoint(), near, l.second().group, port)
		pub := b.open(t, socket.TypePub)
		for range 3 {
			if _, err := pub.Bind(endpoint); !errors.Is(err, unix.EADDRINUSE) {
				t.Fatalf("bound to a port that is taken: %v", err)
			}
		}
		taken.Close()
		bindTo(t, pub, endpoint)
		sub := b.sub(t, l.endpoint())
		send(t, pub, "after all")
		want(t, sub, "after all")
	})
}

// TestMulticastAgain: an endpoint can be bound once by a socket, taken back, and bound
// again; bind and connect are the same.
func TestMulticastAgain(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		s := newScripted(newLink(t))
		sub := b.sub(t, s.endpoint())
		connectTo(t, sub, s.endpoint())
		bindTo(t, sub, s.endpoint())
		for i := range pgm.SQN(6) {
			s.odata(i, fmt.Sprint(i))
			want(t, sub, fmt.Sprint(i)) // once
			wantNothing(t, sub)
			switch i {
			case 2:
				if err := sub.Unbind(s.endpoint()); err != nil {
					t.Fatal(err)
				}
				wantError(t, "Disconnect", sub.Disconnect(s.endpoint()), socket.ErrNotFound)
			case 4:
				if err := sub.Disconnect(s.endpoint()); err != nil {
					t.Fatal(err)
				}
				wantError(t, "Unbind", sub.Unbind(s.endpoint()), socket.ErrNotFound)
			default:
				continue
			}
			until(t, "it is no peer any more", func() bool { return len(sub.Stats().Peers) == 0 })
			s.odata(1000, "to nobody")
			connectTo(t, sub, s.endpoint())
		}
		if n := len(sub.Stats().Peers); n != 1 {
			t.Errorf("%d peers, want 1", n)
		}
	})
}

// TestMulticastUnbindSends: what was sent before an Unbind is received, and what is sent
// behind it goes elsewhere.
func TestMulticastUnbindSends(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		l, other := newLink(t), newLink(t)
		sub, elsewhere := b.sub(t, l.endpoint()), b.sub(t, other.endpoint())
		pub := b.pub(t, l.endpoint(), func(o *socket.Options) { o.Linger, o.Multicast.Rate = -1, 10_000_000 })
		bindTo(t, pub, other.endpoint())
		for i := range 100 {
			send(t, pub, filler(i, 500))
		}
		if err := pub.Unbind(l.endpoint()); err != nil {
			t.Fatal(err)
		}
		send(t, pub, "after")
		for i := range 100 {
			want(t, sub, filler(i, 500))
			want(t, elsewhere, filler(i, 500))
		}
		want(t, elsewhere, "after")
		until(t, "one endpoint is left", func() bool { return len(pub.Stats().Peers) == 1 })
		wantNothing(t, sub)
	})
}

// TestMulticastClose: Close sends what is queued within Linger, and no longer, may be
// called by many and ends what waits.
func TestMulticastClose(t *testing.T) {
	for _, c := range []struct {
		name   string
		linger time.Duration
		most   time.Duration // that Close may take; none for what it takes
	}{{"for ever", -1, 0}, {"100 ms", 100 * time.Millisecond, time.Second}, {"none", socket.NoLinger, time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			onMulticast(t, func(t *testing.T, b *bed) {
				l := newLink(t)
				sub := b.sub(t, l.endpoint())
				slow := int64(10_000) // bits a second: nothing but the first packets leaves
				if c.most == 0 {
					slow = 4_000_000
				}
				pub := b.pub(t, l.endpoint(), func(o *socket.Options) { o.Linger, o.Multicast.Rate = c.linger, slow })
				const n = 200
				for i := range n {
					send(t, pub, filler(i, 1000))
				}
				start := time.Now()
				done := make(chan error, 3)
				for range cap(done) {
					go func() { done <- pub.Close() }()
				}
				for range cap(done) {
					if err := soon(t, "Close returns", done); err != nil {
						t.Error(err)
					}
				}
				took := time.Since(start)
				if c.most > 0 && took > c.most {
					t.Errorf("Close took %v", took)
				}
				wantError(t, "sending", pub.SendBytes(patient(t), nil), socket.ErrClosed)
				if c.most > 0 {
					if c.linger > time.Millisecond && took < c.linger {
						t.Errorf("Close took %v, less than it may linger", took)
					}
					return
				}
				for i := range n {
					want(t, sub, filler(i, 1000))
				}
			})
		})
	}
}

// TestMulticastCloseOfEngine: an engine that is closed ends its endpoints.
func TestMulticastCloseOfEngine(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		l := newLink(t)
		e := newEngine(t, &socket.EngineOptions{Backend: b.backend})
		other := &bed{backend: b.backend, transport: b.transport, engine: e}
		sub, pub := other.sub(t, l.endpoint()), other.pub(t, l.lines())
		send(t, pub, "message")
		want(t, sub, "message")
		waiting := make(chan error, 1)
		go func() {
			_, err := sub.Recv(t.Context())
			waiting <- err
		}()
		asleep(t, sub, 0, 1)
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		wantError(t, "receiving", soon(t, "Recv returns", waiting), socket.ErrClosed)
	})
}

// TestMulticastChurn: endpoints that come and go while there is traffic leave nothing
// behind and disturb nobody.
func TestMulticastChurn(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		l := newLink(t)
		sub := b.sub(t, l.endpoint())
		pub := b.pub(t, l.lines())
		send(t, pub, "first")
		want(t, sub, "first")
		open := openDescriptors()
		for i := range 50 {
			s := b.sub(t, []string{l.endpoint(), l.second().endpoint(), l.lines(), l.from(near.String() + "@")}[i%4])
			p := b.pub(t, l.second().endpoint())
			text := fmt.Sprint("message ", i)
			send(t, p, "of another")
			send(t, pub, text)
			for recv(t, s)[0] != text { // the other's may be heard too
			}
			want(t, sub, text)
			closeNow(t, s)
			closeNow(t, p)
			if n := openDescriptors(); n != open {
				t.Fatalf("%d descriptors when Close has returned, were %d", n, open)
			}
		}
	})
}

// TestMulticastRaw: PGM in IP, where that is allowed.
func TestMulticastRaw(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		l := newLink(t)
		endpoint := "pgm://" + strings.TrimPrefix(l.endpoint(), "epgm://")
		sub := b.open(t, socket.TypeSub)
		subscribe(t, sub, "")
		err := sub.Connect(endpoint)
		if errors.Is(err, os.ErrPermission) && os.Getenv("CI") == "" {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		pub := b.pub(t, endpoint)
		for n, size := range sizes() {
			send(t, pub, filler(n, size))
		}
		for n, size := range sizes() {
			wantMissed(t, sub, 0, filler(n, size))
		}
	})
}

// TestMulticastRawUnprivileged: PGM in IP where that is not allowed says what to do.
func TestMulticastRawUnprivileged(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		l := newLink(t)
		withoutRaw(t)
		for _, typ := range []socket.Type{socket.TypePub, socket.TypeSub} {
			s := b.open(t, typ)
			_, err := s.Bind("pgm://" + strings.TrimPrefix(l.endpoint(), "epgm://"))
			if !errors.Is(err, os.ErrPermission) {
				t.Fatalf("%v: %v, want a lack of permission", typ, err)
			}
			for _, word := range []string{"CAP_NET_RAW", "setcap", "epgm://"} {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%v: %v, which does not mention %s", typ, err, word)
				}
			}
			bindTo(t, s, l.endpoint()) // which needs none
		}
	})
}

// withoutRaw takes CAP_NET_RAW from this goroutine, whose thread ends with it.
func withoutRaw(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
	data[0].Effective &^= 1 << unix.CAP_NET_RAW
	if err := unix.Capset(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
}

// TestMulticastNoAllocations: in steady state neither side allocates for a message.
func TestMulticastNoAllocations(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	onMulticast(t, func(t *testing.T, b *bed) {
		stamped := func(o *socket.Options) { o.Multicast.Timestamps = true }
		for _, c := range []struct {
			traffic
			count int // of messages in each of five runs; an allocation in so many shows
			set   change
		}{
			{traffic{1, 64}, 2000, none}, {traffic{200, 64}, 20_000, none}, {traffic{200, 64}, 2000, stamped},
			{traffic{100, 1000}, 2000, none}, {traffic{10, 70_000}, 100, none},
		} {
			l := newLink(t)
			sub := b.sub(t, l.endpoint(), c.set)
			pub := b.pub(t, l.endpoint())
			ctx, body := patient(t), make([]byte, c.size)
			n := allocations(func() {
				for range c.count / c.burst {
					for range c.burst {
						if err := pub.SendBytes(ctx, body); err != nil {
							t.Fatal(err)
						}
					}
					for range c.burst {
						m, err := sub.Recv(ctx)
						if err != nil {
							t.Fatal(err)
						}
						m.Release()
					}
				}
			})
			if n != 0 {
				t.Errorf("%d messages of %d octets at a time: %v allocations in %d", c.burst, c.size, n, c.count)
			}
			closeNow(t, sub)
			closeNow(t, pub)
		}
	})
}
