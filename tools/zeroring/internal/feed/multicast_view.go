package feed

import (
	"fmt"
	"strings"
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
	return fmt.Sprintf("source     %14s packets  %10s repairs     %s NAKs", group(s.Packets), group(s.Repairs), group(s.NAKs))
}

// hearingHeading is of the table of those who receive by multicast. There are packets
// in it, messages only in its second column.
var hearingHeading = fmt.Sprintf(hearingFormat, "receiver", "messages", "packets", "repaired", "given up", "NAKs", "p50", "p99", "max")

const hearingFormat = "%-8s%11s%11s%9s%9s%7s%8s%8s%8s"

// hearingRow is a receiver's row of that table.
func hearingRow(name, _ string, s *sight, _ float64) string {
	l := &s.latency
	return fmt.Sprintf(hearingFormat, name, group(s.messages), group(s.heard.Packets), group(s.heard.Repaired),
		group(s.heard.GivenUp), group(s.heard.NAKs), short(l.P50), short(l.P99), short(l.Max))
}

// brief is what lines say of multicast, after a comma.
func (h *Hearing) brief() string {
	if *h == (Hearing{}) {
		return ""
	}
	return fmt.Sprintf(", %s packets repaired, %s given up, %s NAKs", group(h.Repaired), group(h.GivenUp), group(h.NAKs))
}

// hearings is a table of a phase's receivers, if it was by multicast.
func hearings(p *Phase) string {
	var b strings.Builder
	if p.Source != nil {
		fmt.Fprintf(&b, "\n%s: the source sent %s packets and %s repairs, and was asked by %s NAKs\n",
			p.Name, group(p.Source.Packets), group(p.Source.Repairs), group(p.Source.NAKs))
	}
	if len(p.Each) == 0 || p.Each[0].Multicast == nil {
		return b.String()
	}
	b.WriteString(hearingHeading + "\n")
	for _, s := range p.Each[:min(len(p.Each), maxHearings)] {
		t := sight{tally{messages: s.Messages}, *s.Multicast, s.Latency}
		b.WriteString(hearingRow(fmt.Sprint(s.ID), s.Symbols, &t, 0) + "\n")
		if s.Arrival != nil {
			fmt.Fprintf(&b, "%-55s%8s%8s%8s\n", "    until it had arrived at the kernel", short(s.Arrival.P50), short(s.Arrival.P99), short(s.Arrival.Max))
		}
		if s.Multicast.KernelDrops > 0 {
			fmt.Fprintf(&b, "    the kernel dropped %s packets\n", group(s.Multicast.KernelDrops))
		}
		if s.Multicast.Unreported > 0 {
			fmt.Fprintf(&b, "    %s MESSAGES ARE MISSING WITH NO WORD OF IT\n", group(s.Multicast.Unreported))
		}
	}
	if more := len(p.Each) - maxHearings; more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	return b.String()
}

// maxHearings is how many receivers the table at the end has.
const maxHearings = 10
