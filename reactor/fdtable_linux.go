package reactor

import "sync/atomic"

// An fdTable holds what an epollDriver knows of each descriptor, by number.
// Descriptors are small numbers, reused at once, so it is an array; it is made
// in pieces so that it never moves, because closeFD finds its entry from any
// goroutine.
type fdTable struct {
	pieces [maxFDs / fdPiece]atomic.Pointer[[fdPiece]fdState] // stored by the reactor's thread only
}

const (
	fdPiece = 256
	// maxFDs is above any limit on descriptors in use (fs.nr_open is 1 << 20
	// unless somebody raised it). An operation on a higher one fails with EBADF.
	maxFDs = 1 << 20
)

// An fdState is what is known of one descriptor. closes belongs to everybody,
// the rest to the reactor's thread.
//
// Invariant, as long as era == closes: readable, or the kernel will report an
// edge for what is there and what arrives, or interest lacks EPOLLIN. Writing
// needs nothing of the kind, because it is always tried first, or interest renewed.
type fdState struct {
	closes atomic.Uint32 // how often a descriptor of this number was closed
	era    uint32        // closes when the rest began to be about this descriptor

	interest uint32 // events in the interest list; 0: not in it
	readable bool   // an edge came, and what it announced was not all read
	ended    bool   // reading will end: a short read does not mean that nothing is left

	in  *Op // OpRecv, OpAccept or OpReadable in flight
	out *Op // OpConnect, OpSend or OpWritable in flight
}

// at returns fd's entry, made new if fd's number had another descriptor before;
// nil if there can be no such descriptor. Reactor thread only.
func (t *fdTable) at(fd FD) *fdState {
	if fd < 0 || fd >= maxFDs {
		return nil
	}
	piece := t.pieces[fd/fdPiece].Load()
	if piece == nil {
		piece = new([fdPiece]fdState)
		t.pieces[fd/fdPiece].Store(piece)
	}
	s := &piece[fd%fdPiece]
	if closes := s.closes.Load(); s.era != closes {
		assert(s.in == nil && s.out == nil) // closed under an operation
		s.era = closes
		s.interest, s.readable, s.ended = 0, false, false
	}
	return s
}

// closing says that fd is about to be closed: what is known of it ends here.
// Any goroutine.
func (t *fdTable) closing(fd FD) {
	if fd < 0 || fd >= maxFDs {
		return
	}
	if piece := t.pieces[fd/fdPiece].Load(); piece != nil {
		piece[fd%fdPiece].closes.Add(1)
	}
}
