package pgm

import (
	"encoding/binary"
	"time"
)

// A fragment says which part of an APDU a payload is: the fields of OPT_FRAGMENT.
//
// https://www.rfc-editor.org/rfc/rfc3208#section-9.2
type fragment struct {
	first  SQN
	offset uint32
	length uint32 // zero: the payload is an APDU of its own
}

func (f fragment) null() bool { return f.length == 0 }

// fragmentOf returns that of a packet with those options.
func fragmentOf(o *Options) fragment {
	if !o.Present.Has(OptFragment) || o.FragmentEncoded {
		return fragment{}
	}
	return fragment{o.FragmentSQN, o.FragmentOffset, o.FragmentLength}
}

// describe adds the option to o, if there is one.
func (f fragment) describe(o *Options) {
	if !f.null() {
		o.Present |= SetOf(OptFragment)
		o.FragmentEncoded, o.FragmentNull = false, false
		o.FragmentSQN, o.FragmentOffset, o.FragmentLength = f.first, f.offset, f.length
	}
}

// put writes the three fields as they stand in the option.
func (f fragment) put(b []byte) {
	binary.BigEndian.PutUint32(b, uint32(f.first))
	binary.BigEndian.PutUint32(b[4:], f.offset)
	binary.BigEndian.PutUint32(b[8:], f.length)
}

// getFragment is the reverse of put.
func getFragment(b []byte) fragment {
	return fragment{SQN(binary.BigEndian.Uint32(b)), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])}
}

// MaxAPDU returns how many octets a payload of Send may have: what half of the
// window holds. Receivers may have lower limits: OpenPGM's is 16 packets and 65535
// octets, and ours [ReceiverConfig.MaxAPDU].
func (s *Source) MaxAPDU() int {
	return min(s.cfg.WindowPackets, s.cfg.WindowOctets/s.cfg.MaxTPDU) / 2 * s.fragmentRoom()
}

// fragmentRoom returns how many octets of an APDU a packet holds, the first of the
// session included.
func (s *Source) fragmentRoom() int {
	return s.cfg.MaxTPDU - fragmentHeader - optionSize - s.fec.reserved()
}

// sendAPDU sends a payload in fragments. "A source fragments APDUs into a
// contiguous series of fragments". It reports whether there was room: if nothing
// waits for the rate there is.
//
// https://www.rfc-editor.org/rfc/rfc3208#section-9.2.2
func (s *Source) sendAPDU(now time.Time, apdu []byte) bool {
	assert(len(apdu) <= s.MaxAPDU(), "APDU larger than MaxAPDU")
	room := s.fragmentRoom()
	count := (len(apdu) + room - 1) / room
	if waiting := s.txw.unsent(); s.closing || waiting > 0 && waiting+count > s.cfg.QueuePackets {
		return false
	}
	s.skipGroup()
	part := fragment{first: s.txw.lead + 1, length: uint32(len(apdu))}
	for rest := apdu; len(rest) > 0; rest = apdu[part.offset:] {
		b := s.txw.reserve()
		assert(b != nil, "no room for what half of the window holds")
		n := copy(b[s.headerSize(part):], rest[:min(len(rest), room)])
		s.commit(now, n, part)
		part.offset += uint32(n)
	}
	return true
}

// An assembly is an APDU of which the first fragments have come. Its memory
// follows what came, and not what the fragments claim.
//
// "Receivers detect and accumulate fragmented packets until they have received an
// entire contiguous sequence of packets comprising an APDU. This sequence begins
// with the fragment bearing OPT_FRAG_OFF of 0, and terminates with the fragment
// whose length added to its OPT_FRAG_OFF is OPT_FRAG_LEN."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-9.2.3
type assembly struct {
	seen   bool // fragments have come
	active bool
	first  SQN
	last   SQN
	length uint32
	octets []byte
}

// receiverPart is the kind of event of a fragment that is not the last.
const receiverPart ReceiverEventKind = 0xff

// nextAPDU is Next of a session in which there are fragments.
func (r *Receiver) nextAPDU() ReceiverEvent {
	if e := r.pending; e.Kind != 0 {
		r.pending = ReceiverEvent{}
		return e
	}
	for {
		e := r.next()
		switch {
		case e.Kind == receiverPart:
			continue
		case e.Kind != 0 && r.apdu.active && e.Reason != GapAPDU && !(r.cfg.ArrivalOrder && e.Kind == ReceiverData):
			// What follows the parts that have come is no part.
			r.pending = e
			return r.abandon()
		}
		return e
	}
}

// assemble takes in a fragment, and returns the event of the APDU if it is
// complete, or of what will never be. Fragments come in order.
func (r *Receiver) assemble(sqn SQN, payload []byte, part fragment) ReceiverEvent {
	a := &r.apdu
	a.seen = true
	var lost ReceiverEvent
	next := a.active && sqn == a.last+1 && part == fragment{a.first, uint32(len(a.octets)), a.length}
	if a.active && !next {
		lost = r.abandon()
	}
	begins := part.offset == 0 && part.first == sqn && part.length <= uint32(r.cfg.MaxAPDU)
	end := uint64(part.offset) + uint64(len(payload))
	if !next && !begins || end > uint64(part.length) {
		return r.unusable(sqn, lost)
	}
	if begins {
		a.active, a.first, a.length, a.octets = true, sqn, part.length, a.octets[:0]
	}
	a.last = sqn
	a.octets = append(a.octets, payload...)
	e := ReceiverEvent{Kind: receiverPart}
	if end == uint64(part.length) {
		a.active = false
		r.stats.Delivered++
		r.stats.APDUs++
		e = ReceiverEvent{Kind: ReceiverData, SQN: a.first, Last: sqn, Payload: a.octets}
	}
	if lost.Kind == 0 {
		return e
	}
	if e.Kind == ReceiverData {
		r.pending = e
	}
	return lost
}

// unusable returns the event of a fragment that belongs to no APDU that can be
// assembled, after those of lost, if there are some.
func (r *Receiver) unusable(sqn SQN, lost ReceiverEvent) ReceiverEvent {
	if r.apdu.active {
		lost = r.abandon()
	}
	r.stats.Partial++
	switch {
	case lost.Kind != 0:
		lost.Last = sqn
		r.stats.Lost++
	case r.stats.Delivered+r.stats.Gaps > 0:
		lost = r.incomplete(sqn, sqn)
	default:
		return ReceiverEvent{Kind: receiverPart} // it began before we joined
	}
	return lost
}

// abandon returns the event of an APDU that will not be complete.
func (r *Receiver) abandon() ReceiverEvent {
	a := &r.apdu
	a.active = false
	r.stats.Partial += uint64(a.last-a.first) + 1
	return r.incomplete(a.first, a.last)
}

func (r *Receiver) incomplete(first, last SQN) ReceiverEvent {
	r.stats.Gaps++
	r.stats.Lost += uint64(last-first) + 1
	return ReceiverEvent{Kind: ReceiverGap, Reason: GapAPDU, SQN: first, Last: last}
}
