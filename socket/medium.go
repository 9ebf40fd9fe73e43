package socket

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeroring/zeroring/pgm"
	"github.com/zeroring/zeroring/reactor"
)

// A medium is one interface and port on which PGM is spoken, and what an engine's
// endpoints there share: descriptors, and the demultiplexing of packets by transport
// session. All of it happens on one reactor.
//
// Which descriptor hears what is not left to chance where several programs of a host
// use a port. An intake is bound to what it is to hear: the group, of whose packets
// each intake of this host gets a copy, or our own address, to which receivers send
// their NAKs.
//
// Sources share theirs. Of several descriptors that are bound to one address and port
// the kernel gives a NAK to just one, so an engine has one there, and none if it has
// no source: it would take the NAKs of another program's. A source that gets NAKs for
// a transport session unknown here passes them on, by the group and within the host,
// to where it may be known.
//
// A receiver has an intake of its own. If it shared one, all would wait for a user who
// does not receive, or lose what he has no room for.
type medium struct {
	key    mediumKey
	engine *Engine
	nic    int
	reader *reactor.DatagramReader

	intakes map[intakeKey]*intake // under media.mu
	homed   bool                  // it counts as a connection of its reactor

	sources  map[pgm.TSI]*multicast // under work
	counters mediumCounters

	// work is held by who reads: the reactor, or a call that polls. Before it comes
	// media.mu, and after it a multicast's mu.
	work sync.Mutex
}

// mediumCounters counts what belongs to no source that is known.
type mediumCounters struct {
	malformed, checksum, astray, truncated atomic.Uint64
}

// A mediumKey says what makes two endpoints share a medium.
type mediumKey struct {
	r    *reactor.Reactor
	raw  bool       // PGM in IP rather than UDP
	addr netip.Addr // of the interface
	port uint16
}

// An intakeKey says what an intake hears.
type intakeKey struct {
	group   netip.Addr // invalid: what comes to the interface's own address
	sources string     // who alone is heard, as text; empty for all
	only    *multicast // the receiver whose it is; nil for sources, who share it
}

// An intake is a descriptor that receives.
type intake struct {
	m     *medium
	key   intakeKey
	fd    reactor.FD
	op    reactor.Op
	users int // under media.mu

	// Under work.
	links  []*multicast
	begun  bool // the reactor has to do with it
	ending bool
	drops  uint32 // by the kernel, as last told
	looks  int    // by calls
	leased int    // looks when the lease was last extended

	// The reactor's.
	stalled atomic.Bool // a receiver's queue is full: nothing is read until there is room
	lease   reactor.Timer
	leaving reactor.Task // end
	closed  bool
	heir    *multicast // which waits for that; nil for nobody

	lent atomic.Bool // no operation is in flight: calls read. Changed under work
}

// media are the media of an engine.
type media struct {
	mu  sync.Mutex
	all map[mediumKey]*medium
}

var errNoDatagrams = errors.New("multicast needs a kernel: there is none on a simulated network")

// errRawPrivilege tells what pgm:// takes.
var errRawPrivilege = errors.New("PGM in IP needs the capability CAP_NET_RAW: run as root or " +
	"`setcap cap_net_raw+ep PROGRAM`, or use epgm://, which needs none")

// enter makes l a user of the medium at p, and of the intakes it needs. r is the
// reactor to be on, or nil for any. The descriptors are opened here, in the network
// namespace of the calling thread.
func (e *Engine) enter(l *multicast, on *line, p place, r *reactor.Reactor) (*medium, []*intake, error) {
	e.media.mu.Lock()
	defer e.media.mu.Unlock()
	m := e.mediumAt(l.raw, on, p, r)
	var needs []intakeKey
	if l.sends() {
		needs = append(needs, intakeKey{}, intakeKey{on.group, sourcesText(on.sources), nil})
	} else {
		needs = append(needs, intakeKey{on.group, sourcesText(on.sources), l})
	}
	var in []*intake
	for _, key := range needs {
		i, err := m.intake(l, key, on)
		if err != nil {
			e.leaveMedium(m, in)
			return nil, nil, err
		}
		in = append(in, i)
	}
	return m, in, nil
}

// mediumAt returns the medium for on at p, new if need be. Under media.mu.
func (e *Engine) mediumAt(raw bool, on *line, p place, r *reactor.Reactor) *medium {
	for key, m := range e.media.all {
		if key.raw == raw && key.addr == p.addr && key.port == on.port && (r == nil || key.r == r) {
			return m
		}
	}
	homed := r == nil
	if homed {
		r = e.group.Home() // until leaveMedium
	}
	m := &medium{
		key: mediumKey{r, raw, p.addr, on.port}, engine: e, nic: p.nic, homed: homed,
		intakes: make(map[intakeKey]*intake), sources: make(map[pgm.TSI]*multicast),
		reader: reactor.NewDatagramReader(readDatagrams, maxDatagram),
	}
	if e.media.all == nil {
		e.media.all = make(map[mediumKey]*medium)
	}
	e.media.all[m.key] = m
	return m
}

// How much a medium reads at once. The kernel puts up to 64 KiB of packets together
// (GRO), so that this is 1 MiB.
const (
	readDatagrams = 16
	maxDatagram   = 1 << 16
)

// scoped returns addr with m's interface as its zone, if it has a meaning there only.
func (m *medium) scoped(addr netip.Addr) netip.Addr {
	if addr.Is6() && (addr.IsLinkLocalUnicast() || addr.IsLinkLocalMulticast() || addr.IsInterfaceLocalMulticast()) {
		return addr.WithZone(strconv.Itoa(m.nic))
	}
	return addr
}

func sourcesText(sources []netip.Addr) string {
	if len(sources) == 0 {
		return ""
	}
	sorted := slices.SortedFunc(slices.Values(sources), netip.Addr.Compare)
	return fmt.Sprint(sorted)
}

// intake returns m's intake for key, with one user more. Under media.mu.
func (m *medium) intake(l *multicast, key intakeKey, on *line) (*intake, error) {
	i := m.intakes[key]
	if i == nil {
		opts := l.datagramOpts(m)
		opts.Share, opts.Timestamps = true, true
		opts.Local = netip.AddrPortFrom(m.scoped(m.key.addr), m.key.port)
		if key.group.IsValid() {
			opts.Local = netip.AddrPortFrom(m.scoped(key.group), m.key.port)
			opts.Group, opts.Sources = key.group, on.sources
		}
		fd, _, err := m.key.r.Datagram(&opts)
		if err != nil {
			return nil, l.explain(err)
		}
		i = &intake{m: m, key: key, fd: fd}
		i.op = reactor.Op{Kind: reactor.OpReadable, FD: fd, Owner: i}
		i.lease.Fire, i.leaving.Run = i.checkLease, i.end
		m.intakes[key] = i
	}
	i.users++
	return i, nil
}

// leaveMedium takes back what enter did for intakes in. Under media.mu.
func (e *Engine) leaveMedium(m *medium, in []*intake) {
	for _, i := range in {
		if i.users--; i.users == 0 {
			delete(m.intakes, i.key)
			i.leave()
		}
	}
	if len(m.intakes) == 0 && e.media.all[m.key] == m {
		delete(e.media.all, m.key)
		if m.homed {
			m.key.r.Leave()
		}
	}
}

// join has l hear what is sent from now on, even if others have read before it
// starts.
func (l *multicast) join() {
	for g := range l.legs {
		for _, i := range l.legs[g].intakes {
			i.join(l)
		}
	}
}

// join has l hear what i receives from now on, once even if i is that of two of its
// legs. Any goroutine.
func (i *intake) join(l *multicast) {
	i.m.work.Lock()
	defer i.m.work.Unlock()
	if !slices.Contains(i.links, l) {
		i.links = append(i.links, l)
	}
}

// begin has i read, if it does not yet. Reactor thread.
func (i *intake) begin() {
	i.m.work.Lock()
	defer i.m.work.Unlock()
	if !i.begun {
		i.begun = true
		i.m.key.r.Submit(&i.op)
	}
}

// part ends that. Reactor thread.
func (i *intake) part(l *multicast) {
	i.m.work.Lock()
	defer i.m.work.Unlock()
	i.links = slices.DeleteFunc(i.links, func(other *multicast) bool { return other == l })
}

// leave closes the descriptor of an intake that has no users any more. Any goroutine.
func (i *intake) leave() {
	i.m.work.Lock()
	begun := i.begun
	i.m.work.Unlock()
	if begun {
		i.m.key.r.Post(&i.leaving)
		return
	}
	i.shut()
}

// shut closes the descriptor. Nothing is in flight.
func (i *intake) shut() {
	i.closed = true
	i.m.key.r.CloseFD(i.fd)
}

// end closes the descriptor, at once or when its operation has completed. Reactor
// thread.
func (i *intake) end(time.Time) {
	i.m.work.Lock()
	r := i.m.key.r
	i.lent.Store(false)
	i.ending = true
	r.StopTimer(&i.lease)
	waits := r.InFlight(&i.op)
	if waits {
		r.Cancel(&i.op)
	}
	i.m.work.Unlock()
	if !waits {
		i.ended()
	}
}

// ended closes the descriptor and tells who waits for that. Reactor thread.
func (i *intake) ended() {
	i.shut()
	if i.heir != nil {
		i.heir.finish()
	}
}

// Complete says that there is something to read. Reactor thread.
func (i *intake) Complete(_ time.Time, op *reactor.Op) {
	switch {
	case i.ending:
		i.ended()
	case reactor.ErrnoError(op.Result) == reactor.ErrCanceled:
		// The group of reactors is being closed, after its sockets were: nobody is
		// left to hear.
	default:
		i.read() // which tells of an error, if it was one, and waits again
	}
}

// readRounds is how often one turn reads before it lets others have theirs.
const readRounds = 4

// read takes in what is there, and decides who reads next. Reactor thread.
func (i *intake) read() {
	r := i.m.key.r
	i.m.work.Lock()
	defer i.m.work.Unlock()
	if i.lent.Store(false); i.ending {
		return
	}
	i.op.Drained = false
	for range readRounds {
		full := i.full()
		if i.stalled.Store(full); full {
			return // until there is room
		}
		if !i.readOnce(true) {
			i.op.Drained = true
			break
		}
	}
	if i.lend() {
		r.StartTimer(&i.lease, r.Now().Add(leaseTime))
		return
	}
	r.Submit(&i.op)
}

// readOnce takes in what one system call brings, and reports whether there may be
// more. Under work, by the reactor or by a call.
func (i *intake) readOnce(byReactor bool) (more bool) {
	r := i.m.key.r
	n, err := i.m.reader.Read(r, i.fd)
	if err == nil {
		i.takeIn(r.Now(), n, byReactor)
	} else if err != reactor.ErrAgain {
		i.failed(err)
	}
	return i.m.reader.Full()
}

// full reports whether a receiver has no room for more. It will say when it has.
func (i *intake) full() bool {
	for _, l := range i.links {
		if l.full() {
			return true
		}
	}
	return false
}

// resume goes on reading, as there is room, or a call gave up. Reactor thread.
func (i *intake) resume() {
	if i.stalled.Load() || i.lent.Load() {
		i.read()
	}
}

// failed tells of an error in reading: an interface that went down, or an ICMP
// message that came for what was sent.
func (i *intake) failed(err error) {
	for _, l := range i.links {
		l.troubled(i.m.key.r.Now(), "receiving", err)
	}
}

// takeIn hands on the n datagrams that were read.
func (i *intake) takeIn(now time.Time, n int, byReactor bool) {
	for _, l := range i.links {
		l.mu.Lock()
		l.away = !byReactor
	}
	for k := range n {
		d := i.m.reader.At(k)
		if d.Truncated {
			i.m.counters.truncated.Add(1)
			continue
		}
		if len(d.Data) == 0 {
			i.m.counters.malformed.Add(1)
		}
		for data := d.Data; len(data) > 0; {
			packet := data
			if d.Segment > 0 && d.Segment < len(data) {
				packet = data[:d.Segment]
			}
			i.packet(now, &d, packet)
			data = data[len(packet):]
		}
	}
	drops := i.m.reader.Drops()
	for _, l := range i.links {
		l.kernelDrops += uint64(drops - i.drops)
		l.settle(now)
		l.away = false
		l.mu.Unlock()
	}
	i.drops = drops
}

// packet takes in one packet. It goes to the transport session it belongs to.
func (i *intake) packet(now time.Time, d *reactor.Datagram, packet []byte) {
	m := i.m
	h, body, err := pgm.ConsumeHeader(packet)
	if err != nil {
		m.counters.malformed.Add(1)
		return
	}
	if h.DataDestinationPort() != m.key.port {
		m.counters.astray.Add(1)
		return
	}
	corrupt := h.VerifyChecksum(packet) != nil
	tsi := h.TSI()
	if corrupt {
		m.counters.checksum.Add(1)
	}
	if h.Type.IsUpstream() && !corrupt {
		if l := m.sources[tsi]; l != nil && slices.Contains(i.links, l) {
			l.asked(now, d, &h, body)
			return
		}
		if !i.key.group.IsValid() {
			i.passOn(packet)
			return
		}
	}
	for _, l := range i.links {
		if !l.sends() {
			l.heard(now, d, tsi, &h, body, corrupt)
		}
	}
}

// passOn sends what a receiver asks of a source that is not of this engine to the
// group, but not beyond this host: another program may have that source, whose
// descriptor for such packets is not the one that the kernel chose.
func (i *intake) passOn(packet []byte) {
	for _, l := range i.links {
		if l.sends() {
			l.passOn(packet)
			return
		}
	}
}
