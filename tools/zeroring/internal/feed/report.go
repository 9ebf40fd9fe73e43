package feed

import (
	"encoding/json"
	"io"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Report is what a process that is one side of a run tells another, which shows it.
// Counts are since the run began, rates since the report before.
type Report struct {
	Elapsed time.Duration `json:"elapsed"`

	Published int64   `json:"published"`
	PerSecond float64 `json:"per_second"` // published
	Octets    float64 `json:"octets"`     // published, a second
	Market    uint64  `json:"market"`     // time of day in the input, in nanoseconds
	Sent      Sending `json:"sent"`

	// Of all subscribers together.
	Messages  int64      `json:"messages"`
	Dropped   int64      `json:"dropped"`
	Wrong     int64      `json:"wrong"`
	Heard     Hearing    `json:"heard"`
	Latencies [][2]int64 `json:"latencies"` // since the report before: nanoseconds, and how many

	Result *Result `json:"result,omitempty"` // the last report's
}

// reportEvery is how often.
const reportEvery = 250 * time.Millisecond

// reports prints reports.
type reports struct{ to io.Writer }

func (d reports) live(_ phase, a *arena, s span) {
	_ = json.NewEncoder(d.to).Encode(&Report{ // who does not read it any more ends this process
		Elapsed: s.elapsed, Published: s.counts.published, PerSecond: s.published, Octets: s.octetsOut,
		Market: a.pub.market.Load(), Sent: s.counts.sent,
		Messages: s.counts.sum.messages, Dropped: s.counts.sum.dropped, Wrong: s.counts.sum.wrong,
		Heard: s.counts.heard, Latencies: distribution(s.interval),
	})
}

func (reports) ended(*Phase) {}

func (d reports) summary(r *Result) error { return json.NewEncoder(d.to).Encode(&Report{Result: r}) }

// distribution lists what a histogram has counted.
func distribution(h *hdrhistogram.Histogram) (list [][2]int64) {
	for _, bar := range h.Distribution() {
		if bar.Count > 0 {
			list = append(list, [2]int64{bar.To, bar.Count})
		}
	}
	return list
}

// Collect adds a report's latencies to a histogram.
func (r *Report) Collect(into *hdrhistogram.Histogram) {
	for _, bar := range r.Latencies {
		_ = into.RecordValues(min(max(bar[0], 1), longest), bar[1]) // in range: never an error
	}
}

// NewHistogram returns a histogram that Collect can add to.
func NewHistogram() *hdrhistogram.Histogram { return newHistogram() }

// LatencyOf returns what is told of a histogram.
func LatencyOf(h *hdrhistogram.Histogram) Latency { return latencyOf(h) }
