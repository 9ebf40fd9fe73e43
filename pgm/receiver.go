package pgm

import "time"

// A phase is how far a receiver is with its session.
//
//	waiting ──data or SPM──▶ joined ──SPM with OPT_RST, or OPT_FIN and all data──▶ ended
//	                            ◀──────────── data beyond the last ──────────────
type phase uint8

const (
	phaseWaiting phase = iota // the window is not defined
	phaseJoined
	phaseEnded // nothing is asked for or delivered any more
)

// A Receiver is one source as one receiver sees it: packets go in, data and gaps
// come out of Next, and NAKs and SPMRs out of Output. It belongs to one goroutine
// at a time.
//
// Next is to be called until it has nothing after each Handle and each Output.
// What is delivered at once is never copied: it aliases the packet.
type Receiver struct {
	cfg     ReceiverConfig
	epoch   time.Time // durations below count from it
	heard   time.Duration
	phase   phase
	rxw     *rxw
	backOff backOff
	path    pathState

	trail SQN // RXW_TRAIL as advertised: never goes back but by a jump

	// What Next has to tell beside the window.
	now     arrival
	apdu    assembly
	pending ReceiverEvent // to be returned next

	early    bool      // ReceiverConfig.Join: data has come, and an SPM is waited for
	earliest SQN       // early: the first
	jump     bool      // the window is empty up to target, but for what is to be reported
	target   SQN       // first packet behind a jump
	reason   GapReason // of the jump
	syn      bool
	fin      bool // finLead is the last packet of the session
	finLead  SQN
	rst      bool
	lent     int32 // 1 + buffer that the user looks at; zero: none

	strays   int // consecutive packets far from the window that are near each other
	straySQN SQN

	repairs repairTrack
	fec     rxFEC

	options Options // scratch
	stats   ReceiverStats
}

// An arrival is the packet of the current Handle, if its data is delivered
// without a copy.
type arrival struct {
	present bool
	sqn     SQN
	payload []byte
	part    fragment
}

// NewReceiver returns a receiver that has heard nothing yet. It panics if cfg
// makes no sense.
func NewReceiver(cfg ReceiverConfig, now time.Time) *Receiver {
	c := cfg.filled()
	return &Receiver{
		cfg: c, epoch: now, rxw: newRXW(c.WindowPackets, c.WindowOctets), backOff: newBackOff(c.Dice),
		repairs: repairTrack{lastAt: -maxRepeat, highAt: -maxRepeat},
	}
}

// Heard returns when a packet of the source last came.
func (r *Receiver) Heard() time.Time { return r.epoch.Add(r.heard) }

// Ended reports whether the session is over: ReceiverFIN or ReceiverRST was
// returned, and no data since.
func (r *Receiver) Ended() bool { return r.phase == phaseEnded }

// Handle takes in a packet of the receiver's source: its header, with the checksum
// verified, and what follows it.
func (r *Receiver) Handle(now time.Time, h *Header, body []byte) (err error) {
	assert(!r.now.present && !r.jump, "Handle before Next had nothing more")
	at := now.Sub(r.epoch)
	r.stats.Packets++
	switch h.Type {
	case TypeODATA, TypeRDATA:
		var d Data
		if d, err = ConsumeData(h, body, &r.options); err == nil {
			if h.Options&BitParity == 0 {
				r.handleData(at, h.Type, &d)
			} else {
				r.handleParity(at, h, &d)
			}
		}
	case TypeSPM:
		var m SPM
		if m, err = ConsumeSPM(h, body, &r.options); err == nil {
			r.handleSPM(at, &m)
		}
	case TypeNCF, TypeNAK:
		var k NAK
		if k, err = ConsumeNAK(h, body, &r.options); err == nil {
			r.handleNAK(at, h, &k)
		}
	case TypeSPMR:
		// "If a receiver does see a matching multicast SPMR within its chosen
		// random interval, it MUST refrain from unicasting its SPMR".
		r.path.othersAsked(at, &r.backOff)
	}
	if err != nil {
		r.stats.Malformed++
	} else if !h.Type.IsUpstream() {
		r.heard = at
	}
	r.startTimers(at)
	return err
}

// startTimers has NAKs pending for what is missing and had none so far. What is
// noticed together has one back-off, and so comes to be asked for in one NAK. That
// of the group that is being sent waits for parity first.
func (r *Receiver) startTimers(at time.Duration) {
	if w := r.rxw; len(w.timers) < w.gone && len(w.timers) < timerLimit/2 {
		wait := r.backOff.draw()
		w.start(at+wait, r.parityFrom())
		w.start(at+wait+parityGrace, w.lead+1)
	}
}

// handleData takes in ODATA or RDATA.
func (r *Receiver) handleData(at time.Duration, t Type, d *Data) {
	r.stats.DataOctets += uint64(len(d.Payload))
	if t == TypeRDATA {
		r.stats.RDATA++
	}
	w := r.rxw
	// "TXW_SQNS […] MUST be no greater than half the PGM sequence number space
	// less one." What precedes its own trail is not in it.
	if d.SQN.Sub(d.Trail) < 0 {
		r.stats.OutOfWindow++
		return
	}
	switch r.phase {
	case phaseEnded:
		if !w.lead.Before(d.SQN) {
			return
		}
		// The source goes on: somebody else said that it has ended, and one packet
		// of his is not to make us deaf.
		r.phase, r.fin, r.rst = phaseJoined, false, false
	case phaseWaiting:
		if r.waitsForSPM(at, d.SQN) {
			return
		}
		r.join(d.SQN, d.Trail)
		r.syn = r.options.Present.Has(OptSYN)
	}
	if !w.near(d.SQN) {
		switch {
		case t == TypeRDATA:
			// What others miss may be older than all that we remember, and says
			// nothing of where the source is.
			r.stats.OutOfWindow++
		case r.stray(d.SQN):
			r.jumpTo(d.SQN, GapResync)
			r.trail = d.Trail
			r.accept(d)
		}
		return
	}
	r.strays = 0
	r.advanceTrail(at, d.Trail)
	if r.fec.k > 0 {
		r.passGroups()
		r.fec.keepPace(at, d.SQN)
	}
	if d.SQN.Before(w.next) {
		r.stats.Duplicates++
		return
	}
	if w.lead.Before(d.SQN) {
		r.handleNew(at, d)
		return
	}
	r.handleRepair(at, t, d)
}

// handleNew takes in data that is ahead of all that was known.
func (r *Receiver) handleNew(at time.Duration, d *Data) {
	w := r.rxw
	if d.SQN == w.lead+1 && w.next == d.SQN {
		r.accept(d)
		return
	}
	lead := w.lead
	w.extend(at, d.SQN)
	r.place(d)
	r.limitWindow()
	r.leadMoved(at, lead)
}

// limitWindow gives up what is missing too far behind the lead.
func (r *Receiver) limitWindow() {
	if w := r.rxw; w.lead-w.next >= SQN(w.limit) {
		w.loseBefore(w.lead-SQN(w.limit)+1, GapOverrun)
	}
}

// handleRepair takes in data that was missing, or comes again.
func (r *Receiver) handleRepair(at time.Duration, t Type, d *Data) {
	w := r.rxw
	p := w.at(d.SQN)
	if p.state == rxHaveData {
		r.stats.Duplicates++
		return
	}
	if p.missing() {
		if t == TypeRDATA {
			r.stats.Repaired++
			r.recovered(at, t, d.SQN, p)
		} else {
			r.stats.Reordered++
			r.backOff.reordered(at - p.missed)
		}
	}
	if w.next == d.SQN {
		w.received(d.SQN)
		r.arrived(d)
		r.holdCopy(d)
	} else {
		r.place(d)
	}
	if start := d.SQN &^ r.fec.mask; r.fec.k > 0 && r.fec.hasGroup(start) {
		if g := r.group(start); g.count > 0 {
			r.decode(at, t, g)
		}
	}
}

// recovered takes the measures of a repair, which is of type t.
func (r *Receiver) recovered(at time.Duration, t Type, sqn SQN, p *rxPacket) {
	r.stats.repairTime(at - p.missed)
	r.backOff.settled()
	if t != TypeRDATA {
		return
	}
	if p.dataRetries == 0 {
		r.backOff.eased()
	}
	if p.state == rxWaitData && p.dataRetries == 0 && p.restarts <= 1 {
		r.backOff.repair.sample(at - p.since)
	}
	r.repairs.note(at, sqn)
}

// accept has Next deliver a packet that is next, behind all that it has to
// report first.
func (r *Receiver) accept(d *Data) {
	r.arrived(d)
	r.holdCopy(d)
	if w := r.rxw; !r.jump && w.next == d.SQN {
		w.begin(d.SQN + 1)
	}
}

// arrived has Next deliver a packet without a copy.
func (r *Receiver) arrived(d *Data) {
	r.now = arrival{true, d.SQN, d.Payload, fragmentOf(&r.options)}
}

// place keeps a packet that is not next, or has it delivered out of order, unless
// it is a fragment.
func (r *Receiver) place(d *Data) {
	w := r.rxw
	if r.cfg.ArrivalOrder && fragmentOf(&r.options).null() {
		r.arrived(d)
		if r.fec.k == 0 || !w.store(d.SQN, d.Payload, fragmentOf(&r.options)) {
			w.received(d.SQN)
		}
		w.at(d.SQN).delivered = true
		return
	}
	if w.store(d.SQN, d.Payload, fragmentOf(&r.options)) {
		return
	}
	// The packet is dropped, and asked for again when the window has moved. It
	// moves because what is missing in front is given up.
	r.stats.OutOfMemory++
	end := w.next
	for end != w.lead+1 && w.at(end).state != rxHaveData {
		end++
	}
	if end != w.lead+1 {
		w.loseBefore(end, GapMemory)
	}
}

// waitsForSPM asks for an SPM if none has come before data: it says where NAKs go,
// and from where on a late joiner may ask. Who wants that waits for it, and takes
// the data from there on.
func (r *Receiver) waitsForSPM(at time.Duration, sqn SQN) bool {
	if r.path.known || r.options.Present.Has(OptSYN) {
		return false
	}
	if !r.cfg.Join {
		r.path.ask(at + time.Duration(r.cfg.Dice()*float64(spmrBackOff)))
		return false
	}
	if !r.early {
		r.early, r.earliest = true, sqn
	}
	r.path.ask(at)
	return r.path.spmr != spmrAsked || at < r.path.deadline
}

// join defines the window by the first packet heard. "This packet's sequence
// number (ODATA_SQN) temporarily defines the trailing edge of the transmit window
// from the receiver's perspective." Nothing before it is ever asked for, but for
// what OPT_JOIN allows.
//
// https://www.rfc-editor.org/rfc/rfc3208#section-6.1
func (r *Receiver) join(next, trail SQN) {
	r.phase, r.trail = phaseJoined, trail
	if back := next.Sub(r.earliest); r.early && back > 0 && back < r.rxw.limit && !r.earliest.Before(trail) {
		next = r.earliest
	}
	if r.cfg.Join && r.options.Present.Has(OptJoin) {
		first := r.options.JoinMinimum
		if first.Before(trail) {
			first = trail
		}
		if back := next.Sub(first); back > 0 && back < r.rxw.limit {
			next = first
		}
	}
	r.rxw.begin(next)
}

// strayLimit is how many packets in a row must be far from the window, and near
// each other, to move it there. So one forged packet moves nothing, and a source
// that was not heard for longer than a window, or began anew, is followed.
const strayLimit = 4

// stray counts a packet far from the window, and reports whether to move there.
func (r *Receiver) stray(sqn SQN) bool {
	off := sqn.Sub(r.straySQN)
	if r.strays > 0 && -r.rxw.limit < off && off < r.rxw.limit {
		r.strays++
	} else {
		r.strays = 1
	}
	r.straySQN = sqn
	r.stats.OutOfWindow++
	if r.strays < strayLimit {
		return false
	}
	r.strays = 0
	return true
}

// jumpTo gives up all that is missing and has the window begin anew at target,
// in one step.
func (r *Receiver) jumpTo(target SQN, reason GapReason) {
	w := r.rxw
	w.loseBefore(w.lead+1, reason)
	r.forgetParity()
	r.jump, r.target, r.reason = true, target, reason
}

// advanceTrail follows the trail that a packet advertises. "In any state, if the
// trailing edge of the window moves beyond the sequence number, data recovery for
// that sequence number terminates."
//
// The caller has bounded how far ahead of the window the packet is, and a trail
// beyond that is one so far behind that its distance overflows.
//
// https://www.rfc-editor.org/rfc/rfc3208#section-6.3
func (r *Receiver) advanceTrail(at time.Duration, trail SQN) {
	w := r.rxw
	ahead := (trail - 1).Sub(w.lead)
	if !r.trail.Before(trail) || ahead > w.limit {
		return
	}
	r.trail = trail
	if ahead > 0 { // not Before: half the numbers away, each is before the other
		w.extend(at, trail-1) // these exist, and are out of reach already
	}
	if w.next.Before(trail) {
		w.loseBefore(trail, GapTrail)
	}
}

// handleSPM takes in an SPM. "An SPM is in sequence if its sequence number is
// greater than that of the most recent in-sequence SPM and within half the PGM
// number space. Out-of-sequence SPMs MUST be discarded."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-6.2
func (r *Receiver) handleSPM(at time.Duration, m *SPM) {
	o := &r.options
	r.stats.SPMs++
	unreachable := o.Present.Has(OptNbrUnreach)
	if r.phase == phaseEnded || !r.path.sequence(m, unreachable) {
		return
	}
	if o.Present.Has(OptNAKBORng) {
		r.backOff.learn(o)
		r.path.lists = true
	}
	if o.Present.Has(OptParityPrm) {
		r.learnParity(o)
	}
	if unreachable || !m.HasWindow() || m.Lead.Sub(m.Trail) < -1 {
		return
	}
	if r.phase == phaseWaiting {
		r.join(m.Lead+1, m.Trail)
	}
	r.handleLead(at, m)
	if size := o.CurrentTGSize; r.fec.k > 0 && o.Present.Has(OptCurrTGSize) && size == uint32(m.Lead&r.fec.mask)+1 {
		r.shorten(at, m.Lead&^r.fec.mask, int(size))
	}
	switch {
	case o.Present.Has(OptRST):
		r.rst = true
		r.stats.ResetCode = o.ResetCode
	case o.Present.Has(OptFIN):
		r.fin, r.finLead = true, m.Lead
	}
}

// handleLead takes in the window of an SPM. "If the SPM packet values are less,
// they SHOULD be ignored".
func (r *Receiver) handleLead(at time.Duration, m *SPM) {
	w := r.rxw
	ahead := m.Lead.Sub(w.lead)
	if ahead > w.limit {
		if r.stray(m.Lead) {
			r.jumpTo(m.Lead+1, GapResync)
			r.trail = m.Trail
		}
		return
	}
	r.advanceTrail(at, m.Trail)
	if m.Lead.Sub(w.lead) <= 0 {
		// If an earlier SPM told of more, and no data did, one of the two is forged.
		// The source's own will be the last.
		w.retract(m.Lead)
		return
	}
	lead := w.lead
	w.extend(at, m.Lead)
	r.limitWindow()
	r.leadMoved(at, lead)
}
