package bench

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Result is what came of one System doing one Workload once. It is JSON as
// it stands.
type Result struct {
	Workload string    `json:"workload"`
	System   string    `json:"system"`
	Pair     int       `json:"pair"` // which of the alternating runs, from 0
	Start    time.Time `json:"start"`
	// Fail says why the result does not count; empty if it does.
	Fail string `json:"fail,omitempty"`

	Messages int64         `json:"messages"` // delivered, or round trips, in the window
	Window   time.Duration `json:"window_ns"`
	// Latencies are of round trips in nanoseconds; nil where none were timed.
	Latencies *Latencies `json:"latencies,omitempty"`

	// Figures are what else was measured of multicast, by the names of metrics.
	Figures map[string]float64 `json:"figures,omitempty"`

	// Processes are those that did it, by role. Receivers of multicast are recv,
	// recv2 and so on.
	Processes map[Role]Process `json:"processes"`

	// Connected is how long all connections of a Connect workload took.
	Connected time.Duration `json:"connected_ns,omitempty"`
	// ConnMemory is the resident memory of each connection, in octets, on the
	// side that accepts.
	ConnMemory float64 `json:"conn_memory,omitempty"`

	// Syscalls is system calls per message, both sides together, from a run of
	// its own; negative where it was not measured.
	Syscalls float64 `json:"syscalls"`
}

// A Process is what one process used, in the window.
type Process struct {
	Messages int64         `json:"messages"` // that it sent, received or answered
	Window   time.Duration `json:"window_ns"`
	Total    int64         `json:"total"` // messages of the whole run
	CPU      time.Duration `json:"cpu_ns"`
	Allocs   int64         `json:"allocs"` // negative if it cannot tell
	GCPause  time.Duration `json:"gc_pause_ns"`
	RSS      int64         `json:"rss"` // octets, the most there was
	Backend  string        `json:"backend,omitempty"`
	Version  string        `json:"version,omitempty"`
	Settings []string      `json:"settings,omitempty"`
	// Counts are what else a process of multicast said.
	Counts map[string]int64 `json:"counts,omitempty"`
}

// Rate is messages, or round trips, a second.
func (r *Result) Rate() float64 {
	if r.Window <= 0 {
		return 0
	}
	return float64(r.Messages) / r.Window.Seconds()
}

// CPU is processor nanoseconds for each message, of all processes together.
func (r *Result) CPU() float64 {
	var share float64 // of a processor
	for _, p := range r.Processes {
		if p.Window > 0 {
			share += float64(p.CPU) / float64(p.Window)
		}
	}
	if rate := r.Rate(); rate > 0 {
		return share * 1e9 / rate
	}
	return 0
}

// SenderCPU is processor nanoseconds for each delivery on the side that sends:
// a message to n subscribers is n deliveries.
func (r *Result) SenderCPU(w Workload) float64 {
	p, ok := r.Processes[RoleSend]
	if !ok || p.Messages == 0 {
		return 0
	}
	n := 1
	if w.Pattern == PubSub {
		n = w.Normal().Peers
	}
	return float64(p.CPU) / float64(p.Messages) / float64(n)
}

// A SystemAbout says what of a System was there and how it was set.
type SystemAbout struct {
	Name     string   `json:"name"`
	Absent   string   `json:"absent,omitempty"` // why it is not here
	Version  string   `json:"version,omitempty"`
	Backend  string   `json:"backend,omitempty"`
	Settings []string `json:"settings,omitempty"`
}

// A Report is all that a run found.
type Report struct {
	Env       Env           `json:"env"`
	Command   string        `json:"command"` // that made it
	Start     time.Time     `json:"start"`
	Took      time.Duration `json:"took_ns"`
	Baseline  string        `json:"baseline"` // the System that ratios are to
	Systems   []SystemAbout `json:"systems"`
	Workloads []Workload    `json:"workloads"`
	Results   []Result      `json:"results"`
	// Missing are workloads that cannot be done here, and why.
	Missing []MissingWorkload `json:"missing,omitempty"`
}

// A MissingWorkload is one that this machine cannot do.
type MissingWorkload struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Latencies is a histogram of durations from 1 ns to a minute, to three
// significant digits. Its JSON is the list of its values and their counts.
type Latencies struct{ *hdrhistogram.Histogram }
