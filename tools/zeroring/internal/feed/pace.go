package feed

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/zeroring/zeroring/tools/itch"
	"github.com/zeroring/zeroring/tools/zeroring/internal/term"
)

// A Pace is how fast the input is replayed. The zero Pace is flat out.
type Pace struct {
	PerSecond float64 // messages a second, whatever their times say; or
	Multiple  float64 // so many times as fast as they were recorded
}

// ParsePace reads "max", "1" or "2.5" or "10x" for a multiple of the recorded
// pace, and "50000/s", "50k/s" or "1.5M/s" for messages a second.
func ParsePace(s string) (Pace, error) {
	if s == "max" {
		return Pace{}, nil
	}
	number, perSecond := strings.CutSuffix(s, "/s")
	scale := 1.0
	if perSecond {
		number, scale = unscaled(number)
	} else {
		number = strings.TrimSuffix(number, "x")
	}
	v, err := strconv.ParseFloat(number, 64)
	v *= scale
	if err != nil || !(v > 0 && v <= 1e12) { // written so that NaN is refused
		return Pace{}, fmt.Errorf(`rate %q is none of "max", a multiple of the recorded pace like "10", or messages a second like "50000/s"`, s)
	}
	if perSecond {
		return Pace{PerSecond: v}, nil
	}
	return Pace{Multiple: v}, nil
}

func unscaled(number string) (string, float64) {
	if n, ok := strings.CutSuffix(number, "k"); ok {
		return n, 1e3
	}
	if n, ok := strings.CutSuffix(number, "M"); ok {
		return n, 1e6
	}
	return number, 1
}

// FlatOut reports whether nothing is waited for.
func (p Pace) FlatOut() bool { return p == Pace{} }

// String says the pace as a person would.
func (p Pace) String() string {
	switch {
	case p.PerSecond > 0:
		return term.Group(int64(p.PerSecond)) + " msg/s"
	case p.Multiple > 0:
		return strconv.FormatFloat(p.Multiple, 'g', -1, 64) + "x the recorded pace"
	default:
		return "flat out"
	}
}

// maxSilence is the longest that a replay at the recorded pace waits for the
// next message. A real day is silent for an hour before its first order.
const maxSilence = int64(time.Second)

// A pacer says when each message is due, in nanoseconds since the replay
// started.
type pacer struct {
	pace  Pace
	count int64          // messages so far
	last  itch.Timestamp // of the message before
	due   int64          // of the message before
}

// next returns when the message with this timestamp is due. Due times never
// decrease. A timestamp before the last one starts a new day at once.
func (p *pacer) next(at itch.Timestamp) int64 {
	p.count++
	switch {
	case p.pace.PerSecond > 0:
		return int64(float64(p.count-1) * 1e9 / p.pace.PerSecond)
	case p.pace.Multiple > 0:
		if p.count > 1 && at > p.last {
			p.due += min(int64(float64(at-p.last)/p.pace.Multiple), maxSilence)
		}
		p.last = at
		return p.due
	default:
		return 0
	}
}
