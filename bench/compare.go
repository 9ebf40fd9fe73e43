package bench

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// A Unit is what a figure is counted in.
type Unit string

// The units. Each has but one size: people who read them choose prefixes.
const (
	PerSecond Unit = "/s"
	Nanosec   Unit = "ns"
	Octets    Unit = "octets"
	Times     Unit = "" // how often
)

// A Metric is something that results can be compared by.
type Metric struct {
	Name  string // one of the constants below
	Unit  Unit
	Lower bool // less is better
	Merit bool // says what the workload is about, rather than what it costs
	of    func(Workload, *Result) (value float64, ok bool)
}

// The names of metrics.
const (
	MetricRate       = "rate"       // messages, deliveries, round trips or connections a second
	MetricMean       = "mean"       // of latencies, as are the next five
	MetricP50        = "p50"        //
	MetricP90        = "p90"        //
	MetricP99        = "p99"        //
	MetricP999       = "p99.9"      //
	MetricSlowest    = "max"        //
	MetricPerConn    = "memory"     // resident, of each connection
	MetricCPU        = "cpu"        // processor time for each message, of all processes
	MetricSendingCPU = "sender cpu" // for each delivery, of the side that sends
	MetricSyscalls   = "syscalls"   // for each message
	MetricAllocs     = "allocs"     // for each message, of all processes
	MetricRSS        = "rss"        // of all processes
)

var (
	rateMetric = Metric{MetricRate, PerSecond, false, true, rateOf}
	// latencyMetrics are in the order of how bad they are.
	latencyMetrics = []Metric{
		{MetricMean, Nanosec, true, true, latencyBy(func(l *Latencies) float64 { return l.Mean() })},
		{MetricP50, Nanosec, true, false, latencyBy(atPercentile(50))},
		{MetricP90, Nanosec, true, false, latencyBy(atPercentile(90))},
		{MetricP99, Nanosec, true, true, latencyBy(atPercentile(99))},
		{MetricP999, Nanosec, true, false, latencyBy(atPercentile(99.9))},
		{MetricSlowest, Nanosec, true, false, latencyBy(func(l *Latencies) float64 { return float64(l.Max()) })},
	}
	perConnMetric = Metric{MetricPerConn, Octets, true, true, perConnOf}
	cpuMetric     = Metric{MetricCPU, Nanosec, true, false, cpuOf}
	sendingMetric = Metric{MetricSendingCPU, Nanosec, true, false, sendingCPUOf}
	costMetrics   = []Metric{
		{MetricSyscalls, Times, true, false, syscallsOf}, {MetricAllocs, Times, true, false, allocsOf}, {MetricRSS, Octets, true, false, rssOf},
	}
)

// Metrics are those of a workload, figures of merit first.
func Metrics(w Workload) []Metric {
	w = w.Normal()
	switch {
	case w.Pattern == Multicast:
		return castMetrics(w)
	case w.Pattern == Connect:
		return append([]Metric{rateMetric, perConnMetric}, costMetrics[2])
	case w.Timed():
		return append(append(slices.Clone(latencyMetrics), cpuMetric), costMetrics...)
	case w.Pattern.Messages():
		return append([]Metric{rateMetric, cpuMetric, sendingMetric}, costMetrics...)
	default:
		return append([]Metric{rateMetric, cpuMetric}, costMetrics...)
	}
}

// Of is a result's value by this metric, if it has one that counts.
func (m Metric) Of(w Workload, r *Result) (value float64, ok bool) {
	if r.Fail != "" {
		return 0, false
	}
	value, ok = m.of(w, r)
	return value, ok && value >= 0 && !math.IsInf(value, 1)
}

// Better is a ratio turned so that more is better: how many times as good.
func (m Metric) Better(ratio float64) float64 {
	if m.Lower {
		return 1 / ratio
	}
	return ratio
}

// A Spread is a median and the range that it stands for.
type Spread struct {
	N                int // values; all else is zero if there are none
	Median, Min, Max float64
	Q1, Q3           float64 // quartiles; zero where N < Quartiles
}

// Quartiles is how many values it takes for their quartiles to mean something.
const Quartiles = 5

// NewSpread returns that of some values, which it sorts.
func NewSpread(values []float64) (s Spread) {
	if s.N = len(values); s.N == 0 {
		return s
	}
	slices.Sort(values)
	s.Min, s.Median, s.Max = values[0], quantile(values, 0.5), values[s.N-1]
	if s.N >= Quartiles {
		s.Q1, s.Q3 = quantile(values, 0.25), quantile(values, 0.75)
	}
	return s
}

// quantile is that of sorted values, with lines between them.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below+1 >= len(sorted) {
		return sorted[below]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}

// Likely is where most values are: between the quartiles, or all of them where
// there are too few for quartiles.
func (s Spread) Likely() (low, high float64) {
	if s.N >= Quartiles {
		return s.Q1, s.Q3
	}
	return s.Min, s.Max
}

// A Figure is what one System came to by one Metric in a Workload.
type Figure struct {
	Metric
	Value Spread // of the runs
	// Ratio is of this system's value to the baseline's in the same alternating
	// pair, where neither failed. It has no values where the baseline has none.
	Ratio Spread
}

// A Standing is how a system stands to the baseline.
type Standing string

// The standings. Level is where the ratio is 1 as far as can be told.
const (
	Unknown Standing = ""
	Ahead   Standing = "ahead"
	Level   Standing = "level"
	Behind  Standing = "behind"
)

// lonely is how far from 1 the ratio of a single pair must be: one pair says
// nothing of how much the next would differ.
const lonely = 0.05

// Standing tells what the ratio means: a system is ahead, or behind, if the
// likely ratios are all on one side of 1.
func (f Figure) Standing() Standing {
	low, high := f.Ratio.Likely()
	if f.Ratio.N == 1 {
		low, high = low*(1-lonely), high*(1+lonely)
	}
	switch {
	case f.Ratio.N == 0:
		return Unknown
	case low <= 1 && high >= 1:
		return Level
	case (low > 1) != f.Lower:
		return Ahead
	default:
		return Behind
	}
}

// A Row is all about one System in one Workload.
type Row struct {
	Workload Workload
	System   string
	Runs     int      // failed ones too
	Fails    []Fail   // in the order of their pairs
	Figures  []Figure // those that there are values for
	// Latencies are those of all runs that did not fail; nil where none were timed.
	Latencies *Latencies
}

// A Fail is why one run does not count.
type Fail struct {
	Pair   int
	Reason string
}

// Figure returns the figure of a metric, if there is one.
func (r *Row) Figure(name string) (f Figure, ok bool) {
	i := slices.IndexFunc(r.Figures, func(f Figure) bool { return f.Name == name })
	if i < 0 {
		return f, false
	}
	return r.Figures[i], true
}

// Compare returns a row for each workload and each system that did it, in the
// report's order. It leaves out results of those that the report does not list.
func Compare(r *Report) (rows []Row) {
	type key struct{ workload, system string }
	runs := make(map[key][]*Result)
	for i := range r.Results {
		k := key{r.Results[i].Workload, r.Results[i].System}
		runs[k] = append(runs[k], &r.Results[i])
	}
	for _, w := range r.Workloads {
		for _, s := range r.Systems {
			if mine := runs[key{w.Name, s.Name}]; len(mine) > 0 {
				rows = append(rows, newRow(w, s.Name, mine, runs[key{w.Name, r.Baseline}]))
			}
		}
	}
	return rows
}

func newRow(w Workload, system string, mine, baseline []*Result) Row {
	row := Row{Workload: w.Normal(), System: system, Runs: len(mine)}
	for _, run := range mine {
		switch {
		case run.Fail != "":
			row.Fails = append(row.Fails, Fail{run.Pair, run.Fail})
		case run.Latencies != nil && run.Latencies.Histogram != nil:
			if row.Latencies == nil {
				row.Latencies = NewLatencies()
			}
			row.Latencies.Merge(run.Latencies.Histogram)
		}
	}
	slices.SortStableFunc(row.Fails, func(a, b Fail) int { return cmp.Compare(a.Pair, b.Pair) })
	for _, m := range Metrics(w) {
		if f := newFigure(m, w, mine, baseline); f.Value.N > 0 {
			row.Figures = append(row.Figures, f)
		}
	}
	return row
}

func newFigure(m Metric, w Workload, mine, baseline []*Result) Figure {
	base := make(map[int]float64)
	for _, run := range baseline {
		if v, ok := m.Of(w, run); ok && v > 0 {
			base[run.Pair] = v
		}
	}
	var values, ratios []float64
	for _, run := range mine {
		v, ok := m.Of(w, run)
		if !ok {
			continue
		}
		values = append(values, v)
		if b := base[run.Pair]; b > 0 {
			ratios = append(ratios, v/b)
		}
	}
	return Figure{m, NewSpread(values), NewSpread(ratios)}
}

func rateOf(w Workload, r *Result) (float64, bool) {
	if w.Pattern != Connect {
		return r.Rate(), r.Messages > 0 && r.Window > 0
	}
	// Each connection brings one message.
	n := r.Messages
	if n == 0 {
		w = w.Normal()
		n = int64(w.Peers) * int64(w.Conns)
	}
	return float64(n) / max(r.Connected, time.Nanosecond).Seconds(), r.Connected > 0
}

func latencyBy(of func(*Latencies) float64) func(Workload, *Result) (float64, bool) {
	return func(_ Workload, r *Result) (float64, bool) {
		if r.Latencies == nil || r.Latencies.Histogram == nil || r.Latencies.TotalCount() == 0 {
			return 0, false
		}
		return of(r.Latencies), true
	}
}

func atPercentile(p float64) func(*Latencies) float64 {
	return func(l *Latencies) float64 { return float64(l.ValueAtPercentile(p)) }
}

func perConnOf(_ Workload, r *Result) (float64, bool) { return r.ConnMemory, r.ConnMemory > 0 }

func cpuOf(_ Workload, r *Result) (float64, bool) { v := r.CPU(); return v, v > 0 }

func sendingCPUOf(w Workload, r *Result) (float64, bool) { v := r.SenderCPU(w); return v, v > 0 }

func syscallsOf(_ Workload, r *Result) (float64, bool) {
	return r.Syscalls, r.Syscalls >= 0 && len(r.Processes) > 0
}

// allocsOf is unknown if any process cannot tell: what one side allocates, the
// other does not make good.
func allocsOf(_ Workload, r *Result) (sum float64, ok bool) {
	for _, p := range r.Processes {
		if p.Allocs < 0 {
			return 0, false
		}
		if p.Messages > 0 {
			sum += float64(p.Allocs) / float64(p.Messages)
			ok = true
		}
	}
	return sum, ok
}

func rssOf(_ Workload, r *Result) (sum float64, ok bool) {
	for _, p := range r.Processes {
		sum += float64(p.RSS)
	}
	return sum, sum > 0
}
