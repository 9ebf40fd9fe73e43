package socket_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/zeroring/zeroring/socket"
)

// TestChurn opens a socket, connects it, sends a message and closes it, ten
// thousand times, and wants nothing left of any: no descriptor, no goroutine,
// no buffer and no peer.
func TestChurn(t *testing.T) {
	cycles := 10_000
	if raced || testing.Short() {
		cycles = 1000
	}
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		pull := b.open(t, socket.TypePull)
		endpoint := b.bind(t, pull)
		var before, worst census
		heap := 0
		ctx, body := context.Background(), make([]byte, 300)
		for i := range cycles {
			if i == 100 { // by now pools have what they keep
				before = takeCensus().withSpares()
				worst, heap = before, heapInUse()
			}
			s, err := socket.NewPush(&socket.Options{Engine: b.engine})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Connect(endpoint); err != nil {
				t.Fatal(err)
			}
			if err := s.SendBytes(ctx, body); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil { // lingers until it is sent
				t.Fatal(err)
			}
			m, err := pull.Recv(ctx)
			if err != nil {
				t.Fatal(err)
			}
			m.Release()
			if i%500 == 0 {
				now := takeCensus()
				worst.goroutines = max(worst.goroutines, now.goroutines)
				worst.descriptors = max(worst.descriptors, now.descriptors)
				worst.buffers = max(worst.buffers, now.buffers)
			}
		}
		until(t, "all peers are forgotten", func() bool {
			_, err := pull.TryRecv()
			return err == socket.ErrWouldBlock && len(pull.Stats().Peers) == 0
		})
		if err := before.compare(); err != nil {
			t.Fatalf("left behind: %v", err)
		}
		if grown := heapInUse() - heap; grown > cycles*500 {
			t.Fatalf("%d octets of heap left by each", grown/cycles)
		}
		// Not even for a while: what is over goes at once.
		if worst.descriptors > before.descriptors+50 || worst.buffers > before.buffers+200 {
			t.Fatalf("meanwhile %+v, before %+v", worst, before)
		}
	})
}

// heapInUse is what is left of the heap after a collection, of which pools
// survive one.
func heapInUse() int {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}

// TestChurnOfBinds binds and unbinds, with peers that come each time.
func TestChurnOfBinds(t *testing.T) {
	cycles := 1000
	if raced || testing.Short() {
		cycles = 200
	}
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		pull, push := b.open(t, socket.TypePull), b.open(t, socket.TypePush)
		var before census
		for i := range cycles {
			if i == 50 {
				before = takeCensus().withSpares()
			}
			endpoint := b.bind(t, pull)
			connectTo(t, push, endpoint)
			send(t, push, "x")
			want(t, pull, "x")
			if err := push.Disconnect(endpoint); err != nil {
				t.Fatal(err)
			}
			if err := pull.Unbind(endpoint); err != nil {
				t.Fatal(err)
			}
		}
		until(t, "all peers are forgotten", func() bool {
			_, err := pull.TryRecv()
			return err == socket.ErrWouldBlock && len(pull.Stats().Peers)+len(push.Stats().Peers) == 0
		})
		if err := before.compare(); err != nil {
			t.Fatalf("left behind: %v", err)
		}
	})
}

// TestChurnOfEngines starts and closes engines with sockets in use.
func TestChurnOfEngines(t *testing.T) {
	for _, backend := range backends() {
		t.Run(backend, func(t *testing.T) {
			newEngine(t, &socket.EngineOptions{Backend: backend}).Close()
			before := takeCensus()
			for range 50 {
				e := newEngine(t, &socket.EngineOptions{Backend: backend, Reactors: 2})
				o := &socket.Options{Engine: e}
				pull, err := socket.NewPull(o)
				if err != nil {
					t.Fatal(err)
				}
				push, err := socket.NewPush(o)
				if err != nil {
					t.Fatal(err)
				}
				endpoint, err := pull.Bind("tcp://127.0.0.1:*")
				if err != nil {
					t.Fatal(err)
				}
				if err := push.Connect(endpoint); err != nil {
					t.Fatal(err)
				}
				if err := push.SendBytes(context.Background(), []byte("x")); err != nil {
					t.Fatal(err)
				}
				m, err := pull.Recv(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				m.Release()
				if err := e.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if err := before.compare(); err != nil {
				t.Fatalf("left behind: %v", err)
			}
		})
	}
}
