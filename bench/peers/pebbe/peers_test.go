package main

import (
	"testing"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/bench/peers/internal/peertest"
)

func TestStreams(t *testing.T) {
	for transport, at := range endpoints(t) {
		t.Run(string(transport), func(t *testing.T) {
			peertest.PushPull(t, new(driver), transport, at)
			peertest.PubSub(t, new(driver), transport, at)
		})
	}
}

func TestRoundTrips(t *testing.T) {
	for transport, at := range endpoints(t) {
		t.Run(string(transport), func(t *testing.T) {
			peertest.RoundTrips(t, new(driver), bench.ReqRep, transport, at)
			peertest.RoundTrips(t, new(driver), bench.DealerRouter, transport, at)
		})
	}
}

func endpoints(t *testing.T) map[bench.Transport]string {
	return map[bench.Transport]string{
		bench.TCP: peertest.TCP, bench.IPC: "ipc://" + t.TempDir() + "/s", bench.Inproc: "inproc://s",
	}
}

func TestProxy(t *testing.T) {
	// The proxy ends its context, and so has one of its own, as in a process of
	// its own.
	peertest.Proxy(t, new(driver))
}

func TestCloseEndsRecv(t *testing.T) { peertest.CloseEndsRecv(t, new(driver)) }

func TestNotSupported(t *testing.T) {
	j := peertest.Job(bench.DealerRouter, bench.TCP)
	j.Rate = 1000
	peertest.NotSupported(t, new(driver), bench.Dealer, j)
}
