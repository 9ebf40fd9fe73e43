package bench

// The names of metrics of multicast.
const (
	MetricLost        = "lost"          // part of the messages that the worst receiver never had
	MetricSourceCPU   = "source cpu"    // processor time for each GB sent
	MetricReceiverCPU = "receiver cpu"  // for each GB received, of the median receiver
	MetricGrowth      = "growth"        // how much longer latencies are in the last third of the window than in the first
	MetricNAKs        = "nak entries"   // sequence numbers that were asked for, for each that a receiver lost
	MetricNAKPackets  = "naks"          // packets of them, likewise
	MetricRepairs     = "repairs"       // RDATA, likewise
	MetricHighest     = "highest"       // rate at which nothing is lost for good
	MetricGoodput     = "goodput"       // part of what receivers can take that came during overload
	MetricAfter       = "goodput after" // part of what was sent that came from a second after it on
	MetricSilence     = "silence"       // longest without a message while there were some to come
	MetricGaps        = "gaps"          // that receivers were told of
	MetricRateError   = "rate error"    // greatest, over 100 ms
	MetricBurst       = "burst"         // how far ahead of its limit a source was
	MetricFirst       = "first"         // from joining to the first message
	MetricPast        = "past"          // messages that were sent before joining, and came
	MetricCaught      = "caught up"     // from joining until messages came as they were sent
)

// figure is a metric of multicast that results have by its name.
func figure(name string, unit Unit, lower, merit bool) Metric {
	return Metric{name, unit, lower, merit, func(_ Workload, r *Result) (float64, bool) {
		v, ok := r.Figures[name]
		return v, ok
	}}
}

// castMetrics are those of a workload of multicast.
func castMetrics(w Workload) []Metric {
	lost := figure(MetricLost, Times, true, false)
	costs := []Metric{
		lost, figure(MetricSourceCPU, Nanosec, true, false), figure(MetricReceiverCPU, Nanosec, true, false), costMetrics[2],
	}
	switch w.Cast.Test {
	case CastLatency:
		some := append([]Metric(nil), latencyMetrics...)
		some = append(some, figure(MetricGrowth, Times, true, false), figure(MetricNAKs, Times, true, false),
			figure(MetricNAKPackets, Times, true, false), figure(MetricRepairs, Times, true, false))
		return append(some, costs...)
	case CastOverload:
		return []Metric{
			figure(MetricGoodput, Times, false, true), figure(MetricAfter, Times, false, true), figure(MetricSilence, Nanosec, true, true),
			figure(MetricGaps, Times, true, false), lost,
		}
	case CastRamp:
		return []Metric{figure(MetricHighest, PerSecond, false, true), figure(MetricGaps, Times, true, false), lost}
	case CastPace:
		return []Metric{figure(MetricRateError, Times, true, true), figure(MetricBurst, Nanosec, true, true)}
	case CastJoin:
		return []Metric{figure(MetricFirst, Nanosec, true, true), figure(MetricCaught, Nanosec, true, false), figure(MetricPast, Times, false, false)}
	default:
		return append([]Metric{rateMetric}, costs...)
	}
}
