package pgm

import (
	"math/bits"
	"time"
)

// A txw is the transmit window: the packets that a source can still send or
// repeat. All memory there is was taken at the start: a ring of octets in which
// packets lie one behind the other as they go out, and an index.
//
//	trail            next                lead
//	  │ sent, can be   │ committed, waits  │
//	  │ repaired       │ for the rate      │
//
// Adding data advances the trail as far as octets, places and age demand, which
// is "advancing with data" in the RFC's example. What was not sent yet is never
// given up.
//
// https://www.rfc-editor.org/rfc/rfc3208#section-3.3
type txw struct {
	// trail ≤ next ≤ lead+1, and lead+1 − trail ≤ len(index). Empty: trail = lead+1.
	trail SQN // TXW_TRAIL
	next  SQN // first that was not sent; next−1 is TXW_LEAD
	lead  SQN // last that was committed

	index []txPacket // of sqn, at sqn & mask; as many as a power of two
	mask  SQN
	ring  []byte
	head  int // offset in ring behind lead's packet

	repairs repairSet // what is to be repeated
	late    repairSet // the same, when there is nothing in repairs: see budgets

	largest int           // octets of the largest packet
	age     time.Duration // how long a packet is kept once more are added; zero: for ever
}

// A txPacket is where a packet lies and what was asked about it.
type txPacket struct {
	offset int32
	size   uint16 // octets of the whole packet
	header uint8  // octets of them before the payload
	naks   uint8  // NAKs since the repair was first asked for
	again  bool   // its next RDATA is to be sent twice
	sum    Sum    // of the payload

	added    time.Duration
	ncf      time.Duration // last NCF; zero: none
	repaired time.Duration // last RDATA; zero: none
}

// skipped reports whether the number was left out.
func (p *txPacket) skipped() bool { return p.size == 0 }

// What stands before the payload tells which options there are: OPT_FRAGMENT, then
// OPT_SYN.
const (
	fragmentHeader = DataHeaderSize + optionSize + fragmentSize
	fragmentAt     = DataHeaderSize + 2*optionSize // where the fields of OPT_FRAGMENT are
)

func (p *txPacket) isFragment() bool { return p.header >= fragmentHeader }

func (p *txPacket) isSYN() bool {
	return p.header == DataHeaderSize+2*optionSize || p.header == fragmentHeader+optionSize
}

// fragment returns which part of an APDU the packet octets is.
func (p *txPacket) fragment(octets []byte) fragment {
	if !p.isFragment() {
		return fragment{}
	}
	return getFragment(octets[fragmentAt:])
}

// newTXW returns an empty window whose first packet will be first. octets and
// packets bound it, and largest is the size of the largest packet. The memory
// is octets, and 42 octets for each packet.
func newTXW(first SQN, octets, packets, largest int, age time.Duration) *txw {
	packets = ceilPower(max(packets, 64)) // a word of repairs at least
	return &txw{
		trail: first, next: first, lead: first - 1,
		index: make([]txPacket, packets), mask: SQN(packets - 1),
		ring: make([]byte, octets), repairs: newRepairSet(packets), late: newRepairSet(packets),
		largest: largest, age: age,
	}
}

// ceilPower returns the least power of two that is not below n.
func ceilPower(n int) int { return 1 << bits.Len(uint(max(n, 1)-1)) }

func (w *txw) at(sqn SQN) *txPacket { return &w.index[sqn&w.mask] }

// has reports whether sqn can be repaired: "available for repair".
func (w *txw) has(sqn SQN) bool { return sqn-w.trail < w.next-w.trail }

// unsent returns how many packets wait for their first time.
func (w *txw) unsent() int { return int(w.lead + 1 - w.next) }

// octets returns the packet sqn. Its capacity reaches to the end of the ring, so
// that it can be seen whether the next lies behind it.
func (w *txw) octets(sqn SQN) []byte {
	p := w.at(sqn)
	return w.ring[p.offset:][:p.size]
}

// reserve returns room for one packet behind the last, and nil if that takes
// giving up a packet that was not sent. The oldest make room.
func (w *txw) reserve() []byte {
	if w.lead+1-w.trail == SQN(len(w.index)) && !w.evict() {
		return nil
	}
	start, end := w.head, w.head+w.largest
	if end > len(w.ring) {
		// Behind head there are, if any, the oldest packets. They go first.
		for w.trail != w.lead+1 && int(w.at(w.trail).offset) >= w.head {
			if !w.evict() {
				return nil
			}
		}
		start, end = 0, w.largest
	}
	for w.trail != w.lead+1 && w.within(start, end) {
		if !w.evict() {
			return nil
		}
	}
	w.head = start
	return w.ring[start:end:end]
}

// within reports whether the oldest packet begins in ring[start:end].
func (w *txw) within(start, end int) bool {
	offset := int(w.at(w.trail).offset)
	return start <= offset && offset < end
}

// evict advances the trail by one, unless that packet was not sent.
func (w *txw) evict() bool {
	if w.trail == w.next {
		return false
	}
	w.clear(w.trail)
	w.trail++
	w.passSkipped()
	return true
}

// commit adds the packet of size octets that was written into what reserve
// returned.
func (w *txw) commit(at time.Duration, header, size int, sum Sum) {
	for w.age > 0 && w.trail != w.next && w.at(w.trail).added+w.age < at {
		w.evict()
	}
	w.lead++
	*w.at(w.lead) = txPacket{
		offset: int32(w.head), size: uint16(size), header: uint8(header), sum: sum, added: at,
	}
	w.head += size
}

// skip leaves n numbers out, for which there will be no packets. All before them
// were sent.
func (w *txw) skip(n int) {
	assert(w.unsent() == 0, "txw: skipped what was not sent")
	for int(w.lead+1-w.trail)+n >= len(w.index) && w.evict() {
	}
	for range n {
		w.lead++
		*w.at(w.lead) = txPacket{offset: int32(w.head)}
	}
	w.next = w.lead + 1
	w.passSkipped()
}

// passSkipped keeps the trail a packet, or where one will be.
func (w *txw) passSkipped() {
	for w.trail != w.next && w.at(w.trail).skipped() {
		w.trail++
	}
}

// waiting returns how many packets wait to be repeated.
func (w *txw) waiting() int { return w.repairs.count + w.late.count }

// repair notes that sqn is to be repeated, late or with the others. It reports
// whether that is new.
func (w *txw) repair(sqn SQN, late bool) bool {
	if late {
		return !w.repairs.has(sqn) && w.late.add(sqn)
	}
	again := w.late.remove(sqn)
	return w.repairs.add(sqn) && !again
}

// clear undoes repair.
func (w *txw) clear(sqn SQN) {
	w.repairs.remove(sqn)
	w.late.remove(sqn)
}

// oldest returns the packet to be repeated next. It is the next to leave the
// window, and it is what receivers that deliver in order wait for. There must be
// one.
func (w *txw) oldest() SQN {
	if w.repairs.count > 0 {
		return w.repairs.oldest(w.trail)
	}
	return w.late.oldest(w.trail)
}

// check panics if an invariant does not hold.
func (w *txw) check() {
	assert(w.next-w.trail <= w.lead+1-w.trail, "txw: next outside trail to lead")
	assert(w.lead+1-w.trail <= SQN(len(w.index)), "txw: more packets than places")
	w.repairs.check()
	w.late.check()
	for sqn := w.trail; sqn != w.lead+1; sqn++ {
		p := w.at(sqn)
		assert(int(p.offset)+int(p.size) <= len(w.ring), "txw: packet outside the ring")
		if next := w.at(sqn + 1); sqn != w.lead && next.offset >= p.offset {
			assert(int(p.offset)+int(p.size) <= int(next.offset), "txw: packets overlap")
		}
	}
}
