package pgm

import "time"

// A source without a Rate does not know what its network takes, and is asked for more
// repairs the more it overloads it. So repairs may take as much as data did lately, in
// the last paceTime in which there was any; and ever less while most of them are of
// what was repaired before, for then they do not get through and what they take is
// missing for data.
type pace struct {
	from   time.Duration // when counting began
	octets int64         // of data since
	data   int64         // octets per second, as last counted

	repairs, again int // since, and those of what was repaired before
	shift          int // 0 ≤ shift ≤ maxShift: repairs may take data>>shift
}

const (
	paceTime = 20 * time.Millisecond

	// minPace is what repairs may take at least, in octets per second.
	minPace = 2_500_000

	maxShift = 3
	fewPaced = 16 // repairs that say nothing yet
)

// measure brings the rate of repairs up to date, if there is no Rate.
func (s *Source) measure(at time.Duration) {
	p := &s.pace
	elapsed := at - p.from
	if s.cfg.Rate != 0 || elapsed < paceTime {
		return
	}
	octetsPerSec := p.data // without data beside them, repairs may take as much as it had
	if p.octets > 0 {
		p.data = min(int64(float64(p.octets)/elapsed.Seconds()), maxOctetsPerSec)
		octetsPerSec = p.data >> p.shift
	}
	if p.repairs >= fewPaced {
		if 2*p.again > p.repairs {
			p.shift = min(p.shift+1, maxShift)
		} else {
			p.shift = max(p.shift-1, 0)
		}
		p.repairs, p.again = 0, 0
	}
	s.repair.change(at, min(max(octetsPerSec, minPace), maxOctetsPerSec), s.cfg.MaxTPDU)
	p.from, p.octets = at, 0
}

// mayRepair reports whether a repair of size octets may go now.
func (s *Source) mayRepair(at time.Duration, size int) bool {
	if !s.total.allows(at, size) {
		return false
	}
	s.measure(at)
	return !s.repairsWait() || s.repair.allows(at, size)
}

// repairsWait reports whether repairs have a share only, rather than all there is.
func (s *Source) repairsWait() bool { return s.hasData() || s.cfg.Rate == 0 }
