package report

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/zeroring/zeroring/bench"
)

// units are what Go's benchmark format calls the metrics. Those that end in ns
// are rescaled by benchstat.
var units = map[string]string{
	bench.MetricP50:        "p50-ns",
	bench.MetricP90:        "p90-ns",
	bench.MetricP99:        "p99-ns",
	bench.MetricP999:       "p99.9-ns",
	bench.MetricSlowest:    "max-ns",
	bench.MetricPerConn:    "B/conn",
	bench.MetricCPU:        "cpu-ns/msg",
	bench.MetricSendingCPU: "sender-cpu-ns/delivery",
	bench.MetricSyscalls:   "syscalls/msg",
	bench.MetricAllocs:     "allocs/msg",
	bench.MetricRSS:        "rss-B",
}

// unitOf is what the format calls a metric.
func unitOf(m bench.Metric) string {
	if unit := castUnits[m.Name]; unit != "" {
		return unit
	}
	return units[m.Name]
}

// Bench writes a report in Go's benchmark format: a line for each result, by
// names such as
//
//	BenchmarkThr/tcp/64/system=zeroring-uring
//
// so that benchstat compares two reports, or with -col /system the systems of
// one. Results that failed are comments.
func Bench(w io.Writer, r *bench.Report) error {
	r = normal(r)
	out := bufio.NewWriter(w)
	goos, goarch, _ := strings.Cut(r.Env.OS, "/")
	for _, line := range [][2]string{
		{"goos", goos}, {"goarch", goarch}, {"pkg", "github.com/zeroring/zeroring/bench"},
		{"cpu", r.Env.CPU}, {"commit", r.Env.Commit},
	} {
		if value := oneLine(line[1]); value != "" {
			fmt.Fprintf(out, "%s: %s\n", line[0], value)
		}
	}
	benchUnits(out)
	workloads := make(map[string]bench.Workload)
	for _, w := range r.Workloads {
		workloads[w.Name] = w
	}
	for i := range r.Results {
		res := &r.Results[i]
		w, ok := workloads[res.Workload]
		switch {
		case !ok:
		case res.Fail != "":
			fmt.Fprintf(out, "# FAIL %s, pair %d: %s\n", benchName(res), res.Pair, oneLine(res.Fail))
		default:
			benchLine(out, w, res)
		}
	}
	return out.Flush() // which has the first error of all that was written
}

// benchUnits says which way each unit is better.
func benchUnits(out io.Writer) {
	for _, unit := range []string{"msgs/s", "rtts/s", "conns/s", "highest-msgs/s", "goodput", "goodput-after", "past"} {
		fmt.Fprintf(out, "Unit %s better=higher\n", unit)
	}
	said := make(map[string]bool)
	all := []bench.Workload{{Pattern: bench.PushPull}, {Pattern: bench.ReqRep}, {Pattern: bench.Connect}}
	for _, test := range bench.CastTests {
		all = append(all, bench.Workload{Pattern: bench.Multicast, Cast: bench.Cast{Test: test}})
	}
	for _, w := range all {
		for _, m := range bench.Metrics(w) {
			if !m.Lower {
				continue
			}
			if unit := unitOf(m); unit != "" && !said[unit] {
				said[unit] = true
				fmt.Fprintf(out, "Unit %s better=lower\n", unit)
			}
		}
	}
}

// benchLine writes one result. An operation is a message, a round trip or a
// connection, and takes the time that it took on average.
func benchLine(out io.Writer, w bench.Workload, r *bench.Result) {
	var fields []string
	add := func(v float64, unit string) {
		fields = append(fields, strconv.FormatFloat(v, 'g', 6, 64)+" "+unit)
	}
	n := r.Messages
	for _, m := range bench.Metrics(w) {
		v, ok := m.Of(w, r)
		switch {
		case !ok:
		case m.Name == bench.MetricMean:
			n = r.Latencies.TotalCount()
			add(v, "ns/op")
		case m.Name == bench.MetricRate && v > 0:
			if w.Pattern == bench.Connect {
				n = int64(v*r.Connected.Seconds() + 0.5)
			}
			add(1e9/v, "ns/op")
			add(v, rateUnit(w))
			if w.Pattern.Messages() || w.Pattern == bench.Multicast {
				add(v*float64(w.Size)/1e6, "MB/s")
			}
		default:
			add(v, unitOf(m))
		}
	}
	if len(fields) > 0 {
		fmt.Fprintf(out, "%s %d %s\n", benchName(r), n, strings.Join(fields, " "))
	}
}

func rateUnit(w bench.Workload) string {
	switch {
	case w.Pattern == bench.Connect:
		return "conns/s"
	case w.Pattern.Messages() || w.Pattern == bench.Multicast:
		return "msgs/s"
	default:
		return "rtts/s"
	}
}

// benchName is a name in the benchmark format, which starts with a capital
// letter and has no spaces.
func benchName(r *bench.Result) string {
	name := strings.Join(strings.Fields(r.Workload), "_")
	if name != "" {
		name = strings.ToUpper(name[:1]) + name[1:]
	}
	return "Benchmark" + name + "/system=" + strings.Join(strings.Fields(r.System), "_")
}

// oneLine makes a line of any text.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}
