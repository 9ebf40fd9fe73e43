package pgm

import "time"

// A receiver learns from SPMs that there is parity, and from parity packets what
// a group lacks. Data is delivered as it comes, as without: parity only makes what
// is missing come sooner than a repair would, and NAKs wait for it a little.
//
// What it keeps of data and parity is within WindowOctets, of which parity takes
// three quarters at most. Beside that it takes 32 KiB, and 48 octets for each parity
// packet that it keeps.
const (
	// parityGrace is how much longer NAKs wait for what is missing in the group
	// that is being sent: its parity is to come. Data of the next group ends the
	// waiting, and so does parity that does not suffice.
	parityGrace = 3 * time.Millisecond

	// parityNCFRetries and parityDataRetries are how often NAKs for parity may not be
	// confirmed, or not be answered, until the packet itself is asked for. A source
	// that confirms and does not answer has much to send, and packets would be more
	// of it.
	parityNCFRetries  = 3
	parityDataRetries = 12

	// fecGroups is for how many groups from the first packet missing on parity is
	// kept. A power of two.
	fecGroups = 1024
)

// An rxGroup is what a receiver knows of one transmission group.
type rxGroup struct {
	start    SQN
	used     bool  // the rest means something
	released bool  // parity has come and not sufficed: nothing more is waited for
	size     uint8 // data packets in it, as far as is known
	count    uint8 // parity packets kept, ≤ k
	first    int32 // 1 + the first of them; zero: none

	// What all parity packets of a group have in common.
	length    uint16 // of the payload, without that of the length
	varies    bool   // OPT_VAR_PKTLEN
	fragments bool   // there is an encoded OPT_FRAGMENT
}

// An rxParity is a parity packet that is kept.
type rxParity struct {
	next   int32 // 1 + the next of its group, or the next free; zero: none
	buffer int32 // of the pool: its payload without the length
	index  uint8
	trailer
}

// An rxFEC is the part of a receiver that deals with parity. Its zero value has
// not heard of any.
type rxFEC struct {
	k        int // size of groups; zero: no parity
	mask     SQN // k − 1
	onDemand bool

	groups []rxGroup // of the group that starts with sqn, at sqn / k modulo fecGroups
	low    SQN       // no group before this one has parity
	parity []rxParity
	free   int32 // 1 + the first that is not used; zero: none

	// held are buffers of the packets of group heldOf that have left the window,
	// with which its other packets can be decoded: 1 + buffer; zero: none.
	heldOf SQN
	held   [maxGroup]int32

	// pace is how long it takes from one number to the next, on average.
	pace    time.Duration
	paced   SQN // the last packet that it takes into account
	pacedAt time.Duration

	decoded []SQN // in arrival order: packets that were decoded and are to be delivered

	code    interpolation
	sources [maxGroup]rxSource // of code.known
	factors [maxGroup]uint8
}

// An rxSource is a packet from which others are decoded.
type rxSource struct {
	buffer int32 // 1 + buffer; zero: all octets are zero
	trailer
}

// learnParity takes what an SPM says about parity. OpenPGM has the two bits the
// other way round, so that onDemand would be wrong with it, but its parity does
// not work anyway.
func (r *Receiver) learnParity(o *Options) {
	f, k := &r.fec, o.ParityGroupSize
	if k < 2 || k > maxGroup || k&(k-1) != 0 {
		r.stats.ParityErrors++
		return
	}
	f.onDemand = o.OnDemandParity
	if int(k) == f.k {
		return
	}
	// "The transmission group size […] MUST be […] constant for the duration of the
	// session." If it is not, one SPM was forged: the last is believed.
	if f.k != 0 {
		r.forgetParity()
	} else {
		f.groups = make([]rxGroup, fecGroups)
		f.code = newInterpolation(maxGroup)
		f.decoded = make([]SQN, 0, maxGroup)
	}
	f.k, f.mask = int(k), SQN(k-1)
	f.low = r.rxw.next &^ f.mask
}

// forgetParity forgets all groups.
func (r *Receiver) forgetParity() {
	f := &r.fec
	for i := range f.groups {
		r.dropParity(&f.groups[i])
	}
	r.dropHeld()
	f.decoded = f.decoded[:0]
}

// group returns what is known of the group start, which is less than fecGroups
// groups behind low.
func (r *Receiver) group(start SQN) *rxGroup {
	f := &r.fec
	g := &f.groups[int(start)/f.k%fecGroups]
	if !g.used || g.start != start {
		r.dropParity(g)
		*g = rxGroup{start: start, used: true, size: uint8(f.k)}
	}
	return g
}

// hasGroup reports whether there is a place for the group start.
func (f *rxFEC) hasGroup(start SQN) bool { return start-f.low < SQN(fecGroups*f.k) }

// dropParity forgets the parity of a group.
func (r *Receiver) dropParity(g *rxGroup) {
	f := &r.fec
	for g.first != 0 {
		p := &f.parity[g.first-1]
		r.rxw.pool.giveUp(p.buffer)
		g.first, p.next, f.free = p.next, f.free, g.first
	}
	g.count = 0
}

// passGroups forgets the groups that the window has passed.
func (r *Receiver) passGroups() {
	f := &r.fec
	next := r.rxw.next &^ f.mask
	if next-f.low > SQN(fecGroups*f.k) {
		r.forgetParity()
		f.low = next
	}
	for ; f.low != next; f.low += SQN(f.k) {
		r.dropParity(r.group(f.low))
	}
}

// hold keeps the buffer of a packet that is delivered, for as long as others of
// its group are not.
func (r *Receiver) hold(sqn SQN, buffer int32) {
	f := &r.fec
	if start := sqn &^ f.mask; start != f.heldOf {
		r.dropHeld()
		f.heldOf = start
	}
	if h := &f.held[sqn&f.mask]; *h == 0 {
		*h = buffer + 1
		r.rxw.pool.kept++
	} else {
		r.rxw.pool.release(buffer)
	}
}

// holdCopy keeps a copy of a packet that is delivered. If there is no memory for
// it, then nothing can be decoded with it, and all else is as it was.
func (r *Receiver) holdCopy(d *Data) {
	if r.fec.k == 0 {
		return
	}
	if buffer, ok := r.rxw.pool.take(d.Payload, fragmentOf(&r.options)); ok {
		r.hold(d.SQN, buffer)
	}
}

func (r *Receiver) dropHeld() {
	f := &r.fec
	for i := range f.held[:f.k] {
		if h := &f.held[i]; *h != 0 {
			r.rxw.pool.giveUp(*h - 1)
			*h = 0
		}
	}
}

// buffer returns 1 + the buffer of packet i of the group start, and zero if we
// have none.
func (r *Receiver) buffer(start SQN, i int) int32 {
	f, w := &r.fec, r.rxw
	sqn := start + SQN(i)
	if w.has(sqn) {
		if b := w.at(sqn).buffer; b != 0 {
			return b
		}
	}
	if f.heldOf == start {
		return f.held[i]
	}
	return 0
}

// handleParity takes in a parity packet. "Loss detection occurs at transmission
// group boundaries, i.e. […] upon receipt of any parity packet in the current or a
// subsequent transmission group."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-11.5
func (r *Receiver) handleParity(at time.Duration, h *Header, d *Data) {
	f, w := &r.fec, r.rxw
	r.stats.Parity++
	if f.k == 0 || r.phase != phaseJoined {
		return
	}
	start := d.SQN &^ f.mask
	index, size, ok := f.place(d.SQN, &r.options)
	last := start + SQN(size) - 1
	switch {
	case !ok:
		r.stats.ParityErrors++
		return
	case d.SQN.Sub(d.Trail) < 0, !w.near(last), !w.near(start):
		r.stats.OutOfWindow++
		return
	}
	lead := w.lead
	r.advanceTrail(at, d.Trail)
	if w.lead.Before(last) {
		w.extend(at, last)
		r.limitWindow()
	}
	r.leadMoved(at, lead)
	r.shorten(at, start, size)
	r.passGroups()
	if last.Before(w.next) || !f.hasGroup(start) {
		return
	}
	g := r.group(start)
	if !r.keepParity(g, h, d, index) {
		r.stats.ParityErrors++
	}
	if h.Type == TypeRDATA {
		r.repairs.note(at, start)
	}
	if !r.decode(at, h.Type, g) {
		g.released = true
		r.release(at, start)
	}
}

// place returns which parity packet of its group the number means, and how many
// data packets there are in the group.
func (f *rxFEC) place(sqn SQN, o *Options) (index, size int, ok bool) {
	index, size = int(sqn&f.mask), f.k
	if o.Present.Has(OptParityGrp) {
		if o.ParityGroup >= blockSize {
			return 0, 0, false
		}
		index += int(o.ParityGroup) * f.k
	}
	if o.Present.Has(OptCurrTGSize) {
		if o.CurrentTGSize < 1 || o.CurrentTGSize > uint32(f.k) {
			return 0, 0, false
		}
		size = int(o.CurrentTGSize)
	}
	return index, size, index < blockSize-f.k
}

// keepParity keeps a parity packet unless there are enough of them, or no memory.
// It reports whether it agrees with the others of its group.
func (r *Receiver) keepParity(g *rxGroup, h *Header, d *Data, index int) bool {
	f, o := &r.fec, &r.options
	payload := d.Payload
	varies := h.Options&BitVarPktLen != 0
	fragments := o.Present.Has(OptFragment) && o.FragmentEncoded
	p := rxParity{index: uint8(index)}
	if varies {
		if len(payload) < lengthSize {
			return false
		}
		end := len(payload) - lengthSize
		p.length = [lengthSize]uint8(payload[end:])
		payload = payload[:end]
	}
	if fragments {
		p.fragment[0] = o.FragmentCode
		if o.FragmentNull {
			p.fragment[0] |= optEncodedNull
		}
		fragment{o.FragmentSQN, o.FragmentOffset, o.FragmentLength}.put(p.fragment[1:])
	}
	if g.count > 0 && (int(g.length) != len(payload) || g.varies != varies || g.fragments != fragments) {
		return false
	}
	if int(g.count) == f.k || !r.rxw.pool.spare(len(payload)) {
		return true
	}
	for n := g.first; n != 0; n = f.parity[n-1].next {
		if f.parity[n-1].index == p.index {
			return true
		}
	}
	buffer, ok := r.rxw.pool.take(payload, fragment{})
	if !ok {
		return true
	}
	r.rxw.pool.kept++
	g.length, g.varies, g.fragments = uint16(len(payload)), varies, fragments
	p.buffer, p.next = buffer, g.first
	if f.free == 0 {
		f.parity = append(f.parity, rxParity{})
		f.free = int32(len(f.parity))
	}
	g.first = f.free
	f.free = f.parity[g.first-1].next
	f.parity[g.first-1] = p
	g.count++
	return true
}

// shorten learns how many data packets a group has. There are none with the
// numbers that remain.
func (r *Receiver) shorten(at time.Duration, start SQN, size int) {
	f, w := &r.fec, r.rxw
	end := start + SQN(f.k)
	if size == f.k || end.Sub(w.next) <= 0 || (end-1).Sub(w.lead) > w.limit {
		return
	}
	for sqn := start + SQN(size); sqn != end; sqn++ {
		if w.has(sqn) && w.at(sqn).state == rxHaveData && w.at(sqn).buffer != 0 {
			r.stats.ParityErrors++ // there is one, so it is not true
			return
		}
	}
	if w.lead.Before(end - 1) {
		w.extend(at, end-1)
		r.limitWindow()
	}
	for sqn := start + SQN(size); sqn != end; sqn++ {
		if w.has(sqn) && w.at(sqn).state != rxHaveData {
			w.received(sqn)
		}
	}
	if f.hasGroup(start) {
		r.group(start).size = uint8(size)
	}
}

// release has NAKs not wait for parity any longer, for what is missing in a
// group. "A receiver SHOULD bias the value of NAK_BO_IVL for parity NAKs inversely
// proportional to NAK_PKT_CNT".
//
// https://www.rfc-editor.org/rfc/rfc3208#section-11.5
func (r *Receiver) release(at time.Duration, start SQN) {
	w, f := r.rxw, &r.fec
	missing := 0
	for i := range f.k {
		if sqn := start + SQN(i); w.has(sqn) && w.at(sqn).missing() {
			missing++
		}
	}
	if missing == 0 {
		return
	}
	deadline := at + max(r.backOff.guard, r.backOff.draw()/time.Duration(missing))
	for i := range f.k {
		sqn := start + SQN(i)
		if !w.has(sqn) {
			continue
		}
		if p := w.at(sqn); p.timer != 0 && p.state == rxBackOff && w.timers[p.timer-1].deadline > deadline {
			w.timers.move(w, p, deadline)
		}
	}
}

// leadMoved notes that the lead may have moved from where it was. If it is in
// another group now, the parity of the old one has been sent.
func (r *Receiver) leadMoved(at time.Duration, lead SQN) {
	f, w := &r.fec, r.rxw
	if start := lead &^ f.mask; f.k > 0 && w.lead&^f.mask != start && w.has(lead) {
		r.release(at, start)
	}
}

// keepPace notes a data packet.
func (f *rxFEC) keepPace(at time.Duration, sqn SQN) {
	n := sqn.Sub(f.paced)
	if n <= 0 && n > -1<<16 {
		return
	}
	// Pauses say nothing about the pace at which a group goes on.
	f.pace += (min((at-f.pacedAt)/time.Duration(max(n, 1)), parityGrace) - f.pace) / 8
	f.paced, f.pacedAt = sqn, at
}

// parityFrom returns the first packet whose parity may be waited for.
func (r *Receiver) parityFrom() SQN {
	f, w := &r.fec, r.rxw
	if f.k == 0 {
		return w.lead + 1
	}
	start := w.lead &^ f.mask
	remaining := time.Duration(f.mask - w.lead&f.mask)
	if remaining*f.pace > parityGrace || f.hasGroup(start) && r.group(start).released {
		return w.lead + 1
	}
	return start
}

// parityNeeded returns the number of parity packets to ask for, so that all that
// is missing in the group of sqn can be decoded, and zero if the packet itself is
// to be asked for: the group is not over, or parity does not come, or there are
// packets that we never had. "The receiver MUST NAK for the number of packets
// missing assuming that the size of the transmission group is the maximum
// effective transmission group."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-11.5
func (r *Receiver) parityNeeded(sqn SQN) int {
	f, w := &r.fec, r.rxw
	if !f.onDemand || f.k == 0 {
		return 0
	}
	start := sqn &^ f.mask
	if !f.hasGroup(start) || w.lead.Before(start+f.mask) {
		return 0
	}
	g := r.group(start)
	missing := 0
	for i := range int(g.size) {
		sqn := start + SQN(i)
		switch {
		case w.has(sqn) && w.at(sqn).missing():
			if p := w.at(sqn); p.ncfRetries >= parityNCFRetries || p.dataRetries >= parityDataRetries {
				return 0
			}
			missing++
		case r.buffer(start, i) == 0:
			return 0
		}
	}
	return max(missing+f.k-int(g.size)-int(g.count), 1)
}
