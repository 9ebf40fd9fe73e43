package report

import (
	"github.com/zeroring/zeroring/bench"
)

// sections are the pictures, without those sections that have none.
func (s *subject) sections() (all []section) {
	add := func(id, title, about string, cards []*card) {
		if len(cards) > 0 {
			all = append(all, section{id, title, about, cards})
		}
	}
	groups := groupBy(s.report.Workloads, plotName)
	if len(s.best) > 0 {
		add("glance", "At a glance", "Each bar is the median of ratios pair by pair, turned so that to the right is better. "+
			"A thin line reaches from the least to the most of them; the ticks on it are the quartiles where there are enough "+
			"pairs, and its ends where there are not. The better backend's number is bold.", s.glance(groups))
	}
	var size, fan, growth, delay, cast []*card
	for _, g := range groups {
		switch kind := kindOf(g); kind {
		case sizePlot:
			size = append(size, s.sizeCards(g)...)
		case fanPlot:
			fan = append(fan, s.fanCards(g)...)
		case growthPlot:
			growth = append(growth, s.growthCards(g)...)
		case castPlot:
			cast = append(cast, s.castCards(g)...)
		case delayPlot:
			delay = append(delay, s.delayCards(g)...)
		}
	}
	for _, w := range s.report.Workloads {
		switch {
		case w.Timed():
			delay = appendCards(delay, s.percentiles(w))
		case castTail(w):
			cast = appendCards(cast, s.percentiles(w))
		}
	}
	const whiskers = "Points are medians, whiskers reach from the least run to the most. Scales are logarithmic."
	add("size", "Throughput against message size", whiskers, size)
	add("latency", "Latency", "Round trips, of all runs together. The further right, the rarer: 99.9 is the slowest of a "+
		"thousand. Lower is better.", delay)
	add("fan", "Publishing to many", whiskers+" A message to n subscribers is n deliveries.", fan)
	add("multicast", "Multicast", whiskers+" Each process is on a host of its own, in a network namespace. Latencies are of messages "+
		"one way, from when they were to be sent, at all receivers; packets are lost at each receiver by itself, repairs too.", cast)
	add("growth", "As things grow", whiskers+" A flat line is a cost that does not grow.", growth)
	return all
}

// A plotKind is what a group is plotted for.
type plotKind int

const (
	noPlot plotKind = iota
	sizePlot
	fanPlot
	growthPlot
	delayPlot
	castPlot
)

// kindOf looks at what the workloads of a group differ in.
func kindOf(g group) plotKind {
	first := g.workloads[0]
	switch dim := dimensionOf(g.workloads); {
	case first.Plot == "" || len(g.workloads) < 2:
		return noPlot
	case first.Pattern == bench.Multicast:
		return castPlot
	case first.Timed():
		return delayPlot
	case dim.name == sizeDimension:
		return sizePlot
	case first.Pattern == bench.PubSub && dim.name == peersName(first):
		return fanPlot
	default:
		return growthPlot
	}
}

func appendCards(cards []*card, more ...*card) []*card {
	for _, c := range more {
		if c != nil {
			cards = append(cards, c)
		}
	}
	return cards
}

// metric finds one of a workload's by its name; the zero Metric is in no row.
func metric(w bench.Workload, name string) bench.Metric {
	for _, m := range bench.Metrics(w) {
		if m.Name == name {
			return m
		}
	}
	return bench.Metric{}
}

func (s *subject) rateCard(g group) *card {
	w := g.workloads[0]
	return s.byX(g, metric(w, bench.MetricRate), g.name, rateName(w)+" a second; higher is better")
}

func (s *subject) cpuCard(g group) *card {
	return s.byX(g, metric(g.workloads[0], bench.MetricCPU), g.name, "CPU time for each message, both sides; lower is better")
}

func (s *subject) senderCard(g group) *card {
	return s.byX(g, metric(g.workloads[0], bench.MetricSendingCPU), g.name, "publisher's CPU time for each delivery; lower is better")
}

func (s *subject) sizeCards(g group) []*card { return appendCards(nil, s.rateCard(g)) }

func (s *subject) fanCards(g group) []*card {
	return appendCards(nil, s.rateCard(g), s.senderCard(g))
}

func (s *subject) growthCards(g group) []*card {
	w := g.workloads[0]
	switch w.Pattern {
	case bench.Connect:
		return appendCards(nil, s.rateCard(g),
			s.byX(g, metric(w, bench.MetricPerConn), g.name, "memory of each accepted connection; lower is better"))
	case bench.PubSub:
		return appendCards(nil, s.rateCard(g), s.cpuCard(g), s.senderCard(g))
	default:
		return appendCards(nil, s.rateCard(g), s.cpuCard(g))
	}
}

// delayCards leaves out what is no curve: the tables say as much.
func (s *subject) delayCards(g group) []*card {
	if len(g.workloads) < 3 {
		return nil
	}
	w := g.workloads[0]
	return appendCards(nil,
		s.byX(g, metric(w, bench.MetricP50), g.name, "round trip, median; lower is better"),
		s.byX(g, metric(w, bench.MetricP99), g.name, "round trip, 99th percentile; lower is better"))
}
