package pgm

import "time"

// OpenPGM's receivers in libzmq wait 200 ms for a repair that was lost before they
// ask again, and deliver nothing meanwhile. So RDATA that one of them asked for is
// sent twice, some time apart, if nothing else is to be repaired. Receivers of ours
// ask again within a few ms; they tell sources of ours who they are by an
// OPT_NAK_BO_RNG in their NAKs, and sources tell them so by one in their SPMs.

// repeatLimit is how many packets may wait for their second RDATA.
const repeatLimit = 1024

// A repeat is when RDATA is to be sent for the second time.
type repeat struct {
	sqn SQN
	due time.Duration
}

// repeats are in the order of due.
type repeats struct {
	interval    time.Duration // zero: none are made
	ring        []repeat
	head, count int
}

func newRepeats(c *SourceConfig) repeats {
	if c.RepeatRDATA < 0 || c.NoBackOff {
		return repeats{}
	}
	return repeats{interval: c.RepeatRDATA, ring: make([]repeat, repeatLimit)}
}

// asked notes a NAK with those options for a packet.
func (r *repeats) asked(p *txPacket, o OptionSet) {
	p.again = p.again || r.interval > 0 && !o.Has(OptNAKBORng)
}

// sent notes RDATA.
func (r *repeats) sent(at time.Duration, sqn SQN, p *txPacket) {
	if p.again && r.count < len(r.ring) {
		r.ring[(r.head+r.count)%len(r.ring)] = repeat{sqn, at + r.interval}
		r.count++
	}
	p.again = false
}

// repeatDue has RDATA that is due for the second time sent when there is nothing
// else to repair.
func (s *Source) repeatDue(at time.Duration) {
	r := &s.repeats
	for r.count > 0 && r.ring[r.head].due <= at {
		sqn := r.ring[r.head].sqn
		if s.txw.has(sqn) && s.txw.repair(sqn, true) {
			s.stats.Repeats++
		}
		r.head = (r.head + 1) % len(r.ring)
		r.count--
	}
}
