package reactor

import (
	"time"

	"github.com/zeroring/zeroring/ring"
)

// An FD names a socket of a driver: a file descriptor, or a simulated one.
type FD int32

// NoFD is what no socket is named.
const NoFD FD = -1

// An OpKind says what an Op asks for.
type OpKind uint8

// The kinds of operation.
const (
	OpNone    OpKind = iota
	OpAccept         // multishot: a completion for each connection, until cancelled
	OpConnect        // connect FD to Addr
	OpRecv           // read once, as soon as there is something to read
	OpSend           // write Bufs once, as soon as there is room

	// Readiness alone, for who reads and writes by other means: they complete
	// once, with 0. Not for listeners.
	OpReadable // there is something to read: octets, datagrams, the end or an error
	OpWritable // there is room to write, or an error
)

// MaxGather is how many slices one OpSend or TryWrite takes.
const MaxGather = 16

// RecvBufSize is the size in octets of the buffers that a driver chooses for
// an OpRecv that brings none.
const RecvBufSize = 64 << 10

// smallRead is up to how many octets a driver copies out of the Buf it chose
// into one of the right size. Otherwise a connection that receives a little at
// a time would pin RecvBufSize octets for as long as the owner keeps them.
const smallRead = 2 << 10

// An Op is one operation in flight. Its owner embeds it, so that starting an
// operation allocates nothing.
//
// Between Submit and its last completion the Op and the memory it points to
// belong to the driver: the owner may not touch, move or reuse either.
type Op struct {
	Kind  OpKind
	FD    FD
	Owner Handler

	Addr Addr      // OpConnect: where to
	Buf  *ring.Buf // OpRecv: read into Buf.Data[Off:]; nil lets the driver choose a Buf when octets are there
	Off  int       // with a nil Buf it must be 0
	Bufs [][]byte  // OpSend: at most MaxGather

	// Result is set on completion: octets read (0 is the end of the stream) or
	// written (possibly fewer than given), for OpAccept the new FD, for
	// OpConnect, OpReadable and OpWritable 0; or a negative errno, of which -ECANCELED and -ENOBUFS (no
	// buffer or no slot was free: submit again) are the reactor's own.
	// A Buf that the driver chose is the owner's, with one reference, if and
	// only if Result is positive; else Buf is nil as it was.
	//
	// An OpAccept that completes with an error and More (-EMFILE: no
	// descriptor is free) goes on by itself after a while.
	Result int32
	More   bool // multishot: this is not the last completion

	// Drained may be set before an OpReadable is submitted: its owner has read all
	// there was, in this very turn of the reactor. It spares a look at the kernel.
	Drained bool

	token token
}

// waitsForInput reports whether op is why a reactor would rather not sleep.
func (op *Op) waitsForInput() bool { return op.Kind == OpRecv || op.Kind == OpReadable }

// A Handler is told when its operations complete. It runs on the reactor's
// thread; what it submits goes out with the current batch.
//
// Once its Group is being closed an operation completes with -ECANCELED, and so
// does whatever is submitted after that: a Handler must not submit again then.
type Handler interface {
	Complete(now time.Time, op *Op)
}
