package socket_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime/debug"
	"testing"

	"github.com/zeroring/zeroring/socket"
)

// A traffic is how many messages are sent before they are received, and of
// what size.
type traffic struct {
	burst int // messages
	size  int // octets
}

var traffics = []traffic{
	{1, 64},      // request and reply: nothing is ever busy
	{100, 64},    // copied out of what was received
	{100, 1000},  // referred to in what was received
	{10, 70_000}, // more than one read brings
}

// measured is how many messages at least one measurement takes. AllocsPerRun
// rounds down, so each of its runs is of that many: one allocation in so many
// messages shows.
const measured = 200

// allocations is how many one call of round makes once it has been called often
// enough. How many buffers are under way at a time is a matter of chance, and
// each new record takes some from the heap, so of several measurements the best
// counts: what every message costs is in all of them.
func allocations(round func()) (n float64) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools
	for range 5 {
		round()
	}
	for range 8 {
		if n = testing.AllocsPerRun(5, round); n == 0 {
			break
		}
	}
	return n
}

// TestNoAllocations is the promise: after set-up, sending and receiving a
// message allocates nothing, in any pattern, on any transport, on either side,
// neither in the calls nor in the reactors.
func TestNoAllocations(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		for _, k := range talks {
			for _, load := range traffics {
				if load.burst > 1 && (k.from == socket.TypeReq || k.to == socket.TypeRep) {
					continue
				}
				t.Run(fmt.Sprintf("%v/%dx%d", k, load.burst, load.size), func(t *testing.T) {
					x := newExchange(t, b, k, load)
					n := allocations(func() {
						for range max(1, measured/load.burst) {
							x.once()
						}
					})
					if n != 0 {
						t.Errorf("%v allocations in %d messages", n, measured)
					}
				})
			}
		}
	})
}

// An exchange sends the same messages again and again.
type exchange struct {
	t        testing.TB
	talk     talk
	traffic  traffic
	from, to *socket.Socket
	ctx      context.Context // can be cancelled, as contexts of servers can
	body     []byte
	out      [][]byte // what is sent
	back     [][]byte // what is answered
}

func newExchange(t testing.TB, b *bed, k talk, load traffic) *exchange {
	x := &exchange{t: t, talk: k, traffic: load, ctx: patient(t), body: bytes.Repeat([]byte{'x'}, load.size)}
	x.from, x.to = k.ends(t, b, false)
	x.out = append(parts(envelope(k.from, k.to)), x.body)
	x.back = append(parts(k.there(t, x.from, x.to, []string{"first"})), x.body)
	if k.back {
		x.check(x.to.SendParts(x.ctx, x.back...))
		recv(t, x.from)
	}
	return x
}

// once sends and receives a burst, and its answers.
func (x *exchange) once() {
	for range x.traffic.burst {
		if len(x.out) == 1 {
			x.check(x.from.SendBytes(x.ctx, x.body))
		} else {
			x.check(x.from.SendParts(x.ctx, x.out...))
		}
	}
	for range x.traffic.burst {
		x.take(x.to)
	}
	if !x.talk.back {
		return
	}
	for range x.traffic.burst {
		x.check(x.to.SendParts(x.ctx, x.back...))
	}
	for range x.traffic.burst {
		x.take(x.from)
	}
}

func (x *exchange) take(s *socket.Socket) {
	m, err := s.Recv(x.ctx)
	x.check(err)
	if last := m.Frame(m.Len() - 1); len(last) != len(x.body) {
		x.t.Fatalf("received %d octets, want %d", len(last), len(x.body))
	}
	m.Release()
}

func (x *exchange) check(err error) {
	if err != nil {
		x.t.Fatal(err)
	}
}

// TestNoAllocationsOfTheOtherForms is the same promise for the calls that
// TestNoAllocations does not make.
func TestNoAllocationsOfTheOtherForms(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		from, to := talk{from: socket.TypePush, to: socket.TypePull}.ends(t, b, false)
		ctx := patient(t)
		check := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		bodies := make([][]byte, 50)
		for i := range bodies {
			bodies[i] = make([]byte, 100)
		}
		msgs := make([]*socket.Message, len(bodies))
		round := func() {
			_, err := from.SendBatch(ctx, bodies)
			check(err)
			for _, body := range bodies {
				check(from.TrySendBytes(body))
			}
			for _, body := range bodies {
				check(from.TrySendParts(body, body))
			}
			for got := 0; got < 3*len(bodies); {
				n, err := to.RecvBatch(ctx, msgs)
				check(err)
				for _, m := range msgs[:n] {
					m.Release()
				}
				got += n
			}
			check(from.SendParts(ctx, bodies[0], bodies[1]))
			m, err := to.Recv(ctx) // and send it on, whole
			check(err)
			check(from.Send(ctx, m))
			m, err = to.Recv(ctx)
			check(err)
			check(from.TrySend(m))
			m, err = to.Recv(ctx)
			check(err)
			m.Release()
			if _, err := to.TryRecv(); err != socket.ErrWouldBlock {
				t.Fatal(err)
			}
		}
		if n := allocations(round); n != 0 {
			t.Errorf("%v allocations in %d messages", n, 3*len(bodies)+3)
		}
	})
}

// TestNoAllocationsWithManyPeers: neither fair queueing and load balancing nor
// distribution allocate, whatever the number of peers.
func TestNoAllocationsWithManyPeers(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	const peers = 5
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		for _, c := range []struct {
			talk
			traffic
		}{
			{talk{from: socket.TypePub, to: socket.TypeSub}, traffic{1, 3000}}, // shared
			{talk{from: socket.TypePub, to: socket.TypeSub}, traffic{50, 64}},  // batched
			{talk{from: socket.TypePush, to: socket.TypePull}, traffic{peers, 3000}},
		} {
			k := c.talk
			hub := b.open(t, k.from)
			endpoint := b.bind(t, hub)
			spokes := make([]*socket.Socket, peers)
			for i := range spokes {
				spokes[i] = b.open(t, k.to)
				if k.to == socket.TypeSub {
					subscribe(t, spokes[i], "")
				}
				connectTo(t, spokes[i], endpoint)
			}
			waitPeers(t, hub, peers)
			ctx := patient(t)
			body := make([]byte, c.size)
			each := c.burst // for each of the spokes
			if k.from == socket.TypePush {
				each /= peers
			}
			round := func() {
				for range 20 {
					for range c.burst {
						if err := hub.SendBytes(ctx, body); err != nil {
							t.Fatal(err)
						}
					}
					for i := range each * peers {
						m, err := spokes[i%peers].Recv(ctx)
						if err != nil {
							t.Fatal(err)
						}
						m.Release()
					}
				}
			}
			if n := allocations(round); n != 0 {
				t.Errorf("%v, %v: %v allocations in 20 rounds", k, c.traffic, n)
			}
		}
	})
}
