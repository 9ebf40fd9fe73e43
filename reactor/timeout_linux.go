package reactor

import (
	"time"

	"golang.org/x/sys/unix"
)

// A kernelTimeout is the one timeout that a uringDriver keeps armed. A wait
// that ends later than it leaves it alone: to wake up once for nothing is
// cheaper than to arm and disarm a timeout per wait.
type kernelTimeout struct {
	// The kernel wants CLOCK_MONOTONIC, which package time measures by but does
	// not show. mono was read just after origin, so that no deadline comes out
	// too early.
	origin time.Time
	mono   int64

	armed    bool
	fired    bool // since wait last looked
	deadline time.Time
	at       timespec // deadline, for the SQE to point to
}

func (t *kernelTimeout) start() error {
	var ts unix.Timespec
	t.origin = time.Now()
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	t.mono = ts.Nano()
	return err
}

// set makes deadline the time to fire at.
func (t *kernelTimeout) set(deadline time.Time) {
	const second = int64(time.Second)
	ns := max(0, t.mono+int64(deadline.Sub(t.origin)))
	t.at = timespec{sec: ns / second, nsec: ns % second}
	t.deadline, t.armed = deadline, true
}

// armTimer makes sure that something completes by until, which zero leaves
// open, and by resume.
func (d *uringDriver) armTimer(until time.Time) {
	if len(d.paused) > 0 && (until.IsZero() || d.resume.Before(until)) {
		until = d.resume
	}
	if until.IsZero() || d.timer.armed && !until.Before(d.timer.deadline) {
		return
	}
	sqe, _ := d.nextSQE()
	if d.timer.armed {
		fillTimeoutUpdate(sqe, &d.timer.at, tokenTimer)
		d.quiet(sqe)
	} else {
		fillTimeout(sqe, &d.timer.at, tokenTimer)
	}
	d.timer.set(until)
}

// pause lets op, an OpAccept that ran into a limit, rest: to ask again at once
// would be to spin.
func (d *uringDriver) pause(op *Op) {
	d.state(op).stage = stagePaused
	if len(d.paused) == 0 { // else those that rest already would rest on
		d.resume = d.now().Add(stallTime)
	}
	d.paused = append(d.paused, op.token)
}

// restart submits the paused OpAccepts anew when their time has come.
func (d *uringDriver) restart(now time.Time) {
	if len(d.paused) == 0 || now.Before(d.resume) {
		return
	}
	for _, tok := range d.paused {
		if op := d.table.find(tok); op != nil && d.state(op).stage == stagePaused {
			d.stage(op)
		}
	}
	d.paused = d.paused[:0]
}

// armBell polls the eventfd: for good, if the kernel can. Nobody then reads it,
// as the poll sees each write to it.
func (d *uringDriver) armBell() {
	sqe, _ := d.nextSQE()
	fillPoll(sqe, FD(d.bell.fd), unix.POLLIN, d.can.pollMultishot, tokenBell)
}

// drain makes the eventfd unreadable.
func (w *wakeFD) drain() {
	var count [8]byte
	_, _ = unix.Read(w.fd, count[:]) // EAGAIN: somebody did before
}
