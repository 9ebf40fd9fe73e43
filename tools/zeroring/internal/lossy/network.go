package lossy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zeroring/zeroring/bench/lab"
	"github.com/zeroring/zeroring/tools/zeroring/internal/feed"
)

// elapsed is how long messages have been going out.
func (r *run) elapsed() time.Duration {
	if r.began.IsZero() {
		return 0
	}
	return time.Since(r.began)
}

// advance takes the steps that are due.
func (r *run) advance(now time.Time) {
	for len(r.steps) > 0 && !r.began.IsZero() && !r.over && now.Sub(r.began) >= r.steps[0].at {
		s := r.steps[0]
		r.steps = r.steps[1:]
		r.step(&s)
	}
}

// step does to the network what a step says.
func (r *run) step(s *step) {
	for i, c := range r.receivers {
		switch {
		case s.receiver != 0 && s.receiver != i+1:
		case s.outage > 0:
			r.cut(c, s.outage)
		default:
			r.set(c, s.faults, s.text)
		}
	}
	r.enter(s.title())
}

// enter begins a new time in the history. One that has only just begun is replaced.
func (r *run) enter(text string) {
	const least = 700 * time.Millisecond
	at := r.elapsed()
	last := len(r.history) - 1
	if at-r.history[last].at < least && last > 0 {
		r.history[last].text = text
		return
	}
	r.history = append(r.history, past{at, text})
	for _, c := range r.receivers {
		c.steps = append(c.steps, feed.NewHistogram())
	}
}

// set replaces what happens to a receiver's frames.
func (r *run) set(c *receiver, rules lab.Faults, text string) {
	if err := r.net.SetFaults(c.host, rules); err != nil {
		r.abort(err)
		return
	}
	c.rules, c.text = rules, text
}

// cut cuts a receiver off for a while.
func (r *run) cut(c *receiver, long time.Duration) {
	if err := r.net.Blackout(c.host, true); err != nil {
		r.abort(err)
		return
	}
	net, host := r.net, c.host
	// A laboratory that is closed by then has no network to mend.
	time.AfterFunc(long, func() { _ = net.Blackout(host, false) })
}

// observe asks the switch what it has done.
func (r *run) observe() {
	source, _ := r.net.Stats(sourceHost) // without an answer nothing is counted
	for _, c := range r.receivers {
		if s, err := r.net.Stats(c.host); err == nil {
			c.lost = s.Lost + s.Bursts + s.Limited + s.Dark
			c.spilt = s.Overflow + s.Refused + source.Missed
		}
	}
}

// lossLadder are the losses that keys choose among, in per cent.
var lossLadder = []float64{0, 0.1, 0.5, 1, 2, 5, 10, 20, 50}

// What the other keys do: bursts of losses, as lab.Faults has them, and an outage.
const (
	keyBurstEnter  = 0.2
	keyBurstLength = 20
	keyOutage      = 200 * time.Millisecond
)

// press does what a key means.
func (r *run) press(key byte) {
	switch {
	case key == 'q' || key == 'Q':
		r.end()
	case key == 'a' || key == '0':
		r.chosen = 0
	case key >= '1' && key <= '9' && int(key-'0') <= r.cfg.Receivers:
		r.chosen = int(key - '0')
	case r.began.IsZero() || r.over:
	case key == '+' || key == '=':
		r.change(func(f *lab.Faults) { f.Loss = rung(f.Loss, 1) })
	case key == '-' || key == '_':
		r.change(func(f *lab.Faults) { f.Loss = rung(f.Loss, -1) })
	case key == 'b':
		r.change(func(f *lab.Faults) {
			if f.BurstEnter > 0 {
				f.BurstEnter, f.BurstLength = 0, 0
				return
			}
			f.BurstEnter, f.BurstLength = keyBurstEnter, keyBurstLength
		})
	case key == 'o':
		r.step(&step{receiver: r.chosen, outage: keyOutage, text: fmt.Sprintf("outage=%v", keyOutage)})
	}
}

// change changes the faults of whoever is chosen. What the script has in store is
// forgotten: whoever uses keys has taken over.
func (r *run) change(how func(*lab.Faults)) {
	r.steps = nil
	s := step{receiver: r.chosen}
	for i, c := range r.receivers {
		if r.chosen != 0 && r.chosen != i+1 {
			continue
		}
		rules := c.rules
		how(&rules)
		s.text = describe(rules)
		r.set(c, rules, s.text)
	}
	r.enter(s.title())
}

// rung is the loss that is some rungs up the ladder from another.
func rung(loss float64, by int) float64 {
	i, _ := slices.BinarySearch(lossLadder, loss)
	return lossLadder[min(max(i+by, 0), len(lossLadder)-1)]
}

// describe writes faults as scripts have them, but for those that have no number.
func describe(f lab.Faults) string {
	words := []string{fmt.Sprintf("loss=%v", f.Loss)}
	if f.BurstEnter > 0 {
		words = append(words, fmt.Sprintf("burst=%v:%v", f.BurstEnter, f.BurstLength))
	}
	for _, more := range []struct {
		name  string
		value any
		there bool
	}{
		{"dup", f.Duplicate, f.Duplicate > 0}, {"reorder", f.Reorder, f.Reorder > 0}, {"corrupt", f.Corrupt, f.Corrupt > 0},
		{"delay", f.Delay, f.Delay > 0}, {"jitter", f.Jitter, f.Jitter > 0}, {"rate", f.Rate, f.Rate > 0},
	} {
		if more.there {
			words = append(words, fmt.Sprintf("%s=%v", more.name, more.value))
		}
	}
	return strings.Join(words, ",")
}
