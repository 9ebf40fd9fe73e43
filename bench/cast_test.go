package bench

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestSchedule(t *testing.T) {
	plan := schedule{{1000, time.Second}, {10, 500 * time.Millisecond}, {2000, time.Second}}
	parsed, err := parseSchedule(plan.text())
	if err != nil || len(parsed) != len(plan) || parsed[1] != plan[1] {
		t.Fatalf("%v became %v, %v", plan, parsed, err)
	}
	for seq, want := range map[uint64]spot{
		0: {0, 0}, 999: {0, 999 * time.Millisecond}, 1000: {1, time.Second}, 1004: {1, 1400 * time.Millisecond},
		1005: {2, 1500 * time.Millisecond}, 1007: {2, 1501 * time.Millisecond}, 3005: {3, 2500 * time.Millisecond},
	} {
		if got := plan.of(seq); got != want {
			t.Errorf("message %d is at %v, want %v", seq, got, want)
		}
	}
	for since, want := range map[time.Duration]int{0: 0, time.Second - 1: 0, time.Second: 1, 1500 * time.Millisecond: 2, time.Hour: 3} {
		if got := plan.at(since); got != want {
			t.Errorf("%v is in phase %d, want %d", since, got, want)
		}
	}
	for _, word := range []string{"", "7", "7:", ":7", "0:5", "5:0", "-1:5", "x:5", "5:5:5"} {
		if s, err := parseSchedule([]string{word}); err == nil {
			t.Errorf("%q became %v", word, s)
		}
	}
}

func TestCastCheck(t *testing.T) {
	good := Workload{Name: "m", Pattern: Multicast, Transport: EPGM, Size: 64, Rate: 10, Cast: Cast{Test: CastLatency}}
	if err := good.Normal().Check(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*Workload){
		"only the switch":    func(w *Workload) { w.Cast.Loss = 1 },
		"no test":            func(w *Workload) { w.Cast.Test = "x" },
		"has a rate":         func(w *Workload) { w.Cast.Phases = nil },
		"has no rate":        func(w *Workload) { w.Cast.Test = CastThroughput },
		"has 4 phases":       func(w *Workload) { w.Cast.Test = CastOverload },
		"has a limit":        func(w *Workload) { w.Cast.Test, w.Cast.Phases = CastPace, nil },
		"more than 100 host": func(w *Workload) { w.Peers = 100 },
		"goes over pgm":      func(w *Workload) { w.Transport = TCP },
		"nothing else does":  func(w *Workload) { w.Pattern = PubSub },
		"size 16 is not":     func(w *Workload) { w.Size = 16 },
	} {
		w := good.Normal()
		spoil(&w)
		if err := w.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q was expected, not %v", want, err)
		}
	}
}

// A source that is even has no error; one that sends a batch late, and what it
// missed at once, has that burst.
func TestPace(t *testing.T) {
	const limit, octets = 8_000_000, 1000 // a packet each millisecond
	run := func(when func(i int64) int64) pace {
		s := pace{limit: limit, warmup: int64(50 * time.Millisecond)}
		for i := range int64(1000) {
			s.see(sighting{at: 1 + when(i)*int64(time.Millisecond), octets: octets})
		}
		return s
	}
	even := run(func(i int64) int64 { return i })
	if even.worst > 0.011 || even.burst != int64(time.Millisecond) || even.windows != 9 {
		t.Errorf("of an even source: %+v", even)
	}
	late := run(func(i int64) int64 {
		if i > 400 && i < 410 {
			return 410
		}
		return i
	})
	if late.burst != int64(10*time.Millisecond) {
		t.Errorf("ten packets at once are a burst of %v", time.Duration(late.burst))
	}
	slow := run(func(i int64) int64 { return i * 5 / 4 })
	if slow.worst < 0.19 || slow.worst > 0.21 {
		t.Errorf("four fifths of the rate are an error of %v", slow.worst)
	}
}

// NAKs as they are on the wire, in Ethernet.
func TestNAKEntries(t *testing.T) {
	nak := func(options ...byte) []byte {
		frame := make([]byte, 14+20+8+16+20)
		frame[12], frame[14], frame[14+9] = 8, 0x45, 17
		p := frame[14+20+8:]
		if p[4] = 8; len(options) > 0 {
			p[5] = 1
		}
		return append(frame, options...)
	}
	list := func(n int) []byte {
		b := []byte{0, 4, 0, byte(4 + 4 + 4*n), 0x80 | 2, byte(4 + 4*n), 0, 0}
		return append(b, make([]byte, 4*n)...)
	}
	for _, c := range []struct {
		frame []byte
		want  int
	}{
		{nak(), 1}, {nak(list(1)...), 2}, {nak(list(62)...), 63},
		{nak(append([]byte{0, 4, 0, 16, 0x0c, 4, 0, 0}, 0x82, 8, 0, 0, 0, 0, 0, 0)...), 2}, // behind another
		{nak(0, 4, 0, 8, 0x82, 0, 0, 0), 1},                                                // no length, which ends it
		{nak(0, 4, 0, 8, 0x0c, 99, 0, 0), 1},
		{nak(0, 4), 1},
	} {
		if got := nakEntries(c.frame); got != c.want {
			t.Errorf("%x has %d, want %d", c.frame[58:], got, c.want)
		}
	}
}

// fed is a Link that has messages for an ear.
type fed struct {
	Link
	bodies [][]byte
	err    error
}

func (f *fed) Recv() ([]byte, error) {
	if len(f.bodies) == 0 {
		return nil, f.err
	}
	body := f.bodies[0]
	f.bodies = f.bodies[1:]
	return body, nil
}

// hears has an ear hear messages by their numbers, each due a millisecond after
// the one before, and then the end of a stream of count, unless that is negative.
func hears(count int64, numbers ...uint64) (*castEar, error) {
	j := Job{Size: 64, Phases: []string{"1000:50000000", "1000:50000000"}, Duration: int64(time.Second)}
	plan, _ := parseSchedule(j.Phases)
	h := &castEar{job: j, plan: plan, meter: newMeter(j), lane: new(lane), check: NewChecker(j.Stamp())}
	h.latencies, h.early, h.later = NewLatencies(), NewLatencies(), NewLatencies()
	h.in, h.during = make([]uint64, len(plan)), make([]uint64, len(plan)+1)
	f := &fed{err: errors.New("gone")}
	start := monotonic()
	for _, n := range numbers {
		body := j.Stamp().New()
		j.Stamp().Put(body, n, start+int64(n)*int64(time.Millisecond))
		f.bodies = append(f.bodies, body)
	}
	if count >= 0 {
		f.bodies = append(f.bodies, j.Stamp().End(nil, uint64(count)))
	}
	err := h.listen(f)
	return h, err
}

func TestCastEar(t *testing.T) {
	h, err := hears(100, 0, 1, 2, 5, 49, 50, 98)
	if err != nil {
		t.Fatal(err)
	}
	if h.got != 7 || h.lost != 93 || !h.ended || h.in[0] != 5 || h.in[1] != 2 {
		t.Errorf("7 of 100 messages came, and it heard %d, lost %d, in phases %v", h.got, h.lost, h.in)
	}
	// What was sent before the first is not lost: who joins late has no right to it.
	if h, err = hears(20, 10, 11); err != nil || h.lost != 8 || h.got != 2 {
		t.Errorf("joined at 10 of 20: lost %d, got %d, %v", h.lost, h.got, err)
	}
	// Nobody says that it ended, and it is time.
	if h, err = hears(-1, 0, 1); err != nil || h.ended {
		t.Errorf("without an end: %v, ended %v", err, h.ended)
	}
	for want, numbers := range map[string][]uint64{
		"message 1 came where 3 was due": {0, 1, 2, 1},
		"message 2 came where 3 was due": {0, 1, 2, 2},
		"message 4 came where 6 was due": {3, 5, 4},
	} {
		if _, err := hears(9, numbers...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", numbers, err, want)
		}
	}
}

// Figures are of the worst receiver.
func TestCastFigures(t *testing.T) {
	heard := func(numbers map[string]int64) *child { return &child{answer: answer{numbers: numbers}} }
	w := Workload{Name: "m", Pattern: Multicast, Transport: EPGM, Size: 1 << 10, Peers: 2, Cast: Cast{
		Test: CastOverload, Take: 1000, Switch: true,
		Phases: []Phase{{500, time.Second}, {2000, 2 * time.Second}, {500, time.Second}, {500, time.Second}},
	}}.Normal()
	c := &castRun{
		run: &run{w: w}, source: heard(map[string]int64{"total": 5500, "phases": 2}),
		receivers: []*child{
			heard(map[string]int64{"total": 5500, "during1": 2000, "during3": 600, "silence_ns": 5, "gaps": 0, "in0": 500, "in1": 4000}),
			heard(map[string]int64{"total": 4400, "during1": 1500, "during3": 400, "silence_ns": 9, "gaps": 3, "in0": 500, "in1": 3999}),
		},
	}
	f := make(map[string]float64)
	c.figures(f)
	for name, want := range map[string]float64{
		MetricGoodput: 0.75, MetricAfter: 0.8, MetricSilence: 9, MetricGaps: 3, MetricLost: 0.2,
	} {
		if f[name] != want {
			t.Errorf("%s is %v, want %v", name, f[name], want)
		}
	}
	if rate := c.highest(); rate != 500 {
		t.Errorf("the second phase lost a message, and the highest rate is %v", rate)
	}
	c.receivers[1].answer.numbers["in1"] = 4000
	if rate := c.highest(); rate != 2000 {
		t.Errorf("two phases were whole, and the highest rate is %v", rate)
	}
	c.source.answer.numbers["phases"] = 1
	if rate := c.highest(); rate != 500 {
		t.Errorf("the source kept up with one phase, and the highest rate is %v", rate)
	}
}
