package bench

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestSpread(t *testing.T) {
	for _, tt := range []struct {
		values    []float64
		want      Spread
		low, high float64
	}{
		{nil, Spread{}, 0, 0},
		{[]float64{3}, Spread{N: 1, Median: 3, Min: 3, Max: 3}, 3, 3},
		{[]float64{4, 1}, Spread{N: 2, Median: 2.5, Min: 1, Max: 4}, 1, 4},
		{[]float64{5, 1, 2, 4}, Spread{N: 4, Median: 3, Min: 1, Max: 5}, 1, 5},
		{[]float64{50, 1, 2, 4, 3}, Spread{N: 5, Median: 3, Min: 1, Max: 50, Q1: 2, Q3: 4}, 2, 4},
		{[]float64{6, 5, 4, 3, 2, 1}, Spread{N: 6, Median: 3.5, Min: 1, Max: 6, Q1: 2.25, Q3: 4.75}, 2.25, 4.75},
	} {
		got := NewSpread(slices.Clone(tt.values))
		if got != tt.want {
			t.Errorf("of %v: %+v, want %+v", tt.values, got, tt.want)
		}
		if low, high := got.Likely(); low != tt.low || high != tt.high {
			t.Errorf("of %v: likely from %v to %v, want from %v to %v", tt.values, low, high, tt.low, tt.high)
		}
	}
}

func TestStanding(t *testing.T) {
	for _, tt := range []struct {
		ratios        []float64
		higher, lower Standing // if more is better, and if less is
	}{
		{nil, Unknown, Unknown},
		{[]float64{1.04}, Level, Level},
		{[]float64{1.06}, Ahead, Behind},
		{[]float64{0.97}, Level, Level},
		{[]float64{0.5}, Behind, Ahead},
		{[]float64{1.01, 1.02}, Ahead, Behind},
		{[]float64{0.99, 3}, Level, Level},
		{[]float64{0.7, 0.8, 0.9}, Behind, Ahead},
		{[]float64{0.5, 1.2, 1.3, 1.4, 1.5}, Ahead, Behind}, // the quartiles are above 1
	} {
		f := Figure{Ratio: NewSpread(slices.Clone(tt.ratios))}
		if got := f.Standing(); got != tt.higher {
			t.Errorf("ratios %v, more is better: %q, want %q", tt.ratios, got, tt.higher)
		}
		f.Lower = true
		if got := f.Standing(); got != tt.lower {
			t.Errorf("ratios %v, less is better: %q, want %q", tt.ratios, got, tt.lower)
		}
	}
}

// ran is a result of so many messages in a second.
func ran(workload, system string, pair int, messages int64) Result {
	return Result{Workload: workload, System: system, Pair: pair, Messages: messages, Window: time.Second, Syscalls: -1}
}

func fell(workload, system string, pair int, why string) Result {
	r := ran(workload, system, pair, 1_000_000)
	r.Fail = why
	return r
}

func TestCompare(t *testing.T) {
	r := &Report{
		Baseline:  "base",
		Systems:   []SystemAbout{{Name: "mine"}, {Name: "base"}, {Name: "lazy"}},
		Workloads: []Workload{{Name: "a", Pattern: PushPull, Size: 64}, {Name: "b", Pattern: PushPull, Size: 64}},
		Results: []Result{
			// Ratios are of pairs: 2, then 3; the third fails for us, the fourth for them.
			ran("a", "mine", 0, 200), ran("a", "base", 0, 100),
			ran("a", "base", 1, 300), ran("a", "mine", 1, 900),
			fell("a", "mine", 2, "lost"), ran("a", "base", 2, 100),
			ran("a", "mine", 3, 500), fell("a", "base", 3, "late"),
			fell("b", "mine", 1, "second"), fell("b", "mine", 0, "first"),
			ran("c", "mine", 0, 1), ran("a", "nobody", 0, 1),
		},
	}
	rows := Compare(r)
	var got []string
	for _, row := range rows {
		got = append(got, row.Workload.Name+" "+row.System)
	}
	if want := []string{"a mine", "a base", "b mine"}; !slices.Equal(got, want) {
		t.Fatalf("rows %q, want %q", got, want)
	}
	mine, base, failed := rows[0], rows[1], rows[2]
	f, ok := mine.Figure(MetricRate)
	if want := (Spread{N: 3, Median: 500, Min: 200, Max: 900}); !ok || f.Value != want {
		t.Errorf("rate %+v, want %+v", f.Value, want)
	}
	if want := (Spread{N: 2, Median: 2.5, Min: 2, Max: 3}); f.Ratio != want {
		t.Errorf("ratio %+v, want %+v", f.Ratio, want)
	}
	if mine.Runs != 4 || !slices.Equal(mine.Fails, []Fail{{2, "lost"}}) {
		t.Errorf("%d runs and failures %v, want 4 and one", mine.Runs, mine.Fails)
	}
	if f, _ := base.Figure(MetricRate); f.Ratio.Min != 1 || f.Ratio.Max != 1 || f.Ratio.N != 3 {
		t.Errorf("the baseline's ratio to itself is %+v", f.Ratio)
	}
	if len(failed.Figures) != 0 || !slices.Equal(failed.Fails, []Fail{{0, "first"}, {1, "second"}}) {
		t.Errorf("of what always failed: %+v", failed)
	}
}

func TestCompareLatencies(t *testing.T) {
	// DEALER and ROUTER are timed one by one if zero values are made good.
	r := &Report{
		Baseline: "base", Systems: []SystemAbout{{Name: "mine"}, {Name: "base"}},
		Workloads: []Workload{{Name: "a", Pattern: DealerRouter, Size: 64}},
	}
	for pair, ns := range []int64{100, 200} {
		for system, times := range map[string]int64{"mine": 1, "base": 2} {
			result := ran("a", system, pair, 100)
			result.Latencies = NewLatencies()
			result.Latencies.Add(ns*times, 99)
			result.Latencies.Add(1000*times, 1)
			r.Results = append(r.Results, result)
		}
	}
	row := Compare(r)[0]
	for _, name := range []string{MetricMean, MetricP50, MetricP90, MetricP99, MetricP999, MetricSlowest} {
		f, ok := row.Figure(name)
		if !ok || f.Ratio.N != 2 || math.Abs(f.Ratio.Median-0.5) > 0.002 || f.Standing() != Ahead {
			t.Errorf("%s: ratio %+v, want 0.5", name, f.Ratio)
		}
	}
	if n := row.Latencies.TotalCount(); n != 200 {
		t.Errorf("%d latencies were merged, want 200", n)
	}
	if n := r.Results[0].Latencies.TotalCount(); n != 100 {
		t.Errorf("merging left a result with %d latencies, want 100", n)
	}
}

func TestCompareConnect(t *testing.T) {
	w := Workload{Name: "a", Pattern: Connect, Conns: 1000}
	result := Result{Workload: "a", System: "mine", Connected: 2 * time.Second, ConnMemory: 4096}
	rows := Compare(&Report{Systems: []SystemAbout{{Name: "mine"}}, Workloads: []Workload{w}, Results: []Result{result}})
	rate, _ := rows[0].Figure(MetricRate)
	memory, _ := rows[0].Figure(MetricPerConn)
	if rate.Value.Median != 500 || memory.Value.Median != 4096 || rate.Ratio.N != 0 {
		t.Errorf("rate %+v, memory %+v", rate, memory)
	}
}

func TestCosts(t *testing.T) {
	w := Workload{Pattern: PubSub, Size: 64, Peers: 10}
	r := ran("a", "mine", 0, 1000)
	r.Processes = map[Role]Process{
		RoleSend: {Messages: 100, Window: time.Second, CPU: time.Millisecond, Allocs: 50, RSS: 1000},
		RoleRecv: {Messages: 1000, Window: time.Second, CPU: time.Millisecond, Allocs: 0, RSS: 500},
	}
	want := map[string]float64{MetricRate: 1000, MetricCPU: 2000, MetricSendingCPU: 1000, MetricAllocs: 0.5, MetricRSS: 1500}
	for _, m := range Metrics(w) {
		v, ok := m.Of(w, &r)
		if wanted, known := want[m.Name]; ok != known || math.Abs(v-wanted) > 1e-6 && ok {
			t.Errorf("%s is %v, %v; want %v, %v", m.Name, v, ok, wanted, known)
		}
	}
	r.Processes[RoleRecv] = Process{Messages: 1000, Allocs: -1}
	if v, ok := allocsOf(w, &r); ok {
		t.Errorf("%v allocations, though one side cannot tell", v)
	}
}
