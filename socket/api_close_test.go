package socket_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/zeroring/zeroring/socket"
)

var everyType = []socket.Type{
	socket.TypeReq, socket.TypeRep, socket.TypeDealer, socket.TypeRouter, socket.TypePub, socket.TypeSub,
	socket.TypeXPub, socket.TypeXSub, socket.TypePush, socket.TypePull, socket.TypePair,
}

// TestCloseUnblocks: a call that waits returns ErrClosed when its socket is
// closed, and so when the engine is.
func TestCloseUnblocks(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		for _, byEngine := range []bool{false, true} {
			var full []*socket.Socket
			done := make(chan error, 100)
			for _, c := range blockedCalls {
				s, _, _ := fullSocket(t, b)
				full = append(full, s)
				go func() {
					err := c.call(context.Background(), s)
					if !errors.Is(err, socket.ErrClosed) && c.name != "Messages" {
						err = fmt.Errorf("%s: %w, want ErrClosed", c.name, err)
					}
					done <- err
				}()
				if c.sends {
					asleep(t, s, 1, 0)
				} else {
					asleep(t, s, 0, 1)
				}
				go func() { done <- s.WaitPeers(context.Background(), 1) }()
				events := s.Events(context.Background())
				go func() {
					for range events {
					}
					done <- socket.ErrClosed
				}()
			}
			if byEngine {
				if err := b.engine.Close(); err != nil {
					t.Fatal(err)
				}
			}
			for _, s := range full {
				closeNow(t, s)
			}
			for range 3 * len(full) {
				// Messages ends without an error.
				if err := soon(t, "call returns", done); err != nil && err != socket.ErrClosed {
					t.Error(err)
				}
			}
		}
		_, err := socket.NewPair(&socket.Options{Engine: b.engine})
		wantError(t, "socket of a closed engine", err, socket.ErrClosed)
	})
}

// TestClosedSockets: whatever is asked of a closed socket, it says so, though
// there is something to receive.
func TestClosedSockets(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		for _, typ := range everyType {
			s := b.open(t, typ)
			endpoint := b.bind(t, s)
			closeNow(t, s)
			for what, err := range closedCalls(patient(t), s, endpoint) {
				if !errors.Is(err, socket.ErrClosed) {
					t.Errorf("%s of a closed %v: %v", what, typ, err)
				}
			}
			for range s.Messages(patient(t)) {
				t.Errorf("closed %v yields a message", typ)
			}
			for range s.Events(patient(t)) {
				t.Errorf("closed %v yields an event", typ)
			}
			if n := len(s.Stats().Peers); n != 0 {
				t.Errorf("closed %v has %d peers", typ, n)
			}
			s.SetSendHWM(1)
			s.SetRecvHWM(1)
			s.SetLinger(1)
			closeNow(t, s)
		}
		from, to := talk{from: socket.TypePush, to: socket.TypePull}.ends(t, b, true)
		send(t, from, "unread")
		send(t, from, "unread too")
		want(t, to, "unread")
		closeNow(t, to)
		_, err := to.Recv(patient(t))
		wantError(t, "Recv of what was there", err, socket.ErrClosed)
		_, err = to.TryRecv()
		wantError(t, "TryRecv of what was there", err, socket.ErrClosed)
	})
}

// closedCalls is what each call says that s's type allows.
func closedCalls(ctx context.Context, s *socket.Socket, endpoint string) map[string]error {
	_, bindErr := s.Bind(endpoint)
	said := map[string]error{
		"Bind":       bindErr,
		"Connect":    s.Connect(endpoint),
		"Unbind":     s.Unbind(endpoint),
		"Disconnect": s.Disconnect(endpoint),
		"WaitPeers":  s.WaitPeers(ctx, 1),
	}
	body := []byte("late")
	switch s.Type() {
	case socket.TypePull, socket.TypeSub:
	default:
		said["Send"] = s.Send(ctx, socket.NewMessage(body, body))
		said["SendBytes"] = s.SendBytes(ctx, body)
		said["SendParts"] = s.SendParts(ctx, body, body)
		said["TrySend"] = s.TrySend(socket.NewMessage(body, body))
		said["TrySendBytes"] = s.TrySendBytes(body)
		said["TrySendParts"] = s.TrySendParts(body, body)
		_, said["SendBatch"] = s.SendBatch(ctx, [][]byte{body})
	}
	switch s.Type() {
	case socket.TypePush, socket.TypePub:
	default:
		_, said["Recv"] = s.Recv(ctx)
		_, said["TryRecv"] = s.TryRecv()
		_, said["RecvBatch"] = s.RecvBatch(ctx, make([]*socket.Message, 1))
	}
	switch s.Type() {
	case socket.TypeSub, socket.TypeXSub:
		said["Subscribe"] = s.Subscribe(body)
		said["Unsubscribe"] = s.Unsubscribe(body)
	}
	return said
}

// TestCloseTwice: Close may be called again, and by many at a time, and none of
// them returns before the socket's address is free again.
func TestCloseTwice(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		endpoint := b.endpoint(t)
		for range 20 {
			s := b.open(t, socket.TypeRep)
			bindTo(t, s, endpoint) // fails if it is not free
			done := make(chan error)
			const closers = 8
			for range closers {
				go func() { done <- s.Close() }()
			}
			for range closers {
				if err := soon(t, "Close returns", done); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 2 {
			if err := b.engine.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestCloseEngineOfClosing: the engine waits for sockets that somebody else
// closes just now, and that still have something to send.
func TestCloseEngineOfClosing(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		far := newEngine(t, &socket.EngineOptions{Backend: b.backend})
		defer far.Close()
		to := b.open(t, socket.TypePull, func(o *socket.Options) { o.Engine = far })
		endpoint := b.bind(t, to)
		from := b.open(t, socket.TypePush, unlimited, lingering(socket.Off))
		connectTo(t, from, endpoint)
		const count = 20_000
		for i := range count {
			send(t, from, fmt.Sprint(i))
		}
		done := make(chan error, 2)
		go func() { done <- from.Close() }()
		until(t, "Close has begun", func() bool {
			return errors.Is(from.TrySendBytes([]byte("x")), socket.ErrClosed)
		})
		go func() { done <- b.engine.Close() }()
		for i := range count {
			want(t, to, fmt.Sprint(i))
		}
		for range 2 {
			if err := soon(t, "both are closed", done); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestCloseStress closes sockets of every type while many goroutines are in
// all of their calls, and peers come, go and send.
func TestCloseStress(t *testing.T) {
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		dice := rand.New(rand.NewPCG(seed(t), 0))
		for range rounds {
			for _, k := range talks {
				stressClose(t, b, k, dice)
			}
		}
	})
}

// stressClose does everything to both ends of k and closes them meanwhile.
func stressClose(t *testing.T, b *bed, k talk, dice *rand.Rand) {
	t.Helper()
	small := func(o *socket.Options) { o.SendHWM, o.RecvHWM = 1+dice.IntN(10), 1+dice.IntN(10) }
	var users sync.WaitGroup
	stop := make(chan struct{})
	ends := [2]*socket.Socket{b.open(t, k.from, small), b.open(t, k.to, small)}
	endpoint := b.bind(t, ends[0])
	connectTo(t, ends[1], endpoint)
	for i, s := range ends {
		for range 3 {
			n := dice.Uint64()
			users.Go(func() { useUntilClosed(t, s, endpoint, ends[1-i], n) })
		}
		users.Go(func() {
			for range s.Events(context.Background()) {
			}
		})
	}
	for range dice.IntN(2000) {
		runtime.Gosched() // to close at any moment, of connecting and of traffic
	}
	first := dice.IntN(2)
	var closers sync.WaitGroup
	closers.Go(func() { closeNow(t, ends[first]) })
	closers.Go(func() { closeNow(t, ends[first]) })
	if dice.IntN(2) == 0 {
		closers.Wait()
	}
	closers.Go(func() { closeNow(t, ends[1-first]) })
	closers.Wait()
	go func() {
		users.Wait()
		close(stop)
	}()
	soon(t, "everybody notices that the sockets are closed", stop)
}

// useUntilClosed makes calls of s in random order until one says ErrClosed.
func useUntilClosed(t *testing.T, s *socket.Socket, endpoint string, other *socket.Socket, seed uint64) {
	dice := rand.New(rand.NewPCG(seed, 1))
	// Half of the calls wait for ever, so that some wait when Close comes.
	for {
		ctx, cancel := context.Background(), func() {}
		if dice.IntN(2) == 0 {
			ctx, cancel = context.WithCancel(ctx)
			if dice.IntN(2) == 0 {
				cancel()
			} else {
				go cancel()
			}
		}
		err := useOnce(ctx, s, endpoint, other, dice)
		cancel()
		switch {
		case errors.Is(err, socket.ErrClosed):
			return
		case err == nil, errors.Is(err, socket.ErrWouldBlock), errors.Is(err, socket.ErrState),
			errors.Is(err, context.Canceled), errors.Is(err, socket.ErrPeerLost), errors.Is(err, socket.ErrNotFound),
			errors.Is(err, socket.ErrNotSupported):
		default:
			t.Error(err)
			return
		}
	}
}

func useOnce(ctx context.Context, s *socket.Socket, endpoint string, other *socket.Socket, dice *rand.Rand) error {
	body := make([]byte, dice.IntN(500))
	switch dice.IntN(14) {
	case 0:
		return s.SendBytes(ctx, body)
	case 1:
		return s.SendParts(ctx, body, body)
	case 2:
		return s.TrySendBytes(body)
	case 3:
		return s.Send(ctx, socket.NewMessage(body))
	case 4:
		_, err := s.SendBatch(ctx, [][]byte{body, body})
		return err
	case 5:
		msgs := make([]*socket.Message, 3)
		n, err := s.RecvBatch(ctx, msgs)
		for _, m := range msgs[:n] {
			m.Release()
		}
		return err
	case 6:
		m, err := s.TryRecv()
		if err == nil {
			m.Release()
		}
		return err
	case 7:
		for _, err := range s.Messages(ctx) {
			return err
		}
		return nil
	case 8:
		s.Stats()
		return s.WaitPeers(ctx, 1+dice.IntN(2))
	case 9:
		s.SetSendHWM(1 + dice.IntN(10))
		s.SetRecvHWM(1 + dice.IntN(10))
		return nil
	case 10:
		if err := s.Connect(endpoint); err != nil {
			return ignoreMismatch(err)
		}
		return s.Disconnect(endpoint)
	case 11:
		if err := s.Subscribe(body); err != nil {
			return err
		}
		return s.Unsubscribe(body)
	case 12:
		return other.TrySendBytes(body)
	}
	m, err := s.Recv(ctx)
	if err == nil {
		m.Release()
	}
	return err
}

// ignoreMismatch drops what a socket says that connects to one of its own type
// over inproc, since the endpoint is that of either end.
func ignoreMismatch(err error) error {
	var e *socket.EndpointError
	if errors.As(err, &e) && !errors.Is(err, socket.ErrClosed) {
		return nil
	}
	return err
}

// TestCloseWhileJoining closes either end of an inproc connection while it is
// made, from either end: nobody is left with a peer that is gone.
func TestCloseWhileJoining(t *testing.T) {
	rounds := 3000
	if raced || testing.Short() {
		rounds = 500
	}
	everywhere(t, []string{"inproc"}, func(t *testing.T, b *bed) {
		dice := rand.New(rand.NewPCG(seed(t), 0))
		for range rounds {
			k := talks[dice.IntN(len(talks))]
			endpoint := b.endpoint(t)
			binds, connects := b.open(t, k.from), b.open(t, k.to)
			steps := []func(){
				func() { _, _ = binds.Bind(endpoint) },
				func() { _ = connects.Connect(endpoint) },
				func() { _ = connects.TrySendBytes([]byte("x")) },
				func() { closeNow(t, connects) },
			}
			if dice.IntN(2) == 0 {
				steps = append(steps, func() { closeNow(t, binds) })
			}
			var wg sync.WaitGroup
			for _, step := range steps {
				wait := dice.IntN(20)
				wg.Go(func() {
					for range wait {
						runtime.Gosched()
					}
					step()
				})
			}
			wg.Wait()
			until(t, "nobody has a peer", func() bool {
				_, _ = binds.TryRecv() // what it sent before it left may be there
				return len(binds.Stats().Peers) == 0
			})
			closeNow(t, binds)
		}
	})
}

// TestCloseInLoop closes a socket from within its own iterators.
func TestCloseInLoop(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		from, to := talk{from: socket.TypePush, to: socket.TypePull}.ends(t, b, true)
		for i := range 10 {
			send(t, from, fmt.Sprint(i))
		}
		got := 0
		for m, err := range to.Messages(patient(t)) {
			if err != nil {
				t.Fatal(err)
			}
			if string(m.Frame(0)) != fmt.Sprint(got) {
				t.Fatalf("message %d is %q", got, m.Frame(0))
			}
			if got++; got == 3 {
				closeNow(t, to)
			}
		}
		if got != 3 {
			t.Fatalf("%d messages after Close", got-3)
		}
	})
}

// TestCloseWhileConnecting closes sockets in the middle of everything that
// connecting consists of: resolving, connecting, retrying, shaking hands.
func TestCloseWhileConnecting(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		silent := b.rawListen(t)
		for _, endpoint := range []string{
			silent.endpoint,                // accepts and says nothing
			b.endpoint(t),                  // refuses
			"tcp://localhost:1",            // to be resolved, and refuses
			"tcp://no-such-host.invalid:1", // cannot be resolved
			"ipc:///nonexistent/directory/socket",
			"tcp://192.0.2.1:9", // never answers, or is unreachable
		} {
			for i := range 5 {
				s := b.open(t, socket.TypePush)
				connectTo(t, s, endpoint)
				if err := s.TrySendBytes([]byte("dropped")); err != nil {
					t.Fatal(err)
				}
				if i > 2 && endpoint == silent.endpoint {
					silent.accept(t)
				}
				closeNow(t, s)
			}
		}
	})
}
