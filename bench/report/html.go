package report

import (
	"bytes"
	_ "embed" // the page's template and style
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/zeroring/zeroring/bench"
)

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	pageStyle string

	pageTemplate = template.Must(template.New("page").Parse(pageText))
)

// A subject is a report and what is used of it again and again.
type subject struct {
	report  *bench.Report
	index   rowIndex
	rows    []bench.Row
	systems []string // that did anything: ours, then the baseline, then others
	ours    []string
	counted []string // of ours, by the verdict
	looks   map[string]look
	keys    map[string]key

	tallies []tally
	best    []comparison // of the best of ours
	failed  []string     // families of what all of ours failed, each as often
}

func newSubject(r *bench.Report) *subject {
	r = normal(r)
	s := &subject{report: r, rows: bench.Compare(r), ours: ours(r), looks: looks(r), keys: make(map[string]key)}
	s.index, s.counted = indexRows(s.rows), contenders(s.ours)
	ran := make(map[string]bool)
	for _, row := range s.rows {
		ran[row.System] = true
	}
	taken := make(map[string]bool)
	take := func(system string) {
		if ran[system] && !taken[system] {
			taken[system] = true
			s.systems = append(s.systems, system)
			s.keys[system] = legend([]look{s.looks[system]})[0]
		}
	}
	for _, system := range s.ours {
		take(system)
	}
	take(r.Baseline)
	for _, about := range r.Systems {
		take(about.Name)
	}
	s.tallies, s.best = s.compare()
	return s
}

// normal is a report whose workloads' zero values are made good.
func normal(r *bench.Report) *bench.Report {
	c := *r
	c.Workloads = slices.Clone(r.Workloads)
	for i, w := range c.Workloads {
		c.Workloads[i] = w.Normal()
	}
	return &c
}

// A section is some pictures.
type section struct {
	ID, Title, About string
	Cards            []*card
}

// A fact is one line of a list.
type fact struct{ Name, Value string }

// A page is what the template shows.
type page struct {
	Style      template.CSS
	Title      string
	Made       string
	Verdict    []string
	Tallies    []tally // of each of our systems
	Families   []tally // of the best of them
	Several    bool    // of our systems count
	Polls      bool    // one of ours does not count, as it polls
	Fails      []failed
	Env        []fact
	Present    []aboutSystem
	Absent     []bench.SystemAbout
	Missing    []string // workloads, and why this machine cannot do them
	Baseline   string
	Sections   []section
	Tables     []table
	Quartiles  int
	Command    string
	Comparable bool
}

// A failed workload is one that a system failed in some or all runs.
type failed struct {
	System, Workload string
	All              bool
	Reasons          []string
}

// An aboutSystem is a system that is here.
type aboutSystem struct {
	bench.SystemAbout
	Key      key
	Baseline bool
}

// HTML writes a report as one page that needs nothing else: no script, no
// style, no picture and no font from elsewhere.
func HTML(w io.Writer, r *bench.Report) error {
	s := newSubject(r)
	p := page{
		Style: template.CSS(pageStyle), Title: "zeroring: benchmark report", Made: made(r), Verdict: s.verdict(),
		Env: facts(r.Env), Baseline: display(r.Baseline), Quartiles: bench.Quartiles,
		Command: r.Command, Comparable: len(s.best) > 0, Fails: s.fails(),
	}
	if r.Baseline != "" && len(s.ours) > 0 {
		p.Title = s.subjectName() + " and " + display(r.Baseline) + ", measured"
	}
	if p.Comparable {
		p.Tallies, p.Families, p.Several = s.tallies, s.families(), len(s.counted) > 1
		p.Polls = len(s.counted) < len(s.ours)
	}
	for _, about := range r.Systems {
		if about.Absent != "" {
			p.Absent = append(p.Absent, about)
			continue
		}
		name, _, _ := strings.Cut(display(about.Name), " ")
		about.Version = strings.TrimPrefix(about.Version, name+" ") // which is beside it
		mark := legend([]look{s.looks[about.Name]})[0]
		p.Present = append(p.Present, aboutSystem{about, mark, about.Name == r.Baseline})
	}
	p.Missing = missing(r)
	if len(s.rows) > 0 {
		p.Sections, p.Tables = s.sections(), s.tables()
	}
	// The page is whole, or it is not written at all.
	var buf bytes.Buffer
	if err := pageTemplate.Execute(&buf, p); err != nil {
		return err
	}
	_, err := w.Write(buf.Bytes())
	return err
}

// missing names the workloads that cannot be done here, each reason once.
func missing(r *bench.Report) (lines []string) {
	names := make(map[string][]string)
	for _, m := range r.Missing {
		names[m.Why] = append(names[m.Why], m.Name)
	}
	for _, m := range r.Missing {
		if n := names[m.Why]; n != nil {
			lines = append(lines, strings.Join(n, ", ")+" ("+m.Why+")")
			delete(names, m.Why)
		}
	}
	return lines
}

// made says when a report was made.
func made(r *bench.Report) string {
	if r.Start.IsZero() {
		return ""
	}
	text := "Measured on " + r.Start.UTC().Format("2 January 2006, 15:04 UTC")
	if r.Took > 0 {
		text += ", in " + r.Took.Round(time.Second).String()
	}
	return text
}

// facts leaves out what is not known.
func facts(e bench.Env) (all []fact) {
	add := func(name, value string) {
		if value != "" && value != "0" {
			all = append(all, fact{name, value})
		}
	}
	add("Processor", e.CPU)
	add("Cores used", fmt.Sprint(e.Cores))
	add("Governor", e.Governor)
	if e.CPU != "" {
		add("Machine", map[bool]string{true: "virtual", false: "physical"}[e.Virtual])
	}
	add("System", strings.TrimSpace(e.OS+" "+e.Kernel))
	add("Go", e.Go)
	add("GOMAXPROCS", fmt.Sprint(e.GOMAXPROCS))
	add("Commit", e.Commit)
	add("Load at the start", e.Load)
	add("zeroring's own choice", e.Backend)
	return all
}

func (s *subject) fails() (all []failed) {
	for i := range s.rows {
		if row := &s.rows[i]; len(row.Fails) > 0 {
			all = append(all, failed{display(row.System), row.Workload.Name, len(row.Fails) == row.Runs, reasons(row)})
		}
	}
	return all
}
