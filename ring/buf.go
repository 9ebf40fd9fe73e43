package ring

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// Small buffers come in powers of two from 512 octets, large ones in quarters of
// powers of two, and are recycled. One of more than 16 MiB is made to measure and
// left to the collector: it belongs to one huge message, and keeping it would
// keep its peak.
//
// What was given back last is in the processor's cache, which for a large
// buffer is what its use costs. A pool of the runtime's hands the oldest to
// whoever runs on another processor, and it is on another that most buffers are
// given back. So the most recent of the large ones, keptOctets of them at most,
// are on stacks that all share: the lock costs less than a per cent of copying
// what is in the buffer.
const (
	minBufShift   = 9  // 512 octets
	largeBufShift = 15 // more than 32 KiB
	maxBufShift   = 24 // 16 MiB
	keptOctets    = 8 << 20

	smallClasses = largeBufShift - minBufShift + 1
	largeClasses = (maxBufShift - largeBufShift) * 4
)

// classOf returns the class of the buffers that are just large enough for size,
// and their size. Those of more than the largest class have none.
func classOf(size int) (class, octets int) {
	last := uint(max(size, 1) - 1)
	shift := bits.Len(last)
	switch {
	case shift <= largeBufShift:
		shift = max(shift, minBufShift)
		return shift - minBufShift, 1 << shift
	case shift > maxBufShift:
		return -1, size
	}
	// base <= last < 2 base
	base := uint(1) << (shift - 1)
	quarter := (last - base) / (base / 4)
	return smallClasses + 4*(shift-1-largeBufShift) + int(quarter), int(base + (quarter+1)*(base/4))
}

// A Buf is a reference-counted buffer.
//
// Whoever holds a reference may read the octets that were handed over with it.
// Who may write which part of Data is between the holders: a reader that fills
// a Buf hands out the filled front and goes on writing behind it.
type Buf struct {
	Data  []byte // all of it is usable: len == cap
	class int8   // index into bufPools, or -1

	// refs may be as many as a burst has pieces times the subscribers that do not
	// read them, which is more than 32 bits hold.
	refs atomic.Int64
}

var (
	bufPools [smallClasses + largeClasses]sync.Pool
	liveBufs atomic.Int64
	kept     keptBufs
)

// keptBufs are large buffers that nobody uses, the most recent of each class
// last.
type keptBufs struct {
	mu     sync.Mutex
	octets int
	stacks [largeClasses][]*Buf
}

func (k *keptBufs) get(class int) *Buf {
	i := class - smallClasses
	if i < 0 {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	stack := k.stacks[i]
	if len(stack) == 0 {
		return nil
	}
	b := stack[len(stack)-1]
	stack[len(stack)-1] = nil
	k.stacks[i] = stack[:len(stack)-1]
	k.octets -= len(b.Data)
	return b
}

// put reports whether there was room for b.
func (k *keptBufs) put(b *Buf) bool {
	i := int(b.class) - smallClasses
	if i < 0 {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.octets+len(b.Data) > keptOctets {
		return false
	}
	k.stacks[i] = append(k.stacks[i], b)
	k.octets += len(b.Data)
	return true
}

// NewBuf returns a Buf of at least size octets, with one reference. Its
// contents are arbitrary.
func NewBuf(size int) *Buf {
	class, octets := classOf(size)
	liveBufs.Add(1)
	var b *Buf
	if class >= 0 {
		if b = kept.get(class); b == nil {
			b, _ = bufPools[class].Get().(*Buf)
		}
	}
	if b == nil {
		b = &Buf{Data: make([]byte, octets), class: int8(class)}
	}
	b.refs.Store(1)
	return b
}

// Retain adds n references. The caller holds one.
func (b *Buf) Retain(n int) {
	if b.refs.Add(int64(n)) <= int64(n) {
		panic("ring: Buf retained after its release")
	}
}

// Release drops one reference. With the last, the Buf is recycled: the caller
// may not touch it from here on.
func (b *Buf) Release() {
	switch refs := b.refs.Add(-1); {
	case refs > 0:
	case refs < 0:
		panic("ring: Buf released more often than retained")
	default:
		liveBufs.Add(-1)
		if b.class >= 0 && !kept.put(b) {
			bufPools[b.class].Put(b)
		}
	}
}

// Shared reports whether somebody else holds a reference too. A false stays
// false until this holder hands one out.
func (b *Buf) Shared() bool { return b.refs.Load() > 1 }

// LiveBufs is how many Bufs have references. Tests use it to find leaks.
func LiveBufs() int { return int(liveBufs.Load()) }
