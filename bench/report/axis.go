package report

import (
	"math"
	"slices"

	"github.com/zeroring/zeroring/bench"
	"gonum.org/v1/plot"
)

// logTicks are for an axis on a logarithmic scale.
type logTicks struct{ label func(float64) string }

// Ticks labels as many numbers as there is room for, of those that are round.
func (t logTicks) Ticks(low, high float64) (ticks []plot.Tick) {
	decades := math.Log10(high / low)
	labelled := []float64{1}
	every := 1
	switch {
	case decades <= 0.35:
		labelled = []float64{1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8}
	case decades <= 0.8:
		labelled = []float64{1, 1.5, 2, 3, 4, 5, 7}
	case decades <= 2.1:
		labelled = []float64{1, 2, 5}
	case decades > 7:
		every = 2
	}
	for e := int(math.Floor(math.Log10(low))); e <= int(math.Ceil(math.Log10(high))); e++ {
		unit := math.Pow10(e)
		for _, m := range labelled {
			if v := m * unit; inside(v, low, high) && e%every == 0 {
				ticks = append(ticks, plot.Tick{Value: v, Label: t.label(v)})
			}
		}
		for m := 1.0; m < 10; m++ {
			if v := m * unit; inside(v, low, high) && !slices.Contains(labelled, m) && decades < 5 {
				ticks = append(ticks, plot.Tick{Value: v})
			}
		}
	}
	return ticks
}

// binaryTicks are for an axis of octets on a logarithmic scale.
type binaryTicks struct{}

// Ticks are powers of two, labelled where there is room.
func (binaryTicks) Ticks(low, high float64) (ticks []plot.Tick) {
	first, last := int(math.Ceil(math.Log2(low)-1e-9)), int(math.Floor(math.Log2(high)+1e-9))
	every := (last-first)/6 + 1
	for e := first; e <= last; e++ {
		t := plot.Tick{Value: math.Exp2(float64(e))}
		if (e-first)%every == 0 {
			t.Label = axisLabel(bench.Octets)(t.Value)
		}
		ticks = append(ticks, t)
	}
	return ticks
}

// inside allows for rounding.
func inside(v, low, high float64) bool { return v >= low*(1-1e-9) && v <= high*(1+1e-9) }

// roundDown and roundUp are the next of 1, 2 and 5 times a power of ten, so
// that an axis ends at a tick.
func roundDown(v float64) float64 {
	unit := math.Pow10(int(math.Floor(math.Log10(v))))
	for _, m := range []float64{5, 2, 1} {
		if m*unit <= v {
			return m * unit
		}
	}
	return unit
}

func roundUp(v float64) float64 {
	unit := math.Pow10(int(math.Floor(math.Log10(v))))
	for _, m := range []float64{1, 2, 5} {
		if m*unit >= v {
			return m * unit
		}
	}
	return 10 * unit
}

// valueTicks are where the values are, labelled where there is room.
type valueTicks struct {
	values []float64 // ascending
	label  func(float64) string
	log    bool
}

// Ticks labels the last value, and of the others those that are far enough from
// each other.
func (t valueTicks) Ticks(low, high float64) (ticks []plot.Tick) {
	const room = 0.13 // of the axis, for a label
	place := func(v float64) float64 { return plot.LinearScale{}.Normalize(low, high, v) }
	if t.log {
		place = func(v float64) float64 { return plot.LogScale{}.Normalize(low, high, v) }
	}
	after := math.Inf(-1)
	last := place(t.values[len(t.values)-1])
	for i, v := range t.values {
		at, text := place(v), ""
		if i == len(t.values)-1 || at >= after && at <= last-room {
			text, after = t.label(v), at+room
		}
		ticks = append(ticks, plot.Tick{Value: v, Label: text})
	}
	return ticks
}

// fixedTicks are what they are.
type fixedTicks []plot.Tick

// Ticks returns them.
func (t fixedTicks) Ticks(_, _ float64) []plot.Tick { return t }

// axisLabel writes a number of a unit on an axis, without spaces.
func axisLabel(u bench.Unit) func(float64) string {
	return func(v float64) string {
		switch u {
		case bench.Nanosec:
			return short(v, 1000, seconds)
		case bench.Octets:
			return short(v, 1024, binary)
		default:
			return short(v, 1000, decimal)
		}
	}
}

// A dimension is what workloads of a plot differ in.
type dimension struct {
	name  string // in words
	label func(float64) string
}

// dimensionOf finds which field of the workloads X is: the first that is X in
// all of them.
func dimensionOf(workloads []bench.Workload) dimension {
	count := axisLabel(bench.Times)
	first := workloads[0]
	for _, d := range []struct {
		name  string
		label func(float64) string
		of    func(bench.Workload) float64
	}{
		{sizeDimension, sizeLabel, func(w bench.Workload) float64 { return float64(w.Size) }},
		{peersName(first), count, func(w bench.Workload) float64 { return float64(w.Peers) }},
		{"connections", count, func(w bench.Workload) float64 { return float64(w.Conns) }},
		{"connections", count, func(w bench.Workload) float64 { return float64(w.Peers * w.Conns) }},
		{"topics of each subscriber", count, func(w bench.Workload) float64 { return float64(w.Topics) }},
		{"topics, of all subscribers", count, func(w bench.Workload) float64 { return float64(w.Topics * w.Peers) }},
		{"sending threads", count, func(w bench.Workload) float64 { return float64(w.Threads) }},
		{"I/O threads", count, func(w bench.Workload) float64 { return float64(w.Reactors) }},
		{"packets lost at each receiver, %", count, func(w bench.Workload) float64 { return w.Cast.Loss }},
		{"requests in flight", count, func(w bench.Workload) float64 { return float64(w.Window) }},
		{"requests a second", count, func(w bench.Workload) float64 { return float64(w.Rate) }},
		{"rest between requests", axisLabel(bench.Nanosec), func(w bench.Workload) float64 { return float64(w.Gap) }},
	} {
		differs := func(w bench.Workload) bool { return d.of(w.Normal()) != w.X }
		if !slices.ContainsFunc(workloads, differs) {
			return dimension{d.name, d.label}
		}
	}
	return dimension{"x", count}
}

// sizeDimension is the dimension of most plots.
const sizeDimension = "message size, octets (1k = 1024)"

func sizeLabel(v float64) string { return short(v, 1024, []string{"", "k", "M", "G"}) }

func peersName(w bench.Workload) string {
	switch w.Pattern {
	case bench.PubSub:
		return "subscribers"
	case bench.Multicast:
		return "receivers"
	case bench.DealerRouter:
		return "DEALER sockets"
	case bench.Connect:
		return "connections"
	default:
		return "pairs of sockets"
	}
}
