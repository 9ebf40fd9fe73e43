package lossy

import (
	"errors"
	"fmt"

	"github.com/zeroring/zeroring/tools/zeroring/internal/feed"
)

// A Result is what a run gave. It is what --json prints.
type Result struct {
	Input       string       `json:"input"`
	Endpoint    string       `json:"endpoint"`
	Rate        string       `json:"rate"`
	Mbit        int          `json:"mbit"`
	FEC         string       `json:"fec,omitempty"`
	Seed        uint64       `json:"seed"`
	Backend     feed.Backend `json:"backend"`
	Published   *feed.Phase  `json:"published"` // nil: nothing was
	Receivers   []*Receiver  `json:"receivers"`
	Steps       []*Step      `json:"steps"`
	Interrupted bool         `json:"interrupted"`
}

// A Receiver is what one receiver got.
type Receiver struct {
	ID   int    `json:"id"`
	Lost uint64 `json:"frames_lost"` // on their way to it, by the switch: of all kinds

	// Spilt is frames that nobody meant to lose: the switch, or the host on its way to
	// it, could not keep up.
	Spilt uint64 `json:"frames_spilt"`

	feed.Subscriber

	// Missing is how many messages it neither got nor reported as lost.
	Missing int64 `json:"missing"`
}

// A Step is a time in which the network was one way.
type Step struct {
	Seconds float64        `json:"at_seconds"` // when it began, since the first message
	Faults  string         `json:"faults"`
	Latency []feed.Latency `json:"latency"` // of each receiver
}

// conclude sums up.
func (r *run) conclude(interrupted bool) {
	r.result.Interrupted = interrupted
	r.observe()
	for i, h := range r.history {
		s := &Step{Seconds: h.at.Seconds(), Faults: h.text}
		for _, c := range r.receivers {
			s.Latency = append(s.Latency, feed.LatencyOf(c.steps[i]))
		}
		r.result.Steps = append(r.result.Steps, s)
	}
	for i, c := range r.receivers {
		got := &Receiver{ID: i + 1, Lost: c.lost, Spilt: c.spilt, Subscriber: feed.Subscriber{Multicast: &c.report.Heard, Messages: c.report.Messages}}
		if c.outcome != nil && len(c.outcome.Phases) > 0 {
			got.Subscriber = c.outcome.Phases[0].Each[0]
		}
		if p := r.result.Published; p != nil {
			got.Missing = p.Published - got.Messages - got.Dropped + got.Multicast.Unreported
		}
		r.result.Receivers = append(r.result.Receivers, got)
	}
}

// verdict says what was wrong, if anything.
func (r *run) verdict() error {
	err := r.trouble
	if r.result.Published == nil {
		return err
	}
	for _, c := range r.result.Receivers {
		switch {
		case c.Missing != 0:
			err = errors.Join(err, fmt.Errorf("receiver %d neither got nor reported as lost %d of %d messages", c.ID, c.Missing, r.result.Published.Published))
		case c.Wrong > 0:
			err = errors.Join(err, fmt.Errorf("receiver %d got %d messages malformed, repeated or out of order", c.ID, c.Wrong))
		}
	}
	return err
}
