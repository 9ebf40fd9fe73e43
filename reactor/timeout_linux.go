package reactor

import (
	"time"

	"golang.org/x/sys/unix"
)

// A kernelTimeout is the one timeout that a uringDriver keeps armed. A wait
// whose end is later than the timeout's leaves it alone: it then wakes up once for nothing,
// which is cheaper than to arm and disarm one per wait.
type kernelTimeout struct {
	// The kernel wants CLOCK_MONOTONIC, which is what package time measures
	// with but does not show. mono was read just after origin, so a deadline is
	// never turned into one too early.
	origin time.Time
	mono   int64

	armed    bool
	fired    bool
	deadline time.Time // if armed
	at       timespec  // what the SQE points to
}

func (t *kernelTimeout) start() error {
	var ts unix.Timespec
	t.origin = time.Now()
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	t.mono = ts.Nano()
	return err
}

// covers reports whether it fires at until or before.
func (t *kernelTimeout) covers(until time.Time) bool { return t.armed && !until.Before(t.deadline) }

// set makes until the deadline.
func (t *kernelTimeout) set(until time.Time) {
	const second = int64(time.Second)
	ns := max(0, t.mono+int64(until.Sub(t.origin)))
	t.at = timespec{sec: ns / second, nsec: ns % second}
	t.deadline, t.armed = until, true
}

// armTimer makes sure that the ring completes something by until; zero is never.
func (d *uringDriver) armTimer(until time.Time) {
	if len(d.paused) > 0 && (until.IsZero() || d.resume.Before(until)) {
		until = d.resume
	}
	if until.IsZero() || d.timer.covers(until) {
		return
	}
	update := d.timer.armed
	d.timer.set(until)
	sqe, _ := d.nextSQE()
	fillTimeout(sqe, &d.timer.at, update, tokenTimer)
	if update {
		d.quiet(sqe)
	}
}

// armBell polls the eventfd, for good if the kernel can.
func (d *uringDriver) armBell() {
	sqe, _ := d.nextSQE()
	fillPoll(sqe, FD(d.bell.fd), unix.POLLIN, d.can.pollMultishot, tokenBell)
}

// drainBell makes the eventfd unreadable again.
func (d *uringDriver) drainBell() {
	var count [8]byte
	_, _ = unix.Read(d.bell.fd, count[:]) // EAGAIN: it was not the bell that ended the poll
}
