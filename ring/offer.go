package ring

import "sync/atomic"

// An Offer hands numbered slots out, each to the first who asks. Whoever
// offers does so under a lock of their own; claiming takes none, and costs one
// atomic operation.
//
// Ownership. The offerer owns all slots while the Offer is empty. Make hands
// those it names over, and Claim gives its caller one of them. The offerer may
// not touch a slot again before it has learnt, by other means, that its
// claimer is through with it: that a slot was claimed does not say so.
//
// The zero Offer is empty.
type Offer struct {
	word atomic.Uint64 // end<<32 | next: slots next ≤ i < end wait
}

// Make offers slots from start up to but not including end. The Offer must be
// empty, and only one goroutine may call Make at a time.
func (o *Offer) Make(start, end uint32) {
	o.word.Store(uint64(end)<<32 | uint64(start)) // claimers own the slots from here on
}

// Claim returns a slot that is the caller's from here on, if one waits. Any
// goroutine.
//
// Claimers that come too late count on, but that is as far as it goes: the next
// Make overwrites the count, and who finds the Offer empty does not count.
func (o *Offer) Claim() (slot uint32, ok bool) {
	if o.Empty() {
		return 0, false
	}
	w := o.word.Add(1)
	return uint32(w) - 1, uint32(w) <= uint32(w>>32)
}

// ClaimRest claims all slots that wait, from start up to but not including end, at
// once: nobody gets one from between them. If none waits, end is not above start.
// Any goroutine.
func (o *Offer) ClaimRest() (start, end uint32) {
	w := o.word.Swap(0)
	return uint32(w), uint32(w >> 32)
}

// Empty reports whether no slot waits.
func (o *Offer) Empty() bool {
	w := o.word.Load()
	return uint32(w) >= uint32(w>>32)
}
