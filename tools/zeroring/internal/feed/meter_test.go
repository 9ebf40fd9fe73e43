package feed

import (
	"context"
	"testing"
	"time"

	"github.com/zeroring/zeroring/tools/itch"
)

func TestRates(t *testing.T) {
	from := sample{published: 100, octets: 1000, sum: tally{messages: 200, octets: 4000}, each: []sight{{tally: tally{messages: 50}}, {tally: tally{messages: 150}}}}
	to := sample{published: 300, octets: 2000, sum: tally{messages: 700, octets: 9000}, each: []sight{{tally: tally{messages: 250}}, {tally: tally{messages: 450}}}}
	got := between(from, to, 0.5)
	if got.published != 400 || got.octetsOut != 2000 || got.delivered != 1000 || got.octetsIn != 10000 ||
		len(got.each) != 2 || got.each[0] != 400 || got.each[1] != 600 || got.counts.published != 300 {
		t.Errorf("%+v", got)
	}
}

// Ticks are of what happened since the last one; the end is of everything.
func TestMeter(t *testing.T) {
	a := &arena{pub: newPublisher(nil, nil, Pace{})}
	for range 2 {
		a.subs = append(a.subs, newSubscriber(nil, choice{all: true}, newGate(2), newGate(2)))
	}
	at := now()
	m := newMeter(a)
	send := func(numbers ...uint64) {
		for _, s := range a.subs {
			count(s, 1, numbers...)
		}
		a.pub.messages.Add(int64(len(numbers)))
	}
	send(1, 2, 3)
	first := m.tick()
	send(4, 6)
	second := m.tick()
	if first.counts.sum.messages != 6 || second.counts.sum.messages != 10 || second.counts.sum.dropped != 2 || len(second.trend) != 2 {
		t.Errorf("%+v and then %+v", first.counts, second.counts)
	}
	if m.interval.TotalCount() != 4 || m.last.published != 5 {
		t.Errorf("the second tick has %d latencies and %d messages", m.interval.TotalCount(), m.last.published)
	}
	whole := m.stop()
	seconds := whole.elapsed.Seconds()
	if got := whole.delivered * seconds; got < 9.99 || got > 10.01 || whole.elapsed > time.Duration(now()-at) {
		t.Errorf("%v messages in %v s", got, seconds)
	}
	send(7)
	r := m.result(phase{name: "paced", pace: defaultPace}, whole)
	if r.Published != 6 || r.Delivered != 12 || r.Dropped != 2 || r.Gaps != 2 || r.Each[1].Messages != 6 || r.Latency.Max == 0 ||
		r.PublishedPerSecond != whole.published || r.Name != "paced" || r.Pace != "100,000 msg/s" {
		t.Errorf("%+v", r)
	}
}

// What is on its way when a run is interrupted is still received, and not
// reported as lost.
func TestFinishAfterInterrupt(t *testing.T) {
	cfg := smallDay
	cfg.Transport, cfg.Subscribers, cfg.HWM, cfg.Duration = "tcp", 3, 100_000, ample
	f, err := start(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	ctx, cancel := context.WithCancel(context.Background())
	a, err := build(ctx, &cfg, f.engine, f.src, f.choices, phase{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	const sent = 500
	for range sent {
		m := itch.Append(nil, &itch.SystemEvent{Event: itch.StartOfMessages})
		if err := a.pub.send(context.Background(), m, now()); err != nil {
			t.Fatal(err)
		}
	}
	a.finish(context.WithoutCancel(ctx))
	for i, s := range a.subs {
		if s.messages != sent || s.dropped != 0 || s.state != done {
			t.Errorf("subscriber %d: %+v, state %d", i, s.tally, s.state)
		}
	}
	a.close() // once more does no harm
}
