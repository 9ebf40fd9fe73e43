package reactor

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/godzie44/go-uring/uring"
	"golang.org/x/sys/unix"
)

const (
	// quickEntries is up to how many SQEs are submitted by a system call that
	// Go's scheduler is not told about. That saves a third of a microsecond,
	// but nobody can take over the processor meanwhile: a send over loopback
	// takes some microseconds, since it does the receiver's work too.
	quickEntries = 32
)

// Tokens that name no Op: their slot is beyond any table's.
const (
	tokenBell  token = 1<<32 - 1 - iota // the eventfd was written to
	tokenTimer                          // the kernel timeout passed
	tokenNone                           // nobody wants to know
)

// A uringDriver carries operations through an io_uring.
//
// The ring has two modes. Plain, the kernel runs its task work on whichever
// thread submitted the operation, interrupting it if need be, and the reactor's
// goroutine may move between threads. Deferred, task work waits until the
// reactor enters the kernel; this ties the ring to one thread, and the
// goroutine to that. See useDeferTaskrun for which it is.
//
// Memory. What an SQE points to besides payload is in its sidecar, and payload
// belongs to an Op in table, or to bufs. So everything the kernel knows by
// address is reachable for as long as it may use it.
//
// Reactor thread only, but for wake and what kernelSockets does.
type uringDriver struct {
	kernelSockets
	can    uringFeatures
	ring   *kernelRing
	bufs   *bufRing  // nil: an OpRecv without a Buf is a poll, then a read
	sides  []sidecar // one beside each SQE
	staged int       // SQEs filled since the last enter

	table  *opTable
	states []opState // by slot
	eager  []bool    // by FD: the last receive left something behind

	held   []uring.CQEvent // taken off the CQ, not looked at yet
	ready  []completion    // completions that did not come from the kernel
	paused []token         // OpAccepts that rest until resume
	resume time.Time

	timer kernelTimeout
	bell  wakeFD
	woken bool  // the bell rang in this wait
	deaf  int32 // why the bell could not be armed, or 0; only a trial ever sees it set

	peek [64]*uring.CQEvent

	parking parking // unless the goroutine is locked to its thread
}

// An opState is what the driver knows of the Op in the slot of the same number.
type opState struct {
	stage     opStage
	cancelled bool // by its owner; the kernel sometimes does it by itself
}

// An opStage says where an Op is that is in flight.
type opStage uint8

const (
	stageKernel opStage = iota // its own SQE is staged or with the kernel
	stagePoll                  // so is a POLL_ADD, after which it goes on
	stagePaused                // it is in paused
	stageDone                  // its last completion is in ready
)

// newUringDriver makes a driver of what the probe found. Its caller is the
// goroutine that will run it.
func newUringDriver(cfg *Config) (driver, error) {
	d, err := openUring(probeOnce().features, cfg.maxOps())
	if err != nil {
		return nil, diagnose(err) // not d: a nil *uringDriver is not a nil driver
	}
	if len(cfg.CPUs) == 0 && !d.pinned() {
		// Where the poller does not take it, sleeping in a system call must do.
		_ = d.parking.open(d.ring.Fd(), d.look)
	}
	return d, nil
}

// openUring makes a driver that uses what can says, for at most limit Ops.
func openUring(can uringFeatures, limit int) (*uringDriver, error) {
	if can.deferTaskrun {
		runtime.LockOSThread() // the ring belongs to the thread that makes it
	}
	d := &uringDriver{can: can, table: newOpTable(limit)}
	if err := d.open(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *uringDriver) open() (err error) {
	if err = errors.Join(d.timer.start(), d.bell.open()); err != nil {
		return err
	}
	if d.ring, d.bufs, err = openRings(d.can, d.table.limit); err != nil {
		return err
	}
	d.sides = make([]sidecar, d.ring.entries())
	d.armBell()
	// A sandbox may let the set-up pass and forbid the rest. What openRing
	// staged completes at once, so this does not wait.
	_, err = d.ring.SubmitAndWaitCQEvents(1)
	d.staged = 0
	return err
}

// close gives everything back, and the thread as it was before openUring.
func (d *uringDriver) close() (err error) {
	err = d.parking.close()
	if d.bufs != nil {
		err = errors.Join(err, d.bufs.close(d.ring))
	}
	if d.ring != nil {
		err = errors.Join(err, d.ring.close())
	}
	err = errors.Join(err, d.bell.close())
	if d.can.deferTaskrun {
		runtime.UnlockOSThread()
	}
	return err
}

func (d *uringDriver) ops() *opTable { return d.table }
func (d *uringDriver) pinned() bool  { return d.can.deferTaskrun }
func (d *uringDriver) wake()         { d.bell.ring() }
func (d *uringDriver) rouse()        { d.parking.rouse() }
func (d *uringDriver) closeFD(fd FD) { unix.Close(int(fd)) }

func (d *uringDriver) submit(op *Op) {
	if !d.table.add(op) {
		d.ready = append(d.ready, completion{op: op, result: errnoResult(unix.ENOBUFS)})
		return
	}
	for int(op.token.slot()) >= len(d.states) {
		d.states = append(d.states, opState{})
	}
	*d.state(op) = opState{}
	d.stage(op)
}

func (d *uringDriver) cancel(op *Op) {
	if !d.table.holds(op) {
		return
	}
	switch s := d.state(op); s.stage {
	case stagePaused:
		d.refuse(op, canceled)
	case stageKernel, stagePoll:
		s.cancelled = true
		sqe, _ := d.nextSQE()
		fillCancel(sqe, op.token)
		d.quiet(sqe)
	}
}

// refuse completes op, which the kernel does not know.
func (d *uringDriver) refuse(op *Op, result int32) {
	d.state(op).stage = stageDone
	d.ready = append(d.ready, completion{op: op, result: result})
}

func (d *uringDriver) state(op *Op) *opState { return &d.states[op.token.slot()] }

// nextSQE returns an SQE to fill, and its sidecar. If the SQ is full it submits
// what is staged.
func (d *uringDriver) nextSQE() (*uring.SQEntry, *sidecar) {
	for {
		if sqe, err := d.ring.NextSQE(); err == nil {
			d.staged++
			return sqe, &d.sides[d.ring.index(sqe)]
		}
		d.enter(0)
		d.collect() // a full CQ can be why the kernel takes nothing
	}
}

// quiet spares us the CQE of an SQE that succeeds.
func (d *uringDriver) quiet(sqe *uring.SQEntry) {
	if d.can.cqeSkip {
		sqe.Flags |= sqeCQESkipSuccess
	}
}

// stage fills an SQE for op, or for the poll that must come before it.
func (d *uringDriver) stage(op *Op) {
	if op.Kind == OpReadable || op.Kind == OpWritable || op.Kind == OpRecv && op.Buf == nil && d.bufs == nil {
		d.stagePoll(op)
		return
	}
	d.state(op).stage = stageKernel
	sqe, side := d.nextSQE()
	switch op.Kind {
	case OpAccept:
		fillAccept(sqe, op.FD, d.can.acceptMultishot, op.token)
	case OpConnect:
		d.stageConnect(sqe, side, op)
	case OpSend:
		fillSend(sqe, side, op.FD, op.Bufs, op.token)
	case OpRecv:
		d.stageRecv(sqe, op)
	default:
		assert(false)
	}
}

func (d *uringDriver) stageRecv(sqe *uring.SQEntry, op *Op) {
	if op.Buf == nil {
		fillRecvSelect(sqe, op.FD, op.token)
	} else {
		room := op.Buf.Data[op.Off:]
		assert(len(room) > 0)
		fillRecv(sqe, op.FD, room, op.token)
	}
	// With nothing to read yet, to poll before trying saves a tenth of what a
	// message costs; with something there it costs more than that.
	if d.can.pollFirst && !d.isEager(op.FD) {
		sqe.IoPrio = recvPollFirst
	}
}

// stageConnect fills sqe, unless op's address cannot be one.
func (d *uringDriver) stageConnect(sqe *uring.SQEntry, side *sidecar, op *Op) {
	_, address, err := sockaddr(op.Addr)
	if err != nil {
		fillNop(sqe)
		d.refuse(op, resultOf(err))
		return
	}
	fillConnect(sqe, side, op.FD, address, op.token)
}

// stagePoll waits until op can go on, which is all that some ask for.
func (d *uringDriver) stagePoll(op *Op) {
	d.state(op).stage = stagePoll
	events := uint32(unix.POLLOUT)
	if op.Kind == OpRecv || op.Kind == OpAccept || op.Kind == OpReadable {
		events = unix.POLLIN
	}
	sqe, _ := d.nextSQE()
	fillPoll(sqe, op.FD, events, false, op.token)
}

// isEager reports whether there is likely something to receive from fd. It is
// a guess: the FD may have been closed and reused, or read by others.
func (d *uringDriver) isEager(fd FD) bool { return uint(fd) < uint(len(d.eager)) && d.eager[fd] }

func (d *uringDriver) setEager(fd FD, eager bool) {
	if d.isEager(fd) == eager {
		return
	}
	for int(fd) >= len(d.eager) {
		d.eager = append(d.eager, false)
	}
	d.eager[fd] = eager
}

// wait is the driver's. It goes round again for what is nobody's business.
func (d *uringDriver) wait(now, until time.Time, done []completion) []completion {
	before := len(done)
	d.woken = false
	done = d.deliver(done)
	block := len(done) == before && (until.IsZero() || until.After(now))
	for {
		d.restart(now)
		if block {
			d.armTimer(until)
			d.sleep()
		} else {
			d.flush()
		}
		done = d.deliver(d.harvest(done))
		if !block || d.woken || d.deaf != 0 || len(done) > before {
			return done
		}
		if d.timer.fired { // maybe for an until of the past, or for resume
			d.timer.fired = false
			if now = d.now(); !until.IsZero() && !until.After(now) {
				return done
			}
		}
	}
}

// deliver appends the completions that did not come from the kernel.
func (d *uringDriver) deliver(done []completion) []completion {
	for i, c := range d.ready {
		if d.table.holds(c.op) {
			d.table.remove(c.op)
		}
		done = append(done, c)
		d.ready[i] = completion{} // keep nothing alive
	}
	d.ready = d.ready[:0]
	return done
}

// enter submits what is staged and waits until there are n CQEs.
func (d *uringDriver) enter(n uint32) {
	d.staged = 0
	_, err := d.ring.SubmitAndWaitCQEvents(n)
	if err == error(unix.EAGAIN) {
		return // n is 0, and there is no CQE
	}
	checkEnter(err)
}

// sleep submits what is staged and waits until there is a CQE.
func (d *uringDriver) sleep() {
	if d.parking.works() {
		d.flush()
	}
	if !d.parking.works() || d.staged > 0 { // the kernel did not take it all
		d.enter(1)
		return
	}
	d.parking.sleep()
}

// look takes the CQEs that are there and reports whether there are any.
func (d *uringDriver) look() bool {
	d.collect()
	return len(d.held) > 0
}

// flush submits what is staged and does not wait.
func (d *uringDriver) flush() {
	switch {
	case d.can.deferTaskrun:
		// Only an enter that waits runs deferred task work. So let it wait for
		// something that is there at once.
		sqe, _ := d.nextSQE()
		fillNop(sqe)
		d.enter(1)
	case 0 < d.staged && d.staged <= quickEntries:
		n, err := d.ring.Submit()
		checkEnter(err)
		d.staged = max(0, d.staged-int(n))
	default: // makes no system call if there is nothing to submit
		d.enter(0)
	}
}

// checkEnter tells why io_uring_enter(2) failed. Usually it is for now only: a
// signal, no memory, or no room for CQEs. The caller then looks at the CQ and
// comes back. Otherwise a sandbox was closed around us since the ring was
// opened, and no operation will ever complete.
func checkEnter(err error) {
	if err != nil && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EBUSY) {
		panic(fmt.Sprintf("reactor: io_uring worked and was then forbidden: %v", err))
	}
}

// collect empties the CQ.
func (d *uringDriver) collect() {
	for {
		n := d.ring.PeekCQEventBatch(d.peek[:])
		if n == 0 {
			return
		}
		for _, cqe := range d.peek[:n] {
			d.held = append(d.held, *cqe)
		}
		d.ring.AdvanceCQ(uint32(n))
	}
}
