package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/zeroring/zeroring/bench"
)

// A tally is how many comparisons came out how.
type tally struct {
	Name, About                 string
	Ahead, Level, Behind, Fails int
	Median, Spread              string // of how many times as good
	Total                       bool   // sums up others
}

// A comparison is one figure of merit of one workload, by the better of our
// systems.
type comparison struct {
	name     string
	family   string
	better   float64 // how many times as good, in the median
	standing bench.Standing
}

func (t *tally) add(s bench.Standing) {
	switch s {
	case bench.Ahead:
		t.Ahead++
	case bench.Level:
		t.Level++
	case bench.Behind:
		t.Behind++
	}
}

// sum tallies comparisons.
func sum(name string, all []comparison, fails int) tally {
	t := tally{Name: name, Fails: fails}
	var better []float64
	for _, c := range all {
		t.add(c.standing)
		better = append(better, c.better)
	}
	if spread := bench.NewSpread(better); spread.N > 0 {
		t.Median = times(spread.Median)
		if spread.N > 1 {
			t.Spread = between(spread.Min, spread.Max)
		}
	}
	return t
}

// compare goes through all figures of merit. It returns how each of our systems
// came out, and the comparisons of the best of them in each.
func (s *subject) compare() (tallies []tally, best []comparison) {
	each := make([][]comparison, len(s.ours))
	fails := make([]int, len(s.ours))
	for _, w := range s.report.Workloads {
		for _, m := range bench.Metrics(w) {
			if !m.Merit {
				continue
			}
			var lead *comparison
			failed := false
			for i, system := range s.ours {
				f, ok := s.index.figure(w.Name, system, m.Name)
				if row := s.index.row(w.Name, system); !ok && row != nil && len(row.Fails) > 0 {
					fails[i]++
					failed = failed || slices.Contains(s.counted, system)
				}
				if !ok || f.Ratio.N == 0 || f.Ratio.Median <= 0 {
					continue
				}
				c := comparison{comparisonName(w, m), family(w), m.Better(f.Ratio.Median), f.Standing()}
				each[i] = append(each[i], c)
				if slices.Contains(s.counted, system) && (lead == nil || c.better > lead.better) {
					lead = &c
				}
			}
			if lead != nil {
				best = append(best, *lead)
			} else if failed {
				s.failed = append(s.failed, family(w))
			}
		}
	}
	for i, system := range s.ours {
		tallies = append(tallies, sum(display(system), each[i], fails[i]))
	}
	return tallies, best
}

// families sums up the best of ours, by kind of workload and altogether.
func (s *subject) families() (tallies []tally) {
	by := make(map[string][]comparison)
	for _, c := range s.best {
		by[c.family] = append(by[c.family], c)
	}
	fails := make(map[string]int)
	for _, name := range s.failed {
		fails[name]++
	}
	for _, g := range groupBy(s.report.Workloads, family) {
		if by[g.name] != nil || fails[g.name] > 0 {
			t := sum(g.name, by[g.name], fails[g.name])
			t.About = patterns(g)
			tallies = append(tallies, t)
		}
	}
	all := sum("all", s.best, len(s.failed))
	all.Total = true
	return append(tallies, all)
}

func comparisonName(w bench.Workload, m bench.Metric) string {
	if m.Name == bench.MetricRate {
		return w.Name
	}
	return w.Name + " " + m.Name
}

// verdict is what to make of it, in words.
func (s *subject) verdict() []string {
	r := s.report
	switch {
	case len(r.Results) == 0:
		return []string{"This report is empty: nothing was measured, so there is nothing to compare."}
	case len(s.ours) == 0:
		return []string{"No system but the baseline was measured, so there is nothing to compare."}
	case r.Baseline == "":
		return []string{"There is no baseline, so the figures below are not compared to anything."}
	}
	base, best := display(r.Baseline), s.best
	if len(best) == 0 {
		return []string{fmt.Sprintf("Nothing can be compared with %s: there is no pair of runs that neither side failed.", base)}
	}
	all := sum("", best, 0)
	who, which := display(s.counted[0]), ""
	if len(s.counted) > 1 {
		who, which = s.subjectName(), " The better of its backends counts in each; the table says how each does alone."
	}
	text := fmt.Sprintf("%s leads %s in %d of %s.", who, base, all.Ahead, plural(len(best), "comparison"))
	if all.Level+all.Behind > 0 {
		text += fmt.Sprintf(" It is level in %d and behind in %d.", all.Level, all.Behind)
	}
	paragraphs := []string{text + which + " " + s.middle(best)}
	return append(paragraphs, notAhead(best)...)
}

// subjectName is what our systems have in common.
func (s *subject) subjectName() string {
	if strings.HasPrefix(s.ours[0], "zeroring") {
		return "zeroring"
	}
	return "the best of the others"
}

// middle says how large the ratios are.
func (s *subject) middle(best []comparison) string {
	var better []float64
	for _, c := range best {
		better = append(better, c.better)
	}
	top := slices.MaxFunc(best, func(a, b comparison) int { return cmp.Compare(a.better, b.better) })
	spread := bench.NewSpread(better)
	if spread.N == 1 {
		return fmt.Sprintf("It is %s as good.", times(spread.Median))
	}
	return fmt.Sprintf("The median comparison is %s as good, the best %s (%s), the worst %s.",
		times(spread.Median), times(top.better), top.name, times(spread.Min))
}

// notAhead names the comparisons that are not in our favour, the worst first.
func notAhead(best []comparison) (parts []string) {
	const most = 10
	for _, list := range []struct {
		standing bench.Standing
		title    string
	}{{bench.Behind, "Behind in"}, {bench.Level, "Level in"}} {
		var names []string
		rest := slices.Clone(best)
		slices.SortStableFunc(rest, func(a, b comparison) int { return cmp.Compare(a.better, b.better) })
		for _, c := range rest {
			if c.standing == list.standing {
				names = append(names, fmt.Sprintf("%s (%s)", c.name, times(c.better)))
			}
		}
		if more := len(names) - most; more > 0 {
			names = append(names[:most], fmt.Sprintf("%d more", more))
		}
		if len(names) > 0 {
			parts = append(parts, list.title+": "+strings.Join(names, ", ")+".")
		}
	}
	return parts
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
