package ring

import "sync/atomic"

// A Bell is the handshake by which a producer wakes a consumer that sleeps and
// pays nothing for one that is awake.
//
// The consumer arms the bell, looks once more at everything that could have
// work for it, and only then sleeps. The producer publishes work and then
// rings. Either the producer sees the armed bell, or the consumer, which armed
// it first, sees the work: the two stores and the two loads are in one order
// for everybody.
type Bell struct {
	armed atomic.Bool
}

// Arm says that the consumer is about to sleep. It must look for work after it.
func (b *Bell) Arm() { b.armed.Store(true) }

// Disarm says that the consumer is awake. What was published while the bell was
// armed may already have been rung for, so a wake-up can still come. What is
// published from here on is not rung for: the consumer must look after it. Where
// several sleep by one bell, who finds work must leave it armed for the others.
func (b *Bell) Disarm() { b.armed.Store(false) }

// Ring reports whether the caller is the one who must wake the consumer. It is
// called after publishing. A consumer that armed and then found work may call
// it instead of Disarm: false tells it that a wake-up is on its way.
func (b *Bell) Ring() bool { return b.armed.Load() && b.armed.CompareAndSwap(true, false) }
