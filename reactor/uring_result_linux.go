package reactor

import (
	"syscall"

	"github.com/godzie44/go-uring/uring"
	"golang.org/x/sys/unix"

	"github.com/zeroring/zeroring/ring"
)

// harvest takes all CQEs and appends the completions they amount to.
func (d *uringDriver) harvest(done []completion) []completion {
	d.collect()
	for i := 0; i < len(d.held); i++ { // what it does may add to held
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
	if cqe.Res < 0 && cqe.Res != canceled {
		d.deaf = cqe.Res
		return
	}
	d.woken = true
	if cqe.Flags&cqeMore == 0 {
		d.bell.drain() // or the next poll would complete at once
		d.armBell()
	}
}

// result turns a CQE of op into completions, or into another try.
func (d *uringDriver) result(op *Op, cqe uring.CQEvent, done []completion) []completion {
	s := d.state(op)
	if cqe.Res <= 0 && cqe.Flags&cqeBuffer != 0 {
		// Nothing came in it: the end of the stream may take a buffer along, and
		// so may a receive that is interrupted.
		d.bufs.give(uint16(cqe.Flags >> cqeBufferShift))
		cqe.Flags &^= cqeBuffer
	}
	switch {
	case cqe.Res == canceled && !s.cancelled:
		// Nobody asked for that: the thread that submitted it has exited, and
		// its operations with it. The runtime ends a thread when a goroutine
		// that is locked to it ends, and ours may have run there before.
		return d.again(op, done)
	case cqe.Res == errnoResult(unix.EINTR) && op.Kind != OpConnect:
		// A kernel thread had it, which that or a cancel interrupted.
		return d.again(op, done)
	case s.stage == stagePoll:
		return d.polled(op, cqe.Res, done)
	}
	switch op.Kind {
	case OpAccept:
		return d.accepting(op, cqe, done)
	case OpRecv:
		return d.received(op, cqe, done)
	case OpConnect:
		return d.connected(op, cqe.Res, done)
	default:
		return d.finish(op, cqe.Res, done)
	}
}

// finish appends op's last completion. An operation that found its FD not
// ready, though, waits for that: old kernels do not do so themselves for every
// operation on a non-blocking socket.
func (d *uringDriver) finish(op *Op, result int32, done []completion) []completion {
	if result == errnoResult(unix.EAGAIN) && op.Kind != OpConnect {
		if !d.state(op).cancelled {
			d.stagePoll(op)
			return done
		}
		result = canceled
	}
	d.table.remove(op)
	return append(done, completion{op: op, result: result})
}

// again submits op anew, or finishes it if it was cancelled meanwhile.
func (d *uringDriver) again(op *Op, done []completion) []completion {
	if d.state(op).cancelled {
		return d.finish(op, canceled, done)
	}
	d.stage(op)
	return done
}

// polled goes on with op, whose FD is ready or cannot be polled.
func (d *uringDriver) polled(op *Op, result int32, done []completion) []completion {
	switch {
	case result < 0:
		return d.finish(op, result, done)
	case op.Kind == OpReadable || op.Kind == OpWritable:
		return d.finish(op, 0, done)
	case op.Kind == OpConnect:
		value, err := unix.GetsockoptInt(int(op.FD), unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil {
			return d.finish(op, resultOf(err), done)
		}
		return d.finish(op, errnoResult(syscall.Errno(value)), done)
	case op.Kind == OpRecv && op.Buf == nil && d.bufs == nil && !d.state(op).cancelled:
		return d.readNow(op, done)
	default:
		return d.again(op, done)
	}
}

// received completes a receive. That the kernel had no buffer left in the ring
// means that octets are there, so they are read at once.
func (d *uringDriver) received(op *Op, cqe uring.CQEvent, done []completion) []completion {
	n, room := int(cqe.Res), RecvBufSize
	if op.Buf != nil {
		room = len(op.Buf.Data) - op.Off
	}
	if cqe.Flags&cqeBuffer != 0 {
		op.Buf = d.bufs.take(uint16(cqe.Flags>>cqeBufferShift), n)
	} else if cqe.Res == errnoResult(unix.ENOBUFS) && op.Buf == nil && !d.state(op).cancelled {
		return d.readNow(op, done)
	}
	d.setEager(op.FD, cqe.Flags&cqeSockNonEmpty != 0 || n == room)
	return d.finish(op, cqe.Res, done)
}

// readNow reads what is there into a Buf of our choice. Without a buffer ring
// this is how all such receives end: a Buf for each that waits would be
// RecvBufSize for every idle connection.
func (d *uringDriver) readNow(op *Op, done []completion) []completion {
	full := ring.NewBuf(RecvBufSize)
	n, errno := recvNow(op.FD, full.Data)
	d.setEager(op.FD, errno == 0 && n == RecvBufSize)
	switch {
	case errno != 0:
		full.Release()
		return d.finish(op, errnoResult(errno), done)
	case n > smallRead:
		op.Buf = full
		return d.finish(op, int32(n), done)
	case n > 0:
		op.Buf = ring.NewBuf(n)
		copy(op.Buf.Data, full.Data[:n])
	}
	full.Release()
	return d.finish(op, int32(n), done)
}

func (d *uringDriver) connected(op *Op, result int32, done []completion) []completion {
	switch result {
	case errnoResult(unix.EINPROGRESS), errnoResult(unix.EALREADY), errnoResult(unix.EINTR):
		d.stagePoll(op) // it has begun and goes on by itself
		return done
	default:
		return d.finish(op, result, done)
	}
}

// accepting hands out a connection, and keeps up the appearance of multishot
// where the kernel ended it: because it does not know it, because the CQ was
// full, or on an error.
func (d *uringDriver) accepting(op *Op, cqe uring.CQEvent, done []completion) []completion {
	if cqe.Res >= 0 {
		done = append(done, completion{op: op, result: cqe.Res, more: true})
	}
	switch {
	case cqe.Flags&cqeMore != 0:
		return done
	case cqe.Res >= 0, cqe.Res == errnoResult(unix.ECONNABORTED):
		return d.again(op, done)
	case exhausted(cqe.Res) && !d.state(op).cancelled:
		d.pause(op)
		return append(done, completion{op: op, result: cqe.Res, more: true})
	default:
		return d.finish(op, cqe.Res, done)
	}
}

// exhausted reports whether an accept failed for want of something that may
// yet be given back.
func exhausted(result int32) bool {
	switch syscall.Errno(-result) {
	case unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS:
		return true
	}
	return false
}
