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
	// sqEntries is how many SQEs one enter takes. What is staged beyond that
	// goes out by an enter of its own.
	sqEntries = 256

	// cqEntries is how many CQEs fit until we look. More are kept by the kernel
	// (featureNoDrop), at a price.
	cqEntries = 8 * sqEntries
)

// Tokens that name no Op: their slot is beyond any table's.
const (
	tokenBell  token = 1<<32 - 1 - iota // the eventfd was written to
	tokenTimer                          // the kernel timeout passed
	tokenNone                           // nobody wants to know
)

// An opStage says where an Op is that is in flight.
type opStage uint8

const (
	stageKernel  opStage = iota // its own SQE is staged or with the kernel
	stagePoll                   // a POLL_ADD stands in for it, after which it is tried again
	stageStarved                // it found no buffer and is in starved
	stagePaused                 // an OpAccept that is in paused
	stageDone                   // its last completion is in ready
)

// opState is what the driver knows about the Op in the slot of the same number.
type opState struct {
	stage     opStage
	cancelled bool
}

// A uringDriver carries operations through an io_uring.
//
// The ring has two modes. Plain, the kernel runs its task work on whichever
// thread submitted the operation, interrupting it if need be, and the reactor's
// goroutine may move between threads. Deferred (DEFER_TASKRUN), task work waits until
// the reactor enters the kernel; this ties the ring to one thread, and the
// goroutine with it. See deferTaskrun for which is used.
//
// Reactor thread only, but for wake, now and what kernelSockets does.
type uringDriver struct {
	kernelSockets
	can    uringFeatures
	ring   *kernelRing
	bufs   *bufRing  // nil if the kernel has no such thing: OpRecv is then poll and read
	sides  []sidecar // one beside each SQE
	table  *opTable
	states []opState // by slot

	held    []uring.CQEvent // CQEs taken off the CQ and not looked at
	ready   []completion    // completions that did not come from the kernel
	starved []token         // OpRecvs that found the buffer ring empty, oldest first
	paused  []token         // OpAccepts that go on at resume
	resume  time.Time

	bell  wakeFD
	woken bool  // the bell rang in this wait
	deaf  int32 // why the bell could not be armed; only a trial ever sees this
	timer kernelTimeout
	peek  [64]*uring.CQEvent
}

// newUringDriver makes a driver of what the probe found. The caller is the
// goroutine that will run it.
func newUringDriver(cfg *Config) (driver, error) {
	d, err := openUring(probeOnce().features, cfg.maxOps())
	if err != nil {
		return nil, err
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
	if d.ring, err = openRing(sqEntries, cqEntries, d.can.setupFlags()); err != nil {
		return err
	}
	switch {
	case d.ring.features&featuresNeeded != featuresNeeded:
		return fmt.Errorf("io_uring_setup: features %#x, want %#x: %w", d.ring.features, featuresNeeded, unix.EINVAL)
	case d.can.cqeSkip && d.ring.features&featureCQESkip == 0:
		return fmt.Errorf("io_uring_setup: features %#x, want %#x: %w", d.ring.features, featureCQESkip, unix.EINVAL)
	}
	d.sides = make([]sidecar, len(d.ring.sqes)/int(sqeSize))
	if d.can.bufRing {
		if d.bufs, err = newBufRing(d.ring); err != nil {
			return err
		}
	}
	if err = errors.Join(d.timer.start(), d.bell.open()); err != nil {
		return err
	}
	d.armBell()
	// A sandbox may let the set-up pass and forbid the rest. From here on it is
	// known that the kernel takes what we stage.
	_, err = d.ring.SubmitAndWaitCQEvents(1)
	return err
}

// close gives everything back. It ends with the thread as it was before openUring.
func (d *uringDriver) close() (err error) {
	if d.ring != nil {
		if d.bufs != nil {
			err = d.bufs.close(d.ring)
		}
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
func (d *uringDriver) closeFD(fd FD) { unix.Close(int(fd)) }

func (d *uringDriver) submit(op *Op) {
	if !d.table.add(op) {
		d.ready = append(d.ready, completion{op: op, result: errnoResult(unix.ENOBUFS)})
		return
	}
	slot := int(op.token.slot())
	for slot >= len(d.states) {
		d.states = append(d.states, opState{})
	}
	d.states[slot] = opState{}
	d.stage(op)
}

func (d *uringDriver) cancel(op *Op) {
	if !d.table.holds(op) {
		return
	}
	s := d.state(op)
	switch s.stage {
	case stageStarved, stagePaused: // the kernel does not know it
		s.stage = stageDone
		d.ready = append(d.ready, completion{op: op, result: canceled})
	case stageKernel, stagePoll:
		s.cancelled = true
		sqe, _ := d.nextSQE()
		fillCancel(sqe, op.token)
		d.quiet(sqe)
	}
}

func (d *uringDriver) state(op *Op) *opState { return &d.states[op.token.slot()] }

// quiet suppresses sqe's CQE unless it fails. It only saves work.
func (d *uringDriver) quiet(sqe *uring.SQEntry) {
	if d.can.cqeSkip {
		sqe.Flags |= sqeCQESkipSuccess
	}
}

// nextSQE returns an SQE to fill and its sidecar. If the SQ is full it first
// submits what is staged.
func (d *uringDriver) nextSQE() (*uring.SQEntry, *sidecar) {
	for {
		if sqe, err := d.ring.NextSQE(); err == nil {
			return sqe, &d.sides[d.ring.index(sqe)]
		}
		d.enter(0)
		d.collect() // a full CQ can be why the kernel takes nothing
	}
}

// stage puts op into the SQ as what it is, or as the poll that comes before it.
func (d *uringDriver) stage(op *Op) {
	s := d.state(op)
	s.stage = stageKernel
	sqe, side := d.nextSQE()
	switch op.Kind {
	case OpAccept:
		fillAccept(sqe, op.FD, d.can.acceptMultishot, op.token)
	case OpConnect:
		d.stageConnect(sqe, side, op)
	case OpSend:
		fillSend(sqe, side, op.FD, op.Bufs, op.token)
	case OpRecv:
		switch {
		case op.Buf != nil:
			fillRecv(sqe, op.FD, op.Buf.Data[op.Off:], op.token)
		case d.bufs != nil:
			fillRecvSelect(sqe, op.FD, bufRingGroup, op.token)
		default:
			s.stage = stagePoll
			fillPoll(sqe, op.FD, unix.POLLIN, false, op.token)
		}
		if d.can.pollFirst && s.stage == stageKernel {
			sqe.IoPrio = recvPollFirst
		}
	default:
		panic("reactor: Op of no kind")
	}
}

// stagePoll waits for op's FD to be ready.
func (d *uringDriver) stagePoll(op *Op) {
	d.state(op).stage = stagePoll
	events := uint32(unix.POLLOUT)
	if op.Kind == OpRecv || op.Kind == OpAccept {
		events = unix.POLLIN
	}
	sqe, _ := d.nextSQE()
	fillPoll(sqe, op.FD, events, false, op.token)
}

// stageConnect fills sqe, unless op's address cannot be one.
func (d *uringDriver) stageConnect(sqe *uring.SQEntry, side *sidecar, op *Op) {
	_, address, err := sockaddr(op.Addr)
	if err != nil {
		fillNop(sqe)
		d.state(op).stage = stageDone
		d.ready = append(d.ready, completion{op: op, result: resultOf(err)})
		return
	}
	fillConnect(sqe, side, op.FD, address, op.token)
}

func (d *uringDriver) wait(now, until time.Time, done []completion) []completion {
	before := len(done)
	done = d.deliver(done)
	block := len(done) == before && (until.IsZero() || until.After(now))
	d.woken = false
	for {
		d.restage(now)
		if block {
			d.armTimer(until)
			d.enter(1)
		} else {
			d.poll()
		}
		done = d.deliver(d.harvest(done))
		if !block || d.woken || d.deaf != 0 || len(done) > before {
			return done
		}
		if d.timer.fired { // it may have been somebody else's deadline
			d.timer.fired = false
			if now = time.Now(); !until.IsZero() && !until.After(now) {
				return done
			}
		}
	}
}

// deliver appends the completions that did not come from the kernel.
func (d *uringDriver) deliver(done []completion) []completion {
	for _, c := range d.ready {
		if d.table.holds(c.op) {
			d.table.remove(c.op)
		}
	}
	done = append(done, d.ready...)
	clear(d.ready)
	d.ready = d.ready[:0]
	return done
}

// enter submits what is staged and waits until there are n CQEs.
func (d *uringDriver) enter(n uint32) {
	_, err := d.ring.SubmitAndWaitCQEvents(n)
	switch {
	case err == nil, err == error(unix.EAGAIN): // the latter: n was 0 and there is no CQE
	case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EBUSY):
		// A signal, no memory, or no room for CQEs. The caller looks at the CQ
		// and comes back.
	default:
		// The ring worked when it was opened. Only a sandbox closed around us
		// since then can make this fail, and no operation will ever complete.
		panic(fmt.Sprintf("reactor: %v", err))
	}
}

// poll submits what is staged and does not wait.
func (d *uringDriver) poll() {
	if !d.can.deferTaskrun {
		d.enter(0)
		return
	}
	// Deferred task work is run only by an enter that waits. So let it wait for
	// something that is there at once.
	sqe, _ := d.nextSQE()
	fillNop(sqe)
	d.enter(1)
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

// harvest takes all CQEs and appends the completions they amount to.
func (d *uringDriver) harvest(done []completion) []completion {
	d.collect()
	for i := 0; i < len(d.held); i++ { // it may grow meanwhile
		cqe := d.held[i]
		switch tok := token(cqe.UserData); tok {
		case tokenNone:
		case tokenBell:
			d.heard(cqe)
		case tokenTimer:
			d.timer.armed, d.timer.fired = false, true
		default:
			if op := d.table.find(tok); op != nil {
				done = d.result(op, cqe, done)
			} else {
				d.discard(cqe)
			}
		}
	}
	d.held = d.held[:0]
	if d.bufs != nil {
		d.bufs.publish()
	}
	return done
}

// heard takes note of a ring of the bell.
func (d *uringDriver) heard(cqe uring.CQEvent) {
	if cqe.Res < 0 && cqe.Res != -int32(unix.ECANCELED) {
		d.deaf = cqe.Res
		return
	}
	d.woken = true
	if cqe.Flags&cqeMore == 0 {
		d.drainBell() // or the new poll would complete at once
		d.armBell()
	}
}

// discard gives back what a CQE brought for which there is no Op any more.
func (d *uringDriver) discard(cqe uring.CQEvent) {
	if cqe.Flags&cqeBuffer != 0 {
		d.bufs.give(uint16(cqe.Flags >> cqeBufferShift))
	}
}
