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
	peertest.PushPull(t, new(driver), bench.TCP, peertest.TCP)
	peertest.PubSub(t, new(driver), bench.TCP, peertest.TCP)
}

func TestRoundTrips(t *testing.T) {
	peertest.RoundTrips(t, new(driver), bench.ReqRep, bench.TCP, peertest.TCP)
	peertest.RoundTrips(t, new(driver), bench.DealerRouter, bench.TCP, peertest.TCP)
}

func TestProxy(t *testing.T) { peertest.Proxy(t, new(driver)) }

func TestCloseEndsRecv(t *testing.T) { peertest.CloseEndsRecv(t, new(driver)) }

func TestNotSupported(t *testing.T) {
	for _, transport := range []bench.Transport{bench.IPC, bench.Inproc} {
		peertest.NotSupported(t, new(driver), bench.Pusher, peertest.Job(bench.PushPull, transport))
	}
}

// TestCredit sends to two peers, of which one answers first.
func TestCredit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, sent := newCredit(10), 0
		c.hello(1)
		c.hello(1)
		go func() {
			for {
				if _, err := c.reply(false); err != nil {
					return
				}
				sent++
			}
		}()
		expect := func(want int) {
			t.Helper()
			if synctest.Wait(); sent != want {
				t.Errorf("%d were sent instead of %d", sent, want)
			}
		}
		// The message that would ask for a fifth answer waits.
		expect(window * 10)
		c.answer(0)
		expect(window * 10)
		c.answer(0)
		expect(window*10 + 10)
		c.answer(1)
		c.answer(1)
		expect(window*10 + 20)
		start := time.Now()
		c.drain()
		if waited := time.Since(start); waited != peer.Linger {
			t.Errorf("draining waits %v", waited)
		}
		expect(window*10 + 20)
	})
}
