package feed

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/zeroring/zeroring/tools/itch"
	"github.com/zeroring/zeroring/tools/zeroring/internal/term"
)

// A display shows a run to someone.
type display interface {
	live(p phase, a *arena, s span) // every interval
	ended(p *Phase)                 // after each phase
	summary(r *Result) error        // at the end
}

func newDisplay(out Output, r *Result, phases []phase) (display, time.Duration) {
	switch {
	case out.Reports:
		return reports{out.To}, reportEvery
	case out.JSON:
		return machine{out.To}, time.Second
	case out.Screen != nil:
		return &screen{Canvas: term.Canvas{To: out.To, Size: out.Screen}, result: r, phases: phases}, 500 * time.Millisecond
	default:
		return lines{out.To, r.Only}, time.Second
	}
}

// machine prints one JSON object.
type machine struct{ to io.Writer }

func (machine) live(phase, *arena, span) {}
func (machine) ended(*Phase)             {}

func (d machine) summary(r *Result) error {
	e := json.NewEncoder(d.to)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// lines prints a line each second, for logs.
type lines struct {
	to   io.Writer
	only string
}

func (d lines) live(p phase, a *arena, s span) {
	l := s.latency
	line := fmt.Sprintf("%s %.0fs: ", p.name, s.elapsed.Seconds())
	if d.only != Subscribe {
		line += fmt.Sprintf("%s msg/s, %s/s", term.Group(int64(s.published)), term.Octets(s.octetsOut))
	}
	if d.only == Both {
		line += ", "
	}
	if d.only != Publish {
		line += fmt.Sprintf("%s deliveries/s, p50 %s, p99 %s, p99.9 %s, %s dropped, %s gaps%s", term.Group(int64(s.delivered)),
			term.Short(l.P50), term.Short(l.P99), term.Short(l.P999), term.Group(s.counts.sum.dropped), term.Group(s.counts.sum.gaps), s.counts.heard.brief())
	}
	io.WriteString(d.to, line+"\n")
}

func (lines) ended(*Phase) {}

func (d lines) summary(r *Result) error {
	_, err := io.WriteString(d.to, summary(r))
	return err
}

// shownSubscribers is how many subscribers have a line of their own.
const shownSubscribers = 8

// A screen redraws one view in place.
type screen struct {
	term.Canvas
	result *Result
	phases []phase
	past   []string
}

func (d *screen) live(p phase, a *arena, s span) {
	_, height := d.Room()
	view := append(d.head(), d.rates(p, a, s)...)
	d.Draw(append(view, d.subscribers(a, s, height-len(view))...))
}

func (d *screen) head() []string {
	r := d.result
	head := []string{
		fmt.Sprintf("zeroring feed: %s, over %s%s", r.Input, r.Transport, r.audience()),
		fmt.Sprintf("%s: %s", r.Backend.Name, r.Backend.Reason),
		"",
	}
	if len(d.past) == 0 {
		return head
	}
	return append(append(head, d.past...), "")
}

func (d *screen) rates(p phase, a *arena, s span) []string {
	l := s.latency
	at := itch.Timestamp(a.pub.market.Load()).String()
	name := fmt.Sprintf("%d of %d, %s", len(d.past)+1, len(d.phases), p.title())
	progress := fmt.Sprintf("%s  %4.1f of %.1f s", term.Bar(s.elapsed.Seconds()/p.time.Seconds(), 24), s.elapsed.Seconds(), p.time.Seconds())
	if d.result.Only == Subscribe {
		progress = fmt.Sprintf("%.1f s", s.elapsed.Seconds()) // whoever publishes knows the end
	}
	view := []string{term.Fit(name, 32) + "  " + progress, ""}
	if d.result.Only != Subscribe {
		view = append(view, fmt.Sprintf("published  %14s msg/s  %12s/s    market time %s", term.Group(int64(s.published)), term.Octets(s.octetsOut), at[:8]))
	}
	if d.result.Only != Publish {
		view = append(view,
			fmt.Sprintf("delivered  %14s msg/s  %12s/s    %s", term.Group(int64(s.delivered)), term.Octets(s.octetsIn), term.Spark(s.trend, 24)),
			fmt.Sprintf("latency    p50 %s    p99 %s    p99.9 %s    max %s", term.Short(l.P50), term.Short(l.P99), term.Short(l.P999), term.Short(l.Max)))
	}
	if d.multicast() {
		view = append(view, d.source(&s.counts))
	}
	return append(view, "")
}

// subscribers is a table of at most height lines, if there are some to spare:
// its heading, the subscribers that matter most, how many more there are, and
// the sum.
func (d *screen) subscribers(a *arena, s span, height int) []string {
	if d.result.Only == Publish {
		return nil
	}
	heading, row := "subscriber   symbols        messages         msg/s       dropped        gaps", row
	if d.multicast() {
		heading, row = hearingHeading, hearingRow
	}
	view := []string{heading}
	const others = 3 // lines that are not a subscriber's
	slow := func(i int) bool { return a.subs[i].slow }
	shown := worst(s.counts.each, slow, max(min(shownSubscribers, height-others), 0))
	for _, i := range shown {
		name := fmt.Sprint(i)
		if a.subs[i].slow {
			name += " slow"
		}
		view = append(view, row(name, a.subs[i].choice.String(), &s.counts.each[i], s.each[i]))
	}
	if hidden := len(a.subs) - len(shown); hidden > 0 {
		view = append(view, fmt.Sprintf("and %d more", hidden))
	}
	sum := sight{tally: s.counts.sum, heard: s.counts.heard, latency: s.latency}
	return append(view, row("sum", "", &sum, s.delivered))
}

func row(name, symbols string, t *sight, perSecond float64) string {
	return fmt.Sprintf("%-12s%9s%16s%14s%14s%12s", name, symbols, term.Group(t.messages), term.Group(int64(perSecond)), term.Group(t.dropped), term.Group(t.gaps))
}

// ended keeps a line of what is over above what comes.
func (d *screen) ended(p *Phase) {
	d.past = append(d.past, fmt.Sprintf("%s: %s deliveries/s, p50 %s, p99 %s, %s dropped",
		p.Name, term.Group(int64(p.DeliveredPerSecond)), term.Short(p.Latency.P50), term.Short(p.Latency.P99), term.Group(p.Dropped)))
}

func (d *screen) summary(r *Result) error {
	d.Draw(nil)
	_, err := io.WriteString(d.To, summary(r))
	return err
}
