package pgm

import (
	"net/netip"
	"time"
)

// A receiver that loses much more than others asks for more repairs than the
// source may send, and those of the others wait behind its own. So each receiver
// has a share of the rate of repairs, and what it asks for beyond that is repaired
// when nothing else is to be. Nothing is refused: a source with time repairs all.

// budgetPlaces is for how many receivers there are budgets. Where there are more,
// some have one together.
const budgetPlaces = 256

// A budget is what one receiver may ask for first.
type budget struct {
	from netip.Addr
	rate rate
}

// budgets are those of all receivers. The zero value has none.
type budgets struct {
	octetsPerSec int64 // of one receiver; zero: unlimited
	packet       int
	places       []budget
}

func newBudgets(octetsPerSec int64, share float64, packet int) budgets {
	if octetsPerSec == 0 {
		return budgets{}
	}
	return budgets{
		octetsPerSec: max(int64(float64(octetsPerSec)*share), 1), packet: packet, places: make([]budget, budgetPlaces),
	}
}

// affords charges the receiver from with a repair of n octets, and reports whether
// that is within its budget. Who is not known has one without limit.
func (b *budgets) affords(at time.Duration, from netip.Addr, n int) bool {
	if b.octetsPerSec == 0 || !from.IsValid() {
		return true
	}
	hash := uint32(2166136261)
	for _, c := range from.As16() {
		hash = (hash ^ uint32(c)) * 16777619
	}
	p := &b.places[(hash^hash>>16)%budgetPlaces]
	if p.from != from {
		// Whoever had the place before has it no longer, unless it is in debt:
		// then the two share it.
		if p.rate.refill(at); !p.from.IsValid() || p.rate.credit == p.rate.depth {
			*p = budget{from, newRate(b.octetsPerSec, budgetBurst*b.packet, at)}
		}
	}
	ok := p.rate.allows(at, n)
	if ok {
		p.rate.charge(at, n)
	}
	return ok
}

// budgetBurst is how many packets a receiver may ask for at once.
const budgetBurst = 8

// HandleFrom is [Source.Handle] of a packet from that address, so that one
// receiver's NAKs do not delay the repairs of the others.
func (s *Source) HandleFrom(now time.Time, from netip.Addr, h *Header, body []byte) error {
	s.from = from
	err := s.Handle(now, h, body)
	s.from = netip.Addr{}
	return err
}
