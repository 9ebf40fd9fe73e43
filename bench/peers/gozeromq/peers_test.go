package main

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/bench/peers/internal/peer"
	"github.com/zeroring/zeroring/bench/peers/internal/peertest"
)

func TestStreams(t *testing.T) {
	for transport, at := range endpoints(t) {
		t.Run(string(transport), func(t *testing.T) {
			peertest.PushPull(t, driver{}, transport, at)
			peertest.PubSub(t, driver{}, transport, at)
		})
	}
}

func TestRoundTrips(t *testing.T) {
	for transport, at := range endpoints(t) {
		t.Run(string(transport), func(t *testing.T) {
			peertest.RoundTrips(t, driver{}, bench.ReqRep, transport, at)
			peertest.RoundTrips(t, driver{}, bench.DealerRouter, transport, at)
		})
	}
}

func endpoints(t *testing.T) map[bench.Transport]string {
	return map[bench.Transport]string{
		bench.TCP: peertest.TCP, bench.IPC: "ipc://" + t.TempDir() + "/s", bench.Inproc: "inproc://s",
	}
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
