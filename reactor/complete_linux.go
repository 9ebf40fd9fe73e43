package reactor

import (
	"time"

	"github.com/godzie44/go-uring/uring"
	"github.com/zeroring/zeroring/ring"
	"golang.org/x/sys/unix"
)

// result turns a CQE of op into completions, or into another try.
func (d *uringDriver) result(op *Op, cqe uring.CQEvent, done []completion) []completion {
	s := d.state(op)
	lost := cqe.Res == canceled && !s.cancelled
	switch {
	case lost:
		// Nobody cancelled it: the thread that submitted it has exited, and its
		// operations with it. In Go this happens to a goroutine that is not
		// locked to its thread when another one, that is, ran there later.
		return d.again(op, done)
	case s.stage == stagePoll:
		return d.polled(op, cqe.Res, done)
	}
	switch op.Kind {
	case OpAccept:
		return d.acceptResult(op, cqe, done)
	case OpRecv:
		return d.recvResult(op, cqe, done)
	case OpConnect:
		return d.connectResult(op, cqe.Res, done)
	default:
		if cqe.Res == errnoResult(unix.EAGAIN) {
			return d.pollAgain(op, done)
		}
		return d.finish(op, cqe.Res, done)
	}
}

// finish appends op's last completion.
func (d *uringDriver) finish(op *Op, result int32, done []completion) []completion {
	d.table.remove(op)
	return append(done, completion{op: op, result: result})
}

// again submits op anew, or finishes it if it was cancelled meanwhile.
func (d *uringDriver) again(op *Op, done []completion) []completion {
	switch {
	case d.state(op).cancelled:
		return d.finish(op, canceled, done)
	case op.Kind == OpConnect:
		d.stagePoll(op) // it has been started, and cannot be started twice
	default:
		d.stage(op)
	}
	return done
}

// pollAgain submits op anew when its FD is ready. Old kernels do not do that
// themselves for every operation on a non-blocking socket.
func (d *uringDriver) pollAgain(op *Op, done []completion) []completion {
	if d.state(op).cancelled {
		return d.finish(op, canceled, done)
	}
	d.stagePoll(op)
	return done
}

// polled goes on with op, whose FD is ready or could not be polled.
func (d *uringDriver) polled(op *Op, res int32, done []completion) []completion {
	switch {
	case res < 0:
		return d.finish(op, res, done)
	case op.Kind == OpConnect:
		return d.finish(op, socketError(op.FD), done)
	case op.Kind == OpRecv && op.Buf == nil && d.bufs == nil && !d.state(op).cancelled:
		return d.readNow(op, done)
	default:
		return d.again(op, done)
	}
}

// readNow reads into a Buf of our choice, which is what a kernel without
// buffer rings leaves to us: a Buf per waiting OpRecv would be RecvBufSize for
// every idle connection.
func (d *uringDriver) readNow(op *Op, done []completion) []completion {
	full := ring.NewBuf(RecvBufSize)
	n, errno := recvNow(op.FD, full.Data)
	switch {
	case errno == 0 && n > smallRead:
		op.Buf = full
		return d.finish(op, int32(n), done)
	case errno == 0 && n > 0:
		op.Buf = ring.NewBuf(n)
		copy(op.Buf.Data, full.Data[:n])
	}
	full.Release()
	switch errno {
	case 0:
		return d.finish(op, int32(n), done)
	case unix.EAGAIN:
		return d.pollAgain(op, done)
	default:
		return d.finish(op, errnoResult(errno), done)
	}
}

func (d *uringDriver) recvResult(op *Op, cqe uring.CQEvent, done []completion) []completion {
	var buf *ring.Buf
	if cqe.Flags&cqeBuffer != 0 {
		number := uint16(cqe.Flags >> cqeBufferShift)
		if cqe.Res > 0 {
			buf = d.bufs.take(number, int(cqe.Res))
		} else {
			d.bufs.give(number) // the end of the stream takes a buffer along
		}
	}
	switch {
	case cqe.Res == errnoResult(unix.ENOBUFS) && op.Buf == nil && !d.state(op).cancelled:
		d.state(op).stage = stageStarved
		d.starved = append(d.starved, op.token)
		return done
	case cqe.Res == errnoResult(unix.EAGAIN):
		return d.pollAgain(op, done)
	}
	if buf != nil {
		op.Buf = buf
	}
	return d.finish(op, cqe.Res, done)
}

func (d *uringDriver) connectResult(op *Op, res int32, done []completion) []completion {
	switch res {
	case errnoResult(unix.EINPROGRESS), errnoResult(unix.EALREADY), errnoResult(unix.EINTR):
		return d.pollAgain(op, done) // it was started, and goes on by itself
	default:
		return d.finish(op, res, done)
	}
}

// acceptResult keeps up the appearance of multishot where the kernel ends it:
// because it does not know it, because the CQ was full, or on an error.
func (d *uringDriver) acceptResult(op *Op, cqe uring.CQEvent, done []completion) []completion {
	if cqe.Res >= 0 {
		done = append(done, completion{op: op, result: cqe.Res, more: true})
	}
	if cqe.Flags&cqeMore != 0 {
		return done
	}
	switch {
	case cqe.Res >= 0, cqe.Res == errnoResult(unix.ECONNABORTED), cqe.Res == errnoResult(unix.EINTR):
		return d.again(op, done)
	case cqe.Res == errnoResult(unix.EAGAIN):
		return d.pollAgain(op, done)
	case exhausted(cqe.Res) && !d.state(op).cancelled:
		d.pause(op)
		return append(done, completion{op: op, result: cqe.Res, more: true})
	default:
		return d.finish(op, cqe.Res, done)
	}
}

// exhausted reports whether an accept failed for want of something that others
// may give back.
func exhausted(res int32) bool {
	switch unix.Errno(-res) {
	case unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS:
		return true
	}
	return false
}

// pause lets op, an OpAccept, rest until resume.
func (d *uringDriver) pause(op *Op) {
	d.state(op).stage = stagePaused
	d.paused = append(d.paused, op.token)
	d.resume = time.Now().Add(stallTime)
}

// restage submits what had to wait for a buffer or for time to pass.
func (d *uringDriver) restage(now time.Time) {
	// No more than there are buffers: the others would fail again, and turn n
	// ready connections into n²/bufRingEntries tries.
	n := min(len(d.starved), bufRingEntries)
	for _, tok := range d.starved[:n] {
		d.retry(tok, stageStarved)
	}
	d.starved = d.starved[:copy(d.starved, d.starved[n:])]
	if len(d.paused) > 0 && !now.Before(d.resume) {
		for _, tok := range d.paused {
			d.retry(tok, stagePaused)
		}
		d.paused = d.paused[:0]
	}
}

// retry submits the Op of tok anew if it still stands where it stood.
func (d *uringDriver) retry(tok token, where opStage) {
	if op := d.table.find(tok); op != nil && d.state(op).stage == where {
		d.stage(op)
	}
}

// socketError is the result of an OpConnect whose socket became ready.
func socketError(fd FD) int32 {
	e, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if errno, ok := err.(unix.Errno); ok {
		e = int(errno)
	}
	return -int32(e)
}
