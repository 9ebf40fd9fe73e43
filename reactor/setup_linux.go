package reactor

import (
	"errors"
	"fmt"
	"reflect"
	"syscall"
	"time"
	"unsafe"

	"github.com/godzie44/go-uring/uring"
	"golang.org/x/sys/unix"
)

// Set-up flags that go-uring has no option for.
const (
	setupCQSize       = 1 << 3
	setupSubmitAll    = 1 << 7  // Linux 5.18: one bad SQE does not stop the batch
	setupSingleIssuer = 1 << 12 // Linux 6.0
	setupDeferTaskrun = 1 << 13 // Linux 6.1
)

// Bits of ringParams.features.
const (
	featureNoDrop       = 1 << 1  // Linux 5.5: a full CQ overflows into the kernel instead of losing CQEs
	featureSubmitStable = 1 << 2  // Linux 5.5: what an SQE points to is copied by the time enter returns
	featureFastPoll     = 1 << 5  // Linux 5.7: a socket that is not ready is polled, not given to a thread
	featureExtArg       = 1 << 8  // Linux 5.11
	featureCQESkip      = 1 << 11 // Linux 5.17
)

// featuresNeeded is what the driver cannot do without. ExtArg stands for the
// kernel that brought it, 5.11, which is also the first that can move a
// timeout that is armed.
const featuresNeeded = featureNoDrop | featureSubmitStable | featureFastPoll | featureExtArg

// io_uring_register(2) opcodes.
const (
	registerBufRing   = 22
	unregisterBufRing = 23
)

// sqeSize is the size in octets of an SQE. It is kernel ABI.
const sqeSize = unsafe.Sizeof(uring.SQEntry{})

// ringParams is the head of struct io_uring_params. Its layout is kernel ABI.
type ringParams struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFD uint32
}

// setupOption makes a uring.SetupOption of set. That is a func of an
// unexported type, so only reflection can make one; its argument is a
// *struct io_uring_params.
func setupOption(set func(params *ringParams)) uring.SetupOption {
	option := reflect.MakeFunc(reflect.TypeFor[uring.SetupOption](), func(args []reflect.Value) []reflect.Value {
		set((*ringParams)(args[0].UnsafePointer()))
		return nil
	})
	return option.Interface().(uring.SetupOption)
}

// A kernelRing is a uring.Ring that can be closed for good.
type kernelRing struct {
	*uring.Ring
	sqes     []byte // the mapped SQE array, which go-uring's Close leaves mapped
	features uint32
}

// openRing creates a ring with room for entries SQEs and completions CQEs. One
// NOP is staged in it: to ask for an SQE is the only way to learn where they
// are mapped, and an SQE that was asked for cannot be given back.
func openRing(entries, completions, flags uint32) (*kernelRing, error) {
	inner, err := uring.New(entries, setupOption(func(params *ringParams) {
		params.flags |= flags | setupCQSize
		params.cqEntries = completions
	}))
	if err != nil {
		if inner != nil { // the ring was made, but its memory could not be mapped
			err = errors.Join(err, unix.Close(inner.Fd()))
		}
		return nil, err
	}
	sqe, err := inner.NextSQE()
	if err != nil {
		return nil, errors.Join(err, inner.Close())
	}
	fillNop(sqe)
	params := (*ringParams)(unsafe.Pointer(inner.Params))
	return &kernelRing{
		Ring:     inner,
		sqes:     unsafe.Slice((*byte)(unsafe.Pointer(sqe)), uintptr(params.sqEntries)*sqeSize),
		features: params.features,
	}, nil
}

// entries is how many SQEs the ring has: a power of two, not less than asked for.
func (r *kernelRing) entries() int { return len(r.sqes) / int(sqeSize) }

// check returns an error if the kernel does not have what we build upon, or
// does not have a feature that shows only here.
func (r *kernelRing) check(can uringFeatures) error {
	want := uint32(featuresNeeded)
	if can.cqeSkip {
		want |= featureCQESkip
	}
	if r.features&want != want {
		return fmt.Errorf("io_uring_setup: features are %#x, want %#x: %w", r.features, want, unix.EINVAL)
	}
	return nil
}

// ringSizes are how many SQEs and CQEs a ring has. SQEs bound what one enter
// submits: what is staged beyond goes out by an enter of its own. CQEs beyond
// are kept by the kernel (featureNoDrop), at a price.
//
// Memory that the kernel shares with us counts as locked, all of a user's
// processes together. With its buffer ring the first choice takes 32 KiB, and
// so fits twice into the 64 KiB that used to be the default limit; the second
// takes 12.
var ringSizes = []struct{ entries, completions uint32 }{{128, 1024}, {32, 128}}

// teardownLimit is how long we wait for the kernel to take back the memory of
// rings that were closed, which it does behind our back. A variable for a test,
// which must not fail because the machine is busy.
var teardownLimit = 200 * time.Millisecond

// teardownLook is how often we look whether it has.
const teardownLook = 10 * time.Millisecond

// openRings opens the largest ring that there is memory for, and that limit
// operations in flight have use for, with its buffer ring if can has those.
func openRings(can uringFeatures, limit int) (r *kernelRing, b *bufRing, err error) {
	sizes := ringSizes
	if limit <= minSlots {
		sizes = sizes[len(sizes)-1:]
	}
	for end := time.Now().Add(teardownLimit); ; time.Sleep(teardownLook) {
		for _, size := range sizes {
			r, b, err = openRingPair(can, size.entries, size.completions)
			if !errors.Is(err, unix.ENOMEM) {
				return r, b, err
			}
		}
		if time.Now().After(end) {
			return nil, nil, err
		}
	}
}

// openRingPair opens a ring and, if can has those, its buffer ring; or nothing.
func openRingPair(can uringFeatures, entries, completions uint32) (r *kernelRing, b *bufRing, err error) {
	if r, err = openRing(entries, completions, can.setupFlags()); err != nil {
		return nil, nil, err
	}
	if err = r.check(can); err == nil && can.bufRing {
		b, err = newBufRing(r)
	}
	if err != nil {
		return nil, nil, errors.Join(err, r.close())
	}
	return r, b, nil
}

// index returns which of the ring's SQEs sqe is.
func (r *kernelRing) index(sqe *uring.SQEntry) int {
	return int((uintptr(unsafe.Pointer(sqe)) - uintptr(unsafe.Pointer(&r.sqes[0]))) / sqeSize)
}

// register is io_uring_register(2).
func (r *kernelRing) register(opcode uintptr, arg unsafe.Pointer, count uintptr) error {
	_, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.Fd()), opcode, uintptr(arg), count, 0, 0)
	if errno != 0 {
		return fmt.Errorf("io_uring_register: %w", errno)
	}
	return nil
}

// close releases the ring and cancels what is still in it.
//
// go-uring's Close leaves the SQE array mapped. The mapping keeps the ring's
// file open, so the kernel would keep the ring and every operation in flight:
// a listener with an accept pending would keep its port until we exit.
func (r *kernelRing) close() error {
	return errors.Join(r.Ring.Close(), syscall.Munmap(r.sqes))
}
