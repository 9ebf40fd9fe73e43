package reactor

import (
	"math/rand/v2"
	"time"
)

// Faults says how a Network misbehaves. The zero Faults is a perfect network
// that delivers at once. What is a probability is per operation, from 0 to 1.
type Faults struct {
	ShortRead  float64 // a read returns less than there is
	ShortWrite float64 // a write takes less than there is room for
	Reset      float64 // the connection breaks under a read or write
	Refuse     float64 // a connect is refused though somebody listens
	Delay      float64 // an operation that could complete does not for up to MaxDelay
	NoBuffers  float64 // -ENOBUFS for a read that brings no Buf; -EMFILE for an accept
	Again      float64 // TryRead and TryWrite return ErrAgain though they need not
	LateCancel float64 // a cancelled operation that could complete does

	MaxDelay time.Duration // 0 is 10 ms
	Latency  time.Duration // what is sent arrives after Latency,
	Jitter   time.Duration // and up to this much more, but in order
	Buffer   int           // octets sent and not read yet, per direction, until writing waits; 0 is 64 KiB
}

func (f Faults) orDefault() Faults {
	if f.MaxDelay <= 0 {
		f.MaxDelay = 10 * time.Millisecond
	}
	if f.Buffer <= 0 {
		f.Buffer = 64 << 10
	}
	return f
}

// RandomFaults draws from seed which faults there are, and how often. Each kind
// is absent half of the time: some bugs show only if nothing hides them.
func RandomFaults(seed uint64) Faults {
	dice := rand.New(rand.NewPCG(seed, 0x6661756c7473))
	rate := func(most float64) float64 {
		if dice.IntN(2) == 0 {
			return 0
		}
		return most * dice.Float64()
	}
	pause := func(most time.Duration) time.Duration {
		if dice.IntN(2) == 0 {
			return 0
		}
		return time.Duration(dice.Int64N(int64(most)))
	}
	return Faults{
		ShortRead:  rate(0.9),
		ShortWrite: rate(0.9),
		Reset:      rate(0.01), // more often, and no conversation gets anywhere
		Refuse:     rate(0.5),
		Delay:      rate(0.3),
		NoBuffers:  rate(0.3),
		Again:      rate(0.5),
		LateCancel: rate(1),
		MaxDelay:   pause(50 * time.Millisecond),
		Latency:    pause(20 * time.Millisecond),
		Jitter:     pause(20 * time.Millisecond),
		Buffer:     1 << (4 + dice.IntN(14)), // 16 octets to 128 KiB
	}.orDefault()
}

// happens rolls the dice. What cannot happen costs no roll, so that turning one
// fault off leaves the others where they were as long as possible.
func (n *Network) happens(rate float64) bool { return rate > 0 && n.dice.Float64() < rate }

// upTo draws from 1 to most.
func (n *Network) upTo(most int) int { return 1 + n.dice.IntN(most) }

// arrival is when what is sent now arrives, not before what was sent earlier.
func (n *Network) arrival(earlier time.Time) time.Time {
	delay := n.faults.Latency
	if n.faults.Jitter > 0 {
		delay += time.Duration(n.dice.Int64N(int64(n.faults.Jitter)))
	}
	return latest(earlier, n.time().Add(delay))
}

// delayed is the earliest time that an operation submitted now may complete:
// zero unless it is to be delayed.
func (n *Network) delayed() time.Time {
	if !n.happens(n.faults.Delay) {
		return time.Time{}
	}
	return n.time().Add(time.Duration(n.dice.Int64N(int64(n.faults.MaxDelay))))
}
