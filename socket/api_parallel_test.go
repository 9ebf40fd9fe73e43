package socket_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/zeroring/zeroring/socket"
)

// parallelCount is how many messages each goroutine sends.
func parallelCount() int {
	switch {
	case raced && testing.Short():
		return 300
	case raced || testing.Short():
		return 1000
	}
	return 5000
}

// A tally counts messages by sender and number, so that each must have come
// once. The numbers of one sender come in order at each receiver.
type tally struct {
	mu   sync.Mutex
	seen [][]bool
	left int
}

func newTally(senders, each int) *tally {
	y := &tally{seen: make([][]bool, senders), left: senders * each}
	for i := range y.seen {
		y.seen[i] = make([]bool, each)
	}
	return y
}

// countedHeader is sender, number and checksum of a counted message.
const countedHeader = 12

// counted is message number n of a sender, of random size.
func counted(sender, n int, dice *rand.Rand) []byte {
	b := make([]byte, countedHeader+dice.IntN(1<<dice.IntN(12)))
	for i := countedHeader; i < len(b); i++ {
		b[i] = byte(i * n)
	}
	binary.BigEndian.PutUint32(b, uint32(sender))
	binary.BigEndian.PutUint32(b[4:], uint32(n))
	binary.BigEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[countedHeader:]))
	return b
}

// take counts a message and returns how many are left, or an error.
func (y *tally) take(b []byte) (left int, err error) {
	if len(b) < countedHeader || crc32.ChecksumIEEE(b[countedHeader:]) != binary.BigEndian.Uint32(b[8:]) {
		return 0, fmt.Errorf("damaged message of %d octets", len(b))
	}
	sender, n := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.seen[sender][n] {
		return 0, fmt.Errorf("message %d of sender %d came twice", n, sender)
	}
	y.seen[sender][n] = true
	y.left--
	return y.left, nil
}

// TestManyGoroutines: many send on one socket and many receive from another,
// in all the ways there are, and each message comes once, whole.
func TestManyGoroutines(t *testing.T) {
	const senders, receivers = 6, 4
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		seed, each := seed(t), parallelCount()
		for _, k := range []talk{
			{from: socket.TypePush, to: socket.TypePull},
			{from: socket.TypeDealer, to: socket.TypeDealer},
			{from: socket.TypePair, to: socket.TypePair},
		} {
			from, to := k.ends(t, b, true, marks(50, 50))
			y := newTally(senders, each)
			var sending, receiving sync.WaitGroup
			for i := range senders {
				sending.Go(func() { sendCounted(t, from, i, each, rand.New(rand.NewPCG(seed, uint64(i)))) })
			}
			for i := range receivers {
				receiving.Go(func() { recvCounted(t, to, y, i) })
			}
			sending.Wait()
			receiving.Wait()
			if y.left != 0 {
				t.Fatalf("%v: %d messages lost", k, y.left)
			}
			closeNow(t, from)
		}
	})
}

func sendCounted(t *testing.T, s *socket.Socket, sender, each int, dice *rand.Rand) {
	ctx := patient(t)
	for n := 0; n < each; {
		var err error
		switch dice.IntN(4) {
		case 0:
			bodies := make([][]byte, min(each-n, 1+dice.IntN(100)))
			for i := range bodies {
				bodies[i] = counted(sender, n, dice)
				n++
			}
			_, err = s.SendBatch(ctx, bodies)
		case 1:
			err = s.Send(ctx, socket.NewMessage(counted(sender, n, dice)))
			n++
		default:
			err = s.SendBytes(ctx, counted(sender, n, dice))
			n++
		}
		if err != nil {
			t.Errorf("sender %d: %v", sender, err)
			return
		}
	}
}

// recvCounted receives until all was; whoever receives the last message closes
// the socket, which ends the others.
func recvCounted(t *testing.T, s *socket.Socket, y *tally, way int) {
	ctx := patient(t)
	msgs := make([]*socket.Message, 20)
	for {
		n := 1
		var err error
		if way%2 == 0 {
			msgs[0], err = s.Recv(ctx)
		} else {
			n, err = s.RecvBatch(ctx, msgs)
		}
		if err == socket.ErrClosed {
			return
		}
		if err != nil {
			t.Error(err)
			return
		}
		for _, m := range msgs[:n] {
			left, err := y.take(m.Frame(0))
			m.Release()
			if err != nil {
				t.Error(err)
				return
			}
			if left == 0 {
				closeNow(t, s)
			}
		}
	}
}

// TestFairness: a receiver takes a message from each peer in turn, and a sender
// gives one to each.
func TestFairness(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		const peers, each = 4, 20
		push := b.open(t, socket.TypePush)
		endpoint := b.bind(t, push)
		pulls := make([]*socket.Socket, peers)
		for i := range pulls {
			pulls[i] = b.open(t, socket.TypePull)
			connectTo(t, pulls[i], endpoint)
		}
		waitPeers(t, push, peers)
		for i := range peers * each {
			send(t, push, fmt.Sprint(i))
		}
		for _, s := range pulls {
			var first int
			if _, err := fmt.Sscan(recv(t, s)[0], &first); err != nil {
				t.Fatal(err)
			}
			for i := 1; i < each; i++ {
				want(t, s, fmt.Sprint(first+i*peers))
			}
		}

		pull := b.open(t, socket.TypePull)
		endpoint = b.bind(t, pull)
		for i := range peers {
			s := b.open(t, socket.TypePush)
			connectTo(t, s, endpoint)
			for range each {
				send(t, s, fmt.Sprint(i))
			}
		}
		waitPeers(t, pull, peers)
		counts := make([]int, peers)
		for n := range peers * each {
			var i int
			if _, err := fmt.Sscan(recv(t, pull)[0], &i); err != nil {
				t.Fatal(err)
			}
			counts[i]++
			// Over a wire some may be late, and the turn pass them over.
			if b.transport == "inproc" && counts[i] != n/peers+1 {
				t.Fatalf("message %d is number %d of peer %d, out of turn", n, counts[i], i)
			}
		}
		for i, n := range counts {
			if n != each {
				t.Fatalf("%d messages of peer %d, want %d", n, i, each)
			}
		}
	})
}

// TestRouterUnderLoad: many DEALERs, each with several goroutines, and a ROUTER
// whose goroutines send each message back to where it came from.
func TestRouterUnderLoad(t *testing.T) {
	const dealers, senders, workers = 5, 2, 3
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		seed, each := seed(t), parallelCount()/2
		router := b.open(t, socket.TypeRouter, func(o *socket.Options) { o.RouterMandatory = true })
		endpoint := b.bind(t, router)
		var working, talking sync.WaitGroup
		for range workers {
			working.Go(func() {
				for m, err := range router.Messages(patient(t)) {
					if err == nil {
						err = router.SendParts(patient(t), m.Frame(0), m.Frame(1))
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for d := range dealers {
			s := b.open(t, socket.TypeDealer)
			connectTo(t, s, endpoint)
			y := newTally(senders, each)
			for i := range senders {
				talking.Go(func() { sendCounted(t, s, i, each, rand.New(rand.NewPCG(seed, uint64(d*senders+i)))) })
			}
			talking.Go(func() { recvCounted(t, s, y, d) })
		}
		talking.Wait()
		closeNow(t, router)
		working.Wait()
	})
}

// TestFanOut: every subscriber gets every message of its topics, in order,
// while others come and go.
func TestFanOut(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		const subscribers = 5
		count := parallelCount()
		noDrop := func(o *socket.Options) { o.XPubNoDrop = true }
		pub := b.open(t, socket.TypePub, noDrop)
		endpoint := b.bind(t, pub)
		var wg sync.WaitGroup
		for i := range subscribers {
			s := b.open(t, socket.TypeSub)
			subscribe(t, s, fmt.Sprint(i%2))
			connectTo(t, s, endpoint)
			wg.Go(func() {
				for n := i % 2; n < count; n += 2 {
					if got := recv(t, s); len(got) != 2 || got[0] != fmt.Sprint(n%2) || got[1] != fmt.Sprint(n) {
						t.Errorf("subscriber %d received %q, want %d", i, got, n)
						return
					}
				}
			})
		}
		waitPeers(t, pub, subscribers)
		done := make(chan struct{})
		go func() { // guests
			defer close(done)
			for range 20 {
				s := b.open(t, socket.TypeSub)
				subscribe(t, s, "")
				connectTo(t, s, endpoint)
				recv(t, s)
				closeNow(t, s)
			}
		}()
		for n := range count {
			if err := pub.SendParts(patient(t), fmt.Append(nil, n%2), fmt.Append(nil, n)); err != nil {
				t.Fatal(err)
			}
		}
		wg.Wait()
		until(t, "the guests had theirs", func() bool {
			if err := pub.SendParts(patient(t), []byte("more")); err != nil {
				t.Fatal(err)
			}
			return isClosed(done)
		})
	})
}

// isClosed reports whether c is.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// TestBothWays: a pair of sockets is written and read at both ends at the same
// time, with messages larger than anything buffers.
func TestBothWays(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		const size = 1 << 20
		count := 50
		if raced {
			count = 10
		}
		x, y := talk{from: socket.TypePair, to: socket.TypePair}.ends(t, b, true, marks(2, 2))
		var wg sync.WaitGroup
		for i, s := range []*socket.Socket{x, y} {
			wg.Go(func() {
				for n := range count {
					if err := s.SendBytes(patient(t), bytes.Repeat([]byte{byte(n + i)}, size)); err != nil {
						t.Error(err)
					}
				}
			})
			wg.Go(func() {
				for n := range count {
					m, err := s.Recv(patient(t))
					if err != nil {
						t.Error(err)
						return
					}
					if !bytes.Equal(m.Frame(0), bytes.Repeat([]byte{byte(n + 1 - i)}, size)) {
						t.Errorf("message %d is damaged", n)
					}
					m.Release()
				}
			})
		}
		wg.Wait()
	})
}
