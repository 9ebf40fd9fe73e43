package lab

import (
	"math/rand/v2"
	"time"
)

// A model decides what becomes of the frames on their way to one host. It is
// pure: frames, times and the seed in, fates out. The same frames at the same
// times have the same fates.
//
// It throws all its dice for every frame, whatever the chances are, so that
// which frames are lost does not depend on what else may happen to them.
type model struct {
	faults Faults
	dice   *rand.Rand
	burst  bool          // good --BurstEnter--> burst --1/BurstLength--> good
	free   time.Duration // when the link has sent what it was given
}

// A draw is the dice of loss and of bursts for one frame, from 0 up to 1.
type draw struct{ loss, burst float64 }

func drawFrom(dice *rand.Rand) draw { return draw{dice.Float64(), dice.Float64()} }

// newModel returns a model whose dice are of the seed and the stream.
func newModel(f Faults, seed, stream uint64) *model {
	if f.ReorderDelay == 0 {
		f.ReorderDelay = defaultReorderDelay
	}
	if f.Queue == 0 {
		f.Queue = defaultQueue
	}
	return &model{faults: f, dice: rand.New(rand.NewPCG(seed, stream))}
}

// A fate is what becomes of one frame.
type fate struct {
	lost   bool // by Loss or by a burst
	burst  bool // lost by a burst
	copies int  // how many are to arrive: 0, 1 or 2
	copy   [2]copyFate
	// limited counts the copies that found no room on the link.
	limited int
}

// A copyFate is what becomes of one copy of a frame.
type copyFate struct {
	at        time.Duration // when it arrives
	corrupt   bool
	reordered bool
	where     float64 // which bit is flipped, from 0 up to 1
}

// fate decides for a frame of size octets that is sent now. The shared draw is
// of all hosts.
func (m *model) fate(now time.Duration, size int, shared draw) (f fate) {
	d := drawFrom(m.dice)
	if m.faults.Shared {
		d = shared
	}
	twice := m.happens(m.faults.Duplicate)
	copies := [2]copyFate{m.copyFate(), m.copyFate()}
	f.burst = m.inBurst(d.burst)
	f.lost = f.burst || d.loss*100 < m.faults.Loss
	if f.lost {
		return f
	}
	n := 1
	if twice {
		n = 2
	}
	for _, c := range copies[:n] {
		sent, ok := m.link(now, size)
		if !ok {
			f.limited++
			continue
		}
		c.at += sent
		f.copy[f.copies] = c
		f.copies++
	}
	return f
}

func (m *model) happens(percent float64) bool { return m.dice.Float64()*100 < percent }

// inBurst moves on between good and burst, and returns whether a burst takes
// this frame. It takes the one with which it begins, so that the mean length is
// what was asked for.
func (m *model) inBurst(d float64) bool {
	if m.burst {
		m.burst = d >= 1/m.faults.BurstLength
	} else {
		m.burst = d*100 < m.faults.BurstEnter
	}
	return m.burst
}

// copyFate decides for a copy all but when the link has sent it.
func (m *model) copyFate() copyFate {
	c := copyFate{
		corrupt:   m.happens(m.faults.Corrupt),
		reordered: m.happens(m.faults.Reorder),
		where:     m.dice.Float64(),
		at:        m.faults.Delay + time.Duration(m.dice.Float64()*float64(m.faults.Jitter)),
	}
	if c.reordered {
		c.at += m.faults.ReorderDelay
	}
	return c
}

// link returns when a frame has been sent, or false if the queue before the
// link is full. Of a token bucket it needs only the time at which the bucket
// would be full again.
func (m *model) link(now time.Duration, size int) (time.Duration, bool) {
	if m.faults.Rate == 0 {
		return now, true
	}
	free := max(m.free, now) + m.takes(size)
	wait := max(0, free-now-m.takes(m.faults.Bucket))
	if wait > m.faults.Queue+m.takes(size) {
		return 0, false
	}
	m.free = free
	return now + wait, true
}

// takes is how long the link takes for some octets.
func (m *model) takes(octets int) time.Duration {
	return time.Duration(float64(octets) * 8 / float64(m.faults.Rate) * float64(time.Second))
}
