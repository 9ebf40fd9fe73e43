package socket_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zeroring/zeroring/socket"
)

// A blocked is a call that waits if it is made of a full and idle socket.
type blocked struct {
	name  string
	sends bool // waits for room rather than for a message
	call  func(ctx context.Context, s *socket.Socket) error
}

var blockedCalls = []blocked{
	{"Send", true, func(ctx context.Context, s *socket.Socket) error {
		return s.Send(ctx, socket.NewMessage([]byte("no room")))
	}},
	{"SendBytes", true, func(ctx context.Context, s *socket.Socket) error { return s.SendBytes(ctx, []byte("no room")) }},
	{"SendParts", true, func(ctx context.Context, s *socket.Socket) error {
		return s.SendParts(ctx, []byte("no"), []byte("room"))
	}},
	{"SendBatch", true, func(ctx context.Context, s *socket.Socket) error {
		n, err := s.SendBatch(ctx, [][]byte{[]byte("no room"), []byte("nor here")})
		if n != 0 {
			return fmt.Errorf("sent %d of a batch, %w", n, err)
		}
		return err
	}},
	{"Recv", false, func(ctx context.Context, s *socket.Socket) error {
		_, err := s.Recv(ctx)
		return err
	}},
	{"RecvBatch", false, func(ctx context.Context, s *socket.Socket) error {
		_, err := s.RecvBatch(ctx, make([]*socket.Message, 3))
		return err
	}},
	{"Messages", false, func(ctx context.Context, s *socket.Socket) error {
		for _, err := range s.Messages(ctx) {
			return fmt.Errorf("yielded, with error %w", err)
		}
		return ctx.Err() // it ends without saying why
	}},
}

// fullSocket returns a DEALER whose peer is not there yet, from which nothing
// more can be sent, and how much was sent to get there.
func fullSocket(t testing.TB, b *bed) (s *socket.Socket, endpoint string, sent int) {
	t.Helper()
	s = b.open(t, socket.TypeDealer, func(o *socket.Options) { o.SendHWM = 5 })
	endpoint = b.endpoint(t)
	connectTo(t, s, endpoint)
	return s, endpoint, fill(t, s)
}

// fill sends until nothing more is taken, and returns how much was.
func fill(t testing.TB, s *socket.Socket) (sent int) {
	t.Helper()
	for ; ; sent++ {
		switch err := s.TrySendBytes(fmt.Append(nil, sent)); {
		case errors.Is(err, socket.ErrWouldBlock):
			return sent
		case err != nil:
			t.Fatal(err)
		}
	}
}

// TestCancel: a call that waits returns its context's error when that is
// cancelled or its deadline passes, it has sent or received nothing, and the
// socket goes on as if it had not been made.
func TestCancel(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		full, endpoint, sent := fullSocket(t, b)
		for _, c := range blockedCalls {
			ctx, cancel := context.WithCancel(patient(t))
			done := make(chan error, 1)
			go func() { done <- c.call(ctx, full) }()
			if c.sends {
				asleep(t, full, 1, 0)
			} else {
				asleep(t, full, 0, 1)
			}
			cancel()
			wantError(t, c.name+" cancelled", soon(t, c.name+" returns", done), context.Canceled)
			wantError(t, c.name+" already cancelled", c.call(ctx, full), context.Canceled)

			ctx, cancel = context.WithTimeout(patient(t), time.Millisecond)
			wantError(t, c.name+" out of time", c.call(ctx, full), context.DeadlineExceeded)
			cancel()
		}
		peer := b.open(t, socket.TypeDealer)
		bindTo(t, peer, endpoint)
		for i := range sent {
			want(t, peer, fmt.Sprint(i))
		}
		send(t, full, "after")
		want(t, peer, "after")
		send(t, peer, "back")
		want(t, full, "back")
	})
}

// TestCancelledContextDoesNotMatter: a call that need not wait does not look
// at its context.
func TestCancelledContextDoesNotMatter(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		from, to := talk{from: socket.TypePush, to: socket.TypePull}.ends(t, b, false)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := from.SendBytes(ctx, []byte("one")); err != nil {
			t.Fatal(err)
		}
		var m *socket.Message
		until(t, "the message arrives", func() (ok bool) {
			var err error
			m, err = to.Recv(ctx)
			return err == nil
		})
		if got := unpack(m); got[0] != "one" {
			t.Fatalf("received %q", got)
		}
	})
}

// TestCancelPassesOn: a call that is cancelled in the moment it is woken leaves
// the message, or the room, to the next in line.
func TestCancelPassesOn(t *testing.T) {
	rounds := 200
	if raced || testing.Short() {
		rounds = 100
	}
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		from, to := talk{from: socket.TypePush, to: socket.TypePull}.ends(t, b, true)
		for n := range rounds {
			ctx, cancel := context.WithCancel(context.Background())
			got := make(chan error, 2)
			take := func(ctx context.Context) {
				m, err := to.Recv(ctx)
				if err == nil && string(m.Frame(0)) != fmt.Sprint(n) {
					err = fmt.Errorf("message %d is %q", n, m.Frame(0))
				}
				got <- err
			}
			rest, end := context.WithCancel(context.Background())
			go take(ctx)
			asleep(t, to, 0, 1)
			go take(rest)
			asleep(t, to, 0, 2)
			if n%2 == 0 {
				go cancel()
			}
			send(t, from, fmt.Sprint(n))
			cancel() // often between being woken and waking up
			if err := soon(t, "one of the two returns", got); err == nil {
				end() // the other has nothing to wait for
				<-got
				cancel()
				continue
			} else if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			if err := soon(t, "the other one takes it", got); err != nil {
				t.Fatal(err)
			}
			end()
		}
	})
}

// TestCancelStorm cancels calls at every moment while messages flow, and wants
// every message that was sent, once, in order for each sender.
func TestCancelStorm(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		const senders, receivers, each = 3, 3, 1500
		tight := func(o *socket.Options) { o.SendHWM, o.RecvHWM = 3, 3 }
		from, to := talk{from: socket.TypePush, to: socket.TypePull}.ends(t, b, true, tight)
		var wg sync.WaitGroup
		for i := range senders {
			wg.Go(func() {
				for n := 0; n < each; {
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(n%50)*time.Microsecond)
					err := from.SendBytes(ctx, fmt.Appendf(nil, "%d %d", i, n))
					cancel()
					switch {
					case err == nil:
						n++
					case !errors.Is(err, context.DeadlineExceeded):
						t.Error(err)
						return
					}
				}
			})
		}
		got := make(chan [2]int, senders*each)
		ended, end := context.WithCancel(context.Background())
		defer end()
		var readers sync.WaitGroup
		for range receivers {
			readers.Go(func() {
				for k := 0; ended.Err() == nil; k++ {
					ctx, cancel := context.WithTimeout(ended, time.Duration(k%50)*time.Microsecond)
					m, err := to.Recv(ctx)
					cancel()
					if err != nil {
						if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
							t.Error(err)
							return
						}
						continue
					}
					var x [2]int
					if _, err := fmt.Sscan(string(m.Frame(0)), &x[0], &x[1]); err != nil {
						t.Errorf("%q: %v", m.Frame(0), err)
					}
					m.Release()
					got <- x
				}
			})
		}
		seen := make([][]int, senders)
		for range senders * each {
			x := soon(t, "a message", got)
			seen[x[0]] = append(seen[x[0]], x[1])
		}
		wg.Wait()
		end()
		readers.Wait()
		for i, numbers := range seen {
			slices.Sort(numbers) // receivers pass them on in no particular order
			for n, x := range numbers {
				if n != x {
					t.Fatalf("sender %d: message %d was lost or came twice", i, n)
				}
			}
		}
		if m, err := to.TryRecv(); err != socket.ErrWouldBlock {
			t.Fatalf("one more message: %v, %v", m, err)
		}
	})
}
