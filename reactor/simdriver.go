package reactor

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/zeroring/zeroring/ring"
)

// A simDriver carries operations over a Network. It makes no system call: its
// wait blocks on a channel and a timer, which testing/synctest knows to be
// durable, so in a bubble a reactor on it runs in fake time.
//
// The network's lock guards all sockets; table and queue belong to the
// reactor's thread as in any driver.
type simDriver struct {
	network *Network
	table   *opTable
	queue   []completion  // for the next wait to return
	kicked  chan struct{} // capacity 1: wakes, and changes to the network, coalesce
}

func newSimDriver(n *Network, maxOps int) *simDriver {
	d := &simDriver{network: n, table: newOpTable(maxOps), kicked: make(chan struct{}, 1)}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drivers = append(n.drivers, d)
	return d
}

func (d *simDriver) ops() *opTable { return d.table }

func (d *simDriver) pinned() bool   { return false }
func (d *simDriver) giveWay()       {}
func (d *simDriver) rouse()         {}
func (d *simDriver) now() time.Time { return d.network.Now() }

func (d *simDriver) wake() {
	select {
	case d.kicked <- struct{}{}:
	default:
	}
}

func (d *simDriver) close() error {
	assert(d.table.live() == 0)
	n := d.network
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drivers = slices.DeleteFunc(n.drivers, func(o *simDriver) bool { return o == d })
	return nil
}

// changed makes the other drivers look at their operations again.
func (n *Network) changed(by *simDriver) {
	for _, d := range n.drivers {
		if d != by {
			d.wake()
		}
	}
}

func (d *simDriver) submit(op *Op) {
	n := d.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if !d.table.add(op) {
		d.finish(op, -int32(syscall.ENOBUFS), false)
		return
	}
	s := n.socket(op.FD)
	switch op.Kind {
	case OpRecv, OpAccept, OpReadable:
		assert(s.in == nil && (op.Buf != nil || op.Off == 0))
		s.in, s.inAfter = op, n.delayed()
	case OpSend, OpWritable:
		assert(s.out == nil && len(op.Bufs) <= MaxGather)
		s.out, s.outAfter = op, n.delayed()
	case OpConnect:
		assert(s.out == nil)
		s.out, s.outAfter = op, n.arrival(n.delayed())
	default:
		assert(false)
	}
}

func (d *simDriver) cancel(op *Op) {
	n := d.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if !d.table.holds(op) {
		return
	}
	s := n.socket(op.FD)
	if s.in != op && s.out != op { // it has completed
		return
	}
	if at := n.readyAt(s, op, n.time()); !at.IsZero() && !at.After(n.time()) && n.happens(n.faults.LateCancel) {
		if d.perform(s, op); s.in != op && s.out != op {
			return
		}
	}
	s.release(op)
	d.finish(op, canceled, false)
}

// release makes op no longer s's.
func (s *simSocket) release(op *Op) {
	switch op {
	case s.in:
		s.in = nil
	case s.out:
		s.out = nil
	}
}

func (d *simDriver) finish(op *Op, result int32, more bool) {
	d.network.record(op.FD, op.Kind, result)
	d.queue = append(d.queue, completion{op: op, result: result, more: more})
}

// wait is the driver's. A stepped network never blocks; time passes in
// Network.advance.
func (d *simDriver) wait(now, until time.Time, done []completion) []completion {
	done = d.collect(done)
	if len(done) > 0 || d.network.mode == simStepped || !until.IsZero() && !until.After(now) {
		return done
	}
	var expired <-chan time.Time
	if until = earliest(until, d.next()); !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-d.kicked:
	case <-expired:
	}
	return d.collect(done)
}

// next is when an operation can complete; zero if that depends on others.
func (d *simDriver) next() time.Time {
	n := d.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(d.queue) > 0 {
		return n.time()
	}
	var next time.Time
	now := n.time()
	d.table.each(func(op *Op) { next = earliest(next, n.readyAt(n.socket(op.FD), op, now)) })
	return next
}

// collect performs what can be, and appends what has completed.
func (d *simDriver) collect(done []completion) []completion {
	n := d.network
	n.mu.Lock()
	defer n.mu.Unlock()
	now, before := n.time(), len(d.queue)
	d.table.each(func(op *Op) {
		s := n.socket(op.FD)
		if at := n.readyAt(s, op, now); !at.IsZero() && !at.After(now) {
			d.perform(s, op)
		}
	})
	if len(d.queue) > before {
		n.changed(d)
	}
	for i, c := range d.queue {
		if !c.more && d.table.holds(c.op) {
			d.table.remove(c.op)
		}
		done = append(done, c)
		d.queue[i] = completion{}
	}
	d.queue = d.queue[:0]
	return done
}

// readyAt is when op, in flight on s, can be performed: zero if that depends on
// others. It rolls no dice.
func (n *Network) readyAt(s *simSocket, op *Op, now time.Time) time.Time {
	switch {
	case op != s.in && op != s.out: // it has completed
		return time.Time{}
	case op.Kind == OpConnect:
		if n.isHeldTo(s, op.Addr) {
			return time.Time{}
		}
		if l := n.listening(op.Addr); l != nil && len(l.backlog) >= l.limit {
			return time.Time{}
		}
		return latest(s.outAfter, now)
	case op.Kind == OpSend, op.Kind == OpWritable:
		if n.room(s) <= 0 && (op.Kind == OpWritable || gathered(op.Bufs) > 0) {
			return time.Time{}
		}
		return latest(s.outAfter, now)
	case op.Kind == OpAccept:
		if len(s.backlog) == 0 {
			return time.Time{}
		}
		return latest(s.inAfter, s.backlog[0].lastAt)
	default:
		at := s.readableAt()
		if n.isHeld(s) || at.IsZero() && s.state == simConnected {
			return time.Time{}
		}
		return latest(latest(s.inAfter, at), simEpoch)
	}
}

// isHeldTo reports whether s's attempt to connect gets nowhere now.
func (n *Network) isHeldTo(s *simSocket, to Addr) bool {
	return slices.ContainsFunc(n.held, func(at Addr) bool { return at.IsZero() || at == to || at == s.local })
}

// perform does what op asks for. Its time has come, but it may yet have to wait.
func (d *simDriver) perform(s *simSocket, op *Op) {
	n := d.network
	var result int32
	switch op.Kind {
	case OpConnect:
		result = -int32(n.connect(s, op.Addr))
	case OpAccept:
		d.accept(s, op)
		return
	case OpSend:
		count, errno := n.write(s, op.Bufs)
		result = resultFrom(count, errno)
	case OpRecv:
		result = n.recv(s, op)
	case OpReadable, OpWritable: // that its time has come is all
	}
	if result == -int32(syscall.EAGAIN) {
		return
	}
	s.release(op)
	d.finish(op, result, false)
}

func resultFrom(count int, errno syscall.Errno) int32 {
	if errno != 0 {
		return errnoResult(errno)
	}
	return int32(count)
}

// recv reads for op, choosing a Buf if it brings none.
func (n *Network) recv(s *simSocket, op *Op) int32 {
	if op.Buf != nil {
		count, errno := n.read(s, op.Buf.Data[op.Off:])
		return resultFrom(count, errno)
	}
	if n.happens(n.faults.NoBuffers) {
		return errnoResult(syscall.ENOBUFS)
	}
	size := min(max(s.arrived(n.time()), 1), RecvBufSize)
	buf := ring.NewBuf(size)
	count, errno := n.read(s, buf.Data[:size])
	if count > 0 {
		op.Buf = buf
	} else {
		buf.Release()
	}
	return resultFrom(count, errno)
}

// accept hands out one connection; the next look at op brings the next.
func (d *simDriver) accept(s *simSocket, op *Op) {
	n := d.network
	if n.happens(n.faults.NoBuffers) {
		s.inAfter = n.time().Add(simStall)
		d.finish(op, errnoResult(syscall.EMFILE), true)
		return
	}
	c := s.backlog[0]
	s.backlog = slices.Delete(s.backlog, 0, 1)
	d.finish(op, int32(c.fd), true)
}

// simStall is how long a listener that found no descriptor pauses.
const simStall = 100 * time.Millisecond

// connect connects s, or says why not.
func (n *Network) connect(s *simSocket, to Addr) syscall.Errno {
	if errno := to.check(); errno != 0 {
		return errno
	}
	if s.state != simIdle {
		return syscall.EISCONN
	}
	to = to.normal()
	l := n.listening(to)
	switch {
	case l == nil && to.Network == Unix && !to.Abstract() && !slices.Contains(n.names, to):
		return syscall.ENOENT
	case l == nil || n.happens(n.faults.Refuse):
		return syscall.ECONNREFUSED
	}
	s.local, s.to, s.state = n.source(s.local, to), to, simConnected
	c := n.newSocket()
	c.local, c.to, c.state = to, s.local, simConnected
	c.peer, s.peer = s, c
	c.lastAt = n.time()
	l.backlog = append(l.backlog, c)
	return 0
}

// source is the address of our end of a connection.
func (n *Network) source(bound, to Addr) Addr {
	if to.Network == Unix {
		return Addr{Network: Unix}
	}
	ip, port := to.IP.Addr(), bound.IP.Port()
	if bound.IP.Addr().IsValid() && !bound.IP.Addr().IsUnspecified() {
		ip = bound.IP.Addr()
	}
	if port == 0 {
		port = n.nextPort()
	}
	return Addr{Network: TCP, IP: netip.AddrPortFrom(ip, port)}
}

func (d *simDriver) tryRead(fd FD, b []byte) (int, error) {
	n := d.network
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.socket(fd)
	assert(s.in == nil)
	if len(b) == 0 {
		return 0, nil
	}
	if n.happens(n.faults.Again) {
		return 0, ErrAgain
	}
	count, errno := n.read(s, b)
	n.record(fd, OpNone, resultFrom(count, errno))
	switch {
	case errno == syscall.EAGAIN:
		return 0, ErrAgain
	case errno != 0:
		return 0, errno
	case count == 0:
		return 0, io.EOF
	}
	n.changed(nil)
	return count, nil
}

func (d *simDriver) tryWrite(fd FD, bufs [][]byte) (int, error) {
	n := d.network
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.socket(fd)
	assert(s.out == nil)
	if n.happens(n.faults.Again) {
		return 0, ErrAgain
	}
	count, errno := n.write(s, bufs)
	n.record(fd, OpNone, resultFrom(count, errno))
	switch errno {
	case 0:
		n.changed(nil)
		return count, nil
	case syscall.EAGAIN:
		return 0, ErrAgain
	default:
		n.changed(nil)
		return 0, errno
	}
}

func (d *simDriver) socket(to Addr, opts *SockOpts) (FD, error) {
	if errno := to.check(); errno != 0 {
		return NoFD, errno
	}
	n := d.network
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.newSocket()
	s.local = opts.Source.normal()
	return s.fd, nil
}

func (d *simDriver) listen(at Addr, opts *SockOpts) (FD, Addr, error) {
	if errno := at.check(); errno != 0 {
		return NoFD, Addr{}, errno
	}
	n := d.network
	n.mu.Lock()
	defer n.mu.Unlock()
	bound, errno := n.bind(at.normal(), opts.IPv6Only)
	if errno != 0 {
		return NoFD, Addr{}, errno
	}
	s := n.newSocket()
	s.state, s.local, s.limit, s.ipv6Only = simListening, bound, opts.backlog(), opts.IPv6Only
	n.names = slices.DeleteFunc(n.names, func(a Addr) bool { return a == bound })
	n.changed(nil)
	return s.fd, bound, nil
}

func (d *simDriver) accepted(fd FD, _ *SockOpts) (Addr, error) {
	n := d.network
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.socket(fd).to, nil
}

func (d *simDriver) localAddr(fd FD) (Addr, error) {
	n := d.network
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.socket(fd).local, nil
}

// backlogged: the peer's system is heard of unless the network holds it back.
func (d *simDriver) backlogged(fd FD) bool {
	n := d.network
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.socket(fd)
	return n.room(s) <= 0 && !n.isHeld(s)
}

func (d *simDriver) shutdown(fd FD) error {
	n := d.network
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.socket(fd)
	if s.state != simConnected {
		return syscall.ENOTCONN
	}
	n.end(s)
	n.changed(nil)
	return nil
}

// errNoDatagrams is the answer to who wants some of a Network.
var errNoDatagrams = fmt.Errorf("reactor: datagrams on a simulated network: %w", errors.ErrUnsupported)

func (d *simDriver) datagram(*DatagramOpts) (FD, DatagramInfo, error) {
	return NoFD, DatagramInfo{}, errNoDatagrams
}
func (d *simDriver) readDatagrams(FD, *DatagramReader) (int, error) { return 0, errNoDatagrams }
func (d *simDriver) writeDatagrams(FD, *DatagramWriter) error       { return errNoDatagrams }

func (d *simDriver) closeFD(fd FD) {
	n := d.network
	n.mu.Lock()
	defer n.mu.Unlock()
	n.close(n.socket(fd))
	n.changed(nil)
}
