package socket

import (
	"runtime"
	"time"

	"github.com/zeroring/zeroring/reactor"
)

// A Recv that waits on a socket whose only endpoint is one of multicast may read
// the descriptor itself, for as long as that pays or BusyPoll asks for it: what
// arrives is then received without a hop between threads. The reactor lends the
// descriptor out when somebody looks for messages, and takes it back when nobody
// has looked for leaseTime, or who did gives up.

// lend hands reading over to calls, if one looks for what this intake receives and
// polling pays. Under work, reactor thread.
func (i *intake) lend() bool {
	l := i.key.only
	if l == nil || len(l.legs) > 1 {
		return false // others would wait for who polls, or who polls for another intake
	}
	s := l.host
	if s.cast.Load() != l || s.engine.spin == 0 || s.closed.Load() {
		return false
	}
	// With few processors a look takes one from the source, or from the other receivers
	// on this host, who hear the same packet at the same time.
	pays := l.spin.pays() && runtime.NumCPU() >= manyProcessors
	if !pays && !s.engine.mayPoll() || !s.hungry.Swap(false) {
		return false
	}
	i.leased = i.looks
	i.lent.Store(true)
	// A receiver that sleeps reads nothing. Either we see it here, or it sees that
	// this is lent, which it looks at after enlisting.
	if s.receiving.waiting.Load() > 0 {
		i.lent.Store(false)
		return false
	}
	return true
}

// checkLease takes reading back from calls that do not come any more. Reactor
// thread.
func (i *intake) checkLease(now time.Time) {
	i.m.work.Lock()
	looks := i.looks
	i.m.work.Unlock()
	if !i.lent.Load() || i.ending {
		return
	}
	if looks != i.leased && !i.key.only.host.closed.Load() {
		i.leased = looks
		i.m.key.r.StartTimer(&i.lease, now.Add(leaseTime))
		return
	}
	i.read()
}

// readFromCaller is a polled's.
func (l *multicast) readFromCaller() readResult {
	if l.sends() {
		return readNotMine
	}
	return l.legs[0].intakes[0].readFromCaller()
}

func (i *intake) readFromCaller() readResult {
	if !i.lent.Load() || !i.m.work.TryLock() {
		return readNotMine
	}
	defer i.m.work.Unlock()
	if !i.lent.Load() {
		return readNotMine
	}
	if i.looks++; i.looks%rouseEvery == 0 {
		i.m.engine.group.Rouse()
	}
	if i.full() {
		return readSome // which the caller is to take
	}
	n, err := i.m.reader.Read(i.m.key.r, i.fd)
	if err == nil {
		i.takeIn(i.m.key.r.Now(), n, false)
		return readSome
	}
	if err != reactor.ErrAgain {
		i.failed(err)
	}
	return readNone
}

func (l *multicast) yieldReading() {
	if l.callersRead() {
		l.r.Post(&l.tasks.resume)
	}
}

func (l *multicast) callersRead() bool { return !l.sends() && l.legs[0].intakes[0].lent.Load() }

func (l *multicast) spinning() *spinning    { return &l.spin }
func (l *multicast) home() *reactor.Reactor { return l.r }
