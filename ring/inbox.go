package ring

import "sync/atomic"

// An Inbox is an unbounded queue from any goroutine to one consumer, of items
// that each stand in it at most once. It allocates nothing: an item brings its
// own Node. That a second Push of a queued item does nothing is what makes it
// a list of things to look at rather than of things that happened.
//
// Ownership. A Node is the inbox's from the Push that queued it until Unlink.
// Producers push onto a stack by compare-and-swap; the consumer takes the
// whole stack by one swap and reverses it, so items come out in order.
type Inbox[T any] struct {
	top atomic.Pointer[Node[T]]
}

// A Node is an item's place in an Inbox, usually embedded in the item. It may
// be used with one Inbox only.
type Node[T any] struct {
	Value  T
	next   *Node[T]
	queued atomic.Bool
}

// Push queues n unless it is queued already, and reports whether it did. Any
// goroutine may call it.
func (b *Inbox[T]) Push(n *Node[T]) bool {
	if n.queued.Load() || n.queued.Swap(true) {
		return false
	}
	for {
		top := b.top.Load()
		n.next = top
		if b.top.CompareAndSwap(top, n) { // the consumer owns n from here on
			return true
		}
	}
}

// Empty reports whether there was nothing to take.
func (b *Inbox[T]) Empty() bool { return b.top.Load() == nil }

// Take removes everything and returns it as a list, oldest first, to be walked
// with Unlink. Only the consumer may call it.
func (b *Inbox[T]) Take() *Node[T] {
	if b.top.Load() == nil {
		return nil
	}
	var first *Node[T]
	for n := b.top.Swap(nil); n != nil; {
		n, n.next, first = n.next, first, n
	}
	return first
}

// Unlink takes n, the first of a list that Take returned, off the list and
// returns the rest. n may be pushed again from here on, so the consumer calls
// it before it looks at what n stands for, never after: a Push that comes
// while it looks must not be lost.
func (n *Node[T]) Unlink() (rest *Node[T]) {
	rest, n.next = n.next, nil
	n.queued.Store(false)
	return rest
}
