package feed

import (
	"testing"
	"time"

	"github.com/zeroring/zeroring/tools/itch"
)

func TestParsePace(t *testing.T) {
	for s, want := range map[string]Pace{
		"max":     {},
		"1":       {Multiple: 1},
		"10":      {Multiple: 10},
		"2.5x":    {Multiple: 2.5},
		"0.1":     {Multiple: 0.1},
		"50000/s": {PerSecond: 50_000},
		"50k/s":   {PerSecond: 50_000},
		"1.5M/s":  {PerSecond: 1_500_000},
	} {
		if got, err := ParsePace(s); err != nil || got != want {
			t.Errorf("%q: %+v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "0", "-1", "fast", "x", "/s", "10/s/s", "NaN", "Inf", "1e13", "10k", "-5/s", "0/s", "max/s"} {
		if got, err := ParsePace(s); err == nil {
			t.Errorf("%q is %+v", s, got)
		}
	}
}

func TestPaceSaysItself(t *testing.T) {
	for want, p := range map[string]Pace{
		"flat out": {}, "100,000 msg/s": {PerSecond: 1e5}, "2.5x the recorded pace": {Multiple: 2.5},
	} {
		if p.String() != want || p.FlatOut() != (want == "flat out") {
			t.Errorf("%+v says %q", p, p)
		}
	}
}

func TestPacer(t *testing.T) {
	ms := int64(time.Millisecond)
	at := func(ms int) itch.Timestamp { return itch.Timestamp(ms) * itch.Timestamp(time.Millisecond) }
	for _, c := range []struct {
		name string
		pace Pace
		at   []itch.Timestamp
		want []int64
	}{
		{"flat out", Pace{}, []itch.Timestamp{at(0), at(9)}, []int64{0, 0}},
		{"flat rate", Pace{PerSecond: 500}, []itch.Timestamp{at(0), at(0), at(900)}, []int64{0, 2 * ms, 4 * ms}},
		{"recorded", Pace{Multiple: 1}, []itch.Timestamp{at(1000), at(1007), at(1007), at(1010)}, []int64{0, 7 * ms, 7 * ms, 10 * ms}},
		{"faster", Pace{Multiple: 10}, []itch.Timestamp{at(1000), at(1100), at(1300)}, []int64{0, 10 * ms, 30 * ms}},
		{"slower", Pace{Multiple: 0.5}, []itch.Timestamp{at(0), at(10)}, []int64{0, 20 * ms}},
		{"silence is cut", Pace{Multiple: 1}, []itch.Timestamp{at(0), at(3_600_000), at(3_600_005)}, []int64{0, 1000 * ms, 1005 * ms}},
		{"the next day", Pace{Multiple: 1}, []itch.Timestamp{at(0), at(500), at(0), at(5)}, []int64{0, 500 * ms, 500 * ms, 505 * ms}},
	} {
		p := pacer{pace: c.pace}
		for i, at := range c.at {
			if got := p.next(at); got != c.want[i] {
				t.Errorf("%s: message %d is due at %v, not %v", c.name, i, time.Duration(got), time.Duration(c.want[i]))
			}
		}
	}
}
