package pgm

import (
	"encoding/binary"
	"flag"
	"hash/crc32"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sort"
	"testing"
	"time"
)

// This file is a network in memory: one source, receivers, and a tree of links
// between them that lose, repeat, reorder, delay and change packets. Time is virtual and the
// dice come from a seed, which a failure prints.

// simCheck is after how many events all invariants are checked, which takes long. With
// more than ten receivers it is so many more that checks take no larger part.
const simCheck = 61

var simSeed = flag.Uint64("pgm.seed", 1, "seed of the simulated network")

// A link is one way between two places.
type link struct {
	loss    float64
	burst   float64 // chance that a packet begins a burst of loss
	length  float64 // mean of packets in it, at one each 50 µs
	dup     float64
	corrupt float64
	reorder float64 // chance that a packet takes reorderBy longer
	by      time.Duration
	delay   time.Duration
	jitter  time.Duration
	rate    float64                             // octets per second; zero: unlimited
	queue   time.Duration                       // what rate may delay before it drops
	drop    func(t Type, at time.Duration) bool // loses what it says
	slow    func(at time.Duration) float64      // rate, if that changes
	busy    time.Duration
	until   time.Duration // end of a burst
}

// pass returns how often a packet arrives and after how long.
func (l *link) pass(s *sim, packet []byte) (delays [2]time.Duration, n int) {
	switch {
	case l.drop != nil && l.drop(Type(packet[4]&0xf), s.now):
		return delays, 0
	case s.now < l.until:
		return delays, 0
	case l.burst > 0 && s.dice.Float64() < l.burst:
		l.until = s.now + time.Duration(s.dice.ExpFloat64()*l.length*50e3)
		return delays, 0
	case l.loss > 0 && s.dice.Float64() < l.loss:
		return delays, 0
	}
	wait := time.Duration(0)
	if l.slow != nil {
		l.rate = l.slow(s.now)
	}
	if l.rate > 0 {
		l.busy = max(l.busy, s.now)
		if wait = l.busy - s.now; wait > l.queue {
			return delays, 0
		}
		l.busy += time.Duration(float64(len(packet)) / l.rate * 1e9)
	}
	n = 1
	if l.dup > 0 && s.dice.Float64() < l.dup {
		n = 2
	}
	for i := range n {
		delays[i] = wait + l.delay
		if l.jitter > 0 {
			delays[i] += time.Duration(s.dice.Float64() * float64(l.jitter))
		}
		if l.reorder > 0 && s.dice.Float64() < l.reorder {
			delays[i] += l.by
		}
	}
	return delays, n
}

// A simEvent is a packet that arrives, or a node that wakes.
type simEvent struct {
	at     time.Duration
	order  uint64 // of equals, the first made is first
	node   int    // simSource, simApp, or the index of a receiver
	packet []byte // nil: wakes
	from   netip.Addr
}

const (
	simSource = -1
	simApp    = -2
)

type sim struct {
	tb     testing.TB
	seed   uint64
	dice   *rand.Rand
	epoch  time.Time
	now    time.Duration
	events []simEvent
	made   uint64
	free   [][]byte

	source    *Source
	wake      time.Duration // of the source; −1: none
	shared    link          // source to the first switch
	branches  []link        // from there to a switch each; receivers take turns
	receivers []*simReceiver

	// What a test looks at, or nil: a packet that shared has lost or not, and one that
	// a node is about to handle.
	passed func(packet []byte, lost bool)
	heard  func(node int, h *Header, body []byte)

	anonymous bool // the source does not learn who asks

	app  simWorkload
	late time.Duration // of receivers' inTime
	buf  []byte
}

// A simWorkload is what the source's user does.
type simWorkload struct {
	interval time.Duration
	count    int
	size     int
	vary     bool // payloads have 20 octets to size
	sent     int
	refused  int
	closed   time.Duration
	sqns     []SQN // of each payload: FEC skips some, and an APDU has several
	lasts    []SQN
	apdu     []byte
}

type simReceiver struct {
	*Receiver
	down, up link
	wake     time.Duration
	joined   bool
	expect   SQN // next event's
	first    SQN
	seen     map[SQN]bool // in arrival order
	data     int
	lost     int
	latency  []time.Duration
	done     bool
	gaps     []ReceiverEvent
	peak     int
	last     time.Duration // when data last came
	silent   time.Duration // the longest without any
	lastLate time.Duration // when data last came that was more than 10 ms old
	inTime   int           // packets that came before late
}

var (
	simNLA   = netip.MustParseAddr("10.0.0.1")
	simGroup = netip.MustParseAddr("239.1.1.1")
)

func newSim(tb testing.TB, seed uint64, sc SourceConfig, receivers int, rc ReceiverConfig) *sim {
	s := &sim{tb: tb, seed: seed, dice: rand.New(rand.NewPCG(seed, 7)), epoch: time.Unix(1e9, 0), buf: make([]byte, 0xffff)}
	sc.TSI, sc.Port, sc.NLA, sc.Group = testTSI, 5555, simNLA, simGroup
	s.source = NewSource(sc, s.epoch)
	s.wake = -1
	rc.TSI, rc.Port, rc.Source, rc.Group, rc.Dice = testTSI, 5555, simNLA, simGroup, s.dice.Float64
	for range receivers {
		r := &simReceiver{Receiver: NewReceiver(rc, s.epoch), wake: -1, seen: map[SQN]bool{}}
		r.down.delay, r.up.delay = 50*time.Microsecond, 100*time.Microsecond
		s.receivers = append(s.receivers, r)
	}
	s.shared.delay = 50 * time.Microsecond
	s.branches = make([]link, 1)
	return s
}

func (s *sim) fatalf(format string, args ...any) {
	s.tb.Helper()
	s.tb.Fatalf("seed %d, at %v: "+format, append([]any{s.seed, s.now}, args...)...)
}

func (s *sim) add(at time.Duration, node int, packet []byte) {
	s.addFrom(at, node, packet, netip.Addr{})
}

func (s *sim) addFrom(at time.Duration, node int, packet []byte, from netip.Addr) {
	s.made++
	h := append(s.events, simEvent{at, s.made, node, packet, from})
	i := len(h) - 1
	for i > 0 && h[i].before(&h[(i-1)/2]) {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
		i = (i - 1) / 2
	}
	s.events = h
}

func (e *simEvent) before(f *simEvent) bool {
	return e.at < f.at || e.at == f.at && e.order < f.order
}

func (s *sim) pop() simEvent {
	h := s.events
	e := h[0]
	last := len(h) - 1
	h[0] = h[last]
	h[last].packet = nil
	h = h[:last]
	for i := 0; ; {
		c := 2*i + 1
		if c >= last {
			break
		}
		if c+1 < last && h[c+1].before(&h[c]) {
			c++
		}
		if !h[c].before(&h[i]) {
			break
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
	s.events = h
	return e
}

// clone returns a copy of packet from the free list.
func (s *sim) clone(packet []byte) []byte {
	var b []byte
	if n := len(s.free); n > 0 {
		b, s.free = s.free[n-1][:0], s.free[:n-1]
	}
	return append(b, packet...)
}

// carry puts a packet on its way over links, to node.
func (s *sim) carry(packet []byte, node int, after time.Duration, l *link, from netip.Addr) {
	delays, n := l.pass(s, packet)
	for i := range n {
		c := s.clone(packet)
		if l.corrupt > 0 && s.dice.Float64() < l.corrupt {
			c[s.dice.IntN(len(c))] ^= 1 << s.dice.IntN(8)
		}
		s.addFrom(s.now+after+delays[i], node, c, from)
	}
}

// multicast carries a packet from the source to all.
func (s *sim) multicast(packet []byte) {
	delays, n := s.shared.pass(s, packet)
	if s.passed != nil {
		s.passed(packet, n == 0)
	}
	for _, after := range delays[:n] {
		for b := range s.branches {
			further, n := s.branches[b].pass(s, packet)
			for _, d := range further[:n] {
				for node := b; node < len(s.receivers); node += len(s.branches) {
					s.carry(packet, node, after+d, &s.receivers[node].down, simNLA)
				}
			}
		}
	}
}

func (s *sim) pumpSource() {
	now := s.epoch.Add(s.now)
	for {
		packet, to := s.source.Next(now, s.buf)
		if packet == nil {
			break
		}
		if to != ToGroup {
			s.fatalf("a source sends to %d", to)
		}
		s.multicast(packet)
	}
	s.sleep(s.source.Deadline(now), &s.wake, simSource)
}

// sleep has a node woken at its deadline, unless it is woken before anyway.
func (s *sim) sleep(deadline time.Time, wake *time.Duration, node int) {
	if deadline.IsZero() {
		return
	}
	at := deadline.Sub(s.epoch)
	if at <= s.now {
		s.fatalf("node %d: deadline %v is over, and there was nothing to do", node, at)
	}
	if *wake > s.now && *wake <= at {
		return
	}
	*wake = at
	s.add(at, node, nil)
}

// address returns the one of a receiver, or none if the source is not to know.
func (s *sim) address(node int) netip.Addr {
	if s.anonymous {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte{10, 1, byte(node >> 8), byte(node)})
}

func (s *sim) pumpReceiver(node int) {
	r := s.receivers[node]
	now := s.epoch.Add(s.now)
	s.drain(node)
	for {
		packet, to, nla := r.Output(now, s.buf)
		s.drain(node)
		if packet == nil {
			break
		}
		switch {
		case to == ToSource && nla == simNLA:
			s.carry(packet, simSource, 0, &r.up, s.address(node))
		case to == ToNeighbor:
			for other := range s.receivers {
				if other != node {
					s.carry(packet, other, 0, &r.up, s.address(node))
				}
			}
		default:
			s.fatalf("receiver %d sends to %d, %v", node, to, nla)
		}
	}
	s.sleep(r.Deadline(), &r.wake, node)
}

// drain takes all events of a receiver, and checks that they are the sequence.
func (s *sim) drain(node int) {
	r := s.receivers[node]
	for {
		e := r.Next()
		switch e.Kind {
		case 0:
			r.peak = max(r.peak, r.rxw.pool.octets)
			return
		case ReceiverFIN, ReceiverRST:
			r.done = true
			continue
		case ReceiverSYN:
			continue
		}
		if !r.joined {
			r.joined, r.first, r.expect = true, e.SQN, e.SQN
		}
		if r.cfg.ArrivalOrder && e.SQN.Before(r.first) {
			r.first = e.SQN
		}
		if e.Kind == ReceiverGap {
			r.gaps = append(r.gaps, e)
		}
		if !r.cfg.ArrivalOrder {
			if e.SQN != r.expect && (!s.source.fec.on() || s.packets(r.expect, e.SQN) != 0) {
				s.fatalf("receiver %d got event %d %v for %d, want %d", node, e.Kind, e.Reason, e.SQN, r.expect)
			}
			r.expect = e.Last + 1
			if e.Kind == ReceiverGap {
				r.expect = e.Last + 1
			}
		}
		if e.Kind == ReceiverGap {
			r.lost += s.packets(e.SQN, e.Last+1)
			continue
		}
		r.data++
		if r.cfg.ArrivalOrder {
			if r.seen[e.SQN] {
				s.fatalf("receiver %d got %d twice", node, e.SQN)
			}
			r.seen[e.SQN] = true
		}
		r.silent, r.last = max(r.silent, s.now-r.last), s.now
		at := s.verify(e)
		r.latency = append(r.latency, s.now-at)
		if s.now < s.late {
			r.inTime++
		}
		if s.now-at > 10*ms {
			r.lastLate = s.now
		}
	}
}

// sizeOf returns how many octets payload n has.
func (a *simWorkload) sizeOf(n int) int {
	if !a.vary {
		return a.size
	}
	return 20 + n*n*31%(a.size-20+1)
}

// verify checks a payload and returns when it was meant to be sent.
func (s *sim) verify(e ReceiverEvent) time.Duration {
	p := e.Payload
	if len(p) < 20 || crc32.ChecksumIEEE(p[4:]) != binary.BigEndian.Uint32(p) {
		s.fatalf("payload of %d is not what was sent", e.SQN)
	}
	if n := SQN(binary.BigEndian.Uint32(p[4:])); s.app.sqns[n] != e.SQN || s.app.lasts[n] != e.Last || len(p) != s.app.sizeOf(int(n)) {
		s.fatalf("payload %d came as packet %d", n, e.SQN)
	}
	return time.Duration(binary.BigEndian.Uint64(p[8:]))
}

// mapped reports whether payloads and numbers may be as many or not.
func (s *sim) mapped() bool { return s.source.fec.on() || s.app.size > 1300 }

// packets returns how many payloads begin with numbers in [from, to).
func (s *sim) packets(from, to SQN) int {
	if !s.mapped() {
		return int(to.Sub(from))
	}
	first := s.source.cfg.First
	before := func(sqn SQN) int {
		return sort.Search(len(s.app.sqns), func(i int) bool { return s.app.sqns[i]-first >= sqn-first })
	}
	return before(to) - before(from)
}

// produce sends what is due by now.
func (s *sim) produce() {
	a := &s.app
	for a.sent < a.count && time.Duration(a.sent)*a.interval <= s.now {
		p := append(a.apdu[:0], make([]byte, a.sizeOf(a.sent))...)
		a.apdu = p
		binary.BigEndian.PutUint32(p[4:], uint32(a.sent))
		binary.BigEndian.PutUint64(p[8:], uint64(time.Duration(a.sent)*a.interval))
		for i := 16; i < len(p); i++ {
			p[i] = byte(i * a.sent)
		}
		binary.BigEndian.PutUint32(p, crc32.ChecksumIEEE(p[4:]))
		if !s.source.Send(s.epoch.Add(s.now), p) {
			a.refused++
			s.add(s.now+a.interval, simApp, nil)
			return
		}
		room := s.source.fragmentRoom()
		fragments := 1
		if len(p) > room && len(p) > s.source.cfg.MaxTPDU-DataHeaderSize-s.source.fec.reserved() {
			fragments = (len(p) + room - 1) / room
		}
		a.lasts = append(a.lasts, s.source.txw.lead)
		a.sqns = append(a.sqns, s.source.txw.lead-SQN(fragments-1))
		a.sent++
	}
	if a.sent < a.count {
		s.add(time.Duration(a.sent)*a.interval, simApp, nil)
		return
	}
	a.closed = s.now
	s.source.Close()
}

// step handles one event.
func (s *sim) step() {
	e := s.pop()
	if e.at < s.now {
		s.fatalf("time goes back")
	}
	s.now = e.at
	var h Header
	var body []byte
	good := true
	if e.packet != nil {
		var err error
		h, body, err = ConsumeHeader(e.packet)
		good = err == nil && h.VerifyChecksum(e.packet) == nil
	}
	now := s.epoch.Add(s.now)
	if e.packet != nil && good && s.heard != nil {
		s.heard(e.node, &h, body)
	}
	switch {
	case e.node == simApp:
		s.produce()
		s.pumpSource()
	case e.node == simSource:
		if e.packet != nil && good {
			_ = s.source.HandleFrom(now, e.from, &h, body)
		}
		s.pumpSource()
	default:
		r := s.receivers[e.node]
		if e.packet != nil && !good {
			r.CountChecksum()
		} else if e.packet != nil {
			if err := r.Handle(now, &h, body); err != nil {
				s.fatalf("receiver %d: %v", e.node, err)
			}
		}
		s.pumpReceiver(e.node)
	}
	if e.packet != nil {
		s.free = append(s.free, e.packet)
	}
	if n := uint64(len(s.receivers)); s.made%(simCheck*max(1, n/10)) == 0 {
		s.check()
	}
}

func (s *sim) check() {
	s.source.txw.check()
	for _, r := range s.receivers {
		r.rxw.check()
		r.fec.check(r.rxw)
	}
}

// run sends count packets of size octets at interval, closes, and returns when
// all receivers have seen the end, or when that takes too long.
func (s *sim) run(count, size int, interval, limit time.Duration) {
	s.tb.Helper()
	s.app = simWorkload{interval: interval, count: count, size: size, vary: s.app.vary}
	s.add(0, simApp, nil)
	for s.now < limit && len(s.events) > 0 && !s.finished() {
		s.step()
	}
	s.check()
	for node, r := range s.receivers {
		if !r.done {
			s.fatalf("receiver %d has not seen the end: next %d of %d, %d delivered, %d lost, state %d",
				node, r.rxw.next, s.source.cfg.First+SQN(count), r.data, r.lost, r.rxw.at(r.rxw.next).state)
		}
		want := count - s.packets(s.source.cfg.First, r.first)
		st := r.Stats()
		if r.data+r.lost != want || uint64(r.data) != st.Delivered || uint64(r.lost) != st.Lost && !(s.mapped() && uint64(r.lost) < st.Lost) {
			s.fatalf("receiver %d: %d delivered + %d lost, want %d", node, r.data, r.lost, want)
		}
	}
}

func (s *sim) finished() bool {
	for _, r := range s.receivers {
		if !r.done {
			return false
		}
	}
	return true
}

// percentile returns one of the latencies of all receivers together.
func (s *sim) percentile(p float64) time.Duration {
	var all []time.Duration
	for _, r := range s.receivers {
		all = append(all, r.latency...)
	}
	slices.Sort(all)
	return all[int(p*float64(len(all)-1))]
}

func (s *sim) lost() (n int) {
	for _, r := range s.receivers {
		n += r.lost
	}
	return n
}

func TestSimPerfect(t *testing.T) {
	s := newSim(t, *simSeed, SourceConfig{}, 3, ReceiverConfig{})
	s.run(2000, 256, 50*time.Microsecond, time.Minute)
	st := s.source.Stats()
	if s.lost() != 0 || st.NAKs != 0 || st.ODATA != 2000 {
		t.Errorf("%d lost, source %+v", s.lost(), st)
	}
	if p := s.percentile(1); p != 100*time.Microsecond {
		t.Errorf("latency %v over links of 100 µs", p)
	}
}

// TestSimLoss is T9, T10 and T14: 20,000 packets a second, RTT 200 µs, three
// receivers that lose independently, whatever the type of packet.
func TestSimLoss(t *testing.T) {
	skipShort(t)
	for _, test := range []struct {
		loss           float64
		p50, p99, p999 time.Duration
	}{
		{0.01, time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond},
		{0.05, 5 * time.Millisecond, 30 * time.Millisecond, 60 * time.Millisecond},
	} {
		s := newSim(t, *simSeed, SourceConfig{Rate: 125e6}, 3, ReceiverConfig{})
		for _, r := range s.receivers {
			r.down.loss = test.loss
		}
		s.run(40_000, 256, 50*time.Microsecond, time.Minute)
		p50, p99, p999 := s.percentile(0.5), s.percentile(0.99), s.percentile(0.999)
		st := s.source.Stats()
		missed := 0.0
		for _, r := range s.receivers {
			missed += float64(r.Stats().Repaired + r.Stats().Lost)
		}
		t.Logf("loss %v: p50 %v p99 %v p99.9 %v max %v; NAK entries per loss %.2f, NAKs %.2f, RDATA %.2f, NCFs %d, duplicates %d, receivers %d",
			test.loss, p50, p99, p999, s.percentile(1), float64(st.NAKEntries)/missed, float64(st.NAKs)/missed, float64(st.RDATA)/missed, st.NCFs, st.NAKDuplicates, st.Receivers)
		if s.lost() != 0 || p50 > test.p50 || p99 > test.p99 || p999 > test.p999 {
			t.Errorf("loss %v: %d lost, p50 %v p99 %v p99.9 %v", test.loss, s.lost(), p50, p99, p999)
		}
	}
}

// TestSimOverload is T13: the network carries half of what is sent for two seconds,
// and then all. Receivers are never silent for long, waste little of what the
// network carries, and are back at once.
func TestSimOverload(t *testing.T) {
	skipShort(t)
	simOverload(t, 12e6, ReceiverConfig{})
}

// TestSimOverloadNoRate is the same of a source that was told no rate. What is missing
// is then repaired more slowly, so that a budget is what bounds the silence.
func TestSimOverloadNoRate(t *testing.T) {
	skipShort(t)
	simOverload(t, 0, ReceiverConfig{LatencyBudget: 100 * ms})
}

func simOverload(t *testing.T, octetsPerSec int64, receiver ReceiverConfig) {
	const seconds = 2
	s := newSim(t, *simSeed, SourceConfig{Rate: octetsPerSec, WindowAge: 300 * ms}, 3, receiver)
	s.shared.queue = 20 * ms
	s.shared.slow = func(at time.Duration) float64 {
		if at < seconds*time.Second {
			return 2.8e6
		}
		return 100e6
	}
	s.late = seconds * time.Second
	s.run(20_000*(seconds+2), 256, 50*time.Microsecond, time.Minute)
	capacity := 2.8e6 * seconds / (256 + DataHeaderSize)
	for node, r := range s.receivers {
		goodput := float64(r.inTime) / capacity
		t.Logf("receiver %d: goodput %.2f, silent %v, %d gaps of %d, none over 10 ms late after %v", node, goodput, r.silent, len(r.gaps), r.lost, r.lastLate)
		if r.silent > 200*ms || goodput < 0.7 || r.lastLate > (seconds+1)*time.Second {
			t.Errorf("receiver %d: goodput %.2f, silent for %v", node, goodput, r.silent)
		}
	}
}

// skipShort leaves out a long simulation with -short, which is for the race detector:
// it makes them twenty times as long, and finds nothing where one goroutine does all.
func skipShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("a long simulation on one goroutine, which -short leaves out")
	}
}
