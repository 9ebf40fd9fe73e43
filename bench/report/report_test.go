package report

import (
	"bytes"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/zeroring/zeroring/bench"
)

// out leaves what the tests make where it can be looked at.
var out = flag.String("out", "", "a directory to leave a synthetic report in, in all its forms")

func pageOf(t *testing.T, r *bench.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// elements parses a page as XML, which is stricter than HTML, and returns its
// elements and its text.
func elements(t *testing.T, text string) (all []xml.StartElement, words string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	var b strings.Builder
	for {
		token, err := d.Token()
		switch token := token.(type) {
		case xml.StartElement:
			all = append(all, token.Copy())
		case xml.CharData:
			b.Write(token)
			b.WriteByte(' ')
		}
		if err == io.EOF {
			return all, b.String()
		}
		if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
	}
}

func attribute(e xml.StartElement, name string) (value string, ok bool) {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value, true
		}
	}
	return "", false
}

// checkPage says what must hold of any page.
func checkPage(t *testing.T, text string) (words string) {
	t.Helper()
	all, words := elements(t, text)
	ids := make(map[string]bool)
	for _, e := range all {
		if id, ok := attribute(e, "id"); ok {
			if ids[id] {
				t.Errorf("two elements have the id %q", id)
			}
			ids[id] = true
		}
	}
	for _, e := range all {
		switch e.Name.Local {
		case "script", "link", "img", "iframe", "object", "image", "use":
			t.Errorf("the page has a <%s>", e.Name.Local)
		case "svg":
			_, label := attribute(e, "aria-label")
			_, hidden := attribute(e, "aria-hidden")
			if label == hidden {
				t.Errorf("a picture has neither a label nor is an ornament: %v", e.Attr)
			}
		case "a":
			if href, _ := attribute(e, "href"); !ids[strings.TrimPrefix(href, "#")] {
				t.Errorf("a link leads to %q, which is not here", href)
			}
		}
		for _, name := range []string{"src", "onload", "onerror", "onclick"} {
			if v, ok := attribute(e, name); ok {
				t.Errorf("<%s> has %s=%q", e.Name.Local, name, v)
			}
		}
	}
	if m := regexp.MustCompile(`(?i)https?:|url\(|@import|//[a-z]`).FindString(text); m != "" {
		t.Errorf("the page has %q, which leads elsewhere", m)
	}
	for _, odd := range []string{"NaN", "Inf", "%!"} {
		if strings.Contains(text, odd) {
			t.Errorf("the page has %q in it", odd)
		}
	}
	return words
}

func TestPage(t *testing.T) {
	r := synthetic()
	r.Missing = []bench.MissingWorkload{{Name: "multicast/x", Why: "no root"}, {Name: "multicast/y", Why: "no tun"}, {Name: "multicast/z", Why: "no root"}}
	text := pageOf(t, r)
	words := checkPage(t, text)
	for _, w := range r.Workloads {
		if !strings.Contains(words, w.Name) {
			t.Errorf("the page does not name %s", w.Name)
		}
	}
	for _, want := range []string{
		"zeroring leads libzmq in", "Behind in", "zeroring io_uring", "go-zeromq", "4.3.5", "ZMQ_SNDHWM 1000",
		"cgo: no C compiler was found", "a message came twice", "timed out after 10s", "12 messages were lost", "4 of 5",
		"Not run: nng", r.Env.CPU, r.Env.Kernel, r.Command, "Throughput against message size", "Publishing to many", "As things grow",
		"publisher's CPU time for each delivery", "packets lost at each receiver", "highest rate without loss",
		"20000 messages/s, one way, 1% of packets lost at each", "too much for 2s to receivers whose link takes half of it",
		"Not measured, as this machine cannot: multicast/x, multicast/z (no root); multicast/y (no tun).",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if len(text) > 3<<20 {
		t.Errorf("the page has %d octets", len(text))
	}
	leave(t, r)
}

// leave writes the report's forms for people to look at.
func leave(t *testing.T, r *bench.Report) {
	if *out == "" {
		return
	}
	var page bytes.Buffer
	if err := HTML(&page, madeUp(standardSystems, bench.Standard())); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*out, "standard.html"), page.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(io.Writer, *bench.Report) error{
		"report.html": HTML, "report.txt": Bench, "report.md": Markdown, "report.json": JSON,
	} {
		var b bytes.Buffer
		if err := write(&b, r); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(*out, name), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := HGRM(filepath.Join(*out, "hgrm"), r); err != nil {
		t.Fatal(err)
	}
}

func TestNoBareFigure(t *testing.T) {
	all, _ := elements(t, pageOf(t, synthetic()))
	if !slices.ContainsFunc(all, func(e xml.StartElement) bool { return e.Name.Local == "td" }) {
		t.Fatal("there are no tables")
	}
	r := synthetic()
	s := newSubject(r)
	for _, table := range s.tables() {
		for _, b := range table.Blocks {
			for _, row := range b.Rows {
				for _, c := range row.Cells {
					if c.Value != "–" && c.Spread == "" {
						t.Errorf("%s by %s has a bare %q", b.Name, row.Key.Name, c.Value)
					}
				}
			}
		}
	}
}

func TestEmptyPages(t *testing.T) {
	whole := synthetic()
	for _, tt := range []struct {
		name   string
		report *bench.Report
		want   string
	}{
		{"nothing at all", &bench.Report{}, "This report is empty"},
		{"nothing measured", &bench.Report{Baseline: "libzmq", Systems: whole.Systems, Workloads: whole.Workloads}, "This report is empty"},
		{"no baseline", without(whole, func(*bench.Result) bool { return true }, ""), "There is no baseline"},
		{"baseline absent", without(whole, func(r *bench.Result) bool { return r.System != "libzmq" }, "libzmq"), "Nothing can be compared"},
		{"baseline alone", without(whole, func(r *bench.Result) bool { return r.System == "libzmq" }, "libzmq"), "No system but the baseline"},
		{"one pair", without(whole, func(r *bench.Result) bool { return r.Pair == 0 }, "libzmq"), "zeroring leads libzmq"},
		{"three pairs", without(whole, func(r *bench.Result) bool { return r.Pair < 3 }, "libzmq"), "zeroring leads libzmq"},
		{"another library", without(whole, func(r *bench.Result) bool { return !strings.HasPrefix(r.System, "zeroring") }, "libzmq"), "the best of the others leads libzmq"},
		{"all failed", failing(whole), "Nothing can be compared"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if words := checkPage(t, pageOf(t, tt.report)); !strings.Contains(words, tt.want) {
				t.Errorf("the page does not say %q", tt.want)
			}
			for _, write := range []func(io.Writer, *bench.Report) error{Markdown, Bench} {
				var b bytes.Buffer
				if err := write(&b, tt.report); err != nil || b.Len() == 0 {
					t.Errorf("wrote %d octets, %v", b.Len(), err)
				}
			}
		})
	}
}

func without(r *bench.Report, keep func(*bench.Result) bool, baseline string) *bench.Report {
	c := *r
	c.Baseline, c.Results = baseline, nil
	for i := range r.Results {
		if keep(&r.Results[i]) {
			c.Results = append(c.Results, r.Results[i])
		}
	}
	return &c
}

func failing(r *bench.Report) *bench.Report {
	c := *r
	c.Results = slices.Clone(r.Results)
	for i := range c.Results {
		c.Results[i].Fail = "it rained"
	}
	return &c
}

// TestHostileNames puts markup wherever text comes from.
func TestHostileNames(t *testing.T) {
	const hostile = `"><script src=//evil.example>'&</script>` + "|`*\n# x"
	r := synthetic()
	rename := make(map[string]string)
	for i := range r.Systems {
		s := &r.Systems[i]
		rename[s.Name] = s.Name + hostile
		s.Name, s.Version, s.Backend, s.Settings = s.Name+hostile, hostile, hostile, []string{hostile}
	}
	r.Systems[5].Absent = hostile
	r.Baseline = rename[r.Baseline]
	for i := range r.Workloads {
		w := &r.Workloads[i]
		w.Name += hostile
		if w.Plot != "" {
			w.Plot += hostile
		}
		if i == 0 {
			w.Pattern, w.Transport = bench.Pattern(hostile), bench.Transport(hostile)
		}
	}
	for i := range r.Results {
		res := &r.Results[i]
		res.Workload += hostile
		res.System = rename[res.System]
		if res.Fail != "" {
			res.Fail = hostile
		}
	}
	r.Command = hostile
	r.Env = bench.Env{OS: hostile, Kernel: hostile, CPU: hostile, Governor: hostile, Go: hostile, Commit: hostile, Load: hostile, Backend: hostile}
	text := pageOf(t, r)
	if *out != "" {
		if err := os.WriteFile(filepath.Join(*out, "hostile.html"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all, _ := elements(t, text)
	for _, e := range all {
		if e.Name.Local == "script" {
			t.Fatal("a name became a script")
		}
	}
	var b bytes.Buffer
	if err := Markdown(&b, r); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "<script") {
		t.Error("markdown has a tag from a name")
	}
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "#") {
			t.Errorf("a name became a heading: %q", line)
		}
	}
	dir := t.TempDir()
	if err := HGRM(filepath.Join(dir, "in"), r); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("files were written outside: %v, %v", entries, err)
	}
}

func TestMarkdown(t *testing.T) {
	var b bytes.Buffer
	if err := Markdown(&b, synthetic()); err != nil {
		t.Fatal(err)
	}
	table, _, _ := strings.Cut(b.String(), "\n\n")
	lines := strings.Split(table, "\n")
	if !strings.HasPrefix(lines[0], "| workload |  | zeroring io_uring | zeroring epoll | libzmq | ratio, io_uring | ratio, epoll |") {
		t.Errorf("the head is %q", lines[0])
	}
	ratio := regexp.MustCompile(`^(\*\*)?[0-9.]+×(\*\*)? \([0-9.]+–[0-9.]+\)$`)
	for i, line := range lines {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if i < 2 {
			continue
		}
		if len(cells) != 7 {
			t.Fatalf("%d cells, want 7: %s", len(cells), line)
		}
		if !ratio.MatchString(cells[5]) {
			t.Errorf("not a ratio with its spread: %q in %s", cells[5], line)
		}
	}
	for _, want := range []string{"| thr/tcp/64 | messages/s |", "| lat/tcp/64 | p99 |", "**FAIL**", "| connect/tcp/100 | memory per connection |"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q", want)
		}
	}
}

func TestBenchFormat(t *testing.T) {
	r := synthetic()
	var b bytes.Buffer
	if err := Bench(&b, r); err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`^Benchmark[A-Z]\S*/system=\S+ [1-9][0-9]*( [0-9.e+-]+ [A-Za-z0-9./-]+)+$`)
	kept, failed := 0, 0
	for text := range strings.Lines(b.String()) {
		text = strings.TrimSuffix(text, "\n")
		switch {
		case strings.HasPrefix(text, "# FAIL "):
			failed++
		case strings.HasPrefix(text, "Benchmark"):
			kept++
			if !line.MatchString(text) {
				t.Errorf("not a benchmark: %q", text)
			}
		}
	}
	want := 0
	for i := range r.Results {
		if r.Results[i].Fail != "" {
			want++
		}
	}
	if failed != want || kept+failed != len(r.Results) {
		t.Errorf("%d lines and %d failures, want %d of %d", kept, failed, want, len(r.Results))
	}
	for _, want := range []string{
		"goos: linux\ngoarch: amd64\npkg: github.com/zeroring/zeroring/bench\ncpu: Example Processor 9000 @ 3.10GHz\n",
		"Unit msgs/s better=higher\n", "Unit p99-ns better=lower\n", "BenchmarkThr/tcp/64/system=zeroring-uring ",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q", want)
		}
	}
}

func TestHGRM(t *testing.T) {
	dir := t.TempDir()
	r := synthetic()
	if err := HGRM(dir, r); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "lat_tcp_64.zeroring-uring.hgrm"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	if got := strings.Fields(lines[0]); !slices.Equal(got, []string{"Value", "Percentile", "TotalCount", "1/(1-Percentile)"}) {
		t.Errorf("the head is %q", lines[0])
	}
	if !regexp.MustCompile(`(?m)^ +[0-9.]+ +1\.0+ +40000 +inf$`).Match(text) {
		t.Errorf("the last line does not have all %d latencies:\n%s", 8000*pairs, text)
	}
	entries, err := os.ReadDir(dir)
	casts := 0
	for _, w := range r.Workloads {
		if w.OneWay() {
			casts++
		}
	}
	if want := 8*4 + casts*3; err != nil || len(entries) != want {
		t.Errorf("%d files, %v, want %d", len(entries), err, want)
	}
}

func TestRead(t *testing.T) {
	r := synthetic()
	var b, again bytes.Buffer
	if err := JSON(&b, r); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	got, err := Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	if err := JSON(&again, got); err != nil || again.String() != text {
		t.Errorf("a report that was read is not what was written, %v", err)
	}
}

func TestReadRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(r *bench.Report)
		want  string
	}{
		{"workload twice", func(r *bench.Report) { r.Workloads = append(r.Workloads, r.Workloads[0]) }, "is there twice"},
		{"bad workload", func(r *bench.Report) { r.Workloads[0].Name = "<b>"; r.Results = nil }, "a name has letters"},
		{"system twice", func(r *bench.Report) { r.Systems[1].Name = r.Systems[0].Name; r.Results = nil }, "no name, or another's"},
		{"no such baseline", func(r *bench.Report) { r.Baseline = "x" }, "is not among the systems"},
		{"no such workload", func(r *bench.Report) { r.Results[0].Workload = "x" }, "which is not listed"},
		{"no such system", func(r *bench.Report) { r.Results[0].System = "x" }, "which is not listed"},
		{"result twice", func(r *bench.Report) { r.Results = append(r.Results, r.Results[0]) }, "is another of"},
		{"below zero", func(r *bench.Report) { r.Results[0].Messages = -1 }, "below zero"},
		{"nothing in it", func(r *bench.Report) { r.Results[0].Messages = 0 }, "did not fail, and has no rate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := synthetic()
			tt.spoil(r)
			var b bytes.Buffer
			if err := JSON(&b, r); err != nil {
				t.Fatal(err)
			}
			if _, err := Read(&b); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	for _, text := range []string{"", "[]", "{} {}", `{"systems":`} {
		if _, err := Read(strings.NewReader(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func TestHuman(t *testing.T) {
	for _, tt := range []struct {
		unit bench.Unit
		v    float64
		want string
	}{
		{bench.PerSecond, 12_345_678, "12.3 M/s"}, {bench.PerSecond, 950, "950/s"}, {bench.PerSecond, 999_700, "1.00 M/s"},
		{bench.Nanosec, 450, "450 ns"}, {bench.Nanosec, 4500, "4.50 µs"}, {bench.Nanosec, 60e9, "60.0 s"}, {bench.Nanosec, 999.96, "1.00 µs"},
		{bench.Octets, 1536, "1.50 KiB"}, {bench.Octets, 1023.8, "1.00 KiB"}, {bench.Octets, 8, "8.00 B"},
		{bench.Times, 0.0421, "0.042"}, {bench.Times, 0, "0"}, {bench.Times, 0.0001, "<0.001"}, {bench.Times, 1234.4, "1234"},
	} {
		if got := strings.ReplaceAll(human(tt.unit, tt.v), noBreak, " "); got != tt.want {
			t.Errorf("%v%s is %q, want %q", tt.v, tt.unit, got, tt.want)
		}
	}
}
