package bench

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/zeroring/zeroring/bench/lab"
)

// A Cast is what a workload of multicast has beside. Its source is on one host,
// and each of its receivers, Peers in number, on one of its own.
type Cast struct {
	Test CastTest `json:"test"`

	// Switch joins the hosts by lab's switch, which has faults, rather than by
	// the kernel's bridge.
	Switch bool `json:"switch,omitempty"`
	// Loss is which part of the packets to each receiver is lost, in per cent.
	Loss float64 `json:"loss,omitempty"`
	// Link is the rate of each receiver's link in bits a second. Zero has no limit.
	Link int64 `json:"link,omitempty"`
	// Phases are what the source sends when. Without any it sends as fast as it
	// can or, with a Rate, at that, until the window is over.
	Phases []Phase `json:"phases,omitempty"`
	// Drain is how long receivers wait for the end of a stream that should be over.
	Drain time.Duration `json:"drain_ns,omitempty"`
	// Late is how long after the start receivers join, and Take the messages a
	// second that each takes. Zero has no limit.
	Late time.Duration `json:"late_ns,omitempty"`
	Take int           `json:"take,omitempty"`
	// Limit is the source's own limit in bits a second. Zero has none.
	Limit int64 `json:"limit,omitempty"`
	// History is how many packets of the past a source offers to late receivers.
	History int `json:"history,omitempty"`
	// Defaults leaves windows and the kernel's buffers as each system has them.
	Defaults bool `json:"defaults,omitempty"`
}

// A CastTest is what is to be learnt of multicast.
type CastTest string

// The tests.
const (
	CastThroughput CastTest = "throughput" // as fast as it goes
	CastLatency    CastTest = "latency"    // one way, at a rate, with loss or without
	CastOverload   CastTest = "overload"   // more than receivers can take, for a while: the second phase of four
	CastRamp       CastTest = "ramp"       // phase by phase more, until something is lost for good
	CastPace       CastTest = "pace"       // how well the source keeps its limit
	CastJoin       CastTest = "join"       // how soon a late receiver hears something
)

// CastTests are all tests.
var CastTests = []CastTest{CastThroughput, CastLatency, CastOverload, CastRamp, CastPace, CastJoin}

// A Phase is a stretch of time in which a source sends at a rate.
type Phase struct {
	Rate int           `json:"rate"` // messages a second
	For  time.Duration `json:"for_ns"`
}

// Messages is how many are sent in the phase.
func (p Phase) Messages() uint64 { return uint64(p.For.Seconds()*float64(p.Rate) + 0.5) }

const (
	defaultDrain = time.Second
	// castLead is how long all is at rest between the start and the first message,
	// for hosts to join groups and for what the sides tell each other first.
	castLead = 150 * time.Millisecond
)

func (w Workload) normalCast() Cast {
	c := w.Cast
	if c.Test == "" {
		c.Test = CastThroughput
	}
	if c.Drain == 0 {
		c.Drain = defaultDrain
	}
	if len(c.Phases) == 0 && w.Rate > 0 {
		c.Phases = []Phase{{w.Rate, w.Warmup + w.Duration*9/8}}
	}
	return c
}

// tiny makes phases short and slow, and receivers late by less.
func (c Cast) tiny(w Workload) Cast {
	const slow, short = 2000, 20 * time.Millisecond
	var phases []Phase
	for _, p := range c.Phases {
		phases = append(phases, Phase{min(p.Rate, slow), short})
	}
	if len(phases) == 1 {
		phases[0] = Phase{w.Rate, w.Warmup + w.Duration*9/8 + 5*short}
	}
	c.Phases, c.Late, c.Drain, c.Take = phases, min(c.Late, short), defaultDrain, min(c.Take, slow)
	return c
}

func (w Workload) checkCast() error {
	c := w.Cast
	switch c.Test {
	case CastThroughput, CastPace:
		if len(c.Phases) > 0 {
			return fmt.Errorf("a test of %s has no rate", c.Test)
		}
	case CastLatency, CastJoin, CastRamp:
		if len(c.Phases) == 0 {
			return fmt.Errorf("a test of %s has a rate, or phases", c.Test)
		}
	case CastOverload:
		if len(c.Phases) != overloadPhases {
			return fmt.Errorf("overload has %d phases", overloadPhases)
		}
	default:
		return fmt.Errorf("no test %q of multicast", c.Test)
	}
	if c.Loss > 0 && !c.Switch || c.Link > 0 && !c.Switch {
		return errors.New("only the switch loses packets or has links of limited rate")
	}
	if c.Test == CastPace && c.Limit == 0 {
		return errors.New("a test of pace has a limit")
	}
	if w.Peers >= lab.MaxHosts {
		return fmt.Errorf("%d receivers and a source, more than %d hosts", w.Peers, lab.MaxHosts)
	}
	return nil
}

// fabric is what joins the hosts.
func (c Cast) fabric() lab.Fabric {
	if c.Switch {
		return lab.Switch
	}
	return lab.Bridge
}

// length is how long the source sends.
func (c Cast) length() (all time.Duration) {
	for _, p := range c.Phases {
		all += p.For
	}
	return all
}

// Missing says why this machine cannot do the workload; nil if it can.
func (w Workload) Missing() error {
	if w.Pattern != Multicast {
		return nil
	}
	return lab.Missing(w.Cast.fabric())
}

// A schedule is a source's phases: when which message is due.
type schedule []Phase

// text is how a job's arguments have it.
func (s schedule) text() (words []string) {
	for _, p := range s {
		words = append(words, fmt.Sprintf("%d:%d", p.Rate, p.For.Nanoseconds()))
	}
	return words
}

func parseSchedule(words []string) (s schedule, err error) {
	for _, word := range words {
		rate, length, _ := strings.Cut(word, ":")
		r, err := strconv.Atoi(rate)
		ns, err2 := strconv.ParseInt(length, 10, 64)
		if err = errors.Join(err, err2); err != nil || r <= 0 || ns <= 0 {
			return nil, fmt.Errorf("phase %q: %w", word, errors.Join(err, errors.New("not a rate and a time")))
		}
		s = append(s, Phase{r, time.Duration(ns)})
	}
	return s, nil
}

// A spot is where in a schedule a message or a moment is.
type spot struct {
	phase int           // len(schedule) is after all
	due   time.Duration // since the first message
}

// of returns where message seq is. Asked in the order of messages it goes on from
// where it was; zero values begin.
func (s schedule) of(seq uint64) (at spot) {
	for _, p := range s {
		if n := p.Messages(); seq >= n {
			seq -= n
			at.due += p.For
			at.phase++
			continue
		}
		at.due += time.Duration(seq * uint64(time.Second) / uint64(p.Rate))
		return at
	}
	return at
}

// at returns the phase of a moment, since the first message.
func (s schedule) at(since time.Duration) (phase int) {
	for phase < len(s) && since >= s[phase].For {
		since -= s[phase].For
		phase++
	}
	return phase
}
