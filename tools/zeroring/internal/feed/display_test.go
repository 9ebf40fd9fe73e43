package feed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/zeroring/zeroring/tools/zeroring/internal/term"
)

// busy is an arena in the middle of a phase with numbers as large as they get.
func busy(n int) (*arena, span) {
	a := &arena{pub: newPublisher(nil, nil, Pace{})}
	s := span{
		elapsed: 3 * time.Hour, published: 123_456_789, delivered: 987_654_321, octetsIn: 9.9e11, octetsOut: 9.9e10,
		latency: Latency{999 * 1e6, 999 * 1e6, 999 * 1e6, 59.9e9}, trend: make([]float64, 100),
	}
	for i := range n {
		a.subs = append(a.subs, newSubscriber(nil, choice{all: true}, newGate(1), newGate(1)))
		a.subs[i].slow = i%2 == 0
		t := tally{messages: 1e12 - 1, dropped: 99_999_999_999 - int64(i), gaps: 1e9 - 1}
		s.counts.each = append(s.counts.each, sight{tally: t})
		s.counts.sum.add(t)
		s.each = append(s.each, 123_456_789)
	}
	return a, s
}

var someResult = &Result{
	Input: "/a/path/that/goes/on/and/on/" + strings.Repeat("and/on/", 10), Transport: "inproc", Subscribers: 1000, HWM: 100_000_000,
	Backend: Backend{Name: "io_uring", Reason: strings.Repeat("reason ", 20)},
}

// The view fits 80 columns whatever the numbers, and replaces the one before.
func TestScreen(t *testing.T) {
	var out bytes.Buffer
	d := &screen{Canvas: term.Canvas{To: &out, Size: terminal(80, 24)}, result: someResult, phases: make([]phase, 2)}
	a, s := busy(12)
	p := phase{name: "flat out", time: 24 * time.Hour}
	d.ended(&Phase{Name: "paced", DeliveredPerSecond: 364_000, Latency: Latency{P50: 31_000, P99: 88_000}})
	for i := range 2 {
		out.Reset()
		d.live(p, a, s)
		view := out.String()
		if up := strings.HasPrefix(view, "\x1b["); up != (i > 0) {
			t.Errorf("view %d starts with %q", i, view[:10])
		}
		n := strings.Count(view, "\n")
		if i > 0 && !strings.HasPrefix(view, fmt.Sprintf("\x1b[%dA", n)) || n > 24 {
			t.Errorf("%d lines, and it goes up by %q", n, view[:5])
		}
		for line := range strings.Lines(view) {
			line = strings.TrimSuffix(line[strings.LastIndex(line, "\x1b[2K")+len("\x1b[2K"):], "\n")
			if term.Width(line) >= term.Columns {
				t.Errorf("%d columns: %s", term.Width(line), line)
			}
		}
		for _, has := range []string{
			"paced: 364,000 deliveries/s, p50 31.0 µs, p99 88.0 µs, 0 dropped",
			"2 of 2, flat out", "io_uring", "and 4 more", "0 slow", "sum", "market time 00:00:00", "p99.9 999 ms"} {
			if !strings.Contains(view, has) {
				t.Errorf("the view lacks %q", has)
			}
		}
	}
}

func terminal(columns, rows int) func() (int, int) { return func() (int, int) { return columns, rows } }

// A small terminal gets what fits it: no line wraps, and none that is to be
// drawn over scrolls away. One that does not say how large it is counts as 80 by 24.
func TestSmallScreen(t *testing.T) {
	a, s := busy(12)
	for _, c := range []struct{ columns, rows, width, height int }{
		{200, 60, 79, 22}, {80, 24, 79, 22}, {0, 0, 79, 22}, {60, 24, 59, 22}, {80, 15, 79, 14}, {20, 5, 19, 4}, {1, 1, 1, 1},
	} {
		var out bytes.Buffer
		d := &screen{Canvas: term.Canvas{To: &out, Size: terminal(c.columns, c.rows)}, result: someResult, phases: make([]phase, 2)}
		d.ended(&Phase{Name: "paced"})
		for range 2 {
			out.Reset()
			d.live(phase{name: "flat out", time: time.Hour}, a, s)
		}
		view := out.String()
		if !strings.HasPrefix(view, fmt.Sprintf("\x1b[%dA", c.height)) || strings.Count(view, "\n") != c.height {
			t.Errorf("%d by %d: %d lines, drawn over with %q", c.columns, c.rows, strings.Count(view, "\n"), view[:5])
		}
		for line := range strings.Lines(view) {
			line = strings.TrimSuffix(line[strings.LastIndex(line, "\x1b[2K")+len("\x1b[2K"):], "\n")
			if term.Width(line) > c.width {
				t.Errorf("%d by %d: %d columns: %s", c.columns, c.rows, term.Width(line), line)
			}
		}
		if c.height == 14 && !strings.Contains(view, "and 12 more") {
			t.Errorf("no room for the subscribers, and they are not counted:\n%s", view)
		}
	}
}

// A whole row at its widest must not be cut.
func TestRowFits(t *testing.T) {
	_, s := busy(1)
	if r := row("999 slow", "all", &s.counts.each[0], 123_456_789); term.Width(r) > term.Columns-1 || !strings.HasSuffix(r, "999,999,999") {
		t.Errorf("%d columns: %s", term.Width(r), r)
	}
}

func TestWorst(t *testing.T) {
	var each []sight
	for _, t := range []tally{{messages: 5}, {messages: 9}, {dropped: 1}, {messages: 7}, {dropped: 2}, {messages: 1}} {
		each = append(each, sight{tally: t})
	}
	slow := func(i int) bool { return i == 5 }
	for n, want := range map[int][]int{0: {}, 2: {4, 2}, 3: {4, 2, 5}, 4: {4, 2, 5, 1}, 5: {4, 2, 5, 1, 3}, 9: {4, 2, 5, 0, 1, 3}} {
		if got := worst(each, slow, n); !reflect.DeepEqual(got, want) {
			t.Errorf("of %d: %v, not %v", n, got, want)
		}
	}
}

func TestLines(t *testing.T) {
	var out bytes.Buffer
	_, s := busy(2)
	lines{to: &out}.live(phase{name: "paced"}, nil, s)
	if got := out.String(); strings.Count(got, "\n") != 1 || strings.Contains(got, "\x1b") || !strings.Contains(got, "paced 10800s: 123,456,789 msg/s") {
		t.Errorf("%q", got)
	}
}

// phases that lost something and did not.
func samplePhases() []*Phase {
	lossy := &Phase{Name: "flat out", Pace: "flat out", Seconds: 5, Published: 999_999_999_999, Delivered: 999_999_999_999, Dropped: 5, Gaps: 2}
	for i := range 9 {
		lossy.Each = append(lossy.Each, Subscriber{ID: i, Symbols: "all", Messages: 10, Dropped: int64(i), Gaps: 1})
	}
	lossy.Each[8].Slow = true
	return []*Phase{{Name: "paced", Pace: "100,000 msg/s", Waits: true, Late: Latency{Max: 1, P99: 1}, Each: []Subscriber{{Messages: 3}}}, lossy}
}

func TestSummary(t *testing.T) {
	r := *someResult
	r.Input, r.Backend.Reason, r.Phases = "a day", "it works", samplePhases()
	got := summary(&r)
	for line := range strings.Lines(got) {
		if term.Width(line) > term.Columns {
			t.Errorf("%d columns: %s", term.Width(line), line)
		}
	}
	for _, has := range []string{
		"a day, over inproc to 1000 subscribers, high-water mark 100,000,000",
		"io_uring: it works",
		"publisher waits", "messages are dropped",
		"sent late p99                       1 ns                       -",
		"lost flat out        symbols          received           dropped          gaps\n" +
			"  subscriber 8 slow      all                10                 8             1\n" +
			"  subscriber 7           all                10                 7             1\n",
		"  subscriber 4           all                10                 4             1\n  and 3 more\n",
	} {
		if !strings.Contains(got, has) {
			t.Errorf("lacks %q:\n%s", has, got)
		}
	}
	if strings.Contains(got, "lost paced") || strings.Contains(got, "interrupted") {
		t.Errorf("says too much:\n%s", got)
	}
	r.Interrupted = true
	if got := summary(&r); !strings.HasSuffix(got, "\ninterrupted\n") {
		t.Errorf("does not say that it was interrupted:\n%s", got)
	}
	r.Phases = nil
	if got := summary(&r); !strings.Contains(got, "interrupted before anything was published") {
		t.Errorf("says nothing of nothing:\n%s", got)
	}
}

func TestMachine(t *testing.T) {
	var out bytes.Buffer
	d, _ := newDisplay(Output{To: &out, JSON: true, Screen: terminal(80, 24)}, someResult, nil)
	d.live(phase{}, nil, span{})
	d.ended(nil)
	r := *someResult
	r.Phases = samplePhases()
	if err := d.summary(&r); err != nil {
		t.Fatal(err)
	}
	var back Result
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || !reflect.DeepEqual(back, r) {
		t.Errorf("%v: %+v", err, back)
	}
}

func TestTroubleIsNamed(t *testing.T) {
	p := &Phase{Name: "paced", Each: []Subscriber{{Symbols: "all"}, {ID: 1, Symbols: "3", Wrong: 1234, Error: "socket: closed"}}}
	want := "  subscriber 1             3                 0                 0             0\n" +
		"    1,234 malformed, repeated or out of order\n    socket: closed\n"
	if got := losers(p); !strings.HasSuffix(got, want) || strings.Contains(got, "subscriber 0") {
		t.Errorf("%s", got)
	}
}

// A reader that went away ends a run with an error.
func TestSummaryNobodyReads(t *testing.T) {
	broken := errors.New("broken pipe")
	for _, out := range []Output{{}, {Screen: terminal(80, 24)}, {JSON: true}} {
		out.To = writerFunc(func([]byte) (int, error) { return 0, broken })
		d, _ := newDisplay(out, someResult, nil)
		if err := d.summary(someResult); !errors.Is(err, broken) {
			t.Errorf("%T: %v", d, err)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
