package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/zeroring/zeroring/bench"
)

// Markdown writes the table of ratios: for each figure of merit what this
// library came to on each of its backends, what the baseline came to, and each
// backend's ratio to it with its spread.
func Markdown(w io.Writer, r *bench.Report) error {
	r = normal(r)
	out := bufio.NewWriter(w)
	rows := bench.Compare(r)
	mine := contenders(ours(r))
	if len(rows) == 0 || len(mine) == 0 {
		fmt.Fprintln(out, "There are no results to compare.")
		return out.Flush()
	}
	head := []string{"workload", ""}
	for _, s := range mine {
		head = append(head, cell(display(s)))
	}
	if r.Baseline != "" {
		head = append(head, cell(display(r.Baseline)))
		for _, s := range mine {
			head = append(head, "ratio, "+cell(strings.TrimPrefix(display(s), "zeroring ")))
		}
	}
	fmt.Fprintf(out, "| %s |\n| --- | --- |%s\n", strings.Join(head, " | "), strings.Repeat(" ---: |", len(head)-2))
	index := indexRows(rows)
	for _, w := range r.Workloads {
		for _, m := range bench.Metrics(w) {
			if m.Merit {
				markdownRow(out, w, m, index, mine, r.Baseline)
			}
		}
	}
	fmt.Fprintf(out, "\n%s\n", markdownNote(r))
	return out.Flush() // which has the first error of all that was written
}

// markdownRow writes the row of one figure, if any system has it.
func markdownRow(out io.Writer, w bench.Workload, m bench.Metric, index rowIndex, mine []string, baseline string) {
	cells := []string{cell(w.Name), metricName(w, m)}
	any := false
	for _, s := range mine {
		text, ok := markdownValue(index.row(w.Name, s), m)
		cells, any = append(cells, text), any || ok
	}
	if baseline != "" {
		text, ok := markdownValue(index.row(w.Name, baseline), m)
		cells, any = append(cells, text), any || ok
		for _, s := range mine {
			cells = append(cells, markdownRatio(index.row(w.Name, s), m))
		}
	}
	if any {
		fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
	}
}

// markdownValue is a system's own figure; not ok if it never ran.
func markdownValue(row *bench.Row, m bench.Metric) (text string, ok bool) {
	if row == nil {
		return "–", false
	}
	f, ok := row.Figure(m.Name)
	switch {
	case ok:
		return human(f.Unit, f.Value.Median), true
	case len(row.Fails) > 0:
		return "**FAIL**", true
	default:
		return "–", false
	}
}

func markdownRatio(row *bench.Row, m bench.Metric) string {
	if row == nil {
		return "–"
	}
	f, ok := row.Figure(m.Name)
	if !ok || f.Ratio.N == 0 {
		return "–"
	}
	text := times(f.Ratio.Median)
	if f.Standing() == bench.Ahead {
		text = "**" + text + "**"
	}
	return fmt.Sprintf("%s (%s)", text, between(f.Ratio.Min, f.Ratio.Max))
}

// markdownNote says what the table means.
func markdownNote(r *bench.Report) string {
	pairs := 0
	for i := range r.Results {
		pairs = max(pairs, r.Results[i].Pair+1)
	}
	note := fmt.Sprintf("Medians of up to %d runs that alternate", pairs)
	if r.Baseline != "" {
		note += fmt.Sprintf(", and of their ratios to %s pair by pair (least–most). "+
			"Bold is ahead; of times and memory, less is better", cell(display(r.Baseline)))
	}
	return note + ". " + cell(place(r.Env)) + "."
}

// cell escapes what would end a cell or begin a tag.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", ">", "&gt;", "&", "&amp;", "`", "\\`", "*", "\\*", "[", "\\[").Replace(oneLine(s))
}
