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
	peertest.Everywhere(t, func() bench.Driver { return driver{} }, bench.ReqRep)
}

func TestProxy(t *testing.T) { peertest.Proxy(t, driver{}) }

func TestCloseEndsRecv(t *testing.T) { peertest.CloseEndsRecv(t, driver{}) }

func TestNotSupported(t *testing.T) {
	j := peertest.Job(bench.DealerRouter, bench.TCP)
	peertest.NotSupported(t, driver{}, bench.Dealer, j)
	peertest.NotSupported(t, driver{}, bench.Router, j)
}

// TestGate lets in what there is room for.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, sent := newGate(3), 0
		go func() {
			for range 10 {
				g.enter()
				sent++
			}
		}()
		expect := func(want int) {
			t.Helper()
			if synctest.Wait(); sent != want {
				t.Errorf("%d are in instead of %d", sent, want)
			}
		}
		expect(3)
		g.leave()
		expect(4)
		g.leave()
		g.leave()
		expect(6)
		for range 4 {
			g.leave()
		}
		expect(10)
		start := time.Now()
		g.drain(peer.Linger)
		if waited := time.Since(start); waited != peer.Linger {
			t.Errorf("draining waits %v", waited)
		}
	})
}
