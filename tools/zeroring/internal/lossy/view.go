package lossy

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/zeroring/zeroring/tools/itch"
	"github.com/zeroring/zeroring/tools/zeroring/internal/feed"
	"github.com/zeroring/zeroring/tools/zeroring/internal/term"
)

// A display shows a run to someone.
type display interface {
	live(r *run)               // every drawEvery
	summary(res *Result) error // at the end
}

const drawEvery = 250 * time.Millisecond

func newDisplay(out Output) display {
	switch {
	case out.JSON:
		return machine{out.To}
	case out.Screen != nil:
		return &screen{Canvas: term.Canvas{To: out.To, Size: out.Screen}, keys: out.Keys != nil}
	default:
		return &lines{to: out.To}
	}
}

// machine prints one JSON object.
type machine struct{ to io.Writer }

func (machine) live(*run) {}

func (d machine) summary(res *Result) error {
	e := json.NewEncoder(d.to)
	e.SetIndent("", "  ")
	return e.Encode(res)
}

// lines prints a line a second, for logs.
type lines struct {
	to   io.Writer
	last time.Duration
}

func (d *lines) live(r *run) {
	at := r.elapsed()
	if r.began.IsZero() || at-d.last < time.Second {
		return
	}
	d.last = at.Truncate(time.Second)
	var b strings.Builder
	fmt.Fprintf(&b, "%.0fs, %s: %s msg/s", at.Seconds(), r.history[len(r.history)-1].text, term.Group(int64(r.pub.PerSecond)))
	for i, c := range r.receivers {
		h, l := &c.report.Heard, feed.LatencyOf(c.fresh)
		fmt.Fprintf(&b, "; %d: %s repaired, %s given up, p50 %s, p99 %s", i+1, term.Group(h.Repaired+h.Decoded), term.Group(h.GivenUp), term.Short(l.P50), term.Short(l.P99))
	}
	fmt.Fprintln(d.to, b.String())
}

func (d *lines) summary(res *Result) error {
	_, err := io.WriteString(d.to, summary(res))
	return err
}

// A screen redraws one view in place.
type screen struct {
	term.Canvas
	keys bool
}

func (d *screen) live(r *run) {
	view := append(d.head(r), d.receivers(r)...)
	view = append(view, trends(r)...)
	if d.keys {
		view = append(view, "", fmt.Sprintf("keys: 1-%d a choose   + - loss   b bursts   o outage of %v   q quit", min(r.cfg.Receivers, 9), keyOutage))
	}
	d.Draw(view)
}

func (d *screen) head(r *run) []string {
	at, limit := r.elapsed(), r.cfg.Duration
	state := "starting"
	switch {
	case r.over || at > limit:
		state = "repairing the last of it"
	case !r.began.IsZero():
		state = "now " + r.history[len(r.history)-1].text
		if len(r.steps) > 0 {
			state += fmt.Sprintf(", at %v %s", r.steps[0].at, r.steps[0].title())
		}
	}
	p := &r.pub
	return []string{
		fmt.Sprintf("zeroring multicast: 1 source and %d receivers at %s,", r.cfg.Receivers, endpoint),
		"each a process in a network namespace, and a switch that loses packets",
		"",
		fmt.Sprintf("%s  %s  %4.1f of %.1f s", term.Fit(state, 34), term.Bar(at.Seconds()/limit.Seconds(), 24), min(at, limit).Seconds(), limit.Seconds()),
		"",
		fmt.Sprintf("published  %14s msg/s  %12s/s    market time %s", term.Group(int64(p.PerSecond)), term.Octets(p.Octets), itch.Timestamp(p.Market).String()[:8]),
		p.Sent.String(),
		"",
	}
}

// rowFormat is of the table of receivers. Frames are lost before the receiver, packets
// repaired and given up by it.
const rowFormat = "%1s%-10s%11s%8s%9s%9s%7s%8s%8s%8s"

var rowHeading = fmt.Sprintf(rowFormat, "", "receiver", "messages", "lost", "repaired", "given up", "NAKs", "p50", "p99", "max")

// maxRows is how many receivers the view has room for.
const maxRows = 6

func (d *screen) receivers(r *run) []string {
	view := []string{rowHeading}
	for i, c := range r.receivers[:min(len(r.receivers), maxRows)] {
		mark := ""
		if d.keys && (r.chosen == 0 || r.chosen == i+1) {
			mark = ">"
		}
		name := fmt.Sprintf("%d %s", i+1, c.text)
		view = append(view, row(mark, name, c.report.Messages, c.lost, &c.report.Heard, feed.LatencyOf(c.fresh)))
	}
	if more := len(r.receivers) - maxRows; more > 0 {
		view = append(view, fmt.Sprintf(" and %d more", more))
	}
	return append(view, "")
}

func row(mark, name string, messages int64, lost uint64, h *feed.Hearing, l feed.Latency) string {
	return fmt.Sprintf(rowFormat, mark, term.Fit(name, 10), term.Group(messages), term.Group(int64(lost)), term.Group(h.Repaired+h.Decoded),
		term.Group(h.GivenUp), term.Group(h.NAKs), term.Short(l.P50), term.Short(l.P99), term.Short(l.Max))
}

// trends draws the 99th percentiles of the last reports, a column for each.
func trends(r *run) []string {
	view := []string{fmt.Sprintf(" p99 of each %v, from %s to %s", drawEvery, term.Short(int64(lowest)), term.Short(int64(highest)))}
	for i, c := range r.receivers[:min(len(r.receivers), 3)] {
		view = append(view, fmt.Sprintf(" %d %s", i+1, climb(c.trend, 75)))
	}
	return view
}

// The scale of climb is logarithmic between these.
const (
	lowest  = 50 * time.Microsecond
	highest = 500 * time.Millisecond
)

// climb draws durations in nanoseconds, the last n of them, on a logarithmic scale.
func climb(values []float64, n int) string {
	steps := []rune("▁▂▃▄▅▆▇█")
	values = values[max(len(values)-n, 0):]
	line := make([]rune, len(values))
	for i, v := range values {
		part := math.Log(max(v, 1)/float64(lowest)) / math.Log(float64(highest)/float64(lowest))
		line[i] = steps[int(min(max(part, 0), 1)*float64(len(steps)-1)+0.5)]
	}
	return string(line)
}

func (d *screen) summary(res *Result) error {
	d.Draw(nil)
	_, err := io.WriteString(d.To, summary(res))
	return err
}
