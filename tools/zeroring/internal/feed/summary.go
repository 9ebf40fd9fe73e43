package feed

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/zeroring/zeroring/tools/zeroring/internal/term"
)

// summary is the table at the end of a run, in 80 columns.
func summary(r *Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, over %s%s, high-water mark %s\n", r.Input, r.Transport, r.audience(), term.Group(int64(r.HWM)))
	b.WriteString(strings.TrimRight(term.Fit(r.Backend.Name+": "+r.Backend.Reason, term.Columns), " ") + "\n")
	if r.Endpoint != "" {
		fmt.Fprintf(&b, "%s, at most %d Mbit/s\n", r.Endpoint, r.Mbit)
	}
	if len(r.Phases) == 0 {
		b.WriteString("\ninterrupted before anything was published\n")
		return b.String()
	}
	b.WriteString("\n" + term.Fit("", 16))
	for _, p := range r.Phases {
		b.WriteString(term.Right(p.Name, 24))
	}
	b.WriteString("\n")
	for _, line := range summaryLines {
		if line.side != Both && r.Only != Both && line.side != r.Only {
			continue
		}
		b.WriteString(term.Fit(line.name, 16))
		for _, p := range r.Phases {
			b.WriteString(term.Right(line.value(p), 24))
		}
		b.WriteString("\n")
	}
	for _, p := range r.Phases {
		b.WriteString(hearings(p))
	}
	for _, p := range r.Phases {
		b.WriteString(losers(p))
	}
	if r.Interrupted {
		b.WriteString("\ninterrupted\n")
	}
	return b.String()
}

// audience says to whom.
func (r *Result) audience() string {
	if r.Only == Publish {
		return " to whoever listens"
	}
	return fmt.Sprintf(" to %d subscribers", r.Subscribers)
}

// summaryLines are the lines of the table, with the side that can tell, if the other
// cannot.
var summaryLines = []struct {
	side, name string
	value      func(p *Phase) string
}{
	{Publish, "pace", func(p *Phase) string { return p.Pace }},
	{Publish, "full queues", func(p *Phase) string {
		if p.Waits {
			return "publisher waits"
		}
		return "messages are dropped"
	}},
	{Both, "seconds", func(p *Phase) string { return fmt.Sprintf("%.2f", p.Seconds) }},
	{Publish, "published", func(p *Phase) string { return term.Group(p.Published) }},
	{Publish, "  msg/s", func(p *Phase) string { return term.Group(int64(p.PublishedPerSecond)) }},
	{Publish, "  octets/s", func(p *Phase) string { return term.Octets(p.OctetsPerSecond) }},
	{Subscribe, "delivered", func(p *Phase) string { return term.Group(p.Delivered) }},
	{Subscribe, "  msg/s", func(p *Phase) string { return term.Group(int64(p.DeliveredPerSecond)) }},
	{Subscribe, "  octets/s", func(p *Phase) string { return term.Octets(p.DeliveredOctetsPerSecond) }},
	{Subscribe, "latency p50", func(p *Phase) string { return term.Short(p.Latency.P50) }},
	{Subscribe, "  p99", func(p *Phase) string { return term.Short(p.Latency.P99) }},
	{Subscribe, "  p99.9", func(p *Phase) string { return term.Short(p.Latency.P999) }},
	{Subscribe, "  max", func(p *Phase) string { return term.Short(p.Latency.Max) }},
	{Publish, "sent late p99", func(p *Phase) string {
		if p.Late.Max == 0 {
			return "-" // no schedule to be behind
		}
		return term.Short(p.Late.P99)
	}},
	{Subscribe, "dropped", func(p *Phase) string { return term.Group(p.Dropped) }},
	{Subscribe, "gaps", func(p *Phase) string { return term.Group(p.Gaps) }},
}

// maxLosers is how many of a phase's subscribers that lost something are named.
const maxLosers = 5

// losers is a table of the subscribers that lost messages or had trouble, those
// that lost most.
func losers(p *Phase) string {
	var lost []Subscriber
	for _, s := range p.Each {
		if s.Dropped > 0 || s.Wrong > 0 || s.Error != "" {
			lost = append(lost, s)
		}
	}
	if len(lost) == 0 {
		return ""
	}
	slices.SortStableFunc(lost, func(a, b Subscriber) int { return cmp.Compare(b.Dropped, a.Dropped) })
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s%8s%18s%18s%14s\n", term.Fit("lost "+p.Name, 20), "symbols", "received", "dropped", "gaps")
	for _, s := range lost[:min(len(lost), maxLosers)] {
		name := fmt.Sprintf("  subscriber %d", s.ID)
		if s.Slow {
			name += " slow"
		}
		fmt.Fprintf(&b, "%s%8s%18s%18s%14s\n", term.Fit(name, 20), s.Symbols, term.Group(s.Messages), term.Group(s.Dropped), term.Group(s.Gaps))
		if s.Wrong > 0 {
			fmt.Fprintf(&b, "    %s malformed, repeated or out of order\n", term.Group(s.Wrong))
		}
		if s.Error != "" {
			fmt.Fprintf(&b, "    %s\n", s.Error)
		}
	}
	if more := len(lost) - maxLosers; more > 0 {
		fmt.Fprintf(&b, "  and %d more\n", more)
	}
	return b.String()
}
