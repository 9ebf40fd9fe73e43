package lossy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zeroring/zeroring/bench/lab"
)

// A step is something that happens to the network at a time.
type step struct {
	at       time.Duration // since the first message
	receiver int           // from 1 on; 0 for all
	text     string        // as in the script
	faults   lab.Faults
	outage   time.Duration // if not 0, it is this and not faults
}

// maxOutage is the longest that a script may cut a receiver off.
const maxOutage = time.Minute

// parseScript reads a script for so many receivers. Its steps are in order of time.
func parseScript(script string, receivers int) ([]step, error) {
	var steps []step
	for part := range strings.SplitSeq(script, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		s, err := parseStep(part, receivers)
		if err != nil {
			return nil, fmt.Errorf("--faults: %q: %w", part, err)
		}
		steps = append(steps, s)
	}
	slices.SortStableFunc(steps, func(a, b step) int { return int(a.at - b.at) })
	return steps, nil
}

func parseStep(part string, receivers int) (s step, err error) {
	when, what, ok := strings.Cut(part, ":")
	if !ok {
		return s, fmt.Errorf("a step has a time and faults, as in 5s:loss=1")
	}
	when, who, one := strings.Cut(when, "@")
	if s.at, err = time.ParseDuration(strings.TrimSpace(when)); err != nil || s.at < 0 {
		return s, fmt.Errorf("%q is no time from the start, as in 5s", when)
	}
	if one {
		if s.receiver, err = strconv.Atoi(who); err != nil || s.receiver < 1 || s.receiver > receivers {
			return s, fmt.Errorf("%q is none of the receivers 1 to %d", who, receivers)
		}
	}
	s.text = strings.TrimSpace(what)
	if long, ok := strings.CutPrefix(s.text, "outage="); ok {
		if s.outage, err = time.ParseDuration(long); err != nil || s.outage <= 0 || s.outage > maxOutage {
			return s, fmt.Errorf("%q is no outage of up to %v", long, maxOutage)
		}
		return s, nil
	}
	s.faults, err = lab.ParseFaults(s.text)
	return s, err
}

// title is what a step is called in tables.
func (s *step) title() string {
	if s.receiver == 0 {
		return s.text
	}
	return fmt.Sprintf("%d: %s", s.receiver, s.text)
}
