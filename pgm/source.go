package pgm

import (
	"net/netip"
	"time"
)

// A Destination says where a packet goes.
type Destination uint8

// The destinations.
const (
	ToGroup    Destination = iota // to the multicast group
	ToNeighbor                    // to the group with a TTL of 1: to suppress others on the subnet
	ToSource                      // unicast, to the NLA that comes with it
)

// A Source is the sending side of one transport session: data and NAKs go in,
// packets come out. It belongs to one goroutine at a time.
//
//	Reserve, fill, Commit ──▶ window ──ODATA──▶ Next, and parity
//	Handle(NAK) ──▶ NCF, repairs ──RDATA──▶ Next
//
// What it holds is bounded by SourceConfig.WindowOctets, and nothing allocates
// after NewSource.
type Source struct {
	cfg   SourceConfig
	epoch time.Time // durations below count from it
	txw   *txw

	total  rate // all packets
	repair rate // RDATA while data waits, or always if there is no Rate
	pace   pace

	closing bool // no more data is taken; FIN follows the last
	spm     spmSchedule
	ncfs    ncfQueue
	tuner   tuner
	fec     sourceFEC
	budgets budgets
	repeats repeats
	from    netip.Addr // who sent what is being handled, if that is known
	options Options    // scratch: of what is consumed or appended now
	stats   SourceStats
}

// SourceStats counts what a source did and was asked. Packets and octets are
// those of Next.
type SourceStats struct {
	ODATA, ODATAOctets uint64
	RDATA, RDATAOctets uint64 // parity that was asked for included
	SPMs, NCFs         uint64

	Parity, ParityOctets uint64 // proactive parity packets, which are not in ODATA
	ParityRDATA          uint64 // parity packets that were asked for
	Repeats              uint64 // of RDATA: see SourceConfig.RepeatRDATA

	NAKs          uint64 // packets
	NAKEntries    uint64 // sequence numbers in them
	NAKDuplicates uint64 // entries whose repair waits or has just gone
	NAKOutside    uint64 // entries outside the transmit window
	NAKDropped    uint64 // packets for which there was no room
	NAKLate       uint64 // entries beyond the share of one receiver
	SPMRs         uint64
	Malformed     uint64
	Astray        uint64 // NAKs for another source or group
	Unanswered    uint64 // NNAKs, POLRs, ACKs
	Receivers     int    // as advertised now
}

// NewSource returns a source at the start of its session. It panics if cfg makes
// no sense.
func NewSource(cfg SourceConfig, now time.Time) *Source {
	c := cfg.filled()
	s := &Source{cfg: c, epoch: now}
	s.txw = newTXW(c.First, c.WindowOctets, c.WindowPackets, c.MaxTPDU, c.WindowAge)
	s.total = newRate(c.Rate, c.MaxTPDU, 0)
	s.repair = newRate(min(c.Rate, int64(float64(c.Rate)*c.RepairShare)+1), c.MaxTPDU, 0)
	s.budgets = newBudgets(s.repair.octetsPerSec, c.ReceiverShare, c.MaxTPDU)
	if c.Rate == 0 {
		s.repair = newRate(maxOctetsPerSec, c.MaxTPDU, 0) // until measure knows more
	}
	s.repeats = newRepeats(&s.cfg)
	s.fec = newSourceFEC(c.FEC, c.First, len(s.txw.index), c.MaxTPDU)
	s.spm.start(&s.cfg)
	s.tuner.start(c.Receivers)
	return s
}

// Stats returns what was counted so far.
func (s *Source) Stats() SourceStats {
	stats := s.stats
	stats.Receivers = s.tuner.receivers
	return stats
}

// headerSize returns how many octets stand before the payload of the next packet.
func (s *Source) headerSize(part fragment) int {
	syn := s.txw.lead+1 == s.cfg.First && !s.cfg.NoSYN
	switch {
	case part.null() && syn:
		return DataHeaderSize + 2*optionSize
	case part.null():
		return DataHeaderSize
	case syn:
		return fragmentHeader + optionSize
	}
	return fragmentHeader
}

// Reserve returns room for the payload of one packet, which is to be filled in
// place, and nil if too many packets wait or the source is closed. It may be
// called again instead of Commit.
//
// The memory is that in which the packet stays until the window has passed it.
func (s *Source) Reserve() []byte {
	if s.closing || s.txw.unsent() >= s.cfg.QueuePackets {
		return nil
	}
	room := s.txw.reserve()
	if room == nil {
		return nil
	}
	end := len(room) - s.fec.reserved()
	return room[s.headerSize(fragment{}):end:end]
}

// Commit hands over the first n octets of what Reserve returned: they are one
// packet's payload from here on.
func (s *Source) Commit(now time.Time, n int) { s.commit(now, n, fragment{}) }

func (s *Source) commit(now time.Time, n int, part fragment) {
	header := s.headerSize(part)
	assert(n >= 0 && header+n <= s.cfg.MaxTPDU-s.fec.reserved(), "Commit of more than Reserve returned")
	s.skipGroup()
	start := s.txw.head + header
	if !part.null() {
		part.put(s.txw.ring[s.txw.head+fragmentAt:])
	}
	at := now.Sub(s.epoch)
	s.total.waits(at, true)
	s.txw.commit(at, header, header+n, SumOf(s.txw.ring[start:start+n]))
}

// Send is Reserve, a copy and Commit. It reports whether there was room. A payload
// that does not fit one packet becomes an APDU of several, all of them or none; it
// has at most [Source.MaxAPDU] octets.
func (s *Source) Send(now time.Time, payload []byte) bool {
	if len(payload) > s.cfg.MaxTPDU-s.headerSize(fragment{})-s.fec.reserved() {
		return s.sendAPDU(now, payload)
	}
	room := s.Reserve()
	if room == nil {
		return false
	}
	s.Commit(now, copy(room, payload))
	return true
}

// Queued returns how many packets wait for the rate.
func (s *Source) Queued() int { return s.txw.unsent() }

// Close ends the session in order: what waits is sent, then SPMs with OPT_FIN.
// Repairs go on for as long as the owner calls.
//
// "After sending an OPT_FIN, the session SHOULD not close and stop sending SPMs
// until after a time period equal to TXW_SECS."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-9.7.2
func (s *Source) Close() {
	s.closing = true
	s.finishIfDone()
}

// finishIfDone has OPT_FIN sent once there is no data to wait for. "When a source
// detects that it needs to send an OPT_FIN it SHOULD immediately send it."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-9.7.2
func (s *Source) finishIfDone() {
	if s.closing && s.txw.unsent() == 0 && s.spm.state != spmFinishing {
		s.spm.finish()
	}
}

// Finished reports whether all data and the first SPMs with OPT_FIN are sent.
func (s *Source) Finished() bool {
	return s.spm.state == spmFinishing && s.spm.announced >= announcements
}

// Next returns the next packet to send now and where to, and nil if there is none
// before Deadline. buf is the caller's, of MaxTPDU octets at least.
//
// ODATA lies in the window, and stays as it is until half a window more has been
// committed. Packets that follow one another lie one behind the other there, but
// where the ring begins anew, so that many can leave in one system call (GSO): the
// capacity of each reaches over those that follow. Everything else lies in buf.
//
// "a source MUST strictly prioritize sending of pending NCFs first, pending SPMs
// second, and only send ODATA or RDATA when no NCFs or SPMs are pending."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-5.1.3
func (s *Source) Next(now time.Time, buf []byte) ([]byte, Destination) {
	at := now.Sub(s.epoch)
	if s.fec.partial {
		s.closeIdle(at)
	}
	if s.repeats.count > 0 {
		s.repeatDue(at)
	}
	var packet []byte
	switch {
	case s.ncfs.count > 0:
		packet = s.appendNCF(buf[:0])
		s.stats.NCFs++
		s.repair.charge(at, len(packet))
	case s.spm.due(at):
		packet = s.appendSPM(at, buf[:0])
		s.stats.SPMs++
	default:
		packet = s.nextData(at, buf[:0])
		if packet != nil {
			s.spm.dataSent(at)
		}
		return packet, ToGroup
	}
	// Neither ever waits for the rate: that would delay the repair that they
	// announce. What they take is missing for data, and NCFs are part of what repairs
	// may take.
	s.total.charge(at, len(packet))
	return packet, ToGroup
}

// nextData returns RDATA, parity or ODATA, if there is any and the rate allows it.
// Repairs go first, as receivers wait for them, but for no more than their share
// while there is data. Proactive parity follows its group at once.
func (s *Source) nextData(at time.Duration, b []byte) []byte {
	w := s.txw
	if size := s.repairSize(); size > 0 && s.mayRepair(at, size) {
		b = s.nextRepair(at, b)
		s.total.charge(at, len(b))
		s.repair.charge(at, len(b))
		return b
	}
	if s.fec.due > 0 {
		if !s.total.allows(at, s.cfg.MaxTPDU) {
			return nil
		}
		if b := s.nextProactive(b); b != nil {
			s.total.charge(at, len(b))
			return b
		}
	}
	if w.unsent() == 0 || !s.total.allows(at, int(w.at(w.next).size)) {
		return nil
	}
	sqn := w.next
	packet := w.octets(sqn)
	s.total.charge(at, len(packet))
	s.pace.octets += int64(len(packet))
	w.next++
	s.total.waits(at, w.unsent() > 0)
	s.fec.dataSent(at, sqn)
	s.finishIfDone()
	p := w.at(sqn)
	s.appendData(packet[:0:p.header], TypeODATA, sqn, packet[p.header:], p.sum)
	s.stats.ODATA++
	s.stats.ODATAOctets += uint64(len(packet))
	return packet
}

// hasData reports whether data waits, or parity that belongs to it.
func (s *Source) hasData() bool { return s.txw.unsent() > 0 || s.fec.due > 0 }

// repairSize returns how many octets the next repair has at most, and zero if
// there is none.
func (s *Source) repairSize() int {
	if s.packetIsNext() {
		return int(s.txw.at(s.txw.oldest()).size)
	}
	if s.fec.on() {
		if _, q := s.asked(); q != nil {
			return s.cfg.MaxTPDU
		}
	}
	return 0
}

// packetIsNext reports whether the next repair is a packet that was asked for by
// its number, and no parity. Such packets go first: they are what receivers fall
// back to, or of an open group. But what is beyond a budget goes last.
func (s *Source) packetIsNext() bool {
	switch w := s.txw; {
	case w.waiting() == 0:
		return false
	case w.repairs.count > 0 || !s.fec.on():
		return true
	}
	_, q := s.asked()
	return q != &s.fec.queues[0]
}

// nextRepair appends the next repair, of which there is one.
func (s *Source) nextRepair(at time.Duration, b []byte) []byte {
	if s.packetIsNext() {
		return s.appendRDATA(at, b, s.txw.oldest())
	}
	return s.nextAsked(at, b)
}

// appendRDATA appends the repair of sqn.
func (s *Source) appendRDATA(at time.Duration, b []byte, sqn SQN) []byte {
	s.txw.clear(sqn)
	p := s.txw.at(sqn)
	if s.pace.repairs++; p.repaired != 0 {
		s.pace.again++
	}
	p.repaired = max(at, 1) // zero means none
	s.repeats.sent(at, sqn, p)
	payload := s.txw.octets(sqn)[p.header:]
	b = append(s.appendData(b, TypeRDATA, sqn, payload, p.sum), payload...)
	s.stats.RDATA++
	s.stats.RDATAOctets += uint64(len(b))
	return b
}

// appendData appends what stands before the payload. "OPT_SYN […] MAY include the
// option in: the first ODATA sent on a session by a PGM source, any RDATA sent as
// a result of loss of this ODATA packet".
//
// https://www.rfc-editor.org/rfc/rfc3208#section-9.6.2
func (s *Source) appendData(b []byte, t Type, sqn SQN, payload []byte, sum Sum) []byte {
	h := NewHeader(t, s.cfg.TSI, s.cfg.Port)
	d := Data{SQN: sqn, Trail: s.txw.trail, Payload: payload}
	var o *Options
	if p := s.txw.at(sqn); p.header != DataHeaderSize {
		o = &s.options
		o.Present = 0
		if p.isSYN() {
			o.Present = SetOf(OptSYN)
		}
		p.fragment(s.txw.octets(sqn)).describe(o)
	}
	return AppendDataHeader(b, &h, &d, o, sum)
}

// Deadline returns when Next has something, at the latest, and the zero time if
// that is never, but for Commit and Handle. It may be in the past.
func (s *Source) Deadline(now time.Time) time.Time {
	at := now.Sub(s.epoch)
	if s.ncfs.count > 0 {
		return now
	}
	next := s.spm.when()
	s.total.refill(at)
	w := s.txw
	switch {
	case s.fec.due > 0:
		next = min(next, s.total.when(s.cfg.MaxTPDU))
	case w.unsent() > 0:
		next = min(next, s.total.when(int(w.at(w.next).size)))
	case s.fec.partial && s.closing:
		return now
	case s.fec.partial:
		next = min(next, s.fec.closing)
	}
	if r := &s.repeats; r.count > 0 {
		next = min(next, r.ring[r.head].due)
	}
	if size := s.repairSize(); size > 0 {
		when := s.total.when(size)
		if s.repairsWait() {
			s.repair.refill(at)
			when = max(when, s.repair.when(size))
		}
		next = min(next, when)
	}
	return s.epoch.Add(next)
}
