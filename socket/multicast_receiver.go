package socket

import (
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/zeroring/zeroring/pgm"
	"github.com/zeroring/zeroring/reactor"
)

// An audience is the receiving half of a multicast: a receiver for each source that
// is heard. Under the multicast's mu.
type audience struct {
	sources  map[SourceID]*hearing
	last     *hearing   // of the packet before: the next is likely of the same
	busy     []*hearing // heard something in this batch
	reply    []byte     // for what receivers ask of sources
	expiry   reactor.Timer
	limit    int    // octets of a message
	ignored  uint64 // packets of sources that were too many
	announce []announcement
	told     bool // that there are some: tell is posted
	dice     *rand.Rand
}

// A hearing is one source as it is heard.
type hearing struct {
	id       SourceID
	rx       *pgm.Receiver
	unpacker *unpacker
	scatter  *scatter      // instead, in the order of arrival; else nil
	timer    reactor.Timer // the receiver's deadline
	due      time.Time     // and what it is set to; zero for never
	busy     bool          // in the audience's busy
	gone     bool          // forgotten
	known    bool          // the user was told that it is there
	packets  int           // heard, up to proven
	invalid  uint64        // payloads that are not ZMTP's
}

// An announcement is news for those who listen to the host's events, told when mu is
// free.
type announcement struct {
	kind EventKind
	id   SourceID
	gap  *Gap
	err  error
}

// proven is how many packets make a source one that does not give way to others
// when there are too many.
const proven = 16

func newAudience(o *Options, seed uint32) *audience {
	return &audience{
		sources: make(map[SourceID]*hearing), reply: make([]byte, replySize),
		limit: int(min(o.MaxMsgSize, int64(o.Multicast.ReceiveOctets))),
		dice:  rand.New(rand.NewPCG(uint64(seed), 0)),
	}
}

// replySize is more than any NAK has.
const replySize = 512

// begin starts looking for sources that have fallen silent. Reactor thread.
func (a *audience) begin(l *multicast, now time.Time) {
	o := &l.host.opts
	a.expiry.Fire = func(now time.Time) { a.expire(l, now) }
	l.r.StartTimer(&a.expiry, now.Add(o.Multicast.SourceTimeout/4))
}

// end stops all timers. Reactor thread.
func (a *audience) end(l *multicast) {
	l.r.StopTimer(&a.expiry)
	l.mu.Lock()
	for _, h := range a.sources {
		l.r.StopTimer(&h.timer)
	}
	l.mu.Unlock()
}

// full reports whether the user's queue has no room, and if so has the host say
// when it has. Who reads, without mu.
func (l *multicast) full() bool {
	if l.sends() || l.p.left.Load() {
		return false
	}
	l.mu.Lock() // who repairs fills the queue too
	defer l.mu.Unlock()
	return l.p.in.full()
}

// heard takes in a packet of a source, or another receiver's to a source. Under mu.
func (l *multicast) heard(now time.Time, d *reactor.Datagram, tsi pgm.TSI, h *pgm.Header, body []byte, corrupt bool) {
	a := l.audience
	id := SourceID{tsi, d.From.Addr()}
	if h.Type.IsUpstream() || len(l.legs) > 1 {
		id.Address = netip.Addr{} // not the source's, or one of two that it has
	}
	s := a.last
	if s == nil || s.id != id {
		if s = a.find(l, now, id, h, corrupt, d.From.Addr()); s == nil {
			return
		}
		a.last = s
	}
	if corrupt {
		s.rx.CountChecksum()
		return
	}
	if s.packets < proven {
		s.packets++
	}
	_ = s.rx.Handle(now, h, body) // it counts what it does not take
	s.drain(l, d.Time)
	if !s.busy {
		s.busy = true
		a.busy = append(a.busy, s)
	}
}

// find returns the hearing of a source, which may be new.
func (a *audience) find(l *multicast, now time.Time, id SourceID, h *pgm.Header, corrupt bool, from netip.Addr) *hearing {
	if h.Type.IsUpstream() {
		for other, s := range a.sources {
			if other.TSI == id.TSI {
				return s
			}
		}
		return nil
	}
	s := a.sources[id]
	if s != nil || corrupt || h.Type != pgm.TypeSPM && !h.Type.IsData() {
		return s
	}
	if len(a.sources) >= l.host.opts.Multicast.MaxSources && !a.makeRoom(l) {
		a.ignored++
		return nil
	}
	o := &l.host.opts.Multicast
	s = &hearing{id: id, unpacker: newUnpacker(a.limit, a.limit)}
	s.rx = pgm.NewReceiver(pgm.ReceiverConfig{
		TSI: id.TSI, Port: l.legs[0].line.port, Source: from.WithZone(""), Group: l.legs[0].line.group, Dice: a.dice.Float64,
		WindowPackets: o.ReceivePackets, WindowOctets: o.ReceiveOctets,
		LatencyBudget: o.LatencyBudget, ArrivalOrder: o.ArrivalOrder, Join: o.LateJoin,
	}, now)
	if o.ArrivalOrder {
		s.scatter = newScatter(s.unpacker, o.ReceivePackets, o.ReceiveOctets)
	}
	s.timer.Fire = func(time.Time) { l.repair(s) }
	a.sources[id] = s
	return s
}

// makeRoom forgets the source that is heard least, of those that have ended or not
// proven themselves: whoever makes sources up by the thousand replaces his own.
func (a *audience) makeRoom(l *multicast) bool {
	var oldest *hearing
	for _, s := range a.sources {
		if (s.packets < proven || s.rx.Ended()) && (oldest == nil || s.rx.Heard().Before(oldest.rx.Heard())) {
			oldest = s
		}
	}
	if oldest == nil {
		return false
	}
	a.forget(l, oldest, nil)
	return true
}

// forget drops a source. Under mu.
func (a *audience) forget(l *multicast, s *hearing, err error) {
	s.gone = true
	if !l.away {
		l.r.StopTimer(&s.timer) // else it finds that when it fires
	}
	delete(a.sources, s.id)
	if a.last == s {
		a.last = nil
	}
	if s.known {
		a.announce = append(a.announce, announcement{kind: EventDisconnected, id: s.id, err: err})
	}
}

// drain takes what a source's receiver has to tell. Under mu.
func (s *hearing) drain(l *multicast, at time.Time) {
	stamp := int64(0)
	if l.host.opts.Multicast.Timestamps {
		if at.IsZero() {
			at = time.Now()
		}
		stamp = at.UnixNano()
	}
	for {
		ev := s.rx.Next()
		switch ev.Kind {
		case 0:
			return
		case pgm.ReceiverData:
			s.introduce(l)
			if err := s.unpack(l.p.in, &ev, stamp); err != nil {
				s.spoilt(l, ev.SQN, err)
			}
		case pgm.ReceiverGap:
			s.introduce(l)
			s.lose(ev.SQN, ev.Last)
			l.announceGap(Gap{Source: s.id, First: ev.SQN, Last: ev.Last, Reason: ev.Reason})
		case pgm.ReceiverFIN, pgm.ReceiverRST:
			err := io.EOF
			if ev.Kind == pgm.ReceiverRST {
				err = ErrSourceReset
			}
			if s.known {
				s.known = false
				l.announce = append(l.announce, announcement{kind: EventDisconnected, id: s.id, err: err})
			}
		}
	}
}

// unpack queues the messages of a packet to.
func (s *hearing) unpack(to *lane, ev *pgm.ReceiverEvent, stamp int64) error {
	if s.scatter != nil {
		return s.scatter.unpack(to, ev.SQN, ev.Payload, stamp)
	}
	return s.unpacker.unpack(to, ev.Payload, stamp)
}

// lose takes note of packets that are lost.
func (s *hearing) lose(first, last pgm.SQN) {
	packets := uint32(1)
	if n := last.Sub(first); n > 0 {
		packets += uint32(n)
	}
	if s.scatter != nil {
		s.scatter.lose(first, last, packets)
		return
	}
	s.unpacker.lose(packets)
}

// introduce tells the user of a source that is heard for the first time.
func (s *hearing) introduce(l *multicast) {
	if !s.known {
		s.known = true
		l.announce = append(l.announce, announcement{kind: EventReady, id: s.id})
	}
}

// spoilt takes note of a payload that is not what libzmq puts into PGM: with it and
// what continues it messages are lost.
func (s *hearing) spoilt(l *multicast, sqn pgm.SQN, err error) {
	s.invalid++
	s.lose(sqn, sqn)
	l.announceGap(Gap{Source: s.id, First: sqn, Last: sqn, Err: err})
}

// announceGap announces g, if anybody listens: whoever sends what he likes can make gaps
// by the million. Under mu.
func (l *multicast) announceGap(g Gap) {
	if l.host.events.watched.Load() > 0 {
		l.announce = append(l.announce, announcement{kind: EventGap, id: g.Source, gap: &g, err: g.Err})
	}
}

// settle does what is left to do after a batch of packets. Under mu.
func (l *multicast) settle(now time.Time) {
	if l.sends() {
		if l.nudged {
			l.nudged = false
			if l.away {
				l.r.Post(&l.tasks.flush)
				return
			}
			l.pump(now)
		}
		return
	}
	a := l.audience
	for _, s := range a.busy {
		s.busy = false
		s.ask(l, now)
	}
	clear(a.busy)
	a.busy = a.busy[:0]
	l.show()
}

// show hands over to the user what was received.
func (l *multicast) show() {
	if l.p.in.show(); !l.away {
		l.r.Yield()
	}
	if len(l.announce) > 0 && !l.told {
		l.told = true
		l.r.Post(&l.tasks.tell)
	}
}

// repair is called at the deadline of a source's receiver. Reactor thread.
func (l *multicast) repair(s *hearing) {
	now := l.r.Now()
	l.mu.Lock()
	if s.due = (time.Time{}); !s.gone {
		s.ask(l, now)
		l.show()
	}
	l.mu.Unlock()
}

// ask sends what the source is to be asked for now, and sees to it that the timer is
// set for what is later. Under mu.
func (s *hearing) ask(l *multicast, now time.Time) {
	for !s.gone && !l.waits() {
		packet, where, to := s.rx.Output(now, l.reply)
		s.drain(l, time.Time{})
		if packet == nil {
			break
		}
		for g := range l.legs {
			leg := &l.legs[g]
			dest := leg.to
			if where == pgm.ToSource {
				if g > 0 {
					break // the source is at home at the first
				}
				dest = l.toward(leg.medium, to)
			}
			leg.writer.Add(dest, packet, 0)
			l.dispatch(leg)
		}
	}
	due := s.rx.Deadline()
	switch {
	case s.gone:
		return
	case l.away:
		if !due.Equal(s.due) || l.waits() {
			l.r.Post(&l.tasks.repair)
		}
		return
	case l.waits():
		due = now.Add(stuckTime)
		l.r.StartTimer(&s.timer, due)
	case due.Equal(s.due):
	case due.IsZero():
		l.r.StopTimer(&s.timer)
	default:
		l.r.StartTimer(&s.timer, due)
	}
	s.due = due
}

// waits reports whether nothing is to be asked for now: the kernel has no room, or
// the user has none, so that what was asked for may have come and is not read.
func (l *multicast) waits() bool {
	for g := range l.legs {
		for _, i := range l.legs[g].intakes {
			if i.stalled.Load() {
				return true
			}
		}
	}
	return l.stuck()
}

// repairAll sets the timers, after a call was at work. Reactor thread.
func (l *multicast) repairAll(time.Time) {
	if l.closing.over {
		return
	}
	l.mu.Lock()
	now := l.r.Now()
	for _, s := range l.sources {
		s.ask(l, now)
	}
	l.show()
	l.mu.Unlock()
}

// stuckTime is when to look again whether that is over.
const stuckTime = time.Millisecond

// expire forgets sources that have fallen silent. Reactor thread.
func (a *audience) expire(l *multicast, now time.Time) {
	limit := l.host.opts.Multicast.SourceTimeout
	l.mu.Lock()
	for _, s := range a.sources {
		if now.Sub(s.rx.Heard()) >= limit {
			a.forget(l, s, ErrSourceSilent)
		}
	}
	l.show()
	l.mu.Unlock()
	l.r.StartTimer(&a.expiry, now.Add(limit/4))
}

// tell emits what was announced, and tells those who wait for peers. Reactor thread.
func (l *multicast) tell(time.Time) {
	l.mu.Lock()
	l.told = false
	news := slices.Clone(l.announce)
	clear(l.announce)
	l.announce = l.announce[:0]
	there := 0
	for _, s := range l.sources {
		if s.known {
			there++
		}
	}
	l.mu.Unlock()
	s := l.host
	for _, n := range news {
		if n.kind == EventDisconnected {
			s.trouble.Store(&trouble{l.endpoint, n.err})
		}
		s.events.emit(Event{Kind: n.kind, Endpoint: l.endpoint, Remote: n.id.String(), Gap: n.gap, Err: n.err})
	}
	s.lockBoth()
	changed := l.p.up != (there > 0)
	l.p.up = there > 0 && !l.p.gone()
	s.unlockBoth()
	if changed {
		s.peersChanged()
	}
}
