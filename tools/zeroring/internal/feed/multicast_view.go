package feed

import (
	"fmt"
	"strings"

	"github.com/zeroring/zeroring/tools/zeroring/internal/term"
)

// multicast reports whether there are packets to show.
func (d *screen) multicast() bool { return d.result.Endpoint != "" }

// source is a line about the source.
func (d *screen) source(c *sample) string {
	switch {
	case d.result.Only != Subscribe:
		return c.sent.String()
	case c.heard.Packets == 0:
		return "nothing is heard yet at " + d.result.Endpoint
	}
	return "heard at " + d.result.Endpoint
}

// String is a line about what the source did.
func (s Sending) String() string {
	return fmt.Sprintf("source     %14s packets  %10s repairs     %s NAKs", term.Group(s.Packets), term.Group(s.Repairs), term.Group(s.NAKs))
}

// hearingHeading is of the table of those who receive by multicast. There are packets
// in it, messages only in its second column.
var hearingHeading = fmt.Sprintf(hearingFormat, "receiver", "messages", "packets", "repaired", "given up", "NAKs", "p50", "p99", "max")

const hearingFormat = "%-8s%11s%11s%9s%9s%7s%8s%8s%8s"

// hearingRow is a receiver's row of that table.
func hearingRow(name, _ string, s *sight, _ float64) string {
	l := &s.latency
	return fmt.Sprintf(hearingFormat, name, term.Group(s.messages), term.Group(s.heard.Packets), term.Group(s.heard.Repaired+s.heard.Decoded),
		term.Group(s.heard.GivenUp), term.Group(s.heard.NAKs), term.Short(l.P50), term.Short(l.P99), term.Short(l.Max))
}

// brief is what lines say of multicast, after a comma.
func (h *Hearing) brief() string {
	if *h == (Hearing{}) {
		return ""
	}
	return fmt.Sprintf(", %s packets repaired, %s given up, %s NAKs", term.Group(h.Repaired+h.Decoded), term.Group(h.GivenUp), term.Group(h.NAKs))
}

// hearings is a table of a phase's receivers, if it was by multicast.
func hearings(p *Phase) string {
	var b strings.Builder
	if p.Source != nil {
		fmt.Fprintf(&b, "\n%s: the source sent %s packets and %s repairs, and was asked by %s NAKs\n",
			p.Name, term.Group(p.Source.Packets), term.Group(p.Source.Repairs), term.Group(p.Source.NAKs))
	}
	if len(p.Each) == 0 || p.Each[0].Multicast == nil {
		return b.String()
	}
	if p.Source == nil {
		b.WriteString("\n")
	}
	b.WriteString(hearingHeading + "\n")
	for _, s := range p.Each[:min(len(p.Each), maxHearings)] {
		t := sight{tally: tally{messages: s.Messages}, heard: *s.Multicast, latency: s.Latency}
		b.WriteString(hearingRow(fmt.Sprint(s.ID), s.Symbols, &t, 0) + "\n")
		if s.Arrival != nil {
			fmt.Fprintf(&b, "%-55s%8s%8s%8s\n", "    until it had arrived at the kernel", term.Short(s.Arrival.P50), term.Short(s.Arrival.P99), term.Short(s.Arrival.Max))
		}
		if s.Multicast.KernelDrops > 0 {
			fmt.Fprintf(&b, "    the kernel dropped %s packets\n", term.Group(s.Multicast.KernelDrops))
		}
		if s.Multicast.Unreported > 0 {
			fmt.Fprintf(&b, "    %s MESSAGES ARE MISSING WITH NO WORD OF IT\n", term.Group(s.Multicast.Unreported))
		}
	}
	if more := len(p.Each) - maxHearings; more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	return b.String()
}

// maxHearings is how many receivers the table at the end has.
const maxHearings = 10
