package ring

import (
	"fmt"
	"math"
	"sync"
	"testing"
)

func TestBufSizes(t *testing.T) {
	noLeak(t)
	for _, tt := range []struct{ size, want int }{
		{-1, 512}, {0, 512}, {1, 512}, {511, 512}, {512, 512}, {513, 1024}, {1024, 1024}, {1025, 2048},
		{32 << 10, 32 << 10}, {32<<10 + 1, 40 << 10}, {40 << 10, 40 << 10}, {40<<10 + 1, 48 << 10}, {64 << 10, 64 << 10},
		{1<<20 - 1, 1 << 20}, {1 << 20, 1 << 20}, {1<<20 + 1, 5 << 18}, {7<<18 + 1, 2 << 20}, {10 << 20, 10 << 20}, {16 << 20, 16 << 20}, {16<<20 + 1, 16<<20 + 1}, {17 << 20, 17 << 20},
	} {
		b := NewBuf(tt.size)
		if len(b.Data) != tt.want || cap(b.Data) != tt.want {
			t.Errorf("NewBuf(%d) has %d octets, capacity %d, want %d", tt.size, len(b.Data), cap(b.Data), tt.want)
		}
		if b.Shared() {
			t.Errorf("NewBuf(%d) is shared", tt.size)
		}
		b.Release()
	}
}

func TestBufReferences(t *testing.T) {
	for _, size := range []int{64, 64 << 10, 17 << 20} { // pooled, stacked, and neither
		before := LiveBufs()
		b := NewBuf(size)
		b.Retain(2)
		for left := 2; left >= 0; left-- {
			if got := LiveBufs() - before; got != 1 {
				t.Errorf("%d Bufs alive with %d references, want 1", got, left+1)
			}
			if got, want := b.Shared(), left > 0; got != want {
				t.Errorf("Shared() = %v with %d references", got, left+1)
			}
			b.Release()
		}
		if got := LiveBufs() - before; got != 0 {
			t.Errorf("%d Bufs alive after the last reference, want 0", got)
		}
	}
}

func TestBufMisuse(t *testing.T) {
	misuse := func(name string, f func(b *Buf)) {
		t.Run(name, func(t *testing.T) {
			// Made to measure, so that nobody else is harmed by what f does.
			b := NewBuf(17 << 20)
			b.Release()
			defer func() {
				if recover() == nil {
					t.Error("does not panic")
				}
			}()
			f(b)
		})
	}
	misuse("Release", func(b *Buf) { b.Release() })
	misuse("Retain", func(b *Buf) { b.Retain(1) })
	misuse("Retain 3", func(b *Buf) { b.Retain(3) })
}

// TestBufRecycled checks that a Buf is not handed out while somebody refers to
// it: each holder marks the whole Buf as its own and finds its mark again.
func TestBufRecycled(t *testing.T) {
	noLeak(t)
	rounds := 20_000
	if testing.Short() {
		rounds = 2_000
	}
	var holders sync.WaitGroup
	passed := make(chan *Buf, 16)
	for id := range 4 {
		holders.Go(func() {
			for i := range rounds {
				b := NewBuf(512)
				mark := byte(id<<6 | i&63)
				for j := range b.Data {
					b.Data[j] = mark
				}
				b.Retain(1)
				passed <- b // with one reference
				for j := range b.Data {
					if b.Data[j] != mark {
						t.Errorf("octet %d is %#x, want %#x", j, b.Data[j], mark)
						break
					}
				}
				b.Release()
			}
		})
	}
	var reader sync.WaitGroup
	reader.Go(func() {
		for b := range passed {
			for j := range b.Data {
				if b.Data[j] != b.Data[0] {
					t.Errorf("octet %d is %#x, the first %#x", j, b.Data[j], b.Data[0])
					break
				}
			}
			b.Release()
		}
	})
	holders.Wait()
	close(passed)
	reader.Wait()
}

// TestBufLastHolder checks that a holder who finds a Buf not shared may write to
// it: under -race a write that a reader did not finish before would be reported.
func TestBufLastHolder(t *testing.T) {
	noLeak(t)
	for i := range 2_000 {
		b := NewBuf(512)
		b.Data[0] = 0
		b.Retain(2)
		var readers sync.WaitGroup
		for range 2 {
			readers.Go(func() {
				if b.Data[0] != 0 {
					t.Errorf("round %d: read %d", i, b.Data[0])
				}
				b.Release()
			})
		}
		for b.Shared() {
			yield()
		}
		b.Data[0] = 1
		b.Release()
		readers.Wait()
	}
}

func TestBufDoesNotAllocate(t *testing.T) {
	for _, size := range []int{64, 4096, 1 << 20} {
		doesNotAllocate(t, fmt.Sprint(size), func() {
			b := NewBuf(size)
			b.Retain(1)
			b.Release()
			b.Release()
		})
	}
}

// Of large buffers the one given back last is the next to be used, and only so
// many are kept.
func TestLargeBufsStack(t *testing.T) {
	noLeak(t)
	const size = 64 << 10
	a, b := NewBuf(size), NewBuf(size)
	a.Release()
	b.Release()
	if c := NewBuf(size); c != b {
		t.Error("what was given back last was not used next")
	} else {
		c.Release()
	}
	var bufs []*Buf
	for range 2 * keptOctets / size {
		bufs = append(bufs, NewBuf(size))
	}
	for _, b := range bufs {
		b.Release()
	}
	kept.mu.Lock()
	defer kept.mu.Unlock()
	octets := 0
	for _, stack := range kept.stacks {
		for _, b := range stack {
			octets += len(b.Data)
		}
	}
	if octets != kept.octets || octets > keptOctets || octets < keptOctets/2 {
		t.Errorf("%d octets are kept, and counted as %d, of %d", octets, kept.octets, keptOctets)
	}
}

// TestBufManyReferences: a buffer that a burst was shared from may have as many as
// there are pieces of it times subscribers that do not read.
func TestBufManyReferences(t *testing.T) {
	noLeak(t)
	b := NewBuf(512)
	b.Retain(math.MaxInt32)
	b.Retain(math.MaxInt32)
	if !b.Shared() {
		t.Error("it is not shared")
	}
	b.refs.Store(1) // as good as to release the others
	b.Release()
}
