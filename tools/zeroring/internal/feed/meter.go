package feed

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A meter turns an arena's counters into rates.
type meter struct {
	a     *arena
	began int64

	at       int64 // of the last sample
	last     sample
	trend    []float64 // deliveries a second, sample by sample
	interval *hdrhistogram.Histogram
}

// A sample is all counters at one time.
type sample struct {
	published, octets int64
	sum               tally
	each              []sight
	heard             Hearing // the sum
	sent              Sending
}

func newMeter(a *arena) *meter {
	t := now()
	return &meter{a: a, began: t, at: t, interval: newHistogram(), last: sample{each: make([]sight, len(a.subs))}}
}

// sample takes a sample. Afterwards m.interval has the latencies since the one
// before.
func (m *meter) sample() sample {
	s := sample{published: m.a.pub.messages.Load(), octets: m.a.pub.octets.Load()}
	m.interval.Reset()
	for _, sub := range m.a.subs {
		t := sub.look(m.interval)
		s.each = append(s.each, t)
		s.sum.add(t.tally)
		s.heard.add(t.heard)
	}
	if s.sent = m.a.pub.sending(); s.sent == (Sending{}) {
		s.sent = m.a.pub.sent // the socket is closed
	}
	return s
}

func (t *tally) add(u tally) {
	t.messages += u.messages
	t.octets += u.octets
	t.dropped += u.dropped
	t.gaps += u.gaps
	t.wrong += u.wrong
}

// A span is what happened between two samples, by the second.
type span struct {
	counts              sample        // the later one
	elapsed             time.Duration // since the phase began
	published           float64
	delivered, octetsIn float64
	octetsOut           float64
	each                []float64 // deliveries of each subscriber
	latency             Latency
	interval            *hdrhistogram.Histogram // what latency is of, until the next tick
	trend               []float64               // deliveries, span by span
}

// between returns the rates over the seconds between two samples.
func between(from, to sample, seconds float64) span {
	seconds = max(seconds, 1e-9)
	r := span{
		counts:    to,
		published: float64(to.published-from.published) / seconds,
		octetsOut: float64(to.octets-from.octets) / seconds,
		delivered: float64(to.sum.messages-from.sum.messages) / seconds,
		octetsIn:  float64(to.sum.octets-from.sum.octets) / seconds,
	}
	for i, t := range to.each {
		r.each = append(r.each, float64(t.messages-from.each[i].messages)/seconds)
	}
	return r
}

// tick returns the rates since the last tick.
func (m *meter) tick() span {
	s, at := m.sample(), now()
	r := between(m.last, s, float64(at-m.at)/1e9)
	r.elapsed = m.since(at)
	r.latency = latencyOf(m.interval)
	r.interval = m.interval
	m.trend = append(m.trend, r.delivered)
	r.trend = m.trend
	m.last, m.at = s, at
	return r
}

// stop returns the rates over the whole phase up to now, when publishing is
// over. What is delivered later counts, but is in no rate.
func (m *meter) stop() span {
	s, at := m.sample(), now()
	start := sample{each: make([]sight, len(s.each))}
	r := between(start, s, m.since(at).Seconds())
	r.elapsed = m.since(at)
	return r
}

// since is how long the phase has lasted. One who only subscribes starts his clock when
// he hears something.
func (m *meter) since(at int64) time.Duration {
	if m.a.only == Subscribe && m.a.joined.first.Load() > 0 {
		return time.Duration(at - m.a.joined.first.Load())
	}
	return time.Duration(at - m.began)
}
