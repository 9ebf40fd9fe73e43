package lossy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zeroring/zeroring/bench/lab"
	"github.com/zeroring/zeroring/tools/zeroring/internal/feed"
	"github.com/zeroring/zeroring/tools/zeroring/internal/term"
)

func TestParseScript(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{"", ""},
		{" ; ", ""},
		{DefaultFaults, "5s 0 loss=1 1% 0s; 10s 0 loss=5 5% 0s; 15s 0 loss=0 0% 0s; "},
		{"2s:loss=3; 1s@2:outage=200ms", "1s 2 outage=200ms 0% 200ms; 2s 0 loss=3 3% 0s; "},
		{"1s:burst=0.2:20,loss=1", "1s 0 burst=0.2:20,loss=1 1% 0s; "},
		{"1s:", "1s 0  0% 0s; "},
	} {
		steps, err := parseScript(c.script, 2)
		got := ""
		for _, s := range steps {
			got += fmt.Sprintf("%v %d %s %v%% %v; ", s.at, s.receiver, s.text, s.faults.Loss, s.outage)
		}
		if err != nil || got != c.want {
			t.Errorf("%q: %s%v, not %s", c.script, got, err, c.want)
		}
	}
	for script, says := range map[string]string{
		"5s":                    "a time and faults",
		"soon:loss=1":           `"soon"`,
		"-1s:loss=1":            `"-1s"`,
		"1s@3:loss=1":           "receivers 1 to 2",
		"1s@0:loss=1":           "receivers 1 to 2",
		"1s:loss=101":           "loss=101",
		"1s:luck=1":             `"luck"`,
		"1s:outage=for ever":    `"for ever"`,
		"1s:outage=61s":         `"61s"`,
		"1s:outage=1s;2s:loss=": `"2s:loss="`,
	} {
		if _, err := parseScript(script, 2); err == nil || !strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), "--faults: ") {
			t.Errorf("%q: %v does not say %s", script, err, says)
		}
	}
}

// wire records what is done to a network.
type wire struct {
	done  []string
	dark  chan string // outages that end
	count lab.Stats
	err   error
}

func (w *wire) SetFaults(host int, rules ...lab.Faults) error {
	w.done = append(w.done, fmt.Sprintf("%d: %s", host, describe(rules[0])))
	return w.err
}

func (w *wire) Blackout(host int, on bool) error {
	if !on {
		w.dark <- fmt.Sprint(host)
		return nil
	}
	w.done = append(w.done, fmt.Sprintf("%d: dark", host))
	return w.err
}

func (w *wire) Stats(int) (lab.Stats, error) { return w.count, w.err }

// underWay is a run whose first message went some time ago.
func underWay(receivers int, script string) (*run, *wire) {
	cfg := &Config{Receivers: receivers, Duration: time.Hour, Rate: "20k/s"}
	steps, err := parseScript(script, receivers)
	if err != nil {
		panic(err)
	}
	w := &wire{dark: make(chan string, 10)}
	r := newRun(cfg, Output{}, w, steps)
	for i := range receivers {
		r.receivers = append(r.receivers, newReceiver(nil, i+2))
	}
	r.began = time.Now().Add(-time.Minute)
	return r, w
}

func TestKeys(t *testing.T) {
	for _, c := range []struct {
		keys string
		want []string
	}{
		{"2+", []string{"3: loss=0.1"}},
		{"2+++1-", []string{"3: loss=0.1", "3: loss=0.5", "3: loss=1", "2: loss=0"}},
		{"2+a+", []string{"3: loss=0.1", "2: loss=0.1", "3: loss=0.5"}},
		{"1bb", []string{"2: loss=0,burst=0.2:20", "2: loss=0"}},
		{"1=_", []string{"2: loss=0.1", "2: loss=0"}},
		{"3+", []string{"2: loss=0.1", "3: loss=0.1"}}, // there is no third: all stay chosen
		{"1o", []string{"2: dark"}},
		{"zZ\x1b[A", nil},
	} {
		r, w := underWay(2, "2m:loss=50")
		for _, key := range []byte(c.keys) {
			r.press(key)
		}
		if !slices.Equal(w.done, c.want) {
			t.Errorf("%q does %q, not %q", c.keys, w.done, c.want)
		}
		if c.keys == "1o" {
			if host := <-w.dark; host != "2" {
				t.Errorf("host %s is joined again", host)
			}
		}
		if strings.ContainsAny(c.keys, "+b") && len(r.steps) > 0 {
			t.Errorf("after %q the script goes on", c.keys)
		}
	}
	if rung(50, 1) != 50 || rung(0, -1) != 0 || rung(3, 1) != 10 || rung(3, -1) != 2 {
		t.Errorf("from 3 it goes up to %v and down to %v", rung(3, 1), rung(3, -1))
	}
}

// Keys change what there is, and leave the rest of it.
func TestKeysKeepOtherFaults(t *testing.T) {
	r, w := underWay(1, "30s:reorder=2,delay=1ms,jitter=1ms,dup=1,corrupt=1,rate=1mbit")
	r.advance(time.Now())
	r.press('+')
	want := "2: loss=0.1,dup=1,reorder=2,corrupt=1,delay=1ms,jitter=1ms,rate=1000000"
	if len(w.done) != 2 || w.done[1] != want {
		t.Errorf("%q, not %q", w.done, want)
	}
}

func TestQuitKey(t *testing.T) {
	r, w := underWay(2, "")
	r.press('q')
	r.press('+')
	if !r.over || w.done != nil {
		t.Errorf("over: %v, and %q", r.over, w.done)
	}
}

// Steps are taken when they are due, and what is measured then is theirs.
func TestSteps(t *testing.T) {
	r, w := underWay(2, "10s:loss=1;20s@2:outage=50ms;30s@1:loss=5;2h:loss=0")
	take := func(ns int64) {
		for _, c := range r.receivers {
			c.child = &child{}
			r.takeReceiver(c, news{from: c.child, report: &feed.Report{Latencies: [][2]int64{{ns, 3}}}})
		}
	}
	take(1000)
	r.began = time.Now().Add(-15 * time.Second)
	r.advance(time.Now())
	take(2000)
	r.began = time.Now().Add(-time.Minute)
	r.advance(time.Now())
	take(3000)
	<-w.dark
	if want := []string{"2: loss=1", "3: loss=1", "3: dark", "2: loss=5"}; !slices.Equal(w.done, want) || len(r.steps) != 1 {
		t.Errorf("%q, not %q", w.done, want)
	}
	r.result.Published = &feed.Phase{}
	r.conclude(false)
	got := ""
	for _, s := range r.result.Steps {
		got += fmt.Sprintf("%.0f %s %d; ", s.Seconds, s.Faults, s.Latency[1].P50/990)
	}
	// The outage and the last step came in one go.
	if want := "0 no faults 1; 15 loss=1 2; 60 1: loss=5 3; "; got != want {
		t.Errorf("%s, not %s", got, want)
	}
}

// A network that cannot be changed ends the run.
func TestNetworkFails(t *testing.T) {
	r, w := underWay(1, "1s:loss=1")
	w.err = lab.ErrClosed
	r.receivers[0].ended = true
	r.advance(time.Now())
	if !r.over || !errors.Is(r.trouble, lab.ErrClosed) {
		t.Errorf("over: %v, %v", r.over, r.trouble)
	}
}

// busy is a run with numbers as large as they get.
func busy(receivers int) *run {
	r, w := underWay(receivers, "50m:loss=5,burst=0.2:20,reorder=3")
	r.pub = feed.Report{PerSecond: 1e8, Octets: 9.9e10, Sent: feed.Sending{Packets: 99_999_999, Repairs: 999_999, NAKs: 999_999}}
	w.count.Lost, w.count.Refused, w.count.Missed = 999_998, 5_000, 17
	for _, c := range r.receivers {
		c.text = "loss=5,burst=0.2:20"
		c.report = feed.Report{Messages: 999_999_999, Heard: feed.Hearing{Repaired: 999_999, GivenUp: 999_999, NAKs: 99_999}}
		_ = c.fresh.RecordValue(980 * 1e6)
		for i := range 300 {
			c.trend = append(c.trend, float64(i)*1e6)
		}
		c.outcome = &feed.Result{Phases: []*feed.Phase{{Each: []feed.Subscriber{{
			Messages: 999_999_000, Dropped: 999, Multicast: &c.report.Heard, Latency: feed.Latency{P50: 999 * 1e6, P99: 999 * 1e6, Max: 999 * 1e6},
		}}}}}
	}
	r.observe()
	return r
}

func terminal(columns, rows int) func() (int, int) { return func() (int, int) { return columns, rows } }

// The view fits a screen of 80 by 24 whatever the numbers.
func TestScreen(t *testing.T) {
	for _, receivers := range []int{1, 3, 20} {
		var out bytes.Buffer
		keys := make(chan byte)
		d := newDisplay(Output{To: &out, Screen: terminal(80, 24), Keys: keys})
		r := busy(receivers)
		r.chosen = 1
		for range 2 {
			out.Reset()
			d.live(r)
		}
		view := out.String()
		n := strings.Count(view, "\n")
		if !strings.HasPrefix(view, fmt.Sprintf("\x1b[%dA", n)) || n > 23 {
			t.Errorf("%d lines, drawn over with %q", n, view[:5])
		}
		for line := range strings.Lines(view) {
			line = strings.TrimSuffix(line[strings.LastIndex(line, "\x1b[2K")+len("\x1b[2K"):], "\n")
			if term.Width(line) >= term.Columns || strings.HasPrefix(line, ">") && !strings.HasSuffix(line, " ms") {
				t.Errorf("%d columns: %s", term.Width(line), line)
			}
		}
		for has, want := range map[string]bool{">1 loss=": true, " and 14 more": receivers == 20, "q quit": true, "at 50m0s": true, "█": true} {
			if strings.Contains(view, has) != want {
				t.Errorf("%d receivers: %q is there: %v\n%s", receivers, has, !want, view)
			}
		}
	}
}

func TestClimb(t *testing.T) {
	if got := climb([]float64{0, 50e3, 5e6, 500e6, 9e9}, 4); got != "▁▅██" {
		t.Errorf("%s", got)
	}
}

// The table at the end fits 80 columns, and tells where messages went.
func TestSummary(t *testing.T) {
	r := busy(4)
	r.result.Input, r.result.Backend = "a generated day, seed 1", feed.Backend{Name: "epoll", Reason: strings.Repeat("reason ", 20)}
	r.result.Published = &feed.Phase{Published: 999_999_999, Seconds: 20, Source: &feed.Sending{Packets: 99_999_999, Repairs: 999_999, NAKs: 999_999}}
	r.enter("2: loss=5,burst=0.2:20,reorder=1")
	r.conclude(true)
	got := summary(r.result)
	for line := range strings.Lines(got) {
		if term.Width(strings.TrimSuffix(line, "\n")) > term.Columns {
			t.Errorf("%d columns: %s", term.Width(line), line)
		}
	}
	for _, has := range []string{"999,999,999 messages in 20.0 s", "receiver 4 got 999,999,000 messages and reported 999 as lost\n", "0 of 4 receivers", "\ninterrupted\n", "no room for 5,017 frames at the switch"} {
		if !strings.Contains(got, has) {
			t.Errorf("lacks %q:\n%s", has, got)
		}
	}
	if err := r.verdict(); err != nil {
		t.Errorf("what was reported is no error: %v", err)
	}
}

// A message that is neither there nor reported as lost is an error; so is one that is
// there twice.
func TestVerdict(t *testing.T) {
	for says, spoil := range map[string]func(s *feed.Subscriber){
		"receiver 2 neither got nor reported as lost 5 of 100 messages": func(s *feed.Subscriber) { s.Messages -= 5 },
		"neither got nor reported as lost 3 of 100":                     func(s *feed.Subscriber) { s.Messages, s.Dropped, s.Multicast.Unreported = 97, 3, 3 },
		"receiver 2 got 2 messages malformed":                           func(s *feed.Subscriber) { s.Wrong = 2 },
	} {
		r, _ := underWay(2, "")
		for _, c := range r.receivers {
			c.outcome = &feed.Result{Phases: []*feed.Phase{{Each: []feed.Subscriber{{Messages: 100, Multicast: &feed.Hearing{}}}}}}
		}
		r.result.Published = &feed.Phase{Published: 100}
		r.conclude(false)
		if err := r.verdict(); err != nil {
			t.Errorf("nothing is missing: %v", err)
		}
		spoil(&r.receivers[1].outcome.Phases[0].Each[0])
		r.result.Receivers = nil
		r.conclude(false)
		if err := r.verdict(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, not %s", err, says)
		}
		if text := accounts(r.result); strings.Contains(says, "lost 5") != strings.Contains(text, "5 ARE MISSING") {
			t.Errorf("%s", text)
		}
	}
}

func TestMachine(t *testing.T) {
	var out bytes.Buffer
	d := newDisplay(Output{To: &out, JSON: true, Screen: terminal(80, 24)})
	r := busy(2)
	r.result.Published = &feed.Phase{Published: 7}
	r.conclude(false)
	d.live(r)
	if err := d.summary(r.result); err != nil {
		t.Fatal(err)
	}
	var back Result
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back.Published.Published != 7 || back.Receivers[1].Lost != 999_998 || back.Receivers[1].Messages != 999_999_000 {
		t.Errorf("%v: %s", err, out.String())
	}
}

func TestConfigCheck(t *testing.T) {
	for says, spoil := range map[string]func(*Config){
		"--receivers 0":       func(c *Config) { c.Receivers = 0 },
		"--receivers 21":      func(c *Config) { c.Receivers = 21 },
		"--duration 0s":       func(c *Config) { c.Duration = 0 },
		`--rate: rate "soon"`: func(c *Config) { c.Rate = "soon" },
	} {
		cfg := Config{Receivers: 3, Duration: time.Second, Rate: "20k/s"}
		if err := cfg.check(); err != nil {
			t.Fatal(err)
		}
		spoil(&cfg)
		if err := cfg.check(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, not %q", err, says)
		}
	}
}
