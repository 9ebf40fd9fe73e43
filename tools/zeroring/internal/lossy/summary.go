package lossy

import (
	"fmt"
	"strings"

	"github.com/zeroring/zeroring/tools/zeroring/internal/feed"
	"github.com/zeroring/zeroring/tools/zeroring/internal/term"
)

// summary is the table at the end of a run, in 80 columns.
func summary(res *Result) string {
	var b strings.Builder
	p := res.Published
	if p == nil {
		return "interrupted before anything was published\n"
	}
	fmt.Fprintf(&b, "%s, at %s, at most %d Mbit/s\n", res.Input, res.Endpoint, res.Mbit)
	b.WriteString(strings.TrimRight(term.Fit(res.Backend.Name+": "+res.Backend.Reason, term.Columns), " ") + "\n\n")
	fmt.Fprintf(&b, "published   %s messages in %.1f s, %s msg/s\n", term.Group(p.Published), p.Seconds, term.Group(int64(p.PublishedPerSecond)))
	if s := p.Source; s != nil {
		fmt.Fprintf(&b, "source      %s packets and %s repairs, asked for by %s NAKs\n", term.Group(s.Packets), term.Group(s.Repairs), term.Group(s.NAKs))
	}
	b.WriteString("\n" + rowHeading + "\n")
	for _, c := range res.Receivers {
		b.WriteString(row("", fmt.Sprint(c.ID), c.Messages, c.Lost, c.Multicast, c.Latency) + "\n")
		if c.Spilt > 0 || c.Multicast.KernelDrops > 0 {
			fmt.Fprintf(&b, "   no room for %s frames at the switch and for %s packets in the kernel\n",
				term.Group(int64(c.Spilt)), term.Group(c.Multicast.KernelDrops))
		}
	}
	b.WriteString(accounts(res))
	b.WriteString(steps(res))
	if res.Interrupted {
		b.WriteString("\ninterrupted\n")
	}
	return b.String()
}

// accounts says where the messages went.
func accounts(res *Result) string {
	var b strings.Builder
	whole := 0
	for _, c := range res.Receivers {
		if c.Dropped == 0 && c.Missing == 0 && c.Error == "" {
			whole++
			continue
		}
		fmt.Fprintf(&b, "\nreceiver %d got %s messages and reported %s as lost", c.ID, term.Group(c.Messages), term.Group(c.Dropped))
		if c.Missing != 0 {
			fmt.Fprintf(&b, "; %s ARE MISSING", term.Group(c.Missing))
		}
		if c.Error != "" {
			fmt.Fprintf(&b, "; %s", c.Error)
		}
	}
	switch {
	case whole == len(res.Receivers):
		fmt.Fprintf(&b, "\nevery receiver got every message, in order\n")
	default:
		fmt.Fprintf(&b, "\n%d of %d receivers got every message\n", whole, len(res.Receivers))
	}
	return b.String()
}

// shownReceivers is how many receivers the table of steps has.
const shownReceivers = 3

// steps is a table of latencies by what the network did.
func steps(res *Result) string {
	var b strings.Builder
	shown := min(len(res.Receivers), shownReceivers)
	b.WriteString("\n" + term.Fit("latency p50, p99", 24))
	for i := range shown {
		b.WriteString(term.Right(fmt.Sprintf("receiver %d", i+1), 18))
	}
	b.WriteString("\n")
	for _, s := range res.Steps {
		b.WriteString(term.Fit(fmt.Sprintf("%5.1f s  %s", s.Seconds, s.Faults), 24))
		for _, l := range s.Latency[:shown] {
			b.WriteString(term.Right(pair(l), 18))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func pair(l feed.Latency) string {
	if l.Max == 0 {
		return "-"
	}
	return term.Short(l.P50) + term.Right(term.Short(l.P99), 9)
}
