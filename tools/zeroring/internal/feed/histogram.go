package feed

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// longest is the longest latency that is told from longer ones.
const longest = int64(time.Minute)

// newHistogram returns a histogram of nanoseconds that is exact to 1 %. More
// digits would cost the cache more than they tell.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, longest, 2) }

// record1 counts one latency. Clocks of several processors may differ by a
// little, so it may be below zero.
func record1(h *hdrhistogram.Histogram, ns int64) {
	_ = h.RecordValue(min(max(ns, 1), longest)) // in range: never an error
}

// Latency is what is reported of a histogram, in nanoseconds.
type Latency struct {
	P50  int64 `json:"p50_ns"`
	P99  int64 `json:"p99_ns"`
	P999 int64 `json:"p999_ns"`
	Max  int64 `json:"max_ns"`
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	return Latency{h.ValueAtQuantile(50), h.ValueAtQuantile(99), h.ValueAtQuantile(99.9), h.Max()}
}
