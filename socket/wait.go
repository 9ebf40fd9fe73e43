package socket

import (
	"sync"
	"sync/atomic"
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
}

// A waiter is one sleeping goroutine.
type waiter struct {
	woken chan struct{} // capacity 1
}

var waiters = sync.Pool{New: func() any { return &waiter{woken: make(chan struct{}, 1)} }}

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
	w.woken <- struct{}{}
	return true
}
