package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zeroring/zeroring/bench"
)

// castNames are what the metrics of multicast are called, as heads of columns.
var castNames = map[string]string{
	bench.MetricLost:        "part lost",
	bench.MetricSourceCPU:   "source's CPU per GB",
	bench.MetricReceiverCPU: "receiver's CPU per GB",
	bench.MetricGrowth:      "growth of the median",
	bench.MetricNAKs:        "NAK entries per loss",
	bench.MetricNAKPackets:  "NAKs per loss",
	bench.MetricRepairs:     "RDATA per loss",
	bench.MetricHighest:     "highest rate without loss",
	bench.MetricGoodput:     "goodput in overload, of capacity",
	bench.MetricAfter:       "goodput 1 s after, of what is sent",
	bench.MetricSilence:     "longest silence",
	bench.MetricGaps:        "gaps reported",
	bench.MetricRateError:   "error of the rate over 100 ms",
	bench.MetricBurst:       "burst, of the rate",
	bench.MetricFirst:       "first message after",
	bench.MetricCaught:      "up to date after",
	bench.MetricPast:        "messages from before",
}

// castUnits are those metrics in Go's benchmark format.
var castUnits = map[string]string{
	bench.MetricLost:        "lost",
	bench.MetricSourceCPU:   "source-cpu-ns/GB",
	bench.MetricReceiverCPU: "receiver-cpu-ns/GB",
	bench.MetricGrowth:      "growth",
	bench.MetricNAKs:        "nak-entries/loss",
	bench.MetricNAKPackets:  "naks/loss",
	bench.MetricRepairs:     "rdata/loss",
	bench.MetricHighest:     "highest-msgs/s",
	bench.MetricGoodput:     "goodput",
	bench.MetricAfter:       "goodput-after",
	bench.MetricSilence:     "silence-ns",
	bench.MetricGaps:        "gaps",
	bench.MetricRateError:   "rate-error",
	bench.MetricBurst:       "burst-ns",
	bench.MetricFirst:       "first-ns",
	bench.MetricCaught:      "caught-up-ns",
	bench.MetricPast:        "past",
}

// describeCast says in words what a workload of multicast does.
func describeCast(w bench.Workload) string {
	c := w.Cast
	receivers := plural(w.Peers, "receiver")
	parts := []string{fmt.Sprintf("PUB to %s over %s", receivers, w.Transport), size(w.Size) + " messages"}
	switch c.Test {
	case bench.CastThroughput:
		parts = append(parts, "as fast as it goes, delivered to the slowest")
	case bench.CastLatency:
		parts = append(parts, fmt.Sprintf("%d messages/s, one way", w.Rate))
	case bench.CastRamp:
		parts = append(parts, "faster and faster until something is lost for good")
	case bench.CastPace:
		parts = append(parts, "rate limit "+human(bench.PerSecond, float64(c.Limit))+" bits")
	case bench.CastJoin:
		parts = append(parts, fmt.Sprintf("%d messages/s, joined %v late", w.Rate, c.Late))
	case bench.CastOverload:
		why := "whose link takes half of it"
		if c.Take > 0 {
			why = "which take half of it"
		}
		parts = append(parts, fmt.Sprintf("too much for %v to receivers %s", c.Phases[1].For, why))
	}
	if c.Loss > 0 {
		parts = append(parts, fmt.Sprintf("%v%% of packets lost at each", c.Loss))
	}
	if c.History > 0 {
		parts = append(parts, fmt.Sprintf("%d packets of the past offered", c.History))
	}
	return strings.Join(parts, ", ")
}

// castCards are the pictures of a group of multicast. Those whose two sides are of
// different systems are in the tables only: of them there are but points.
func (s *subject) castCards(g group) []*card {
	pure := *s
	pure.systems = slices.DeleteFunc(slices.Clone(s.systems), func(system string) bool {
		return system != s.report.Baseline && strings.HasSuffix(system, "-libzmq")
	})
	w := g.workloads[0]
	switch {
	case w.Cast.Test == bench.CastRamp:
		return appendCards(nil, pure.byX(g, metric(w, bench.MetricHighest), g.name,
			"highest rate of which no receiver lost anything, in messages a second; higher is better"))
	case !w.OneWay():
		return appendCards(nil,
			pure.byX(g, metric(w, bench.MetricRate), g.name, "messages a second at the slowest receiver; higher is better"),
			pure.byX(g, metric(w, bench.MetricSourceCPU), g.name, "source's CPU time per GB; lower is better"))
	}
	return appendCards(nil,
		pure.byX(g, metric(w, bench.MetricP50), g.name, "one way, median; lower is better"),
		pure.byX(g, metric(w, bench.MetricP99), g.name, "one way, 99th percentile; lower is better"))
}

// castTail reports whether the percentiles of a workload have a picture: of many
// numbers of receivers one is enough.
func castTail(w bench.Workload) bool {
	return w.OneWay() && (w.Plot == "" || w.Peers == 3)
}
