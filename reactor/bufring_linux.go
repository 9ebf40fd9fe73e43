package reactor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/zeroring/zeroring/ring"
	"golang.org/x/sys/unix"
)

const (
	// bufRingEntries is how many buffers a bufRing holds out to the kernel. They
	// bound what one enter can receive, not how many connections wait: a
	// connection takes a buffer only when octets are there. One that then finds
	// none is read by a system call of its own, which with hundreds of ready
	// connections costs a tenth more than twice as many buffers would; but the
	// kernel goes round them all, so each is RecvBufSize of resident memory, per
	// reactor. A power of two.
	bufRingEntries = 32

	bufRingGroup = 0 // each ring numbers its own groups, and we need one
)

// A bufRing is a provided-buffer ring: buffers that the kernel may receive into,
// each taken when octets arrive. Reactor thread only.
//
// Ownership. A Buf in bufs is the kernel's. It ends being so when its number
// comes back in a CQE: take then hands it to whoever asked to receive, and puts
// a new one in its place, so that the ring is full whenever the kernel looks.
//
// The kernel knows the Bufs by address only. bufs is what keeps them
// reachable; Go does not move heap memory.
type bufRing struct {
	shared []byte                    // mapped; holds the entries, which the kernel reads
	slots  *[bufRingEntries]bufEntry // shared, as what it is
	bufs   [bufRingEntries]*ring.Buf // by number
	tail   uint16                    // next entry to fill; the kernel's is behind it until publish
}

// bufEntry is struct io_uring_buf. In the first of a ring, the last field is its tail,
// and the kernel's to read; in the others it means nothing.
type bufEntry struct {
	addr   uint64
	size   uint32
	number uint16
	_      uint16
}

// bufRingParams is struct io_uring_buf_reg.
type bufRingParams struct {
	addr    uint64
	entries uint32
	group   uint16
	flags   uint16
	_       [3]uint64
}

// newBufRing registers a full buffer ring with r.
func newBufRing(r *kernelRing) (*bufRing, error) {
	// Page-aligned, as the kernel demands, and outside the Go heap, as the
	// kernel pins it.
	shared, err := unix.Mmap(-1, 0, bufRingEntries*int(unsafe.Sizeof(bufEntry{})),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("mmap: %w", err)
	}
	params := bufRingParams{addr: addressOf(shared), entries: bufRingEntries, group: bufRingGroup}
	if err := r.register(registerBufRing, unsafe.Pointer(&params), 1); err != nil {
		return nil, errors.Join(err, unix.Munmap(shared))
	}
	b := &bufRing{shared: shared, slots: (*[bufRingEntries]bufEntry)(unsafe.Pointer(&shared[0]))}
	for i := range b.bufs {
		b.bufs[i] = ring.NewBuf(RecvBufSize)
		b.give(uint16(i))
	}
	b.publish()
	return b, nil
}

// take returns a Buf whose front is the n octets that the kernel received into
// buffer number, n > 0. The caller owns it.
func (b *bufRing) take(number uint16, n int) *ring.Buf {
	full := b.bufs[number]
	got := full
	if n <= smallRead {
		got = ring.NewBuf(n)
		copy(got.Data, full.Data[:n])
	} else {
		b.bufs[number] = ring.NewBuf(RecvBufSize)
	}
	b.give(number)
	return got
}

// give puts buffer number at the end of the ring. The kernel gets it with the
// next publish.
func (b *bufRing) give(number uint16) {
	slot := &b.slots[b.tail%bufRingEntries]
	slot.addr = addressOf(b.bufs[number].Data)
	slot.size = RecvBufSize
	slot.number = number
	b.tail++
}

// publish hands everything given to the kernel.
//
// The tail must be stored with release order, and Go has no 16-bit atomics: so
// it is stored together with its neighbour, the first entry's number, which
// nobody but us writes.
func (b *bufRing) publish() {
	var word [4]byte
	binary.NativeEndian.PutUint16(word[:2], b.slots[0].number)
	binary.NativeEndian.PutUint16(word[2:], b.tail)
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&b.slots[0].number)), binary.NativeEndian.Uint32(word[:]))
}

// close takes the buffers back from the kernel. Nothing may be receiving.
func (b *bufRing) close(r *kernelRing) error {
	params := bufRingParams{group: bufRingGroup}
	err := r.register(unregisterBufRing, unsafe.Pointer(&params), 1)
	for _, buf := range b.bufs {
		buf.Release()
	}
	return errors.Join(err, unix.Munmap(b.shared))
}
