package reactor

import (
	"errors"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/zeroring/zeroring/ring"
)

// An epollDriver turns readiness into completions.
//
// It tries an operation first, and asks the kernel to be told only if there was
// nothing to do. A descriptor enters the interest list once, edge-triggered,
// when an operation has to wait for it the first time. From then on the driver
// remembers edges, so that an operation submitted later knows whether to try.
//
// An edge that nobody waits for wakes the reactor for nothing. It means that
// somebody else is at work on the descriptor (TryRead) or that reading is
// paused; so the first such edge makes the driver lose interest in more, until
// an operation has to wait again. Renewing interest makes the kernel look again
// and report what it finds, so nothing is lost in between.
type epollDriver struct {
	kernelSockets
	epoll  int
	waker  wakeFD
	table  *opTable
	fds    fdTable
	queue  []completion // for the next wait to return
	stalls []stall      // listeners that wait for free descriptors
	spare  *ring.Buf    // RecvBufSize, to read into before it is known how much there is; or nil
	timer  timerFD
	events [256]unix.EpollEvent

	parking parking // unless the goroutine is locked to its thread
	found   int     // how many events look found
}

// newEpollDriver opens an epoll instance.
func newEpollDriver(cfg *Config) (driver, error) {
	d := &epollDriver{epoll: -1, waker: wakeFD{fd: -1}, timer: timerFD{fd: -1}, table: newOpTable(cfg.maxOps())}
	if err := d.open(); err != nil {
		_ = d.close()
		return nil, err
	}
	if len(cfg.CPUs) == 0 {
		// Where the poller does not take it, sleeping in a system call must do.
		_ = d.parking.open(d.epoll, d.look)
	}
	return d, nil
}

func (d *epollDriver) open() (err error) {
	if d.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if err = d.waker.open(); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	if err = d.timer.open(); err != nil {
		return os.NewSyscallError("timerfd_create", err)
	}
	for _, fd := range []int{d.waker.fd, d.timer.fd} {
		// Edge-triggered, they need never be read: each write, and each time that
		// comes, is an edge, and an eventfd's counter does not run full in a lifetime.
		if errno := d.control(unix.EPOLL_CTL_ADD, FD(fd), unix.EPOLLIN|unix.EPOLLET, 0); errno != 0 {
			return os.NewSyscallError("epoll_ctl", errno)
		}
	}
	return nil
}

func (d *epollDriver) ops() *opTable { return d.table }
func (d *epollDriver) pinned() bool  { return false }
func (d *epollDriver) wake()         { d.waker.ring() }
func (d *epollDriver) rouse()        { d.parking.rouse() }

func (d *epollDriver) closeFD(fd FD) {
	d.fds.closing(fd) // before close: the number may have a new owner right after
	unix.Close(int(fd))
}

func (d *epollDriver) close() error {
	assert(d.table.live() == 0)
	if d.spare != nil {
		d.spare.Release()
		d.spare = nil
	}
	err := errors.Join(d.parking.close(), d.waker.close())
	for _, fd := range []int{d.timer.fd, d.epoll} {
		if fd >= 0 {
			err = errors.Join(err, unix.Close(fd))
		}
	}
	return os.NewSyscallError("close", err)
}

func (d *epollDriver) submit(op *Op) {
	if !d.table.add(op) {
		d.finish(op, errnoResult(unix.ENOBUFS))
		return
	}
	s := d.fds.at(op.FD)
	if s == nil {
		d.finish(op, errnoResult(unix.EBADF))
		return
	}
	switch op.Kind {
	case OpRecv, OpAccept:
		assert(s.in == nil)
		s.in = op
		if !s.readable || !d.input(s) {
			d.watch(s, op, unix.EPOLLIN)
		}
	case OpSend:
		assert(s.out == nil)
		s.out = op
		if !d.output(s) {
			d.watch(s, op, unix.EPOLLOUT)
		}
	case OpConnect:
		assert(s.out == nil)
		s.out = op
		d.connect(s, op)
	case OpReadable:
		assert(s.in == nil)
		s.in = op
		d.awaitInput(s, op)
	case OpWritable:
		assert(s.out == nil)
		s.out = op
		d.renew(s, op, unix.EPOLLOUT)
	default:
		assert(false)
	}
}

func (d *epollDriver) cancel(op *Op) {
	if !d.table.holds(op) {
		return
	}
	switch s := d.fds.at(op.FD); {
	case s == nil: // refused, on its way out
	case s.in == op:
		s.in = nil
		if op.Kind == OpAccept { // its interest is level-triggered: it would go on and on
			d.ignore(op.FD, s, unix.EPOLLIN)
		}
		d.finish(op, canceled)
	case s.out == op:
		s.out = nil
		d.finish(op, canceled)
	}
}

// finish queues op's last completion. It stays in the table until wait hands
// that out.
func (d *epollDriver) finish(op *Op, result int32) {
	d.queue = append(d.queue, completion{op: op, result: result})
}

// wait is the driver's. What is queued already does not keep it from looking
// for more: a few busy descriptors must not starve the others.
func (d *epollDriver) wait(now, until time.Time, done []completion) []completion {
	until = d.resume(now, until)
	count := 0
	if len(d.queue) > 0 || !until.IsZero() && !until.After(now) {
		count = d.poll()
	} else {
		count = d.sleep(until)
	}
	for i := range d.events[:count] {
		d.event(&d.events[i])
	}
	for i, c := range d.queue {
		if !c.more && d.table.holds(c.op) {
			d.table.remove(c.op)
		}
		done = append(done, c)
		d.queue[i] = completion{} // keep nothing alive
	}
	d.queue = d.queue[:0]
	return done
}

// poll takes the events that are there. It does not wait, so the scheduler is
// not told.
func (d *epollDriver) poll() int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(d.epoll),
		uintptr(unsafe.Pointer(&d.events[0])), uintptr(len(d.events)), 0, 0, 0)
	return eventCount(n, errno)
}

// sleep waits for events.
func (d *epollDriver) sleep(until time.Time) int {
	d.timer.arm(until)
	if d.parking.works() {
		d.parking.sleep()
		return d.found
	}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(d.epoll),
		uintptr(unsafe.Pointer(&d.events[0])), uintptr(len(d.events)), ^uintptr(0), 0, 0)
	return eventCount(n, errno)
}

// look takes the events that are there and reports whether there are any.
func (d *epollDriver) look() bool {
	d.found = d.poll()
	return d.found > 0
}

// eventCount is how many events a wait brought: none if a signal ended it.
// Nothing else can go wrong with an epoll instance of our own.
func eventCount(n uintptr, errno syscall.Errno) int {
	if errno != 0 {
		assert(errno == unix.EINTR)
		return 0
	}
	return int(n)
}

// Which events say that reading, or writing, is worth a try.
const (
	endEvents = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	inEvents  = unix.EPOLLIN | endEvents
	outEvents = unix.EPOLLOUT | unix.EPOLLHUP | unix.EPOLLERR
)

// event acts on what the kernel reports of one descriptor.
func (d *epollDriver) event(e *unix.EpollEvent) {
	fd := FD(e.Fd)
	switch int(fd) {
	case d.waker.fd:
		return
	case d.timer.fd:
		d.timer.armed = false
		return
	}
	s := d.fds.at(fd)
	if s == nil || s.era != uint32(e.Pad) || s.interest == 0 {
		return // about a descriptor that was closed meanwhile
	}
	if e.Events&inEvents != 0 {
		s.readable = true
		s.ended = s.ended || e.Events&endEvents != 0
		if s.in != nil {
			d.input(s)
		} else if e.Events&unix.EPOLLIN != 0 && !s.connecting() {
			d.ignore(fd, s, unix.EPOLLIN)
		}
	}
	if e.Events&outEvents != 0 {
		if s.out != nil {
			d.output(s)
		} else if e.Events&unix.EPOLLOUT != 0 && e.Events&unix.EPOLLIN == 0 {
			// A Unix socket reports each time its peer reads. That there is room is
			// also said when something arrives.
			d.ignore(fd, s, unix.EPOLLOUT)
		}
	}
}

// connecting reports whether a connect is in flight: who is interested in what
// arrives will come when it is done.
func (s *fdState) connecting() bool { return s.out != nil && s.out.Kind == OpConnect }

// input does what s.in asks for, and reports whether it then need not wait.
func (d *epollDriver) input(s *fdState) bool {
	switch op := s.in; op.Kind {
	case OpAccept:
		return d.accept(s, op)
	case OpReadable:
		s.in = nil
		d.finish(op, 0)
		return true
	default:
		return d.recv(s, op)
	}
}

// output does what s.out asks for, and reports whether it then need not wait.
func (d *epollDriver) output(s *fdState) bool {
	switch op := s.out; op.Kind {
	case OpConnect:
		return d.connected(s, op)
	case OpWritable:
		s.out = nil
		d.finish(op, 0)
		return true
	default:
		return d.send(s, op)
	}
}

func (d *epollDriver) recv(s *fdState, op *Op) bool {
	buf := op.Buf
	if buf == nil {
		if d.spare == nil {
			d.spare = ring.NewBuf(RecvBufSize)
		}
		buf = d.spare
	}
	room := buf.Data[op.Off:]
	assert(len(room) > 0)
	n, errno := recvNow(op.FD, room)
	if errno == unix.EAGAIN {
		s.readable = false
		return false
	}
	s.in = nil
	s.ended = s.ended || n <= 0 // a failed call returns -1
	if errno != 0 {
		d.finish(op, errnoResult(errno))
		return true
	}
	// epoll(7): a read that returns less than it was asked for has exhausted
	// what there was. What arrives from here on is an edge; but an end that
	// was announced already is not announced again.
	s.readable = n == len(room) || s.ended
	if op.Buf == nil && n > 0 {
		op.Buf = d.keep(n)
	}
	d.finish(op, int32(n))
	return true
}

// keep returns a Buf that holds the first n octets of spare.
func (d *epollDriver) keep(n int) *ring.Buf {
	buf := d.spare
	if n > smallRead {
		d.spare = nil
		return buf
	}
	small := ring.NewBuf(n)
	copy(small.Data, buf.Data[:n])
	return small
}

func (d *epollDriver) send(s *fdState, op *Op) bool {
	n, errno := sendNow(op.FD, op.Bufs)
	if errno == unix.EAGAIN {
		return false
	}
	s.out = nil
	if errno != 0 {
		d.finish(op, errnoResult(errno))
	} else {
		d.finish(op, int32(n))
	}
	return true
}

// connect starts connecting. The usual answer is that it takes a while.
func (d *epollDriver) connect(s *fdState, op *Op) {
	_, address, err := sockaddr(op.Addr)
	if err == nil {
		err = unix.Connect(int(op.FD), address)
	}
	if err == unix.EINPROGRESS || err == unix.EINTR {
		d.watch(s, op, unix.EPOLLIN|unix.EPOLLOUT)
		return
	}
	s.out = nil
	d.finish(op, resultOf(err))
}

// connected looks how connecting went.
func (d *epollDriver) connected(s *fdState, op *Op) bool {
	// With a peer it went well. Without one and without an error the event was
	// about something else.
	var peer unix.RawSockaddrAny
	var err error
	if errno := peerName(op.FD, &peer); errno == unix.ENOTCONN {
		value, failed := unix.GetsockoptInt(int(op.FD), unix.SOL_SOCKET, unix.SO_ERROR)
		if failed == nil && value == 0 {
			return false
		}
		if err = failed; err == nil {
			err = syscall.Errno(value)
		}
	} else if errno != 0 {
		err = errno
	}
	s.out = nil
	d.finish(op, resultOf(err))
	return true
}

// acceptBatch is how many connections one listener hands out per turn, so that
// a flood of them does not keep the others waiting. Interest in a listener is
// level-triggered: what is left is reported again.
const acceptBatch = 64

// accept takes connections that wait. It reports that there may be more, since
// op never finishes by itself.
func (d *epollDriver) accept(s *fdState, op *Op) bool {
	s.readable = false
	for range acceptBatch {
		fd, errno := acceptNow(op.FD)
		switch errno {
		case 0:
			d.queue = append(d.queue, completion{op: op, result: int32(fd), more: true})
		case unix.EAGAIN:
			return false
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			d.queue = append(d.queue, completion{op: op, result: errnoResult(errno), more: true})
			d.ignore(op.FD, s, unix.EPOLLIN)
			d.stalls = append(d.stalls, stall{op: op, token: op.token})
			return true
		default:
			s.in = nil
			d.ignore(op.FD, s, unix.EPOLLIN)
			d.finish(op, errnoResult(errno))
			return true
		}
	}
	return false
}

// A stall is an OpAccept that found no free descriptor. The connection still
// waits, so the kernel would report it for ever; we look again after a while.
type stall struct {
	op    *Op
	token token // tells whether op is still the same operation
	until time.Time
}

const stallTime = 100 * time.Millisecond

// resume makes stalled listeners listen again when their time has come, and
// returns until or the end of the next stall, whichever is earlier.
func (d *epollDriver) resume(now, until time.Time) time.Time {
	if len(d.stalls) == 0 {
		return until
	}
	rest := d.stalls[:0]
	for _, st := range d.stalls {
		if d.table.find(st.token) != st.op {
			continue
		}
		if st.until.IsZero() {
			st.until = now.Add(stallTime)
		}
		if !st.until.After(now) {
			if s := d.fds.at(st.op.FD); s.in == st.op {
				d.watch(s, st.op, unix.EPOLLIN)
			}
			continue
		}
		rest = append(rest, st)
		if until.IsZero() || st.until.Before(until) {
			until = st.until
		}
	}
	clear(d.stalls[len(rest):])
	d.stalls = rest
	return until
}

// watch has the kernel report events for op, which waits for them. If the
// kernel refuses, op completes with the reason.
func (d *epollDriver) watch(s *fdState, op *Op, events uint32) {
	if s.interest&events == events {
		return
	}
	want, command := s.interest|events, unix.EPOLL_CTL_MOD
	if op.Kind != OpAccept {
		want |= unix.EPOLLRDHUP | unix.EPOLLET
	}
	if s.interest == 0 {
		command = unix.EPOLL_CTL_ADD
	}
	errno := d.control(command, op.FD, want, s.era)
	if errno == 0 {
		s.interest = want
		return
	}
	if s.in == op {
		s.in = nil
	} else {
		s.out = nil
	}
	d.finish(op, errnoResult(errno))
}
