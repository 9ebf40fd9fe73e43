package main

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/bench/peers/internal/peer"
	"github.com/zeroring/zeroring/bench/peers/internal/peertest"
)

func TestEverywhere(t *testing.T) {
	peertest.Everywhere(t, func() bench.Driver { return driver{} }, bench.ReqRep, bench.DealerRouter)
}

func TestProxy(t *testing.T) { peertest.Proxy(t, driver{}) }

func TestCloseEndsRecv(t *testing.T) { peertest.CloseEndsRecv(t, driver{}) }

func TestNotSupported(t *testing.T) {
	j := peertest.Job(bench.PushPull, bench.TCP)
	j.Conns = 2
	peertest.NotSupported(t, driver{}, bench.Pusher, j)
	j = peertest.Job(bench.PushPull, bench.Inproc)
	j.Size = longest + 1
	peertest.NotSupported(t, driver{}, bench.Pusher, j)
	j = peertest.Job(bench.DealerRouter, bench.Inproc)
	j.Window = widest + 1
	peertest.NotSupported(t, driver{}, bench.Dealer, j)
}

// TestBound sends to a subscriber that receives nothing.
func TestBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, sent := newLedger(), uint64(0)
		l.enter('H', 1, 1)
		l.enter('H', 2, 1)
		go func() {
			for l.room(sent+1, 10) == nil {
				sent++
			}
		}()
		expect := func(want uint64) {
			t.Helper()
			if synctest.Wait(); sent != want {
				t.Errorf("%d were sent instead of %d", sent, want)
			}
		}
		expect(10)
		l.enter('A', 1, 5)
		expect(10) // the other is slower
		l.enter('A', 2, 3)
		expect(13)
		l.enter('A', 2, 13)
		l.enter('A', 1, 13)
		expect(23)
		start := time.Now()
		l.close(sent)
		if waited := time.Since(start); waited != peer.Linger {
			t.Errorf("closing waits %v", waited)
		}
		expect(23)
	})
}
