package socket

import (
	"crypto/rand"
	"encoding/binary"
	"time"

	"github.com/zeroring/zeroring/pgm"
	"github.com/zeroring/zeroring/reactor"
)

// A source is the sending half of a multicast: what its pipe is given is packed
// into payloads, in the very memory in which PGM keeps them for repairs and from
// which the kernel takes them. Under the multicast's mu.
type source struct {
	tsi    pgm.TSI
	engine *pgm.Source
	packer packer

	// What leaves in one system call: packets that lie one behind the other and have
	// one size, as one datagram that the kernel cuts (GSO), and others as they are.
	run     []byte // of packets not handed over yet
	segment int    // octets of each but the last
	noGSO   bool   // each leaves by itself
	short   bool   // the last is shorter, so nothing may follow it

	scratch [][]byte // for packets that are not the window's, one each until they are sent
	used    int      // of scratch

	passed   uint64                  // what receivers asked of other programs' sources
	relay    *reactor.DatagramWriter // by which that goes
	relayed  []byte                  // what it has not sent yet
	clock    time.Time               // what the multicast's clock is set to; zero for nothing
	sentAt   time.Time               // when it last had nothing left to send
	quick    int                     // calls in a row that came right after that
	nudged   bool                    // asked for something that is to be sent
	asking   time.Time               // when a NAK came last
	age      time.Duration           // RecoveryInterval
	finished time.Time               // when all was sent, of a source that is being closed
}

// newSource returns a source that has sent nothing.
func newSource(cfg pgm.SourceConfig, noGSO bool, now time.Time) *source {
	s := &source{tsi: cfg.TSI, noGSO: noGSO, age: cfg.WindowAge, engine: pgm.NewSource(cfg, now), relay: reactor.NewDatagramWriter(1)}
	s.scratch = make([][]byte, scratchPackets)
	for i := range s.scratch {
		s.scratch[i] = make([]byte, cfg.MaxTPDU)
	}
	return s
}

// newTSI makes up a transport session id, unlike port.
func newTSI(port uint16) (tsi pgm.TSI) {
	var b [8]byte
	for tsi.Port == 0 || tsi.Port == port {
		_, _ = rand.Read(b[:]) // never fails
		tsi = pgm.TSI{GSI: pgm.GSI(b[:6]), Port: binary.BigEndian.Uint16(b[6:])}
	}
	return tsi
}

const (
	// scratchPackets is how many repairs, NCFs and SPMs leave in one go.
	scratchPackets = 32

	// maxRun is how many octets, and maxSegments how many packets, the kernel takes
	// as one datagram to cut.
	maxRun      = 65000
	maxSegments = 64

	// pumpRounds is how often one turn of the reactor packs and sends.
	pumpRounds = 16

	// castGap is how soon after the last a call must send, several times in a row, for
	// the reactor to send for it. It is longer than burstGap: to send costs many times
	// what it does by tcp where receivers are on this host, and messages that wait for
	// the reactor become one packet.
	castGap = 200 * time.Microsecond

	// partingQuiet is for how long nobody must have asked a closed source for a
	// repair until it goes.
	partingQuiet = 200 * time.Millisecond
)

// flush sends what the pipe holds, as far as the rate allows and the kernel has
// room. Reactor thread.
func (l *multicast) flush(time.Time) {
	if !l.sends() || l.closing.over || l.legs == nil {
		return
	}
	l.mu.Lock()
	l.pump(l.r.Now())
	l.mu.Unlock()
}

// tick is called when it is time to look again. Reactor thread.
func (l *multicast) tick(now time.Time) {
	l.mu.Lock()
	l.source.clock = time.Time{}
	l.mu.Unlock()
	l.flush(now)
}

// flushFromCaller does the duty to send that fell to a call, or leaves it to the
// reactor: in a burst that sends by the batch, while the caller goes on.
func (l *multicast) flushFromCaller() {
	if !l.mu.TryLock() {
		l.r.Post(&l.tasks.flush)
		return
	}
	defer l.mu.Unlock()
	now := l.r.Now()
	s := l.source
	if s.quick++; now.Sub(s.sentAt) > castGap {
		s.quick = 0
	}
	if l.ended || l.stuck() {
		return // Complete goes on
	}
	if s.quick >= quickFlushes {
		l.r.Post(&l.tasks.flush)
		return
	}
	s.pack(l.p.out, now)
	l.send(now)
	if l.stuck() {
		return
	}
	if next := s.engine.Deadline(now); s.clock.IsZero() || next.Before(s.clock) {
		l.r.Post(&l.tasks.flush) // which sets the clock
	}
	s.idle(l, l.r.Now()) // not when it began: to many receivers on this host sending takes longer than castGap
}

// pump packs and sends in turns until there is nothing to do, or others are to have
// their turn. Under mu, reactor thread.
func (l *multicast) pump(now time.Time) {
	s := l.source
	for range pumpRounds {
		if l.stuck() {
			return // Complete goes on
		}
		packed := s.pack(l.p.out, now)
		if sent := l.send(now); !packed && !sent {
			break
		}
		now = l.r.Now()
	}
	if l.stuck() {
		return
	}
	if next := s.engine.Deadline(now); !next.IsZero() && !next.Equal(s.clock) {
		s.clock = next
		l.r.StartTimer(&l.clock, next)
	}
	s.idle(l, now)
}

// idle has the bell ring for what comes, unless it is there already. While packets
// wait for the rate the clock rings instead. Under mu.
func (s *source) idle(l *multicast, now time.Time) {
	out := l.p.out
	s.sentAt = now
	out.credit()
	if s.engine.Queued() >= queuePackets {
		return
	}
	out.data.Arm()
	if !out.empty() && out.data.Ring() {
		l.r.Post(&l.tasks.flush)
	}
}

// stuck reports whether the kernel has no room at one of the legs.
func (l *multicast) stuck() bool {
	for g := range l.legs {
		if l.legs[g].blocked {
			return true
		}
	}
	return false
}

// pack takes messages from the pipe as far as packets may wait for the rate. What
// is there goes at once: it does not wait for more to fill a packet.
func (s *source) pack(from *lane, now time.Time) (packed bool) {
	for {
		octets, _ := from.look()
		if len(octets) == 0 && !s.packer.framing {
			break
		}
		if s.packer.room == nil {
			room := s.engine.Reserve()
			if room == nil {
				return packed
			}
			s.packer.begin(room)
		}
		used, messages := s.packer.pack(octets)
		from.taken(used, messages)
		packed = true
		if s.packer.full() {
			s.engine.Commit(now, s.packer.end())
		}
	}
	if s.packer.filled() {
		s.engine.Commit(now, s.packer.end())
	}
	return packed
}

// send sends what PGM has to send now, and reports whether there was anything.
func (l *multicast) send(now time.Time) (sent bool) {
	s := l.source
	for !l.stuck() {
		if (s.used == len(s.scratch) || l.crowded()) && !l.handOver() {
			break
		}
		packet, _ := s.engine.Next(now, s.scratch[s.used])
		if packet == nil {
			break
		}
		sent = true
		if &packet[0] == &s.scratch[s.used][0] {
			l.handRun() // in order
			s.used++
			l.toAll(packet, 0)
			continue
		}
		if !s.extend(packet) {
			l.handRun()
			s.run, s.segment, s.short = packet, len(packet), false
		}
	}
	l.handRun()
	l.handOver()
	return sent
}

// crowded reports whether one of the legs has no room for two more datagrams.
func (l *multicast) crowded() bool {
	for g := range l.legs {
		if l.legs[g].writer.Len() > writeDatagrams-2 {
			return true
		}
	}
	return false
}

// extend adds packet to the run, if it lies behind it and is no larger than the
// first.
func (s *source) extend(packet []byte) bool {
	n := len(s.run)
	if n == 0 || s.noGSO || s.short || len(packet) > s.segment || n+len(packet) > min(maxRun, maxSegments*s.segment) {
		return false
	}
	if cap(s.run) < n+len(packet) || &s.run[:n+1][n] != &packet[0] {
		return false
	}
	s.run = s.run[:n+len(packet)]
	s.short = len(packet) < s.segment
	return true
}

// handRun hands over the run.
func (l *multicast) handRun() {
	s := l.source
	if len(s.run) == 0 {
		return
	}
	segment := s.segment
	if segment == len(s.run) {
		segment = 0
	}
	l.toAll(s.run, segment)
	s.run = nil
}

// toAll sends to the group of each leg.
func (l *multicast) toAll(packet []byte, segment int) {
	for g := range l.legs {
		l.legs[g].writer.Add(l.legs[g].to, packet, segment) // there is room: see crowded
	}
}

// handOver sends what is queued for all legs, and reports whether all of it is
// gone. Only then may scratch be used anew.
func (l *multicast) handOver() bool {
	gone := true
	for g := range l.legs {
		gone = l.dispatch(&l.legs[g]) && gone
	}
	if gone {
		l.source.used = 0
	}
	return gone
}

// asked takes in what a receiver asks for: a NAK or an SPMR. Under mu.
func (l *multicast) asked(now time.Time, d *reactor.Datagram, h *pgm.Header, body []byte) {
	s := l.source
	if h.Type == pgm.TypeNAK {
		s.asking = now
	}
	_ = s.engine.HandleFrom(now, d.From.Addr(), h, body) // it counts what it does not take
	s.nudged = true
}

// parted reports whether a source that is being closed has sent everything, said
// so, and was not asked for repairs for a while. Under mu.
func (s *source) parted(l *multicast, now time.Time) bool {
	if !l.p.out.empty() || s.packer.room != nil || s.packer.framing {
		return false
	}
	s.engine.Close()
	if l.pump(now); !s.engine.Finished() || l.stuck() {
		return false
	}
	s.finished = orElse(s.finished, now)
	last := s.finished
	if s.asking.After(last) {
		last = s.asking
	}
	return now.Sub(last) >= partingQuiet || now.Sub(s.finished) >= s.age // who asks without end keeps nobody
}

// passOn multicasts a packet of a receiver within this host: it is for a source of
// another program. Reactor thread, under mu.
func (l *multicast) passOn(packet []byte) {
	s := l.source
	if l.inner == reactor.NoFD || s.relay.Len() > 0 && s.relay.Flush(l.r, l.inner) != nil {
		return // receivers ask again
	}
	s.relayed = append(s.relayed[:0], packet...)
	s.relay.Add(l.legs[0].to, s.relayed, 0)
	_ = s.relay.Flush(l.r, l.inner)
	s.passed++
}
