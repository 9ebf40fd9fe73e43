package main

import (
	"testing"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/bench/peers/internal/peertest"
)

func TestEverywhere(t *testing.T) {
	peertest.Everywhere(t, func() bench.Driver { return new(driver) }, bench.ReqRep, bench.DealerRouter)
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
