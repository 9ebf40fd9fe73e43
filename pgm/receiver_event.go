package pgm

import (
	"math/bits"
	"time"
)

// A ReceiverEventKind says what Next found.
type ReceiverEventKind uint8

// The kinds of events.
const (
	// ReceiverData: Payload is that of packet SQN, or the APDU of the packets SQN to
	// Last.
	ReceiverData ReceiverEventKind = iota + 1

	// ReceiverGap: the packets SQN to Last are lost for good, for that Reason.
	// If it is GapResync the window moved, maybe back, and SQN to Last is from
	// what would have been next to what precedes the next that will be.
	ReceiverGap

	// ReceiverSYN: the session begins with the data that follows.
	ReceiverSYN

	// ReceiverFIN: the session is over, and SQN was its last packet.
	ReceiverFIN

	// ReceiverRST: the source has aborted the session.
	ReceiverRST
)

// A GapReason says why data is lost.
type GapReason uint8

// The reasons.
const (
	GapTrail   GapReason = iota + 1 // the source's window has passed it
	GapRetries                      // NAK_NCF_RETRIES or NAK_DATA_RETRIES were exceeded
	GapBudget                       // ReceiverConfig.LatencyBudget was
	GapOverrun                      // ReceiverConfig.WindowPackets was
	GapMemory                       // ReceiverConfig.WindowOctets was
	GapResync                       // the source was elsewhere all of a sudden
	GapReset                        // the session was aborted
	GapAPDU                         // came, and other parts of its APDU did not, or ReceiverConfig.MaxAPDU was exceeded
)

// String returns the reason in words.
func (g GapReason) String() string {
	return [...]string{"", "beyond the source's window", "no repair came", "latency budget",
		"window overrun", "out of memory", "resynchronized", "reset", "incomplete APDU"}[g]
}

// A ReceiverEvent is what Next returns. The zero value is none.
type ReceiverEvent struct {
	Kind    ReceiverEventKind
	Reason  GapReason
	SQN     SQN
	Last    SQN
	Payload []byte // valid until the next call of any method, and as long as the packet
}

// Next returns the next thing to tell the user, and an event of Kind zero if
// there is nothing more until Handle or Output.
func (r *Receiver) Next() ReceiverEvent {
	if w := r.rxw; w.next == w.lead+1 && r.phase == phaseJoined && r.lent == 0 && !r.syn && !r.jump && !r.apdu.seen {
		// Nothing is missing: next would come to the same, but events are large and
		// each function that returns one copies it.
		switch {
		case r.now.present && r.now.part.null():
			sqn, payload := r.now.sqn, r.now.payload
			r.now.present, r.now.payload = false, nil
			r.stats.Delivered++
			return ReceiverEvent{Kind: ReceiverData, SQN: sqn, Last: sqn, Payload: payload}
		case !r.now.present && !r.rst && !r.fin:
			return ReceiverEvent{}
		}
	}
	if !r.apdu.seen {
		if e := r.next(); e.Kind != receiverPart {
			return e
		}
	}
	return r.nextAPDU()
}

// next returns what Next does, as if there were no APDUs.
func (r *Receiver) next() ReceiverEvent {
	w := r.rxw
	if r.lent != 0 {
		w.pool.release(r.lent - 1)
		r.lent = 0
	}
	switch {
	case r.phase != phaseJoined:
		return ReceiverEvent{}
	case r.syn:
		r.syn = false
		return ReceiverEvent{Kind: ReceiverSYN, SQN: r.now.sqn}
	case r.now.present && !r.jump:
		return r.deliver()
	}
	if len(r.fec.decoded) > 0 {
		if e, ok := r.nextDecoded(); ok {
			return e
		}
	}
	for w.next != w.lead+1 {
		p := w.at(w.next)
		switch {
		case p.missing() && r.rst:
			w.loseBefore(w.lead+1, GapReset)
		case p.missing():
			return ReceiverEvent{}
		case p.state == rxLost:
			return r.gap()
		default:
			sqn, buffer, delivered := w.next, p.buffer, p.delivered
			p.buffer = 0
			w.pass()
			if buffer == 0 {
				continue
			}
			if r.fec.k > 0 {
				r.hold(sqn, buffer-1)
			} else {
				r.lent = buffer
			}
			if !delivered {
				return r.data(sqn, w.pool.buffers[buffer-1].octets, w.pool.buffers[buffer-1].part)
			}
		}
	}
	return r.last()
}

// data returns the event of one packet.
func (r *Receiver) data(sqn SQN, payload []byte, part fragment) ReceiverEvent {
	if !part.null() {
		return r.assemble(sqn, payload, part)
	}
	r.stats.Delivered++
	return ReceiverEvent{Kind: ReceiverData, SQN: sqn, Last: sqn, Payload: payload}
}

// deliver returns the packet that has just come.
func (r *Receiver) deliver() ReceiverEvent {
	sqn, payload, part := r.now.sqn, r.now.payload, r.now.part
	r.now.present, r.now.payload = false, nil
	if w := r.rxw; sqn == w.next && w.next != w.lead+1 {
		w.pass()
	}
	return r.data(sqn, payload, part)
}

// gap returns the run of lost packets that is next.
func (r *Receiver) gap() ReceiverEvent {
	w := r.rxw
	e := ReceiverEvent{Kind: ReceiverGap, SQN: w.next, Reason: w.at(w.next).reason}
	for w.next != w.lead+1 && w.at(w.next).state == rxLost && w.at(w.next).reason == e.Reason {
		w.pass()
	}
	e.Last = w.next - 1
	if r.jump && w.next == w.lead+1 && e.Reason == r.reason {
		e.Last = r.land()
	}
	r.stats.Gaps++
	if n := e.Last.Sub(e.SQN); n >= 0 {
		r.stats.Lost += uint64(n) + 1
	}
	return e
}

// land ends a jump. It returns the packet before its target.
func (r *Receiver) land() SQN {
	w := r.rxw
	r.jump = false
	w.begin(r.target)
	if r.now.present {
		w.begin(r.target + 1)
	}
	return r.target - 1
}

// last returns what follows when the window is empty.
func (r *Receiver) last() ReceiverEvent {
	w := r.rxw
	switch {
	case r.jump:
		e := ReceiverEvent{Kind: ReceiverGap, SQN: w.next, Reason: r.reason}
		e.Last = r.land()
		if n := e.Last.Sub(e.SQN); n >= 0 {
			r.stats.Lost += uint64(n) + 1
		}
		r.stats.Gaps++
		return e
	case r.rst:
		r.phase = phaseEnded
		return ReceiverEvent{Kind: ReceiverRST, SQN: w.lead}
	case r.fin && !w.next.Before(r.finLead+1):
		r.phase = phaseEnded
		return ReceiverEvent{Kind: ReceiverFIN, SQN: r.finLead}
	}
	return ReceiverEvent{}
}

// RepairBuckets is how many buckets ReceiverStats.RepairTimes has.
const RepairBuckets = 16

// ReceiverStats counts what a receiver saw and did.
type ReceiverStats struct {
	Packets     uint64 // all that were handed to Handle
	DataOctets  uint64 // payloads of ODATA and RDATA
	Delivered   uint64 // data events
	APDUs       uint64 // data events of several packets
	Partial     uint64 // packets whose APDU is incomplete, or was when we joined, or exceeds ReceiverConfig.MaxAPDU
	Duplicates  uint64 // data that was not missing
	Reordered   uint64 // data that came as ODATA after it was missed
	Repaired    uint64 // data that was missing and came as RDATA
	Decoded     uint64 // data that was missing and was made of parity
	OutOfWindow uint64 // data that belongs to no window we know
	OutOfMemory uint64 // data dropped, to be asked for again
	Gaps        uint64 // gap events
	Lost        uint64 // packets in them

	SPMs, RDATA, NCFs, OthersNAKs uint64

	Parity       uint64 // parity packets, which are not in RDATA
	ParityErrors uint64 // parity that contradicts itself or the data

	NAKs       uint64 // packets sent
	NAKEntries uint64 // sequence numbers in them
	ParityNAKs uint64 // packets that ask for parity; NAKs counts them too
	SPMRs      uint64 // sent

	Malformed uint64 // what Handle returned an error for
	Checksum  uint64 // CountChecksum
	ResetCode uint8  // of OPT_RST

	// RepairTimes are the times from noticing a loss to its repair: bucket i has
	// those below 64 µs · 2ⁱ, the last one all others.
	RepairTimes [RepairBuckets]uint64
}

func (s *ReceiverStats) repairTime(d time.Duration) {
	i := bits.Len64(uint64(max(d, 0) / (64 * time.Microsecond)))
	s.RepairTimes[min(i, RepairBuckets-1)]++
}

// Stats returns what was counted so far.
func (r *Receiver) Stats() ReceiverStats { return r.stats }

// CountChecksum counts a packet that the caller dropped for its checksum.
func (r *Receiver) CountChecksum() { r.stats.Checksum++ }
