package socket

import (
	"sync/atomic"
	"time"

	"github.com/zeroring/zeroring/reactor"
	"github.com/zeroring/zeroring/ring"
)

// An application that answers what it receives sends a message to a connection,
// and soon another, while more to answer is here already. To write each message at
// once costs a system call for each. So while there is more, a DEALER or a ROUTER
// puts the writing off, and does it when it has received all there was, when it has
// put off enough, or, if the application does not come back, when the sweeper comes.
//
//	written at once --sent, and more to answer--> put off
//	put off --nothing to receive, enough, closed, or swept--> written at once
//
// An application that the sweeper had to write for is slow to answer. For its next
// messages nothing is put off.

const (
	// maxLate is to how many connections, lateMessages how many messages and
	// lateOctets how many octets writing is put off at most. Few enough that what
	// was sent is still in the processor's cache when it is written.
	maxLate      = 16
	lateMessages = 256
	lateOctets   = 64 << 10

	// hastyMessages is how many messages are written at once after the sweeper had
	// to write.
	hastyMessages = 256

	// sweepTime is how often the sweeper looks. What it finds a second time it
	// writes. It ends when it found nothing idleSweeps times in a row: each time it
	// starts it may have to wake its reactor.
	sweepTime  = 100 * time.Microsecond
	idleSweeps = 10
)

// A flusher is a connection that calls write by themselves, when the duty to do so
// fell to them.
type flusher interface{ flushFromCaller() }

// late is what a socket has put off: the flushing of the sessions in dirty. Under
// sendMu, but for what is atomic.
type late struct {
	messages int // put off since nothing was
	octets   int // queued meanwhile
	hasty    int // messages to be written at once
	node     ring.Node[*Socket]

	// spell is odd while something is put off, and counts up each time that begins
	// and ends.
	spell atomic.Uint32
}

func (l *late) pending() bool { return l.spell.Load()%2 != 0 }

// putOff reports whether the flushing of dirty may wait. Under sendMu.
func (s *Socket) putOff() bool {
	l := &s.late
	if !s.answers || s.ndirty == maxLate || s.closed.Load() {
		return false
	}
	if l.hasty > 0 {
		l.hasty--
		return false
	}
	// Nothing waited in these lanes before, so none is ever full for that.
	l.messages++
	if l.octets > lateOctets || uint64(l.messages) > min(lateMessages, s.sendHWM.Load()/8) || !s.moreToAnswer() {
		return false
	}
	if !l.pending() {
		l.spell.Add(1)
		s.sweeper.watch(s)
	}
	return true
}

// moreToAnswer reports whether there is more to receive. If somebody is receiving
// at this moment it does not know. Under sendMu.
func (s *Socket) moreToAnswer() bool {
	if !s.loans.ahead.Empty() {
		return true
	}
	if !s.recvMu.TryLock() {
		return false
	}
	defer s.recvMu.Unlock()
	if p := s.inlet; p != nil {
		return !p.in.empty()
	}
	s.drainReadable()
	return s.pat.canRecv()
}

// writeLate writes what was put off, as there is nothing left to receive.
func (s *Socket) writeLate() {
	if s.late.pending() {
		s.sendMu.Lock()
		s.flushDirty()
	}
}

// unlockSend gives sendMu back, receives the couriers that came meanwhile, and
// flushes what the call has written, unless that may wait for more.
func (s *Socket) unlockSend() {
	if s.ndirty > 0 && !s.putOff() {
		s.flushDirty()
		return
	}
	s.sendMu.Unlock()
	if s.arrived.Load() {
		s.receiveCouriers()
	}
}

// flushDirty gives sendMu back and then flushes what calls have written, so that
// others can send meanwhile.
func (s *Socket) flushDirty() {
	dirty, n := s.dirty, s.ndirty
	clear(s.dirty[:n])
	s.ndirty = 0
	s.late.messages, s.late.octets = 0, 0
	if s.late.pending() {
		s.late.spell.Add(1)
	}
	s.sendMu.Unlock()
	if s.arrived.Load() {
		s.receiveCouriers()
	}
	for _, c := range dirty[:n] {
		c.flushFromCaller()
	}
}

// A sweeper sees to it that what is put off is written soon, whatever the
// application does. Each reactor has one, and each socket is seen to by one.
//
// Sockets enter by the inbox. Everything else is the reactor's.
type sweeper struct {
	r     *reactor.Reactor
	inbox ring.Inbox[*Socket]
	awake atomic.Bool // start is posted or the timer runs
	start reactor.Task
	timer reactor.Timer
	idle  int        // sweeps in a row that found nothing
	due   []lateness // what the last sweep found
}

// lateness is a socket and the spell that it was found in.
type lateness struct {
	s     *Socket
	spell uint32
}

func newSweepers(group *reactor.Group) []*sweeper {
	var all []*sweeper
	for _, r := range group.Reactors() {
		w := &sweeper{r: r}
		w.start.Run, w.timer.Fire = w.next, w.sweep
		all = append(all, w)
	}
	return all
}

// watch has the next sweep look at s. Any goroutine.
func (w *sweeper) watch(s *Socket) {
	w.inbox.Push(&s.late.node)
	w.wake()
}

func (w *sweeper) wake() {
	if !w.awake.Load() && w.awake.CompareAndSwap(false, true) {
		w.r.Post(&w.start)
	}
}

func (w *sweeper) next(now time.Time) { w.r.StartTimer(&w.timer, now.Add(sweepTime)) }

// sweep writes what it finds the second time. Reactor thread.
func (w *sweeper) sweep(now time.Time) {
	due := w.due[:0]
	for _, d := range w.due {
		if d.s.late.spell.Load() == d.spell && !d.s.overdue(d.spell) {
			due = append(due, d)
		}
	}
	found := false
	for n := w.inbox.Take(); n != nil; {
		s := n.Value
		n = n.Unlink()
		found = true
		if spell := s.late.spell.Load(); spell%2 != 0 {
			due = append(due, lateness{s, spell})
		}
	}
	clear(w.due[min(len(due), len(w.due)):])
	w.due = due
	if w.idle++; found || len(due) > 0 {
		w.idle = 0
	}
	if w.idle < idleSweeps {
		w.next(now)
		return
	}
	w.idle = 0
	w.awake.Store(false)
	if !w.inbox.Empty() {
		w.wake()
	}
}

// overdue writes what has been put off since the spell began, and reports whether
// it could.
func (s *Socket) overdue(spell uint32) bool {
	if !s.sendMu.TryLock() {
		return false
	}
	if s.late.spell.Load() != spell {
		s.sendMu.Unlock()
		return true
	}
	s.late.hasty = hastyMessages
	s.flushDirty()
	return true
}
