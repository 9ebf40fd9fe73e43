package ring

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// Buffers come in powers of two from minBufShift to maxBufShift and are
// recycled. A larger one is made to measure and left to the collector: it
// belongs to one huge message, and keeping it would keep its peak.
const (
	minBufShift = 9  // 512 octets
	maxBufShift = 20 // 1 MiB
)

// A Buf is a reference-counted buffer.
//
// Whoever holds a reference may read the octets that were handed over with it.
// Who may write which part of Data is between the holders: a reader that fills
// a Buf hands out the filled front and goes on writing behind it.
type Buf struct {
	Data  []byte // all of it is usable: len == cap
	refs  atomic.Int32
	class int8 // index into bufPools, or -1
}

var (
	bufPools [maxBufShift - minBufShift + 1]sync.Pool
	liveBufs atomic.Int64
)

// NewBuf returns a Buf of at least size octets, with one reference. Its
// contents are arbitrary.
func NewBuf(size int) *Buf {
	shift := max(minBufShift, bits.Len(uint(max(size, 1)-1)))
	liveBufs.Add(1)
	if shift > maxBufShift {
		b := &Buf{Data: make([]byte, size), class: -1}
		b.refs.Store(1)
		return b
	}
	class := shift - minBufShift
	b, _ := bufPools[class].Get().(*Buf)
	if b == nil {
		b = &Buf{Data: make([]byte, 1<<shift), class: int8(class)}
	}
	b.refs.Store(1)
	return b
}

// Retain adds n references. The caller holds one.
func (b *Buf) Retain(n int) {
	if b.refs.Add(int32(n)) <= int32(n) {
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
		if b.class >= 0 {
			bufPools[b.class].Put(b)
		}
	}
}

// Shared reports whether somebody else holds a reference too. A false stays
// false until this holder hands one out.
func (b *Buf) Shared() bool { return b.refs.Load() > 1 }

// LiveBufs is how many Bufs have references. Tests use it to find leaks.
func LiveBufs() int { return int(liveBufs.Load()) }
