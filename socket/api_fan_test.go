package socket_test

import (
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/zeroring/zeroring/socket"
)

// fanned is a publisher with many subscribers of everything.
func fanned(t *testing.T, b *bed, typ socket.Type, subscribers int, changes ...change) (*socket.Socket, []*socket.Socket) {
	t.Helper()
	pub := b.open(t, typ, append(changes, smallBuffers)...)
	endpoint := b.bind(t, pub)
	subs := make([]*socket.Socket, subscribers)
	for i := range subs {
		subs[i] = b.open(t, socket.TypeSub, smallBuffers)
		subscribe(t, subs[i], "")
		connectTo(t, subs[i], endpoint)
	}
	waitPeers(t, pub, subscribers)
	return pub, subs
}

// smallBuffers makes the kernel hold little.
func smallBuffers(o *socket.Options) { o.SendBuf, o.RecvBuf = 64<<10, 64<<10 }

// TestFanOutOfBursts: a burst to many arrives everywhere, whole and in order, though the
// publisher closes as soon as it has sent the last message.
func TestFanOutOfBursts(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		const subscribers, messages = 12, 20_000
		pub, subs := fanned(t, b, socket.TypeXPub, subscribers, func(o *socket.Options) {
			o.XPubNoDrop, o.Linger = true, patience
		})
		ctx := patient(t)
		var all sync.WaitGroup
		for _, s := range subs {
			all.Go(func() {
				for i := range messages {
					m, err := s.Recv(ctx)
					if err != nil {
						t.Errorf("receiving message %d: %v", i, err)
						return
					}
					if got := string(m.Frame(0)); got != strconv.Itoa(i) || m.Len() != 1+i%2 {
						t.Errorf("message %d arrived as %q in %d frames", i, got, m.Len())
					}
					m.Release()
				}
			})
		}
		for i := range messages {
			frames := [][]byte{[]byte(strconv.Itoa(i)), make([]byte, i%300)}
			if err := pub.SendParts(ctx, frames[:1+i%2]...); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range pub.Stats().Peers {
			if p.Sent != messages || p.Dropped != 0 {
				t.Errorf("%d sent and %d dropped, want all of %d sent", p.Sent, p.Dropped, messages)
			}
		}
		if err := pub.Close(); err != nil {
			t.Error(err)
		}
		all.Wait()
	})
}

// TestFanOutDrops: what a subscriber has no room for counts, to the message, and
// is the others' all the same.
func TestFanOutDrops(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		const subscribers, messages = 8, 10_000
		pub, subs := fanned(t, b, socket.TypePub, subscribers, func(o *socket.Options) { o.SendHWM = 100 })
		ctx := patient(t)
		body := make([]byte, 1000) // more in all than the kernel has room for
		for range messages {
			if err := pub.SendBytes(ctx, body); err != nil {
				t.Fatal(err)
			}
		}
		dropped := uint64(0)
		for _, p := range pub.Stats().Peers {
			if p.Sent+p.Dropped != messages || p.Queued > 100+1000 { // over inproc it is the sum
				t.Errorf("%d sent, of which %d are queued, and %d dropped, of %d", p.Sent, p.Queued, p.Dropped, messages)
			}
			dropped += p.Dropped
		}
		if dropped == 0 {
			t.Error("nothing was dropped")
		}
		for i, s := range subs {
			if m, err := s.Recv(ctx); err != nil {
				t.Errorf("subscriber %d: %v", i, err)
			} else {
				m.Release()
			}
		}
	})
}

// TestFanOutParts: what is sent before a Disconnect is delivered, nothing after it
// is, and the others go on.
func TestFanOutParts(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		pub := b.open(t, socket.TypeXPub, func(o *socket.Options) {
			o.XPubNoDrop, o.Linger = true, patience // which is Disconnect's, too
		})
		subs, ends := make([]*socket.Socket, 8), make([]string, 8)
		for i := range subs {
			subs[i] = b.open(t, socket.TypeSub)
			subscribe(t, subs[i], "")
			ends[i] = b.bind(t, subs[i])
			connectTo(t, pub, ends[i])
		}
		waitPeers(t, pub, len(subs))
		const before, after = 500, 400
		for i := range before {
			send(t, pub, fmt.Sprint(i))
		}
		if err := pub.Disconnect(ends[3]); err != nil {
			t.Fatal(err)
		}
		for i := range after {
			send(t, pub, fmt.Sprint(before+i))
		}
		for i, s := range subs {
			expected := before + after
			if i == 3 {
				expected = before
			}
			for i := range expected {
				want(t, s, fmt.Sprint(i))
			}
		}
		if m, err := subs[3].TryRecv(); err != socket.ErrWouldBlock {
			t.Errorf("after Disconnect something arrived: %v %v", m, err)
		}
	})
}
