package feed

import (
	"cmp"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Result is what a run gave. It is what --json prints.
type Result struct {
	Input       string   `json:"input"`
	Transport   string   `json:"transport"`
	Endpoint    string   `json:"endpoint,omitempty"` // of multicast
	Mbit        int      `json:"mbit,omitempty"`     // the limit of its source, in Mbit/s
	Only        string   `json:"only,omitempty"`     // the side that this was, if they were apart
	Backend     Backend  `json:"backend"`
	Subscribers int      `json:"subscribers"`
	HWM         int      `json:"hwm"`
	Phases      []*Phase `json:"phases"`
	Interrupted bool     `json:"interrupted"`
}

// A Backend is what I/O ran on, and why.
type Backend struct {
	Name     string   `json:"name"`
	Reason   string   `json:"reason"`
	Features []string `json:"features"`
}

// A Phase is what one phase gave. Rates are over Seconds, in which the
// publisher sent; counts are of everything.
type Phase struct {
	Name    string  `json:"name"`
	Pace    string  `json:"pace"`
	Waits   bool    `json:"waits"` // for slow subscribers, instead of dropping
	Seconds float64 `json:"seconds"`

	Published          int64   `json:"published"`
	PublishedPerSecond float64 `json:"published_per_second"`
	OctetsPerSecond    float64 `json:"published_octets_per_second"`

	Delivered                int64   `json:"delivered"`
	DeliveredPerSecond       float64 `json:"delivered_per_second"`
	DeliveredOctetsPerSecond float64 `json:"delivered_octets_per_second"`

	Latency Latency `json:"latency"` // from the publisher's stamp, of all deliveries
	Late    Latency `json:"late"`    // the publisher behind its own schedule

	Dropped int64 `json:"dropped"`
	Gaps    int64 `json:"gaps"`
	Wrong   int64 `json:"wrong"`

	Source *Sending `json:"source,omitempty"` // of multicast

	Each []Subscriber `json:"each"`
}

// A Subscriber is what one subscriber got in a phase. Messages and Dropped
// together are what was published of its choice.
type Subscriber struct {
	ID       int     `json:"id"`
	Symbols  string  `json:"symbols"` // how many, or "all"
	Slow     bool    `json:"slow"`
	Messages int64   `json:"messages"`
	Octets   int64   `json:"octets"`
	Dropped  int64   `json:"dropped"`
	Gaps     int64   `json:"gaps"`
	Wrong    int64   `json:"wrong"`
	Latency  Latency `json:"latency"`

	Multicast *Hearing `json:"multicast,omitempty"`
	Arrival   *Latency `json:"arrival,omitempty"` // from stamp to kernel, with --timestamps

	Error string `json:"error,omitempty"`
}

// result sums up a phase that is over. window is from its stop.
func (m *meter) result(p phase, window span) *Phase {
	end := m.sample()
	r := &Phase{
		Name: p.name, Pace: p.pace.String(), Waits: p.wait, Seconds: window.elapsed.Seconds(),
		Published: end.published, PublishedPerSecond: window.published, OctetsPerSecond: window.octetsOut,
		Delivered: end.sum.messages, DeliveredPerSecond: window.delivered, DeliveredOctetsPerSecond: window.octetsIn,
		Late: latencyOf(m.a.pub.late), Dropped: end.sum.dropped, Gaps: end.sum.gaps, Wrong: end.sum.wrong,
	}
	all := hdrhistogram.New(1, longest, 2)
	for i, s := range m.a.subs {
		t := &end.each[i]
		all.Merge(s.total)
		each := Subscriber{
			ID: i, Symbols: s.choice.String(), Slow: s.slow, Messages: t.messages, Octets: t.octets,
			Dropped: t.dropped, Gaps: t.gaps, Wrong: t.wrong, Latency: latencyOf(s.total),
		}
		if s.multicast {
			each.Multicast = &t.heard
		}
		if s.stamped {
			each.Arrival = new(latencyOf(s.arrival))
		}
		if s.err != nil {
			each.Error = s.err.Error()
		}
		r.Each = append(r.Each, each)
	}
	if end.sent != (Sending{}) {
		r.Source = &end.sent
	}
	r.Latency = latencyOf(all)
	return r
}

// worst returns the positions of the n subscribers to show: those that lost most
// come first, then the slow ones, who are about to, and then those that got most.
// The rows of subscribers alike keep the order of their numbers, so as not to hop.
func worst(each []sight, slow func(i int) bool, n int) []int {
	order := make([]int, len(each))
	for i := range order {
		order[i] = i
	}
	badness := func(a, b int) int {
		return cmp.Or(cmp.Compare(each[b].dropped, each[a].dropped), cmp.Compare(ones(slow(b)), ones(slow(a))))
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(badness(a, b), cmp.Compare(each[b].messages, each[a].messages))
	})
	order = order[:min(n, len(order))]
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(badness(a, b), cmp.Compare(a, b)) })
	return order
}

// ones is 1 for true.
func ones(b bool) int {
	if b {
		return 1
	}
	return 0
}
