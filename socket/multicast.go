package socket

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeroring/zeroring/pgm"
	"github.com/zeroring/zeroring/reactor"
)

// A multicast joins a pipe to PGM: it is one bound or connected pgm:// or epgm://
// endpoint, which is the same. That of a PUB or XPUB is a source, that of a SUB or
// XSUB has a receiver for each source it hears.
//
// It belongs to one reactor for life. Lock order: the host's locks, then mu.
//
//	opened --start task--> running --close task--> parting --FIN sent, or linger is over--> over
type multicast struct {
	host     *Socket
	r        *reactor.Reactor
	endpoint string
	raw      bool
	serial   int
	p        *pipe

	legs []leg // one for each line of the endpoint

	tasks   multicastTasks
	clock   reactor.Timer // of a source: its deadline
	inner   reactor.FD    // of a source: multicasts within this host
	closing struct {
		until   *time.Time    // linger's end, the zero time for never; nil before. Under mu
		timer   reactor.Timer // looks again whether all is sent
		over    bool          // reactor's
		intakes []*intake     // that go with it; reactor's
		told    bool          // the host, that all is closed; reactor's
	}

	trouble complaint // of sending and receiving
	spin    spinning

	// mu guards what follows. The reactor holds it while it is at work; a call that
	// wants figures waits for that.
	mu          sync.Mutex
	away        bool // it is a call that is at work, not the reactor
	ended       bool // the descriptors are closed, or about to be
	kernelDrops uint64
	failures    atomic.Uint64
	*source     // of PUB and XPUB
	*audience   // of SUB and XSUB
}

type multicastTasks struct {
	start, flush, resume, await, tell, repair, close, sever reactor.Task
}

// A leg is a line of an endpoint: where it is spoken, and the descriptor that
// sends there.
type leg struct {
	line    line
	medium  *medium
	intakes []*intake
	fd      reactor.FD
	writer  *reactor.DatagramWriter
	to      netip.AddrPort // the group
	blocked bool           // the kernel has no room
	op      reactor.Op     // OpWritable
}

// sends reports whether l is a source.
func (l *multicast) sends() bool { return l.source != nil }

// openMulticast makes s use the endpoint e. The second time does nothing, as libzmq
// has it of these types of socket.
func (s *Socket) openMulticast(e endpoint) error {
	switch {
	case s.typ != TypePub && s.typ != TypeXPub && s.typ != TypeSub && s.typ != TypeXSub:
		return notSupported(s.typ, "does not use multicast: PUB, XPUB, SUB and XSUB do")
	case s.engine.network != nil:
		return errNoDatagrams
	}
	s.dialing.Lock()
	defer s.dialing.Unlock()
	s.mu.Lock()
	again := s.multicasts[e.text] != nil
	s.mu.Unlock()
	if again {
		return nil
	}
	l := &multicast{host: s, endpoint: e.text, inner: reactor.NoFD, raw: e.transport == transportPGM}
	if err := l.open(e); err != nil {
		return err
	}
	if l.serial = s.enlist(); l.serial == 0 {
		l.abandon()
		return ErrClosed
	}
	if !s.attach(l.p, l.sends()) {
		l.abandon()
		s.delist()
		return ErrClosed
	}
	l.join()
	l.r.Post(&l.tasks.start)
	s.mu.Lock()
	open := !s.closed.Load()
	if open {
		s.multicasts[e.text] = l // not before: who finds it there may end it, and that comes after start
	}
	s.mu.Unlock()
	if !open {
		l.closeWithin(0)
		return ErrClosed
	}
	return nil
}

// open opens the descriptors.
func (l *multicast) open(e endpoint) error {
	s := l.host
	places := make([]place, len(e.lines))
	for i := range e.lines {
		var err error
		if places[i], err = e.lines[i].place(); err != nil {
			return err
		}
	}
	if s.typ == TypePub || s.typ == TypeXPub {
		o := &s.opts.Multicast
		l.source = newSource(o.source(newTSI(e.lines[0].port), &e.lines[0], places[0].addr, l.raw), o.NoOffload || l.raw, s.engine.now())
	} else {
		l.audience = newAudience(&s.opts, s.engine.random())
	}
	l.legs = make([]leg, 0, len(e.lines))
	for i, on := range e.lines {
		if err := l.openLeg(on, places[i]); err != nil {
			l.abandon()
			return err
		}
	}
	l.tasks.start.Run, l.tasks.flush.Run, l.tasks.resume.Run = l.start, l.flush, l.resume
	l.tasks.close.Run, l.tasks.sever.Run, l.tasks.tell.Run = l.close, l.severed, l.tell
	l.tasks.await.Run, l.tasks.repair.Run = l.await, l.repairAll
	l.clock.Fire, l.closing.timer.Fire = l.tick, l.close
	l.r, l.p = l.legs[0].medium.key.r, l.newPipe()
	return nil
}

// writeDatagrams is how many datagrams, or runs of them, leave in one system call.
const writeDatagrams = 64

// openLeg opens the descriptors of one line. All legs are on one reactor.
func (l *multicast) openLeg(on line, at place) error {
	var r *reactor.Reactor
	if len(l.legs) > 0 {
		r = l.legs[0].medium.key.r
	}
	m, in, err := l.host.engine.enter(l, &on, at, r)
	if err != nil {
		return err
	}
	opts := l.datagramOpts(m)
	opts.Local = netip.AddrPortFrom(m.scoped(at.addr), 0)
	fd, _, err := m.key.r.Datagram(&opts)
	g := leg{line: on, medium: m, intakes: in, fd: fd, to: l.toward(m, on.group)}
	g.writer = reactor.NewDatagramWriter(writeDatagrams)
	if err != nil {
		g.fd = reactor.NoFD
	}
	g.op = reactor.Op{Kind: reactor.OpWritable, FD: g.fd, Owner: l}
	l.legs = append(l.legs, g)
	if err == nil && len(l.legs) == 1 && l.sends() && !l.raw {
		opts.Hops, opts.Loop = -1, true
		l.inner, _, err = m.key.r.Datagram(&opts)
	}
	return l.explain(err)
}

// toward is where packets to addr go.
func (l *multicast) toward(m *medium, addr netip.Addr) netip.AddrPort {
	if l.raw {
		return netip.AddrPortFrom(m.scoped(addr), 0) // IP knows no ports
	}
	return netip.AddrPortFrom(m.scoped(addr), m.key.port)
}

// datagramOpts is how l's descriptors at m are set up.
func (l *multicast) datagramOpts(m *medium) reactor.DatagramOpts {
	o := &l.host.opts
	opts := reactor.DatagramOpts{
		Whole: o.Multicast.NoOffload, Interface: m.nic, Hops: o.Multicast.Hops, TOS: o.TOS, Loop: o.Multicast.Loop, Device: o.Device,
		SendBuf: orElse(o.SendBuf, defaultDatagramSendBuf), RecvBuf: orElse(o.RecvBuf, defaultDatagramRecvBuf),
	}
	if l.raw {
		opts.Protocol = pgm.Protocol
	}
	if !l.sends() {
		opts.Hops = 1 // what goes to the group is for this network: see RFC 3208, section 13.5
	}
	return opts
}

// explain adds to an error of opening what to do about it.
func (l *multicast) explain(err error) error {
	if l.raw && errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w (%w)", errRawPrivilege, err)
	}
	return err
}

// newPipe gives l its pipe.
func (l *multicast) newPipe() *pipe {
	p := newPipe(l.host, new(lane), new(lane))
	p.link, p.oneWay, p.name = l, true, l.endpoint
	p.in.conflate = l.host.opts.Conflate && !l.sends()
	p.out.conflate = l.host.opts.Conflate && l.sends()
	p.in.consumer, p.in.producer = p, (*multicastEnd)(l)
	p.out.producer, p.out.consumer = p, (*multicastEnd)(l)
	return p
}

// multicastEnd is l's end of its pipe's lanes.
type multicastEnd multicast

// dataReady is told that the duty to send fell to the goroutine that has the host's
// sendMu.
func (l *multicastEnd) dataReady() {
	if h := l.host; h.ndirty < maxDirty {
		h.dirty[h.ndirty] = (*multicast)(l)
		h.ndirty++
		return
	}
	l.r.Post(&l.tasks.flush)
}

// roomReady is told that a SUB has made room.
func (l *multicastEnd) roomReady() { l.r.Post(&l.tasks.resume) }

// start sets l going. Reactor thread.
func (l *multicast) start(now time.Time) {
	for g := range l.legs {
		for _, i := range l.legs[g].intakes {
			i.begin()
		}
	}
	if l.sends() {
		m := l.legs[0].medium
		m.work.Lock()
		m.sources[l.source.tsi] = l
		m.work.Unlock()
		l.flush(now)
		return
	}
	l.audience.begin(l, now)
}

// resume goes on reading, as there is room. Reactor thread.
func (l *multicast) resume(time.Time) {
	if l.closing.over {
		return
	}
	for g := range l.legs {
		for _, i := range l.legs[g].intakes {
			i.resume()
		}
	}
}

// abandon gives back what open has opened, of an l that was never started.
func (l *multicast) abandon() {
	e := l.host.engine
	e.media.mu.Lock()
	defer e.media.mu.Unlock()
	for g := range l.legs {
		leg := &l.legs[g]
		e.leaveMedium(leg.medium, leg.intakes)
		if leg.fd != reactor.NoFD {
			leg.medium.key.r.CloseFD(leg.fd)
		}
	}
	l.closeInner()
	l.legs = nil
}

// Complete says that a descriptor has room again. Reactor thread.
func (l *multicast) Complete(now time.Time, op *reactor.Op) {
	l.mu.Lock()
	for g := range l.legs {
		if leg := &l.legs[g]; op == &leg.op {
			leg.blocked = false
		}
	}
	l.mu.Unlock()
	err := reactor.ErrnoError(op.Result)
	if l.closing.over {
		l.finish()
		return
	}
	switch {
	case err == nil:
	case errors.Is(err, reactor.ErrCanceled):
		return // the group of reactors is being closed
	default:
		l.troubled(now, "sending", err) // and tries
	}
	l.mu.Lock()
	for g := range l.legs {
		l.dispatch(&l.legs[g])
	}
	l.mu.Unlock()
	l.flush(now)
}

// troubled tells of an error of a descriptor, which goes on. Any goroutine.
func (l *multicast) troubled(now time.Time, what string, err error) {
	l.failures.Add(1)
	if left, line := l.trouble.due(now); line {
		l.host.logger().Warn("multicast: "+what+" failed", "type", l.host.typ.String(), "endpoint", l.endpoint, "err", err, "left_out", left)
	}
}

// sever ends l for good. Any goroutine.
func (l *multicast) sever() { l.r.Post(&l.tasks.sever) }

func (l *multicast) severed(now time.Time) {
	l.mu.Lock()
	l.closing.until = &now
	l.mu.Unlock()
	l.close(now)
}

// closeWithin ends l once what is queued has been sent and receivers had a chance
// to ask for the last of it again, or after linger. Any goroutine.
func (l *multicast) closeWithin(linger time.Duration) {
	var until time.Time
	if linger >= 0 {
		until = l.r.Now().Add(linger)
	}
	l.mu.Lock()
	l.closing.until = &until
	l.mu.Unlock()
	l.r.Post(&l.tasks.close)
}

// closeLook is how often a source that is being closed looks whether it is done.
const closeLook = 10 * time.Millisecond

// close is what closeWithin asked for. Reactor thread.
func (l *multicast) close(now time.Time) {
	if l.closing.over {
		return
	}
	l.mu.Lock()
	until := *l.closing.until
	done := !l.sends() || !until.IsZero() && !until.After(now)
	l.mu.Unlock()
	if !done {
		l.host.sendMu.Lock()
		l.host.pat.settle()
		l.host.unlockSend()
		l.flush(now)
		l.mu.Lock()
		done = l.source.parted(l, now)
		l.mu.Unlock()
	}
	if !done {
		l.r.StartTimer(&l.closing.timer, now.Add(closeLook))
		return
	}
	if l.sends() {
		l.mu.Lock()
		l.source.engine.Close() // if that was cut short: receivers learn at least that it is over
		l.pump(now)
		l.mu.Unlock()
	}
	l.over()
}

// over ends l. Reactor thread.
func (l *multicast) over() {
	l.closing.over = true
	l.mu.Lock()
	l.ended = true // no call sends any more
	l.mu.Unlock()
	l.r.StopTimer(&l.clock)
	l.r.StopTimer(&l.closing.timer)
	if l.sends() {
		m := l.legs[0].medium
		m.work.Lock()
		delete(m.sources, l.source.tsi)
		m.work.Unlock()
	} else {
		l.audience.end(l)
	}
	e := l.host.engine
	e.media.mu.Lock()
	for g := range l.legs {
		leg := &l.legs[g]
		for _, i := range leg.intakes {
			i.part(l)
		}
		e.leaveMedium(leg.medium, leg.intakes)
		for _, i := range leg.intakes {
			if i.users == 0 {
				i.heir = l
				l.closing.intakes = append(l.closing.intakes, i)
			}
		}
	}
	e.media.mu.Unlock()
	for g := range l.legs {
		l.r.Cancel(&l.legs[g].op)
	}
	l.finish()
}

// finish closes the descriptors that nothing is in flight for, and when that is all
// of them tells the host. Reactor thread.
func (l *multicast) finish() {
	open := 0
	for g := range l.legs {
		leg := &l.legs[g]
		switch {
		case leg.fd == reactor.NoFD:
		case l.r.InFlight(&leg.op):
			open++
		default:
			l.r.CloseFD(leg.fd)
			leg.fd = reactor.NoFD
		}
	}
	for _, i := range l.closing.intakes {
		if !i.closed {
			open++
		}
	}
	if open > 0 || l.closing.told {
		return
	}
	l.closing.told = true
	l.closeInner()
	s := l.host
	s.mu.Lock()
	if s.multicasts[l.endpoint] == l {
		delete(s.multicasts, l.endpoint)
	}
	s.mu.Unlock()
	s.endPipe(l.p)
	s.delist()
}

// await waits for room at the legs that have none. Reactor thread.
func (l *multicast) await(time.Time) {
	if l.closing.over {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for g := range l.legs {
		if leg := &l.legs[g]; leg.blocked && !l.r.InFlight(&leg.op) {
			l.r.Submit(&leg.op)
		}
	}
}

// closeInner closes the descriptor that passOn sends by.
func (l *multicast) closeInner() {
	if l.inner != reactor.NoFD {
		l.legs[0].medium.key.r.CloseFD(l.inner)
		l.inner = reactor.NoFD
	}
}

// dispatch sends what is queued. It reports whether all of it is gone; else the
// kernel has no room, and l will be told when there is. Under mu, any goroutine.
func (l *multicast) dispatch(g *leg) bool {
	for g.writer.Len() > 0 {
		switch err := g.writer.Flush(l.r, g.fd); {
		case err == reactor.ErrAgain:
			g.blocked = true
			l.r.Post(&l.tasks.await)
			return false
		case err != nil:
			l.troubled(l.r.Now(), "sending", err)
		}
	}
	return true
}
