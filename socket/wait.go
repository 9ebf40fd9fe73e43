package socket

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeroring/zeroring/ring"
)

// A waitList holds the goroutines that sleep until there is something to
// receive, or room to send.
//
// A goroutine adds its waiter, looks once more, and only then sleeps; whoever
// makes something available does so and then calls wake. As with a Bell, one
// of the two sees the other.
type waitList struct {
	waiting atomic.Int32
	mu      sync.Mutex
	list    []*waiter // in order of arrival

	// Whether looking on for a while before sleeping pays. It is only a guess,
	// so goroutines may overwrite each other's.
	score atomic.Int32
}

// A waiter is one sleeping goroutine.
type waiter struct {
	woken chan time.Time // when it was woken; capacity 1
}

var waiters = sync.Pool{New: func() any { return &waiter{woken: make(chan time.Time, 1)} }}

// add enlists a waiter for the calling goroutine.
func (l *waitList) add() *waiter {
	w := waiters.Get().(*waiter)
	l.mu.Lock()
	l.list = append(l.list, w)
	l.waiting.Store(int32(len(l.list)))
	l.mu.Unlock()
	return w
}

// remove takes w off the list. A wake that was already meant for w goes to the
// next in line, since w's goroutine may not act on it.
func (l *waitList) remove(w *waiter) {
	l.mu.Lock()
	listed := false
	for i, o := range l.list {
		if o == w {
			l.list = append(l.list[:i], l.list[i+1:]...)
			listed = true
			break
		}
	}
	l.waiting.Store(int32(len(l.list)))
	l.mu.Unlock()
	if !listed {
		<-w.woken // wake took w off the list, so it sends or has sent
		l.wake()
	}
	waiters.Put(w)
}

// done gives w back after its goroutine was woken.
func (l *waitList) done(w *waiter) { waiters.Put(w) }

// wake wakes the goroutine that has waited longest, if any does, and reports
// whether one did.
func (l *waitList) wake() bool {
	if l.waiting.Load() == 0 {
		return false
	}
	l.mu.Lock()
	if len(l.list) == 0 {
		l.mu.Unlock()
		return false
	}
	w := l.list[0]
	l.list = append(l.list[:0], l.list[1:]...)
	l.waiting.Store(int32(len(l.list)))
	l.mu.Unlock()
	w.woken <- time.Now()
	return true
}

// wakeAll wakes everybody who waits now: each may wait for something else, or is
// to see that the socket is closed. Who comes back is not woken again.
func (l *waitList) wakeAll() {
	for range l.waiting.Load() {
		l.wake()
	}
}

// wait sleeps until w is woken, and returns when that was, or until ctx is
// done. A context that cannot be is not looked at.
func (w *waiter) wait(ctx context.Context) (woken time.Time, ok bool) {
	done := ctx.Done()
	if done == nil {
		return <-w.woken, true
	}
	select {
	case woken = <-w.woken:
		return woken, true
	case <-done:
		return woken, false
	}
}

// worthSpinning reports whether a goroutine that found nothing should look on
// for a while before it sleeps. Only sockets that go one way do: where messages
// go to and fro, the goroutine that is to answer wants this very processor.
func (l *waitList) worthSpinning(s *Socket) bool {
	return s.oneWay && s.engine.spin > 0 && l.score.Load() >= 0
}

// spin looks on until inbox has something, for a bounded time, and reports
// whether it did.
func (l *waitList) spin(s *Socket, inbox *ring.Inbox[*pipe]) bool {
	start := time.Now()
	for i := 1; inbox.Empty(); i++ {
		if i%spinLooks != 0 {
			continue
		}
		if s.closed.Load() || time.Since(start) > s.engine.spin {
			l.scored(-2)
			return false
		}
		runtime.Gosched() // what we wait for may itself wait for this processor
	}
	l.scored(+1)
	return true
}

// spinLooks is how many looks go between two at the clock.
const spinLooks = 64

// slept learns from a sleep whether spinning would have spared it: whether what
// ended it came soon. That waking up took long besides is one more reason to
// spin.
func (l *waitList) slept(s *Socket, from, woken time.Time) {
	if woken.Sub(from) < s.engine.spin {
		l.scored(+1)
	} else {
		l.scored(-1)
	}
}

// scored moves the score by n.
func (l *waitList) scored(n int32) {
	if now := l.score.Load() + n; now >= spinScoreMin && now <= spinScoreMax {
		l.score.Store(now)
	}
}
