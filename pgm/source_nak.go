package pgm

import "time"

const (
	// maxNAKSize is how many octets a NAK or NCF with a full list has over IPv6.
	maxNAKSize = HeaderSize + 4 + 2*(afiSize+16) + 2*optionSize + 4*MaxNAKList

	// ncfLimit is how many NCFs may wait for the caller of Next. NAKs beyond are
	// dropped: receivers repeat them.
	ncfLimit = 64

	// maxAdvertised is the largest number of receivers that is advertised. Ten
	// times as many still do with a few NAKs each loss.
	maxAdvertised = 100_000
)

// An ncf is one NAK packet to be confirmed.
type ncf struct {
	count  uint8 // ≥ 1
	parity bool
	sqns   [1 + MaxNAKList]SQN
}

func (c *ncf) add(sqn SQN) {
	c.sqns[c.count] = sqn
	c.count++
}

// An ncfQueue is a ring of them.
type ncfQueue struct {
	head, count int
	ring        [ncfLimit]ncf
}

// Handle takes in a packet from one of the source's receivers: its header, with the
// checksum verified, and what follows it.
func (s *Source) Handle(now time.Time, h *Header, body []byte) error {
	at := now.Sub(s.epoch)
	var err error
	switch h.Type {
	case TypeNAK:
		var k NAK
		if k, err = ConsumeNAK(h, body, &s.options); err == nil {
			s.handleNAK(at, h, &k)
		}
	case TypeSPMR:
		if err = ConsumeSPMR(h, body, &s.options); err == nil {
			s.stats.SPMRs++
			s.askSPM()
		}
	default:
		s.stats.Unanswered++
	}
	if err != nil {
		s.stats.Malformed++
	}
	return err
}

// handleNAK confirms and queues what can be repaired. "A source MUST immediately
// multicast an NCF in response to any NAK it receives. […] After multicasting an
// NCF in response to a NAK, a source MUST then multicast RDATA".
//
// What cannot be repaired is not confirmed, though the RFC would have an
// identical list: it would only make the group wait for data that does not come.
// Its answer is an SPM, whose trail ends the waiting.
//
// https://www.rfc-editor.org/rfc/rfc3208#section-5.2
func (s *Source) handleNAK(at time.Duration, h *Header, k *NAK) {
	s.stats.NAKs++
	switch {
	case k.Source != s.cfg.NLA || k.Group != s.cfg.Group || h.Options&BitParity != 0 && !s.fec.OnDemand:
		s.stats.Astray++
		return
	case s.ncfs.count == ncfLimit:
		s.stats.NAKDropped++
		return
	}
	c := &s.ncfs.ring[(s.ncfs.head+s.ncfs.count)%ncfLimit]
	c.count, c.parity = 0, h.Options&BitParity != 0
	s.nakked(at, c, k.SQN)
	for _, sqn := range s.options.NAKList() {
		s.nakked(at, c, sqn)
	}
	if c.count > 0 {
		s.ncfs.count++
	}
	if s.tuner.changed {
		s.tuner.changed = false
		s.askSPM()
	}
}

// lateNCFs is how many RTTs NCFs for one repair are apart that is beyond the budget
// of who asks: it comes when it comes, and asking again is not to cost the others.
const lateNCFs = 50

// nakked deals with one entry of a NAK: it goes into c if it is to be confirmed.
//
// "A possible countermeasure is to send the first NCF immediately in response to
// a NAK and then delay the generation of further NCFs (for identical NAKs) by a
// small interval". Ours is one RTT: a NAK that comes sooner was sent before its
// receiver can have heard the NCF or the RDATA.
//
// https://www.rfc-editor.org/rfc/rfc3208#section-5.2
func (s *Source) nakked(at time.Duration, c *ncf, sqn SQN) {
	s.stats.NAKEntries++
	if c.parity {
		if s.parityAsked(at, sqn, int(sqn&s.fec.mask)+1) {
			c.add(sqn)
		}
		return
	}
	if !s.txw.has(sqn) {
		s.stats.NAKOutside++
		s.askSPM()
		return
	}
	p := s.txw.at(sqn)
	if p.skipped() {
		// Parity tells that there is no such packet.
		if s.parityAsked(at, sqn, 1) {
			c.add(sqn)
		}
		return
	}
	damped := func(last time.Duration) bool { return last != 0 && at-last < s.cfg.RTT }
	if damped(p.repaired) {
		s.duplicate(p)
		return
	}
	s.repeats.asked(p, s.options.Present)
	late := !s.txw.repairs.has(sqn) && !s.budgets.affords(at, s.from, int(p.size))
	if late {
		s.stats.NAKLate++
	}
	if s.txw.repair(sqn, late) {
		p.naks = 1
		s.tuner.began()
	} else {
		s.duplicate(p)
		if damped(p.ncf) || s.txw.late.has(sqn) && at-p.ncf < lateNCFs*s.cfg.RTT {
			return
		}
	}
	p.ncf = max(at, 1) // zero means none
	c.add(sqn)
}

// duplicate notes one more NAK for a repair in progress.
func (s *Source) duplicate(p *txPacket) {
	s.stats.NAKDuplicates++
	if p.naks < 0xff {
		p.naks++
		s.tuner.duplicate(int(p.naks))
	}
}

// appendNCF appends the oldest NCF of the queue.
func (s *Source) appendNCF(b []byte) []byte {
	c := &s.ncfs.ring[s.ncfs.head]
	s.ncfs.head = (s.ncfs.head + 1) % ncfLimit
	s.ncfs.count--
	h := NewHeader(TypeNCF, s.cfg.TSI, s.cfg.Port)
	if c.parity {
		h.Options = BitParity
	}
	k := NAK{SQN: c.sqns[0], Source: s.cfg.NLA, Group: s.cfg.Group}
	o := &s.options
	o.Present = 0
	o.SetNAKList(c.sqns[1:c.count])
	return AppendNAK(b, &h, &k, o)
}

// A tuner learns how many receivers lose a packet together, from how many NAKs
// come for it: "Increase the current value NAK_BO_IVL when the first duplicate
// NAK is received […] Decrease the value of NAK_BO_IVL if no duplicate NAKs are
// received on a particular interface for the last NAK_PROBE_NUM measurements".
// With truncated exponential back-off one or two duplicates are as it should be,
// so the thresholds are others.
//
// What it learns goes into SPMs, one of which is sent when it changes. NCFs stay as
// OpenPGM has them.
//
// https://www.rfc-editor.org/rfc/rfc3208#section-15.2.1
type tuner struct {
	receivers int // 1 ≤ receivers ≤ maxAdvertised
	fixed     bool
	changed   bool // since it was last advertised

	repairs    int // begun in this probe
	duplicates int // NAKs beyond the first of those
}

const (
	nakProbe = 64 // NAK_PROBE_NUM: repairs in a probe
	nakMany  = 6  // as many NAKs for one repair double receivers; texp has 5 at its 99th percentile
)

func (t *tuner) start(receivers int) {
	t.receivers = min(orDefault(receivers, defaultReceivers), maxAdvertised)
	t.fixed = receivers != 0
}

// began notes the first NAK of a repair.
func (t *tuner) began() {
	if t.repairs++; t.repairs < nakProbe {
		return
	}
	if t.duplicates < nakProbe/8 {
		t.set(t.receivers / 2)
	}
	t.repairs, t.duplicates = 0, 0
}

// duplicate notes the NAK number naks for one repair.
func (t *tuner) duplicate(naks int) {
	t.duplicates++
	if naks%nakMany == 0 {
		t.set(2 * t.receivers)
		t.repairs, t.duplicates = 0, 0
	}
}

func (t *tuner) set(receivers int) {
	receivers = min(max(receivers, 1), maxAdvertised)
	if !t.fixed && receivers != t.receivers {
		t.receivers, t.changed = receivers, true
	}
}

// describe has o advertise it. OPT_NAK_BO_RNG has the interval that suits one
// receiver, which is the RTT, as the minimum, and OPT_NAK_BO_IVL that times the
// number of receivers: a receiver that draws uniformly from it, as the RFC has
// it, makes one or two duplicates. One of ours takes the number out of it.
func (t *tuner) describe(o *Options, rtt time.Duration) {
	unit := max(rtt.Round(time.Microsecond), time.Microsecond)
	limit := time.Duration(1<<32-1) * time.Microsecond
	o.Present |= SetOf(OptNAKBOIvl, OptNAKBORng)
	o.NAKBackOffSQN = 0
	o.NAKBackOffMinimum = unit
	o.NAKBackOffMaximum = min(unit*maxAdvertised, limit)
	o.NAKBackOffInterval = min(unit*time.Duration(t.receivers), limit)
}
