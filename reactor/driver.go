package reactor

import "time"

// A driver carries operations between a Reactor and the outside world.
// There are three: uringDriver, epollDriver, and the simulator's simDriver.
//
// From above they are the same. An Op goes in through submit and comes out of
// wait as a completion: exactly once or, if multishot, any number of times with
// more set and then once without. It never completes inside submit, so an owner
// can submit without guarding against its own Handler running underneath it.
//
// Completions that arrive for one Op are in order. At most one OpRecv, OpAccept
// or OpReadable, and one OpConnect, OpSend or OpWritable, are in flight for an FD.
//
// OpReadable and OpWritable look anew when they are submitted: what was there
// before, and what came since their owner last looked, completes them.
//
// A driver is made on the goroutine that will run its reactor, so that it may
// bind itself to the thread (see pinned).
type driver interface {
	// submit queues op for the next wait. It cannot fail: what is refused comes
	// back as a completion with a negative result. Reactor thread only.
	submit(op *Op)

	// cancel hastens op, which still completes: with -ECANCELED, or with
	// whatever result won the race. An op that is not in flight (see ops) is
	// left alone. Reactor thread only.
	cancel(op *Op)

	// wait hands everything queued to the kernel and blocks until an Op
	// completes, wake is called, or until passes; a zero until never passes and
	// one not after now does not block. It appends what completed to done, and
	// may append nothing. Reactor thread only.
	wait(now, until time.Time, done []completion) []completion

	// wake makes a wait that is under way, or else the next one, return
	// promptly. Any goroutine may call it; calls coalesce.
	wake()

	// now is the clock. Any goroutine.
	now() time.Time

	// ops holds every Op that was submitted and whose last completion wait has
	// not appended yet, but for those refused for want of a slot. Reactor
	// thread only.
	ops() *opTable

	// pinned reports whether the driver has locked the reactor's goroutine to
	// its thread. The loop then does not hand its processor to others by
	// runtime.Gosched, which costs two thread switches.
	pinned() bool

	// The rest may be called by any goroutine.

	// rouse ends a wait that has something to return and has not noticed. Any
	// goroutine may call it, and even once the driver is closed.
	rouse()

	// giveWay lets another thread have the calling thread's processor for once.
	giveWay()

	// tryRead and tryWrite do the operation at once or return ErrAgain. An
	// OpRecv (OpSend) may not be in flight for fd. They let a caller work when
	// the reactor has nothing to do with fd. tryRead returns io.EOF at the end
	// of the stream; tryWrite may write less than it was given.
	tryRead(fd FD, b []byte) (int, error)
	tryWrite(fd FD, bufs [][]byte) (int, error)

	socket(to Addr, opts *SockOpts) (FD, error)            // unconnected, for OpConnect
	listen(at Addr, opts *SockOpts) (FD, Addr, error)      // listening; the address says what was bound
	accepted(fd FD, opts *SockOpts) (peer Addr, err error) // sets up what OpAccept brought
	localAddr(fd FD) (Addr, error)
	backlogged(fd FD) bool // the other end is there and does not read
	shutdown(fd FD) error  // no more sending: the peer reads to the end of the stream
	closeFD(fd FD)         // none of its Ops may be in flight

	datagram(opts *DatagramOpts) (FD, DatagramInfo, error)
	readDatagrams(fd FD, d *DatagramReader) (int, error)
	writeDatagrams(fd FD, d *DatagramWriter) error

	// close gives everything back. No Op may be in flight. Reactor thread only.
	close() error
}

// A completion is what wait reports: that op has a result, and whether more
// will follow. The reactor copies it into the Op just before it tells the
// owner, because a multishot Op may complete many times in one wait.
type completion struct {
	op     *Op
	result int32
	more   bool
}
