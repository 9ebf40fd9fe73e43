package pgm

import "time"

// A FECConfig says which parity a source sends. It is for receivers of ours and
// others that follow RFC 3208, appendix A: OpenPGM's do not (see doc.go).
//
// Data packets hold 38 octets less with it, so that parity fits MaxTPDU. A source
// takes MaxTPDU octets more, and 40 for each group that its window has room for.
type FECConfig struct {
	// Group is how many data packets make a transmission group: a power of two
	// from 2 to 128. Zero: no parity.
	Group int

	// Proactive is how many parity packets follow each group unasked. Zero: none.
	// At most Group, and 255 − Group.
	Proactive int

	// OnDemand has receivers ask for a number of parity packets, any of which
	// repairs any packet of a group. Zero: they ask for the packets they miss.
	OnDemand bool

	// Idle is for how long there must have been no data until a group that is not
	// full is closed, and followed by its parity. Its remaining numbers are
	// skipped. Zero: 2 ms.
	Idle time.Duration
}

func (c FECConfig) filled(s *SourceConfig) FECConfig {
	if c.Group == 0 {
		assert(c == FECConfig{}, "FECConfig: no Group")
		return c
	}
	c.Idle = orDefault(c.Idle, 2*time.Millisecond)
	assert(c.Group >= 2 && c.Group <= maxGroup && c.Group&(c.Group-1) == 0, "FECConfig: Group is no power of two from 2 to 128")
	assert(c.Proactive >= 0 && c.Proactive <= min(c.Group, blockSize-c.Group), "FECConfig: Proactive out of range")
	// "At least one of PARITY_PRM_PRO and PARITY_PRM_OND MUST be set."
	assert(c.Proactive > 0 || c.OnDemand, "FECConfig: neither Proactive nor OnDemand")
	assert(c.Idle > 0, "FECConfig: Idle out of range")
	assert(4*c.Group <= s.WindowPackets && 4*c.Group*s.MaxTPDU <= s.WindowOctets, "FECConfig: Group is more than a quarter of the window")
	return c
}

// A txGroup is what a source knows of one transmission group.
//
//	open ──last of k packets, or Idle──▶ closed: parity may be sent
type txGroup struct {
	size    uint8 // data packets; zero: open
	next    uint8 // first parity packet that was not sent yet
	pending uint8 // parity packets asked for and not sent
	urgent  uint8 // ≤ pending: those within the budget of who asked
	queue   uint8 // 1 + which of sourceFEC.queues has it; zero: none, nothing is pending

	ncf  time.Duration // last parity NCF; zero: none
	sent time.Duration // last parity RDATA; zero: none
}

// A sourceFEC is the part of a source that makes parity. Its zero value makes
// none.
type sourceFEC struct {
	FECConfig
	mask SQN // Group − 1: the bits of a number that say which packet of its group it is

	groups []txGroup     // of the group that starts with sqn, at sqn / Group modulo their number
	queues [2]groupQueue // groups whose parity is asked for, the second within nobody's budget

	last    SQN           // data packet sent last
	partial bool          // last does not end its group, which is open
	short   bool          // last ends its group early, and no number was skipped yet
	closing time.Duration // partial: when the group is closed if no more data comes
	due     int           // proactive parity packets of last's group that are to follow at once

	code    interpolation // of parity from all data of a group
	factors [maxGroup]uint8
	scratch []byte // a parity packet's payload
}

// A groupQueue is a ring of groups. Those that have left the window, or are in
// another queue now, stay.
type groupQueue struct {
	ring        []SQN
	head, count int
}

func (q *groupQueue) push(start SQN) {
	q.ring[(q.head+q.count)%len(q.ring)] = start
	q.count++
}

func (q *groupQueue) pop() {
	q.head = (q.head + 1) % len(q.ring)
	q.count--
}

// newSourceFEC returns it for a window of so many places, whose first packet will
// be first. largest is the size of the largest packet.
func newSourceFEC(c FECConfig, first SQN, places, largest int) sourceFEC {
	f := sourceFEC{FECConfig: c, last: first - 1}
	if c.Group == 0 {
		return f
	}
	f.mask = SQN(c.Group - 1)
	f.groups = make([]txGroup, places/c.Group)
	for i := range f.queues {
		f.queues[i].ring = make([]SQN, 2*len(f.groups))
	}
	f.code = newInterpolation(c.Group)
	for i := range c.Group {
		f.code.add(i)
	}
	f.code.weigh()
	f.scratch = make([]byte, largest)
	return f
}

func (f *sourceFEC) on() bool { return f.Group != 0 }

// group returns the group that the data packet sqn belongs to.
func (f *sourceFEC) group(sqn SQN) *txGroup {
	return &f.groups[int(sqn)/f.Group%len(f.groups)]
}

// reserved returns by how much payloads are shorter for the sake of parity.
func (f *sourceFEC) reserved() int {
	if f.on() {
		return fecOverhead
	}
	return 0
}

// dataSent notes the data packet sqn, which is sent for the first time.
func (f *sourceFEC) dataSent(at time.Duration, sqn SQN) {
	if !f.on() {
		return
	}
	if sqn&f.mask == 0 {
		*f.group(sqn) = txGroup{}
	}
	f.last, f.partial, f.closing = sqn, true, at+f.Idle
	if sqn&f.mask == f.mask {
		f.close()
	}
}

// close has no more data added to the group of last.
func (f *sourceFEC) close() {
	g := f.group(f.last)
	g.size = uint8(f.last&f.mask) + 1
	g.next = uint8(f.Proactive)
	g.pending = uint8(f.needed(g, int(g.pending)))
	g.urgent = min(g.urgent, g.pending)
	f.partial, f.short, f.due = false, f.last&f.mask != f.mask, f.Proactive
}

// needed returns how many parity packets of so many that were asked for are to be
// sent. Who asks counts what the group lacks to k packets as missing too, and may
// not know that it is lacking.
func (f *sourceFEC) needed(g *txGroup, count int) int {
	if g.size == 0 || count == 0 {
		return count
	}
	return max(count-(f.Group-int(g.size)), 1)
}

// closeIdle closes a group that is not full after some time, or if there is no
// more data to come. "In the absence of data to transmit, a source SHOULD
// prematurely terminate the current transmission group".
//
// https://www.rfc-editor.org/rfc/rfc3208#section-11.4
func (s *Source) closeIdle(at time.Duration) {
	f := &s.fec
	if s.txw.unsent() > 0 || at < f.closing && !s.closing {
		return
	}
	f.close()
	// "an SPM with OPT_CURR_TGSIZE SHOULD be sent" if there is no parity that says it;
	// here always, as parity may be lost, and numbers that seem to be missing would
	// be asked for.
	s.spm.hurry()
}

// skipGroup has the next data packet begin a group if the last was closed early.
// "The start of the next transmission group will always begin on the boundary of
// the maximum TG size as though each of the sequence numbers had been utilized."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-11.2
func (s *Source) skipGroup() {
	if f := &s.fec; f.short {
		s.txw.skip(int(f.mask - f.last&f.mask))
		f.short = false
	}
}

// describe has an SPM with that lead advertise parity.
func (f *sourceFEC) describe(o *Options, lead SQN) {
	if !f.on() {
		return
	}
	o.Present |= SetOf(OptParityPrm)
	o.ProactiveParity, o.OnDemandParity, o.ParityGroupSize = f.Proactive > 0, f.OnDemand, uint32(f.Group)
	if size := f.group(lead).size; size > 0 && int(size) < f.Group && lead == f.last {
		o.Present |= SetOf(OptCurrTGSize)
		o.CurrentTGSize = uint32(size)
	}
}

// parityAsked deals with one entry of a parity NAK, whose count says how many
// parity packets are to be sent. It reports whether it is to be confirmed.
//
// "If the number of pending (i.e., unsent) parity packets from a previous request
// […] is less than NAK_PKT_CNT in a subsequent NAK, that subsequent NAK MUST be
// confirmed but the source need only increase the number of pending parity packets
// to NAK_PKT_CNT."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-11.4
func (s *Source) parityAsked(at time.Duration, sqn SQN, count int) bool {
	f, start := &s.fec, sqn&^s.fec.mask
	if !s.txw.has(start) {
		s.stats.NAKOutside++
		s.askSPM()
		return false
	}
	g := f.group(start)
	count = f.needed(g, count)
	damped := func(last time.Duration) bool { return last != 0 && at-last < s.cfg.RTT }
	if g.pending == 0 && damped(g.sent) {
		s.stats.NAKDuplicates++
		return false
	}
	again := count <= int(g.pending)
	if again {
		s.stats.NAKDuplicates++
	}
	more := count - int(g.urgent)
	size := int(s.txw.at(start).size) // parity has about as many octets
	switch {
	case more > 0 && s.budgets.affords(at, s.from, more*size):
		if g.queue != 1 && !s.enqueue(g, start, 1) {
			return false
		}
		g.urgent = uint8(count)
	case more > 0:
		s.stats.NAKLate++
		if g.queue == 0 && !s.enqueue(g, start, 2) {
			return false
		}
	}
	g.pending = max(g.pending, uint8(count))
	return s.parityConfirmed(at, g, again && damped(g.ncf))
}

// enqueue puts a group into the queue of that number. It reports whether there was
// room.
func (s *Source) enqueue(g *txGroup, start SQN, number uint8) bool {
	q := &s.fec.queues[number-1]
	if q.count == len(q.ring) {
		s.stats.NAKDropped++
		return false
	}
	q.push(start)
	g.queue = number
	return true
}

func (s *Source) parityConfirmed(at time.Duration, g *txGroup, damped bool) bool {
	if !damped {
		g.ncf = max(at, 1) // zero means none
	}
	return !damped
}

// asked returns the group whose parity is to be sent next, which is the first of
// that queue, and nil if there is none. What has left the window is forgotten, and
// an open group waits to be closed.
func (s *Source) asked() (start SQN, from *groupQueue) {
	f := &s.fec
	for i := range f.queues {
		q := &f.queues[i]
		for n := q.count; n > 0; n-- {
			start = q.ring[q.head]
			g := f.group(start)
			live := s.txw.has(start) && int(g.queue) == i+1
			if live && g.size > 0 {
				return start, q
			}
			q.pop()
			if live {
				q.push(start) // behind the others
			}
		}
	}
	return 0, nil
}

// nextAsked appends the next parity packet that was asked for. There is one.
func (s *Source) nextAsked(at time.Duration, b []byte) []byte {
	f := &s.fec
	start, q := s.asked()
	g := f.group(start)
	index := int(g.next)
	// "these MUST be computed with new, previously unused, indexes", as far as
	// there are any.
	if g.next++; int(g.next) == blockSize-f.Group {
		g.next = 0
	}
	g.pending--
	g.urgent -= min(g.urgent, 1)
	if g.urgent == 0 && g.queue == 1 || g.pending == 0 {
		q.pop()
		g.queue = 0
		if g.pending > 0 && !s.enqueue(g, start, 2) {
			g.pending = 0
		}
	}
	g.sent = max(at, 1) // zero means none
	b = s.appendParity(b, TypeRDATA, start, index)
	s.stats.RDATA++
	s.stats.RDATAOctets += uint64(len(b))
	s.stats.ParityRDATA++
	return b
}

// nextProactive appends the next proactive parity packet that is due, and nothing
// if its group has left the window already.
func (s *Source) nextProactive(b []byte) []byte {
	f := &s.fec
	start, index := f.last&^f.mask, f.Proactive-f.due
	if !s.txw.has(start) {
		f.due = 0
		return nil
	}
	f.due--
	b = s.appendParity(b, TypeODATA, start, index)
	s.stats.Parity++
	s.stats.ParityOctets += uint64(len(b))
	return b
}

// appendParity appends parity packet index of a closed group that is all in the
// window.
func (s *Source) appendParity(b []byte, t Type, start SQN, index int) []byte {
	f := &s.fec
	h, o := NewHeader(t, s.cfg.TSI, s.cfg.Port), &s.options
	h.Options = BitParity
	o.Present = 0
	size := int(f.group(start).size)
	if size < f.Group {
		o.Present |= SetOf(OptCurrTGSize)
		o.CurrentTGSize = uint32(size)
	}
	// "a source MUST add OPT_PARITY_GRP to any parity packet numbered j greater
	// than k-1".
	if index >= f.Group {
		o.Present |= SetOf(OptParityGrp)
		o.ParityGroup = uint32(index / f.Group)
	}
	payload, sum, varies, fragments := s.encode(start, size, index)
	if varies {
		h.Options |= BitVarPktLen
		payload = append(payload, sum.length[:]...)
	}
	if fragments {
		o.Present |= SetOf(OptFragment)
		o.FragmentEncoded, o.FragmentNull = true, sum.fragment[0]&optEncodedNull != 0
		o.FragmentCode = sum.fragment[0] & optSpecific
		encoded := getFragment(sum.fragment[1:])
		o.FragmentSQN, o.FragmentOffset, o.FragmentLength = encoded.first, encoded.offset, encoded.length
	}
	d := Data{SQN: start + SQN(index)&f.mask, Trail: s.txw.trail, Payload: payload}
	return AppendData(b, &h, &d, o)
}

// encode computes parity packet index: its payload without the length, and its
// trailer. "Parity packets MUST be computed by padding the original packets with
// zeros up to the size of the largest data packet."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-11.2
func (s *Source) encode(start SQN, size, index int) (payload []byte, sum trailer, varies, fragments bool) {
	f, w := &s.fec, s.txw
	shortest, longest := 1<<16, 0
	for i := range SQN(size) {
		p := w.at(start + i)
		n := int(p.size) - int(p.header)
		shortest, longest = min(shortest, n), max(longest, n)
		fragments = fragments || p.isFragment()
	}
	f.code.factors(f.factors[:], f.Group+index)
	payload = f.scratch[:longest]
	clear(payload)
	for i := range SQN(size) {
		p, octets := w.at(start+i), w.octets(start+i)
		data := octets[p.header:]
		addTimes(f.factors[i], data, payload)
		if shortest != longest || fragments {
			t := newTrailer(len(data), p.fragment(octets))
			sum.add(f.factors[i], &t, fragments)
		}
	}
	return payload, sum, shortest != longest, fragments
}
