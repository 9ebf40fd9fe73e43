package reactor

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// benchKernels runs bench on each driver, over one connection.
func benchKernels(b *testing.B, bench func(b *testing.B, r *Reactor, near, far FD)) {
	for _, w := range kernelWorlds {
		b.Run(w.name, func(b *testing.B) {
			if w.name == "uring" {
				needUring(b)
			}
			cfg := w.config()
			cfg.Reactors = 1
			g, err := NewGroup(cfg)
			if err != nil {
				b.Fatal(err)
			}
			defer g.Close()
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				b.Fatal(err)
			}
			r := g.Reactors()[0]
			defer r.CloseFD(FD(pair[0]))
			defer r.CloseFD(FD(pair[1]))
			b.ReportAllocs()
			bench(b, r, FD(pair[0]), FD(pair[1]))
		})
	}
}

// BenchmarkTurn is what the loop and the driver cost: a send and a receive that
// never have to wait for anybody.
func BenchmarkTurn(b *testing.B) {
	benchKernels(b, func(b *testing.B, r *Reactor, near, far FD) {
		p := newPinger(r, near, far, 64)
		over := make(chan struct{})
		left := b.N
		p.send.Owner, p.recv.Owner = p, handlerFunc(func(now time.Time, op *Op) {
			op.Buf.Release()
			op.Buf = nil
			if left--; left <= 0 {
				close(over)
				return
			}
			p.left = 3 // the pinger itself never gets there
			r.Submit(&p.recv)
			r.Submit(&p.send)
		})
		r.Post(&p.start)
		<-over
	})
}

// BenchmarkPing is a round through everything: a goroutine posts, the reactor
// wakes, sends, receives, and wakes the goroutine.
func BenchmarkPing(b *testing.B) {
	benchKernels(b, func(b *testing.B, r *Reactor, near, far FD) {
		p := newPinger(r, near, far, 64)
		for b.Loop() {
			p.round()
		}
	})
}

// BenchmarkEcho has a goroutine that blocks in the kernel talk to a reactor.
func BenchmarkEcho(b *testing.B) {
	benchKernels(b, func(b *testing.B, r *Reactor, near, far FD) {
		buf := make([]byte, 64)
		var recv, send Op
		gone := make(chan struct{})
		send = Op{Kind: OpSend, FD: far, Bufs: [][]byte{buf}, Owner: handlerFunc(func(time.Time, *Op) { r.Submit(&recv) })}
		recv = Op{Kind: OpRecv, FD: far, Owner: handlerFunc(func(_ time.Time, op *Op) {
			if op.Result <= 0 {
				close(gone)
				return
			}
			op.Buf.Release()
			op.Buf = nil
			r.Submit(&send)
		})}
		r.Post(&Task{Run: func(time.Time) { r.Submit(&recv) }})
		if err := unix.SetNonblock(int(near), false); err != nil {
			b.Fatal(err)
		}
		in := make([]byte, 64)
		for b.Loop() {
			if _, err := unix.Write(int(near), in); err != nil {
				b.Fatal(err)
			}
			if _, err := unix.Read(int(near), in); err != nil {
				b.Fatal(err)
			}
		}
		r.Shutdown(near)
		<-gone
	})
}

// BenchmarkTry is what a caller that works for itself pays.
func BenchmarkTry(b *testing.B) {
	benchKernels(b, func(b *testing.B, r *Reactor, near, far FD) {
		out, in := [][]byte{make([]byte, 64)}, make([]byte, 4096)
		for b.Loop() {
			if _, err := r.TryWrite(near, out); err != nil {
				b.Fatal(err)
			}
			if _, err := r.TryRead(far, in); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkTimer restarts one of many timers, as each message on a connection
// with a deadline does.
func BenchmarkTimer(b *testing.B) {
	var heap timerHeap
	timers := make([]Timer, 10_000)
	for i := range timers {
		timers[i].Fire = func(time.Time) {}
		heap.start(&timers[i], simEpoch.Add(time.Duration(i)))
	}
	b.ReportAllocs()
	at := 10_000
	for b.Loop() {
		heap.start(&timers[at%len(timers)], simEpoch.Add(time.Duration(at)))
		at++
	}
}
