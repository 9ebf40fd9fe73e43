package soak_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/zeroring/zeroring/bench/soak"
)

func TestSoak(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere there is no network to soak in")
	}
	const seed = 7
	r, err := soak.Run(t.Context(), soak.Options{For: 500 * time.Millisecond, Least: 1, Peers: 3, Seed: seed, Every: 20 * time.Millisecond})
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if r.Pushed == 0 || r.Streams == 0 || r.Published == 0 || r.RoundTrips == 0 || len(r.Samples) == 0 {
		t.Errorf("something did not happen: %+v", r)
	}
}
