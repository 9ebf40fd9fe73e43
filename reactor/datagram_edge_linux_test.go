package reactor

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestDatagramReadable: a datagram completes an OpReadable, whether it came
// before the submit, after it, or between a Read that found nothing and it.
func TestDatagramReadable(t *testing.T) {
	onSockets(t, func(t *testing.T, h *rig) {
		a, b := h.local(home), h.local(home)
		for range 3 { // once the driver knows the FD it behaves differently
			a.send(b.addr(), "before", 0)
			for range 2 { // and it is not read meanwhile
				h.submit(b.ready)
				b.ready.want(0)
			}
			b.want("before")
			h.submit(b.ready)
			b.ready.idle()
			a.send(b.addr(), "after", 0)
			b.ready.want(0)
			a.send(b.addr(), "while nobody waits", 0)
			h.turns()
			b.want("after", "while nobody waits")
			b.nothing()
			a.send(b.addr(), "in between", 0)
			h.submit(b.ready)
			b.ready.want(0)
			b.want("in between")
			b.nothing()
			h.submit(b.ready)
			b.ready.idle()
			h.cancel(b.ready)
			b.ready.fails(syscall.ECANCELED)
		}
		room := h.call(OpWritable, a.fd)
		for range 3 {
			h.submit(room, b.ready)
			room.want(0)
			h.cancel(b.ready)
			b.ready.fails(syscall.ECANCELED)
		}
		h.submit(b.ready)
		if err := h.g.Close(); err != nil {
			t.Fatal(err)
		}
		b.ready.fails(syscall.ECANCELED)
	})
}

// TestDatagramEdges has datagrams arrive at any moment of a receiver's round:
// read until there is nothing, submit an OpReadable, wait. An edge that is lost
// hangs it, since the next datagram is not sent before the last was received.
func TestDatagramEdges(t *testing.T) {
	const rounds = 20_000
	onSockets(t, func(t *testing.T, h *rig) {
		source, sink := h.local(home), h.local(home)
		more := make(chan int, rounds) // datagrams that were received
		var work atomic.Int64          // done to pass some time
		var sender sync.WaitGroup
		dice := rand.New(rand.NewPCG(31, 37))
		ready := Op{Kind: OpReadable, FD: sink.fd}
		received, over := 0, false // over is guarded by h.mu
		end := func() {
			h.mu.Lock()
			over = true
			h.mu.Unlock()
			h.tell()
		}
		ready.Owner = handlerFunc(func(_ time.Time, op *Op) {
			for {
				n, err := sink.reader.Read(h.r, sink.fd)
				if err == ErrAgain {
					break
				}
				if err != nil || op.Result != 0 {
					t.Errorf("Read = %d, %v after result %d", n, err, op.Result)
					end()
					return
				}
				if received += n; received == rounds {
					end()
					return
				}
				more <- received
			}
			for range dice.IntN(200) {
				work.Add(1) // sometimes the next one comes right here
			}
			h.r.Submit(op)
		})
		h.do(func(time.Time) { h.r.Submit(&ready) })
		sender.Go(func() {
			dice := rand.New(rand.NewPCG(41, 43))
			more <- 0
			for range rounds {
				<-more
				for range dice.IntN(2000) {
					work.Add(1)
				}
				source.writer.Add(sink.addr(), []byte{1}, 0)
				if err := source.writer.Flush(h.r, source.fd); err != nil {
					t.Error(err)
				}
			}
		})
		h.until("everything received", func() bool { return over })
		sender.Wait()
	})
}

// TestDatagramSendWaits fills a socket's send buffer, by way of a network whose
// one neighbour does not answer yet.
func TestDatagramSendWaits(t *testing.T) {
	onSockets(t, func(t *testing.T, h *rig) {
		tap := h.tap(1500)
		a := tap.party(&DatagramOpts{Local: at(tapHome), SendBuf: 1})
		for round := range 3 {
			to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 99, 0, byte(2 + round)}), 999)
			sent := 0
			data := make([]byte, 40*100) // several messages of segments, each sent whole or in part
			for i := range data {
				data[i] = byte(i / 100)
			}
			for {
				if !a.writer.Add(to, data[:100*(1+sent%40)], 100) {
					t.Fatal("a send buffer of the least size takes 8 messages and more")
				}
				sent += 1 + sent%40
				if err := a.writer.Flush(h.r, a.fd); err == ErrAgain {
					break
				} else if err != nil {
					t.Fatal(err)
				}
			}
			room := h.call(OpWritable, a.fd)
			h.submit(room)
			room.idle()
			tap.answer(to.Addr())
			room.want(0)
			a.flush()
			tap.payloads(sent, func(i int, b []byte) {
				if len(b) != 100 {
					t.Errorf("round %d: datagram %d has %d octets, want 100", round, i, len(b))
				}
			})
		}
	})
}
