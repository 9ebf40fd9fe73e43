package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	longestLatency = int64(time.Minute)
	latencyDigits  = 3
)

// NewLatencies returns an empty histogram.
func NewLatencies() *Latencies {
	return &Latencies{hdrhistogram.New(1, longestLatency, latencyDigits)}
}

// Add counts n latencies of ns nanoseconds. Those longer than a minute count as
// a minute.
func (l *Latencies) Add(ns, n int64) {
	// The error is of values out of range, and there are none.
	_ = l.RecordValues(min(max(ns, 1), longestLatency), n)
}

// Pairs calls f with each value that occurs and how often, in ascending order.
func (l *Latencies) Pairs(f func(ns, n int64)) {
	for _, bar := range l.Distribution() {
		if bar.Count > 0 {
			f(bar.To, bar.Count)
		}
	}
}

// MarshalJSON writes the values and their counts, as [[ns,n],…].
func (l *Latencies) MarshalJSON() ([]byte, error) {
	pairs := [][2]int64{}
	l.Pairs(func(ns, n int64) { pairs = append(pairs, [2]int64{ns, n}) })
	return json.Marshal(pairs)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (l *Latencies) UnmarshalJSON(b []byte) error {
	var pairs [][2]int64
	if err := json.Unmarshal(b, &pairs); err != nil {
		return err
	}
	*l = *NewLatencies()
	for _, p := range pairs {
		if p[1] < 0 {
			return fmt.Errorf("a latency of %d ns was counted %d times", p[0], p[1])
		}
		l.Add(p[0], p[1])
	}
	return nil
}

// WriteHGRM writes the percentiles in microseconds in the form that
// HdrHistogram's plotter reads.
func (l *Latencies) WriteHGRM(w io.Writer) error {
	_, err := l.PercentilesPrint(w, 5, 1000)
	return err
}
