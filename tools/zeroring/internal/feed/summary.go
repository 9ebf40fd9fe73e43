package feed

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// summary is the table at the end of a run, in 80 columns.
func summary(r *Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, over %s to %d subscribers, high-water mark %s\n", r.Input, r.Transport, r.Subscribers, group(int64(r.HWM)))
	fmt.Fprintf(&b, "%s: %s\n", r.Backend.Name, r.Backend.Reason)
	if len(r.Phases) == 0 {
		b.WriteString("\ninterrupted before anything was published\n")
		return b.String()
	}
	b.WriteString("\n" + fit("", 16))
	for _, p := range r.Phases {
		b.WriteString(right(p.Name, 24))
	}
	b.WriteString("\n")
	for _, line := range summaryLines {
		b.WriteString(fit(line.name, 16))
		for _, p := range r.Phases {
			b.WriteString(right(line.value(p), 24))
		}
		b.WriteString("\n")
	}
	for _, p := range r.Phases {
		b.WriteString(losers(p))
	}
	if r.Interrupted {
		b.WriteString("\ninterrupted\n")
	}
	return b.String()
}

var summaryLines = []struct {
	name  string
	value func(p *Phase) string
}{
	{"pace", func(p *Phase) string { return p.Pace }},
	{"full queues", func(p *Phase) string {
		if p.Waits {
			return "publisher waits"
		}
		return "messages are dropped"
	}},
	{"seconds", func(p *Phase) string { return fmt.Sprintf("%.2f", p.Seconds) }},
	{"published", func(p *Phase) string { return group(p.Published) }},
	{"  msg/s", func(p *Phase) string { return group(int64(p.PublishedPerSecond)) }},
	{"  octets/s", func(p *Phase) string { return octets(p.OctetsPerSecond) }},
	{"delivered", func(p *Phase) string { return group(p.Delivered) }},
	{"  msg/s", func(p *Phase) string { return group(int64(p.DeliveredPerSecond)) }},
	{"  octets/s", func(p *Phase) string { return octets(p.DeliveredOctetsPerSecond) }},
	{"latency p50", func(p *Phase) string { return short(p.Latency.P50) }},
	{"  p99", func(p *Phase) string { return short(p.Latency.P99) }},
	{"  p99.9", func(p *Phase) string { return short(p.Latency.P999) }},
	{"  max", func(p *Phase) string { return short(p.Latency.Max) }},
	{"sent late p99", func(p *Phase) string {
		if p.Late.Max == 0 {
			return "-" // no schedule to be behind
		}
		return short(p.Late.P99)
	}},
	{"dropped", func(p *Phase) string { return group(p.Dropped) }},
	{"gaps", func(p *Phase) string { return group(p.Gaps) }},
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
	fmt.Fprintf(&b, "\n%s%8s%18s%18s%14s\n", fit("lost "+p.Name, 20), "symbols", "received", "dropped", "gaps")
	for _, s := range lost[:min(len(lost), maxLosers)] {
		name := fmt.Sprintf("  subscriber %d", s.ID)
		if s.Slow {
			name += " slow"
		}
		fmt.Fprintf(&b, "%s%8s%18s%18s%14s\n", fit(name, 20), s.Symbols, group(s.Messages), group(s.Dropped), group(s.Gaps))
		if s.Wrong > 0 {
			fmt.Fprintf(&b, "    %s malformed, repeated or out of order\n", group(s.Wrong))
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
