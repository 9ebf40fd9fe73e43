package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zeroring/zeroring/bench"
)

// A table has the figures of one family of workloads.
type table struct {
	Name, ID string
	About    string
	Columns  []column
	Wide     bool // has more columns than fit if each is wide
	Blocks   []block
}

// A column is of one metric.
type column struct {
	Name   string
	Better string // which way is
}

// A block is of one workload.
type block struct {
	Name, About string
	Rows        []tableRow
	NotRun      string // who has no results, though it is there
}

// A tableRow is of one system.
type tableRow struct {
	Key      key
	Baseline bool
	Cells    []tableCell
	Runs     string
	Fails    []string
	Dead     bool // all runs failed
}

// A tableCell never has a value alone.
type tableCell struct {
	Value, Ratio, Spread, Quartiles string
	Class                           bench.Standing
	Mark                            string // of the standing, for those who see no colour
}

// tables has one for each family.
func (s *subject) tables() (tables []table) {
	for i, g := range groupBy(s.report.Workloads, family) {
		t := table{Name: g.name, About: patterns(g), ID: fmt.Sprintf("table-%d", i+1)}
		metrics := s.columns(g)
		for _, m := range metrics {
			better := "more is better"
			if m.Lower {
				better = "less is better"
			}
			t.Columns = append(t.Columns, column{m.columnName, better})
		}
		t.Wide = len(metrics) > 6
		for _, w := range g.workloads {
			t.Blocks = append(t.Blocks, s.block(w, metrics))
		}
		tables = append(tables, t)
	}
	return tables
}

// A columnMetric is a metric and what it is called where several patterns meet.
type columnMetric struct {
	bench.Metric
	columnName string
}

// columns are the metrics that any row of a group has, in their usual order.
func (s *subject) columns(g group) (metrics []columnMetric) {
	for _, w := range g.workloads {
		at := 0
		for _, m := range bench.Metrics(w) {
			if i := slices.IndexFunc(metrics, func(c columnMetric) bool { return c.Name == m.Name }); i >= 0 {
				if name := metricName(w, m); !strings.Contains(metrics[i].columnName, name) {
					metrics[i].columnName += ", " + name
				}
				at = i + 1
				continue
			}
			known := func(system string) bool {
				_, ok := s.index.figure(w.Name, system, m.Name)
				return ok
			}
			if slices.ContainsFunc(s.systems, known) {
				metrics = slices.Insert(metrics, at, columnMetric{m, metricName(w, m)})
				at++
			}
		}
	}
	return metrics
}

func (s *subject) block(w bench.Workload, metrics []columnMetric) block {
	b := block{Name: w.Name, About: describe(w)}
	var missing []string
	for _, system := range s.systems {
		row := s.index.row(w.Name, system)
		if row == nil {
			missing = append(missing, display(system))
			continue
		}
		b.Rows = append(b.Rows, s.tableRow(row, metrics))
	}
	b.NotRun = strings.Join(missing, ", ")
	return b
}

func (s *subject) tableRow(row *bench.Row, metrics []columnMetric) tableRow {
	good := row.Runs - len(row.Fails)
	t := tableRow{
		Key: s.keys[row.System], Baseline: row.System == s.report.Baseline, Fails: reasons(row),
		Runs: fmt.Sprint(good), Dead: good == 0,
	}
	if len(row.Fails) > 0 {
		t.Runs = fmt.Sprintf("%d of %d", good, row.Runs)
	}
	for _, m := range metrics {
		f, ok := row.Figure(m.Name)
		if !ok {
			t.Cells = append(t.Cells, tableCell{Value: "–"})
			continue
		}
		t.Cells = append(t.Cells, newCell(row, f, t.Baseline))
	}
	return t
}

// newCell writes a figure. Beside the baseline's own is how far that spread, as
// is where there is nothing to compare with.
func newCell(row *bench.Row, f bench.Figure, baseline bool) tableCell {
	c := tableCell{Value: human(f.Unit, f.Value.Median)}
	if v, ok := merged(row, f.Metric); ok {
		c.Value = human(f.Unit, v)
	}
	if baseline || f.Ratio.N == 0 {
		c.Spread = span(f.Unit, f.Value.Min, f.Value.Max)
		return c
	}
	c.Ratio = times(f.Ratio.Median)
	c.Spread = between(f.Ratio.Min, f.Ratio.Max)
	if f.Ratio.N >= bench.Quartiles {
		c.Quartiles = between(f.Ratio.Q1, f.Ratio.Q3)
	}
	c.Class = f.Standing()
	c.Mark = map[bench.Standing]string{bench.Ahead: "▲", bench.Behind: "▼", bench.Level: "="}[c.Class]
	return c
}

// merged is a percentile, or the maximum, of all runs together.
func merged(row *bench.Row, m bench.Metric) (v float64, ok bool) {
	if row.Latencies == nil || m.Unit != bench.Nanosec || m.Name == bench.MetricMean {
		return 0, false
	}
	// A result with nothing else in it has no other metrics either.
	return m.Of(row.Workload, &bench.Result{Latencies: row.Latencies})
}

// span writes a range, with its unit once if both ends have the same.
func span(u bench.Unit, low, high float64) string {
	a, b := human(u, low), human(u, high)
	if a == b {
		return "all " + a
	}
	if u == bench.Times {
		return a + "–" + b
	}
	number, unit, _ := strings.Cut(a, noBreak)
	if _, same, ok := strings.Cut(b, noBreak); ok && same == unit {
		return number + "–" + b
	}
	return a + " – " + b
}

// reasons are why runs failed, each said once.
func reasons(row *bench.Row) (lines []string) {
	pairs := make(map[string][]string)
	var order []string
	for _, f := range row.Fails {
		if pairs[f.Reason] == nil {
			order = append(order, f.Reason)
		}
		pairs[f.Reason] = append(pairs[f.Reason], fmt.Sprint(f.Pair))
	}
	for _, reason := range order {
		word := "pair "
		if len(pairs[reason]) > 1 {
			word = "pairs "
		}
		lines = append(lines, word+strings.Join(pairs[reason], ", ")+": "+reason)
	}
	return lines
}
