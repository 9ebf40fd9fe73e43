// Package ring holds the queues and buffers through which goroutines and
// reactors meet. It knows nothing of sockets, and its only dependency is
// package sync.
//
//	Stream  one producer to one consumer, octets of whole messages, by the chunk
//	Inbox   any goroutine to one consumer, items that queue at most once
//	Bell    lets a producer pay for a wake-up only if the consumer sleeps
//	Buf     a reference-counted buffer, from pools by size
//
// They share one argument about memory. Go's atomics are sequentially
// consistent (https://go.dev/ref/mem#atomic): what a goroutine wrote before an
// atomic store is seen by whoever loads the stored value. So each queue has a
// single atomic word whose store hands memory to the other side, and its
// comment says "owns ... from here on" at that line.
package ring
