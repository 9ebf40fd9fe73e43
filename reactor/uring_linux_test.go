package reactor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/godzie44/go-uring/uring"
	"golang.org/x/sys/unix"

	"github.com/zeroring/zeroring/ring"
)

// needUring skips the test where the kernel or a sandbox refuses io_uring. A
// machine whose business is to test may not; and a ring that opens and then
// does not work is no reason to skip anywhere.
func needUring(t testing.TB) {
	t.Helper()
	err := probeOnce().err
	if err == nil {
		return
	}
	for _, refusal := range []error{unix.EPERM, unix.EACCES, unix.ENOSYS, unix.ENOMEM} {
		if errors.Is(err, refusal) {
			lacking(t, err)
		}
	}
	t.Fatal(err)
}

// lacking ends a test that cannot run here for want of what why says: skipped,
// but failed on a machine whose business is to test.
func lacking(t testing.TB, why any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// openVariant is openUring. The mode that is not the default takes Linux 6.1,
// and older kernels do not know the flags.
func openVariant(t testing.TB, can uringFeatures, limit int) *uringDriver {
	t.Helper()
	d, err := openUring(can, limit)
	switch {
	case err == nil:
		return d
	case can.deferTaskrun && errors.Is(err, unix.EINVAL):
		lacking(t, err)
	}
	t.Fatal(err)
	return nil
}

// uringVariants are the drivers that kernels of different age get, and the mode
// that is not the default.
func uringVariants() map[string]uringFeatures {
	deferred := probeOnce().features
	deferred.deferTaskrun = true
	return map[string]uringFeatures{
		"full":     probeOnce().features,
		"bare":     {},
		"deferred": deferred,
	}
}

// onVariants runs test on each of them that works here.
func onVariants(t *testing.T, test func(t *testing.T, u *uringRig)) {
	needUring(t)
	for name, can := range uringVariants() {
		t.Run(name, func(t *testing.T) { test(t, newUringRig(t, can, DefaultMaxOps)) })
	}
}

// TestConformanceVariants runs the suite on what other machines get.
func TestConformanceVariants(t *testing.T) {
	if !asked(Uring) {
		return
	}
	needUring(t)
	probed := probeOnce
	defer func() { probeOnce = probed }()
	for name, can := range uringVariants() {
		if can == probed().features {
			continue // TestConformance does that
		}
		probeOnce = func() *uringProbe { return &uringProbe{features: can} }
		runSuite(t, []world{{"uring-" + name, func() *Config { return &Config{Backend: Uring} }}})
	}
}

// A uringRig is a driver that a test drives by itself, on the test's own
// goroutine, and what has completed meanwhile.
type uringRig struct {
	*uringDriver
	t    *testing.T
	done []completion
	fds  []FD
}

func newUringRig(t *testing.T, can uringFeatures, limit int) *uringRig {
	t.Helper()
	leaks := watchLeaks(t)
	u := &uringRig{uringDriver: openVariant(t, can, limit), t: t}
	t.Cleanup(func() {
		u.end()
		leaks()
	})
	return u
}

// end cancels what is in flight and gives everything back.
func (u *uringRig) end() {
	u.t.Helper()
	for limit := time.Now().Add(patience); u.table.live() > 0; {
		u.table.each(u.uringDriver.cancel)
		u.turn()
		if time.Now().After(limit) {
			u.t.Fatalf("%d operations do not complete", u.table.live())
		}
	}
	for _, fd := range u.fds {
		u.closeFD(fd)
	}
	if err := u.close(); err != nil {
		u.t.Errorf("close: %v", err)
	}
}

// turn waits for anything to happen.
func (u *uringRig) turn() {
	u.done = u.wait(u.now(), u.now().Add(patience), u.done)
}

// next returns op's next completion, whatever completes before.
func (u *uringRig) next(op *Op) completion {
	u.t.Helper()
	for limit := time.Now().Add(patience); ; {
		for i, c := range u.done {
			if c.op == op {
				u.done = append(u.done[:i], u.done[i+1:]...)
				return c
			}
		}
		if time.Now().After(limit) {
			u.t.Fatalf("operation of kind %d on FD %d does not complete", op.Kind, op.FD)
		}
		u.turn()
	}
}

// want fails the test unless op completes next, and for the last time, with result.
func (u *uringRig) want(op *Op, result int32) {
	u.t.Helper()
	if c := u.next(op); c.result != result || c.more {
		u.t.Fatalf("operation of kind %d on FD %d: result %d (%v), more %v; want %d",
			op.Kind, op.FD, c.result, ErrnoError(c.result), c.more, result)
	}
}

// start submits an operation.
func (u *uringRig) start(op Op) *Op {
	u.submit(&op)
	return &op
}

// socketPair makes two sockets that are connected to each other.
func (u *uringRig) socketPair() (a, b FD) {
	u.t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		u.t.Fatal(err)
	}
	a, b = FD(pair[0]), FD(pair[1])
	return u.own(a), u.own(b)
}

// own makes the rig close fd at the end.
func (u *uringRig) own(fd FD) FD {
	u.fds = append(u.fds, fd)
	return fd
}

// listening makes a listener.
func (u *uringRig) listening() (FD, Addr) {
	u.t.Helper()
	fd, at, err := u.listen(loopback, &SockOpts{})
	if err != nil {
		u.t.Fatal(err)
	}
	return u.own(fd), at
}

// dialing is an operation that connects a new socket to at.
func (u *uringRig) dialing(at Addr) Op {
	u.t.Helper()
	fd, err := u.socket(at, &SockOpts{})
	if err != nil {
		u.t.Fatal(err)
	}
	return Op{Kind: OpConnect, FD: u.own(fd), Addr: at}
}

// accepts checks that accept brings a connection.
func (u *uringRig) accepts(accept *Op) {
	u.t.Helper()
	c := u.next(accept)
	if c.result < 0 || !c.more {
		u.t.Fatalf("accept: result %d, more %v", c.result, c.more)
	}
	u.own(FD(c.result))
	if flags, err := unix.FcntlInt(uintptr(c.result), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		u.t.Errorf("an accepted socket would be inherited: flags %#x, %v", flags, err)
	}
	if flags, err := unix.FcntlInt(uintptr(c.result), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
		u.t.Errorf("an accepted socket blocks: flags %#x, %v", flags, err)
	}
}

// write writes all of b to fd at once.
func (u *uringRig) write(fd FD, b []byte) {
	u.t.Helper()
	if n, err := u.tryWrite(fd, [][]byte{b}); err != nil || n != len(b) {
		u.t.Fatalf("wrote %d of %d octets: %v", n, len(b), err)
	}
}

// received checks that op received want into a Buf that the driver chose, and
// gives that back.
func (u *uringRig) received(op *Op, want []byte) {
	u.t.Helper()
	u.want(op, int32(len(want)))
	if !bytes.Equal(op.Buf.Data[:len(want)], want) {
		u.t.Fatalf("received %d octets, but not those that were sent", len(want))
	}
	op.Buf.Release()
	op.Buf = nil
}

// fillPattern fills b with octets that depend on seed and place.
func fillPattern(b []byte, seed int) []byte {
	for i := range b {
		b[i] = byte(i*7 + i>>8 + seed*13)
	}
	return b
}

// The driver's Bufs: right-sized if small, and every one of the ring comes back
// into use, however often it goes round.
func TestUringBuffers(t *testing.T) {
	onVariants(t, func(t *testing.T, u *uringRig) {
		a, b := u.socketPair()
		before := ring.LiveBufs()
		for i := range 3 * bufRingEntries {
			for _, size := range []int{1, smallRead, smallRead + 1, RecvBufSize} {
				sent := fillPattern(make([]byte, size), i)
				u.write(a, sent)
				op := u.start(Op{Kind: OpRecv, FD: b})
				u.want(op, int32(size))
				if small := len(op.Buf.Data) < RecvBufSize; small != (size <= smallRead) {
					t.Fatalf("%d octets came in a Buf of %d", size, len(op.Buf.Data))
				}
				if !bytes.Equal(op.Buf.Data[:size], sent) {
					t.Fatalf("%d octets, round %d: not those that were sent", size, i)
				}
				if op.Buf.Shared() {
					t.Fatal("the Buf has more than one reference")
				}
				op.Buf.Release()
			}
		}
		if n := ring.LiveBufs(); n != before {
			t.Errorf("%d buffers in use, were %d", n, before)
		}
	})
}

// A Buf that the owner got stays as it is, while the kernel receives more.
func TestUringBufferIsTheOwners(t *testing.T) {
	onVariants(t, func(t *testing.T, u *uringRig) {
		a, b := u.socketPair()
		var kept []*Op
		for i := range 2 * bufRingEntries {
			u.write(a, fillPattern(make([]byte, smallRead+1), i))
			kept = append(kept, u.start(Op{Kind: OpRecv, FD: b}))
			u.want(kept[i], smallRead+1)
		}
		for i, op := range kept {
			if !bytes.Equal(op.Buf.Data[:smallRead+1], fillPattern(make([]byte, smallRead+1), i)) {
				t.Errorf("buffer %d was overwritten", i)
			}
			op.Buf.Release()
		}
	})
}

// More receives complete in one turn than there are buffers: the others find
// the ring empty and still get what was sent to them.
func TestUringBufferShortage(t *testing.T) {
	onVariants(t, func(t *testing.T, u *uringRig) {
		const count = 3*bufRingEntries + 7
		var ops [count]*Op
		for i := range ops {
			a, b := u.socketPair()
			u.write(a, fmt.Appendf(nil, "message %d", i))
			ops[i] = u.start(Op{Kind: OpRecv, FD: b})
		}
		for i, op := range ops {
			u.received(op, fmt.Appendf(nil, "message %d", i))
		}
	})
}

// The end of a stream brings no Buf. Some kernels give a buffer for it all the
// same, and for a receive that was interrupted, which must not be lost.
func TestUringEndOfStreamKeepsBuffers(t *testing.T) {
	onVariants(t, func(t *testing.T, u *uringRig) {
		a, b := u.socketPair()
		if err := u.shutdown(a); err != nil {
			t.Fatal(err)
		}
		for range 2 * bufRingEntries {
			op := u.start(Op{Kind: OpRecv, FD: b})
			u.want(op, 0)
			if op.Buf != nil {
				t.Fatal("the end of the stream came with a Buf")
			}
		}
		if u.bufs == nil {
			return
		}
		// So may a receive that goes on.
		for _, errno := range []syscall.Errno{0, unix.ECANCELED, unix.EINTR} {
			given := u.bufs.tail
			op := &Op{Kind: OpRecv, FD: b}
			u.adopt(op)
			u.done = u.result(op, uring.CQEvent{Res: errnoResult(errno), Flags: cqeBuffer | 5<<cqeBufferShift}, u.done)
			if u.bufs.tail != given+1 || u.bufs.slots[given%bufRingEntries].number != 5 {
				t.Errorf("errno %d: a buffer that came with nothing in it was not given back", errno)
			}
			u.bufs.tail = given // it was the kernel's all the time
			if u.want(op, 0); op.Buf != nil {
				t.Errorf("errno %d: the end of the stream came with a Buf", errno)
			}
		}
	})
}

// look submits what is staged and takes what is there, without waiting.
func (u *uringRig) look() {
	now := u.now()
	u.done = u.wait(now, now, u.done)
}

// Far more operations than the SQ has room for are staged in one turn, each with
// a message header of its own, and all go out as they were meant.
func TestUringFullSQ(t *testing.T) {
	onVariants(t, func(t *testing.T, u *uringRig) {
		count := 2*u.ring.entries() + 3
		sends, recvs := make([]*Op, count), make([]*Op, count)
		for i := range count {
			a, b := u.socketPair()
			text := fmt.Sprintf("message %d", i)
			sends[i] = u.start(Op{Kind: OpSend, FD: a, Bufs: [][]byte{[]byte(text[:3]), nil, []byte(text[3:])}})
			recvs[i] = &Op{Kind: OpRecv, FD: b}
		}
		if len(u.done) > 0 {
			t.Fatal("an operation completed inside submit")
		}
		if want := count % u.ring.entries(); u.staged != want {
			t.Errorf("%d are staged, want %d", u.staged, want)
		}
		u.look()
		if u.staged != 0 {
			t.Errorf("%d are staged after a turn", u.staged)
		}
		if len(u.done) != count {
			t.Errorf("one turn brought %d completions of %d that were there", len(u.done), count)
		}
		for i := range count {
			text := fmt.Sprintf("message %d", i)
			u.want(sends[i], int32(len(text)))
			u.submit(recvs[i])
			u.received(recvs[i], []byte(text))
		}
	})
}

// More operations complete at once than the CQ has room for. The kernel keeps
// what did not fit, and so do we what we had to take off to submit more.
func TestUringOverflow(t *testing.T) {
	onVariants(t, func(t *testing.T, u *uringRig) {
		count := int(ringSizes[0].completions) * 3 / 2
		a, b := u.socketPair()
		full := [][]byte{make([]byte, 1<<16)}
		for {
			if _, err := u.tryWrite(a, full); err == ErrAgain {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		// Of all that waits for a socket this can be had many times over.
		waits := make([]Op, count)
		for i := range waits {
			waits[i] = Op{Kind: OpConnect, FD: a}
			u.adopt(&waits[i])
			u.stagePoll(&waits[i])
		}
		u.look()
		if len(u.done) > 0 {
			t.Fatal("a full socket could be written")
		}
		for {
			if _, err := u.tryRead(b, full[0]); err == ErrAgain {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		for i := range waits {
			u.want(&waits[i], 0)
		}
		op := u.start(Op{Kind: OpRecv, FD: b})
		u.write(a, []byte("x"))
		u.received(op, []byte("x"))
	})
}

// adopt makes op one that is in flight, without submitting it.
func (u *uringRig) adopt(op *Op) {
	u.t.Helper()
	if !u.table.add(op) {
		u.t.Fatal("no slot")
	}
	for len(u.states) <= int(op.token.slot()) {
		u.states = append(u.states, opState{})
	}
	*u.state(op) = opState{}
}

// An operation whose thread exits is cancelled by the kernel. Nobody asked for
// that, so it goes on; and so do the bell and the timeout.
func TestUringThreadExits(t *testing.T) {
	onVariants(t, func(t *testing.T, u *uringRig) {
		if u.pinned() {
			return // the ring does not outlive its thread
		}
		a, b := u.socketPair()
		listener, at := u.listening()
		var recv, accept *Op
		inPassingThread(func() {
			u.armBell() // once more, so that a bell dies with the thread
			recv = u.start(Op{Kind: OpRecv, FD: b})
			accept = u.start(Op{Kind: OpAccept, FD: listener})
			u.look()
		})
		u.write(a, []byte("late"))
		u.received(recv, []byte("late"))

		u.want(u.start(u.dialing(at)), 0)
		u.accepts(accept)

		u.wake()
		if u.wait(u.now(), time.Time{}, nil); !u.woken {
			t.Error("not woken")
		}
	})
}

// inPassingThread runs f on a thread and returns when that has exited.
func inPassingThread(f func()) {
	used := make(chan int)
	leave := make(chan struct{})
	defer close(leave)
	for {
		go func() {
			runtime.LockOSThread() // and never unlocks: the thread ends with the goroutine
			if unix.Gettid() == unix.Getpid() {
				used <- 0
				<-leave // the main thread does not exit; the next one gets another
				runtime.UnlockOSThread()
				return
			}
			f()
			used <- unix.Gettid()
		}()
		if tid := <-used; tid != 0 {
			for unix.Tgkill(unix.Getpid(), tid, 0) == nil {
				runtime.Gosched()
			}
			return
		}
	}
}

func TestUringWake(t *testing.T) {
	onVariants(t, func(t *testing.T, u *uringRig) {
		for range 10 {
			u.wake() // before
			u.wake()
			u.woken = false
			if u.wait(u.now(), time.Time{}, nil); !u.woken {
				t.Fatal("not woken by what came before the wait")
			}
			go u.wake() // during, or before
			if u.wait(u.now(), time.Time{}, nil); !u.woken {
				t.Fatal("not woken")
			}
			// Once heard, a ring is over. The kernel may report a ring that it
			// had seen by then once more, so this looks for an end of it.
			for limit := 100; u.woken; limit-- {
				if limit == 0 {
					t.Fatal("woken for ever")
				}
				u.wait(u.now(), u.now().Add(time.Millisecond), nil)
			}
		}
	})
}

// A wait ends when until has passed and not before, whatever until was last
// time: the kernel's timeout may be armed for an earlier or a later one.
func TestUringUntil(t *testing.T) {
	onVariants(t, func(t *testing.T, u *uringRig) {
		u.wake()
		u.wait(u.now(), u.now().Add(time.Hour), nil) // arms it for then
		for _, d := range []time.Duration{5, 2, 3, 1, 4} {
			until := u.now().Add(d * time.Millisecond)
			for u.woken = true; u.woken; { // a ring of before may be reported once more
				u.wait(u.now(), until, nil)
			}
			if u.now().Before(until) {
				t.Fatalf("a wait of %dms ended early", d)
			}
			u.wake()
			u.wait(u.now(), until.Add(d*time.Millisecond), nil) // leaves a timeout behind
		}
		a, b := u.socketPair()
		op := u.start(Op{Kind: OpRecv, FD: b})
		go u.tryWrite(a, [][]byte{[]byte("x")})
		u.done = u.wait(u.now(), time.Time{}, u.done) // for ever, though timeouts pass
		u.received(op, []byte("x"))
		u.wait(u.now(), u.now().Add(-time.Hour), nil) // does not block
	})
}

// answer has op, which is not in flight, be one that the kernel answers with errno,
// and checks that this does not complete it.
func (u *uringRig) answer(op *Op, errno syscall.Errno) {
	u.t.Helper()
	u.adopt(op)
	if u.done = u.result(op, uring.CQEvent{Res: errnoResult(errno)}, u.done); len(u.done) != 0 {
		u.t.Fatalf("kind %d, %v: completed with %d", op.Kind, errno, u.done[0].result)
	}
}

// Kernels older than ours answer that a socket is not ready, where ours waits.
func TestUringNotReady(t *testing.T) {
	onVariants(t, func(t *testing.T, u *uringRig) {
		a, b := u.socketPair()
		recv := &Op{Kind: OpRecv, FD: b}
		send := &Op{Kind: OpSend, FD: a, Bufs: [][]byte{[]byte("again")}}
		for _, errno := range []syscall.Errno{unix.EAGAIN, unix.EINTR, unix.EAGAIN} {
			u.answer(recv, errno)
			u.answer(send, errno)
			u.want(send, 5)
			u.received(recv, []byte("again"))
		}
		u.answer(recv, unix.EAGAIN)
		u.cancel(recv)
		u.want(recv, canceled)

		// Once cancelled, they end.
		for _, errno := range []syscall.Errno{unix.EAGAIN, unix.EINTR} {
			for _, op := range []*Op{recv, send} {
				u.adopt(op)
				u.state(op).cancelled = true
				u.done = u.result(op, uring.CQEvent{Res: errnoResult(errno)}, u.done)
				u.want(op, canceled)
			}
		}

		listener, at := u.listening()
		accept := &Op{Kind: OpAccept, FD: listener}
		for _, errno := range []syscall.Errno{unix.EAGAIN, unix.EINTR, unix.ECONNABORTED} {
			u.answer(accept, errno)
			u.want(u.start(u.dialing(at)), 0)
			u.accepts(accept)
			u.cancel(accept)
			u.want(accept, canceled)
		}
	})
}

// A connect that has begun goes on by itself, and its socket says how it went.
func TestUringConnectGoesOn(t *testing.T) {
	onVariants(t, func(t *testing.T, u *uringRig) {
		_, at := u.listening()
		gone, nobody := u.listening()
		unix.Shutdown(int(gone), unix.SHUT_RDWR)
		for _, errno := range []syscall.Errno{unix.EINPROGRESS, unix.EALREADY, unix.EINTR, unix.ECANCELED} {
			for to, want := range map[Addr]int32{at: 0, nobody: errnoResult(unix.ECONNREFUSED)} {
				op := u.dialing(to)
				_, address, err := sockaddr(to)
				if err != nil {
					t.Fatal(err)
				}
				if err := unix.Connect(int(op.FD), address); err != nil && err != unix.EINPROGRESS {
					t.Fatal(err)
				}
				u.answer(&op, errno)
				u.want(&op, want)
			}
		}
	})
}

// A connect to what cannot be an address fails, and what an operation before it
// left in its SQE does not go out again.
func TestUringBadConnect(t *testing.T) {
	onVariants(t, func(t *testing.T, u *uringRig) {
		a, b := u.socketPair()
		sent := make([]byte, u.ring.entries())
		for i := range sent { // so that each SQE was one that sends
			fillPattern(sent[i:i+1], i)
			u.want(u.start(Op{Kind: OpSend, FD: a, Bufs: [][]byte{sent[i : i+1]}}), 1)
		}
		u.received(u.start(Op{Kind: OpRecv, FD: b}), sent)
		dial := Op{Kind: OpConnect, FD: a, Addr: Addr{Network: Unix, Path: strings.Repeat("p", maxUnixPath+1)}}
		for range sent {
			u.want(u.start(dial), errnoResult(unix.ENAMETOOLONG))
			u.look()
		}
		if n, err := u.tryRead(b, sent); err != ErrAgain {
			t.Errorf("%d octets were sent again, %v", n, err)
		}
	})
}

// An accept that finds no descriptor says so, rests, and goes on by itself.
func TestUringAcceptExhausted(t *testing.T) {
	onVariants(t, func(t *testing.T, u *uringRig) {
		for _, errno := range []syscall.Errno{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM} {
			listener, at := u.listening()
			accept := &Op{Kind: OpAccept, FD: listener}
			u.want(u.start(u.dialing(at)), 0) // waits in the backlog
			u.adopt(accept)
			u.done = u.result(accept, uring.CQEvent{Res: errnoResult(errno)}, u.done)
			if c := u.next(accept); c.result != errnoResult(errno) || !c.more {
				t.Fatalf("%v: result %d, more %v", errno, c.result, c.more)
			}
			u.resume = u.now().Add(time.Hour) // however slow the machine is
			if u.look(); u.state(accept).stage != stagePaused {
				t.Fatalf("%v: did not rest", errno)
			}
			u.resume = u.now().Add(stallTime / 10)
			u.accepts(accept)
			if len(u.paused) != 0 {
				t.Fatalf("%v: goes on and still rests", errno)
			}
			u.cancel(accept)
			u.want(accept, canceled)
			u.adopt(accept)
			u.done = u.result(accept, uring.CQEvent{Res: errnoResult(errno)}, u.done)
			u.next(accept)
			u.cancel(accept)
			u.cancel(accept)
			u.want(accept, canceled)
			if len(u.done) != 0 {
				t.Fatalf("%v: a cancelled accept completed twice", errno)
			}
		}
	})
}

// An accept that runs into a limit does not make those that rest already rest
// on: with many listeners that would be for as long as they take turns.
func TestUringAcceptsRest(t *testing.T) {
	onVariants(t, func(t *testing.T, u *uringRig) {
		var accepts [3]Op
		var resume time.Time
		for i := range accepts {
			accepts[i] = Op{Kind: OpAccept, FD: NoFD}
			u.adopt(&accepts[i])
			u.done = u.result(&accepts[i], uring.CQEvent{Res: errnoResult(unix.EMFILE)}, u.done)
			if i == 0 {
				resume = u.resume
			}
			for began := u.now(); u.now() == began; { // until it is later
			}
		}
		if u.resume != resume {
			t.Errorf("the first goes on %v later than it would have alone", u.resume.Sub(resume))
		}
		for i := range accepts {
			u.next(&accepts[i])
			u.want(&accepts[i], errnoResult(unix.EBADF)) // goes on
		}
	})
}

// A CQE for an operation that is over, whose slot has a new tenant by now,
// changes nothing.
func TestUringLateCQE(t *testing.T) {
	onVariants(t, func(t *testing.T, u *uringRig) {
		a, b := u.socketPair()
		first := u.start(Op{Kind: OpRecv, FD: b})
		late := uring.CQEvent{UserData: uint64(first.token), Res: 1}
		u.cancel(first)
		u.want(first, canceled)
		second := u.start(Op{Kind: OpRecv, FD: b})
		if second.token.slot() != first.token.slot() {
			t.Fatal("the second operation is not in the first one's slot")
		}
		u.held = append(u.held, late)
		if u.look(); len(u.done) != 0 {
			t.Fatal("a late CQE completed an operation")
		}
		u.write(a, []byte("for the second"))
		u.received(second, []byte("for the second"))
	})
}

// What rests is found again by its token: neither an accept that was cancelled
// meanwhile goes on, nor the operation that has its slot now.
func TestUringRestsAndIsCancelled(t *testing.T) {
	onVariants(t, func(t *testing.T, u *uringRig) {
		listener, _ := u.listening()
		rest := func() (accept *Op) {
			accept = &Op{Kind: OpAccept, FD: listener}
			u.adopt(accept)
			u.done = u.result(accept, uring.CQEvent{Res: errnoResult(unix.EMFILE)}, u.done)
			if c := u.next(accept); !c.more {
				t.Fatalf("%+v: not to go on", c)
			}
			return accept
		}
		a, b := u.socketPair()
		first := rest()
		u.cancel(first)
		u.want(first, canceled)
		tenant := u.start(Op{Kind: OpRecv, FD: b})
		if tenant.token.slot() != first.token.slot() {
			t.Fatal("the slot has another tenant")
		}
		second := rest()
		u.cancel(second) // its completion waits: it has its slot still
		u.look()
		u.want(second, canceled)
		staged := u.staged
		if u.restart(u.resume.Add(-1)); len(u.paused) != 2 || u.staged != staged {
			t.Errorf("before its time: %d rest and %d were staged", len(u.paused), u.staged-staged)
		}
		if u.restart(u.resume); len(u.paused) != 0 || u.staged != staged {
			t.Errorf("after its time: %d rest and %d were staged", len(u.paused), u.staged-staged)
		}
		third := rest()
		u.cancel(third)
		if u.restart(u.resume); u.staged != staged {
			t.Error("what is cancelled and not completed yet goes on")
		}
		u.want(third, canceled)
		u.write(a, []byte("x"))
		u.received(tenant, []byte("x"))
	})
}

// What the bell's CQEs mean. A ring is heard once, and the bell is armed anew
// unless the kernel goes on by itself; that the eventfd cannot be polled at all
// ends a wait, for a trial to see.
func TestUringHeard(t *testing.T) {
	onVariants(t, func(t *testing.T, u *uringRig) {
		for name, c := range map[string]struct {
			cqe         uring.CQEvent
			woken       bool
			armed, deaf int
		}{
			"rung, once":        {uring.CQEvent{Res: unix.POLLIN}, true, 1, 0},
			"rung, goes on":     {uring.CQEvent{Res: unix.POLLIN, Flags: cqeMore}, true, 0, 0},
			"its thread exited": {uring.CQEvent{Res: canceled}, true, 1, 0},
			"not to be polled":  {uring.CQEvent{Res: errnoResult(unix.EINVAL)}, false, 0, int(errnoResult(unix.EINVAL))},
		} {
			u.woken, u.deaf = false, 0
			staged := u.staged
			u.heard(c.cqe)
			if u.woken != c.woken || u.staged-staged != c.armed || int(u.deaf) != c.deaf {
				t.Errorf("%s: woken %v, armed %d times, deaf %d", name, u.woken, u.staged-staged, u.deaf)
			}
		}
		u.deaf = errnoResult(unix.EINVAL)
		u.wait(u.now(), time.Time{}, nil) // returns
		u.deaf = 0
	})
}

// The kernel's timeout is armed only if nothing is armed that ends the wait in
// time, and moved if it is armed for later. What rests counts as well.
func TestUringArmTimer(t *testing.T) {
	onVariants(t, func(t *testing.T, u *uringRig) {
		now := u.now()
		listener := Op{Kind: OpAccept, FD: NoFD}
		for _, c := range []struct {
			what  string
			armed time.Duration // 0: not
			rests time.Duration // 0: nothing
			until time.Duration // 0: for ever
			want  time.Duration // 0: nothing is staged
		}{
			{"for ever", 0, 0, 0, 0},
			{"for ever, and armed", 5, 0, 0, 0},
			{"not armed", 0, 0, 7, 7},
			{"armed for earlier", 5, 0, 7, 0},
			{"armed for then", 7, 0, 7, 0},
			{"armed for later", 9, 0, 7, 7},
			{"for ever, and one rests", 0, 6, 0, 6},
			{"one rests for longer", 0, 8, 7, 7},
			{"one rests for less", 0, 6, 7, 6},
			{"armed for what rests", 6, 6, 7, 0},
			{"armed for later than what rests", 9, 6, 7, 6},
		} {
			at := func(d time.Duration) time.Time { return now.Add(d * time.Hour) }
			if u.timer.armed, u.paused = c.armed != 0, nil; u.timer.armed {
				u.timer.set(at(c.armed))
			}
			if c.rests != 0 {
				u.paused, u.resume = append(u.paused, listener.token), at(c.rests)
			}
			until := time.Time{}
			if c.until != 0 {
				until = at(c.until)
			}
			staged := u.staged
			u.armTimer(until)
			switch {
			case c.want == 0 && u.staged != staged:
				t.Errorf("%s: armed for %v", c.what, u.timer.deadline.Sub(now))
			case c.want != 0 && (u.staged != staged+1 || !u.timer.armed || !u.timer.deadline.Equal(at(c.want))):
				t.Errorf("%s: %d staged, armed for %v, want %v", c.what, u.staged-staged, u.timer.deadline.Sub(now), c.want*time.Hour)
			}
		}
		u.paused = nil
	})
}

// Deadlines in the kernel's terms.
func TestKernelTimeout(t *testing.T) {
	k := kernelTimeout{origin: simEpoch, mono: int64(5*time.Second) + 1}
	for after, want := range map[time.Duration]timespec{
		0:                       {5, 1},
		1500 * time.Millisecond: {6, 500_000_001},
		time.Second - 2:         {5, 999_999_999},
		time.Second - 1:         {6, 0},
		-5*time.Second - 1:      {0, 0},
		-time.Hour:              {0, 0}, // the kernel takes no negative time
	} {
		k.armed = false
		if k.set(simEpoch.Add(after)); k.at != want || !k.armed || !k.deadline.Equal(simEpoch.Add(after)) {
			t.Errorf("%v after the origin is %+v, want %+v", after, k.at, want)
		}
	}
	var now kernelTimeout
	if err := now.start(); err != nil || now.mono <= 0 || time.Since(now.origin) > time.Hour {
		t.Errorf("%+v, %v", now, err)
	}
}

// Of what io_uring_enter may fail with, only what will pass is borne.
func TestCheckEnter(t *testing.T) {
	for err, bears := range map[error]bool{
		nil: true, unix.EINTR: true, unix.EAGAIN: true, unix.EBUSY: true,
		unix.EPERM: false, unix.ENOSYS: false, unix.EBADF: false,
	} {
		func() {
			defer func() {
				says := recover()
				if (says == nil) != bears || says != nil && !strings.Contains(says.(string), err.Error()) {
					t.Errorf("%v: %v", err, says)
				}
			}()
			checkEnter(err)
		}()
	}
}

// More slices than MaxGather: those beyond are left for the next time.
func TestUringGatherLimit(t *testing.T) {
	onVariants(t, func(t *testing.T, u *uringRig) {
		a, b := u.socketPair()
		bufs := make([][]byte, MaxGather+3)
		for i := range bufs {
			bufs[i] = []byte{byte(i)}
		}
		u.want(u.start(Op{Kind: OpSend, FD: a, Bufs: bufs}), MaxGather)
		u.received(u.start(Op{Kind: OpRecv, FD: b}), bytes.Join(bufs[:MaxGather], nil))
	})
}

// A send to a peer that is gone fails, and raises no signal.
func TestUringBrokenPipe(t *testing.T) {
	signals := make(chan os.Signal, 9) // whose first use starts a goroutine that stays
	signal.Notify(signals, unix.SIGPIPE, unix.SIGWINCH)
	defer signal.Stop(signals)
	onVariants(t, func(t *testing.T, u *uringRig) {
		for _, bufs := range [][][]byte{{[]byte("x")}, {[]byte("x"), []byte("y")}} {
			a, b := u.socketPair()
			if err := unix.Shutdown(int(b), unix.SHUT_RDWR); err != nil {
				t.Fatal(err)
			}
			u.want(u.start(Op{Kind: OpSend, FD: a, Bufs: bufs}), errnoResult(unix.EPIPE))
		}
		// Of signals that wait the runtime reports that of the lower number first.
		if err := unix.Kill(unix.Getpid(), unix.SIGWINCH); err != nil {
			t.Fatal(err)
		}
		if s := <-signals; s != unix.SIGWINCH {
			t.Errorf("a send raised %v", s)
		}
	})
}

// Where a driver falls back silently only the SQE shows what was asked for.
func TestFillSQE(t *testing.T) {
	var sqe uring.SQEntry
	for _, multi := range []bool{false, true} {
		fillPoll(&sqe, 7, unix.POLLIN, multi, 9)
		if sqe.Fd != 7 || (sqe.Len == pollAddMulti) != multi || sqe.UserData != 9 {
			t.Errorf("poll, multi %v: %+v", multi, sqe)
		}
		fillAccept(&sqe, 7, multi, 9)
		if sqe.Fd != 7 || (sqe.IoPrio == acceptMultishot) != multi || sqe.UserData != 9 {
			t.Errorf("accept, multi %v: %+v", multi, sqe)
		}
	}
	needUring(t)
	u := newUringRig(t, uringFeatures{pollFirst: true}, 2)
	_, b := u.socketPair()
	for _, eager := range []bool{false, true, false} {
		u.setEager(b, eager)
		u.stageRecv(&sqe, &Op{Kind: OpRecv, FD: b, Buf: &ring.Buf{Data: make([]byte, 1)}})
		if (sqe.IoPrio == recvPollFirst) == eager {
			t.Errorf("receive, eager %v: %+v", eager, sqe)
		}
	}
	if entries := u.ring.entries(); entries != int(ringSizes[len(ringSizes)-1].entries) {
		t.Errorf("a ring of %d entries for 2 operations", entries)
	}
}

// A receive that leaves something behind makes the next one try at once.
func TestUringEager(t *testing.T) {
	onVariants(t, func(t *testing.T, u *uringRig) {
		a, b := u.socketPair()
		own := ring.NewBuf(512)
		defer own.Release()
		u.write(a, make([]byte, len(own.Data)+1))
		for _, n := range []int{len(own.Data), 1} {
			u.want(u.start(Op{Kind: OpRecv, FD: b, Buf: own}), int32(n))
			if full := n == len(own.Data); u.isEager(b) != full {
				t.Errorf("after %d octets into %d: eager is %v", n, len(own.Data), !full)
			}
		}
		// Kernels before Linux 5.19 do not say that something is left. That it
		// filled the room there was says so too.
		for _, off := range []int{0, 12} {
			for _, n := range []int{len(own.Data) - off, len(own.Data) - off - 1} {
				op := &Op{Kind: OpRecv, FD: b, Buf: own, Off: off}
				u.adopt(op)
				u.done = u.result(op, uring.CQEvent{Res: int32(n)}, u.done)
				u.want(op, int32(n))
				if full := off+n == len(own.Data); u.isEager(b) != full {
					t.Errorf("after %d octets into %d from %d on: eager is %v", n, len(own.Data), off, !full)
				}
			}
		}
	})
}

// No more slots: refused, and in its place among the completions.
func TestUringTableFull(t *testing.T) {
	needUring(t)
	u := newUringRig(t, probeOnce().features, 2)
	a, b := u.socketPair()
	recv := u.start(Op{Kind: OpRecv, FD: b})
	other := u.start(Op{Kind: OpRecv, FD: a})
	u.look() // takes what the ring has to say by itself
	refused := u.start(Op{Kind: OpSend, FD: a, Bufs: [][]byte{[]byte("x")}})
	u.cancel(refused) // not in flight
	u.done = u.wait(u.now(), time.Time{}, u.done)
	u.want(refused, errnoResult(unix.ENOBUFS))
	u.cancel(other)
	u.want(other, canceled)
	u.submit(refused)
	u.want(refused, 1)
	u.received(recv, []byte("x"))
}

func TestWriteSockaddr(t *testing.T) {
	native := func(v uint16) string { return string(binary.NativeEndian.AppendUint16(nil, v)) }
	v6 := netip.MustParseAddr("2001:db8::102")
	v6Octets := v6.As16()
	zone := binary.NativeEndian.AppendUint32(nil, 7)
	for _, c := range []struct {
		addr Addr
		want string
	}{
		{Addr{Network: TCP, IP: netip.MustParseAddrPort("1.2.3.4:258")},
			native(unix.AF_INET) + "\x01\x02\x01\x02\x03\x04" + strings.Repeat("\x00", 8)},
		{Addr{Network: TCP, IP: netip.AddrPortFrom(v6.WithZone("7"), 258)},
			native(unix.AF_INET6) + "\x01\x02\x00\x00\x00\x00" + string(v6Octets[:]) + string(zone)},
		{Addr{Network: Unix, Path: "/a/b"}, native(unix.AF_UNIX) + "/a/b\x00"},
		{Addr{Network: Unix, Path: "@ab"}, native(unix.AF_UNIX) + "\x00ab"},
		{Addr{Network: Unix, Path: strings.Repeat("p", maxUnixPath)},
			native(unix.AF_UNIX) + strings.Repeat("p", maxUnixPath) + "\x00"},
	} {
		_, address, err := sockaddr(c.addr)
		if err != nil {
			t.Fatal(err)
		}
		var got [unix.SizeofSockaddrAny]byte
		for i := range got {
			got[i] = 'x' // left over from before
		}
		n := writeSockaddr(&got, address)
		if string(got[:n]) != c.want {
			t.Errorf("%v: % x, want % x", c.addr, got[:n], c.want)
		}
	}
}

// The layouts that the kernel prescribes, on machines of 64 bits.
func TestUringLayouts(t *testing.T) {
	for name, c := range map[string]struct{ got, want uintptr }{
		"SQE":            {sqeSize, 64},
		"CQE":            {unsafe.Sizeof(uring.CQEvent{}), 16},
		"buffer entry":   {unsafe.Sizeof(bufEntry{}), 16},
		"buffer ring":    {unsafe.Sizeof(bufRingParams{}), 40},
		"iovec":          {unsafe.Sizeof(ioVector{}), unsafe.Sizeof(unix.Iovec{})},
		"message header": {unsafe.Sizeof(messageHeader{}), unsafe.Sizeof(unix.Msghdr{})},
		"header's flags": {unsafe.Offsetof(messageHeader{}.flags), unsafe.Offsetof(unix.Msghdr{}.Flags)},
		"timespec":       {unsafe.Sizeof(timespec{}), 16},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d octets, want %d", name, c.got, c.want)
		}
	}
}

// Closing gives everything back: the ring's memory and file, and with them the
// operations and so the sockets that were in flight, even without a cancel.
func TestUringClose(t *testing.T) {
	needUring(t)
	for name, can := range uringVariants() {
		t.Run(name, func(t *testing.T) {
			leaks := watchLeaks(t)
			d := openVariant(t, can, DefaultMaxOps)
			if n := ringMappings(t); n == 0 {
				t.Fatal("an open ring has no memory, so this test would not see a leak")
			}
			fd, at, err := d.listen(loopback, &SockOpts{})
			if err != nil {
				t.Fatal(err)
			}
			d.submit(&Op{Kind: OpAccept, FD: fd})
			now := d.now()
			d.wait(now, now, nil)
			if err := d.close(); err != nil {
				t.Fatal(err)
			}
			d.wake() // comes late, and goes nowhere
			if d.bufs != nil && unix.Munmap(d.bufs.shared) == nil {
				t.Error("the buffer ring was still mapped")
			}
			d.closeFD(fd)
			if n := ringMappings(t); n != 0 {
				t.Errorf("%d mappings of a ring are left", n)
			}
			leaks()
			// The kernel takes a ring down behind our back, but soon.
			for limit := time.Now().Add(patience); ; runtime.Gosched() {
				fd, _, err := d.listen(at, &SockOpts{})
				if err == nil {
					d.closeFD(fd)
					return
				}
				if time.Now().After(limit) {
					t.Fatalf("%v is still taken: %v", at, err)
				}
			}
		})
	}
}

// ringMappings counts what is mapped of rings.
func ringMappings(t *testing.T) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(maps), "io_uring")
}

// A driver that cannot be opened leaves nothing behind either.
func TestUringOpenFails(t *testing.T) {
	needUring(t)
	defer watchLeaks(t)()
	mapped := ringMappings(t)
	for range 3 {
		if _, err := openRing(1<<20, 1<<21, 0); err == nil {
			t.Fatal("a ring larger than the kernel allows was opened")
		}
		r, err := openRing(8, 16, 0)
		if err != nil {
			t.Fatal(err)
		}
		r.features = 0
		if r.check(uringFeatures{}) == nil {
			t.Error("a kernel without any feature passes")
		}
		r.features = featuresNeeded
		if err := r.check(uringFeatures{}); err != nil {
			t.Error(err)
		}
		if r.check(uringFeatures{cqeSkip: true}) == nil {
			t.Error("a kernel that cannot skip CQEs passes for one that can")
		}
		if err := r.close(); err != nil {
			t.Error(err)
		}
	}
	if n := ringMappings(t); n != mapped {
		t.Errorf("%d mappings of rings, were %d", n, mapped)
	}
}

// A round trip through the ring allocates nothing: not for one slice, not for
// several, not to poll, and not to wait with a deadline.
func TestUringAllocs(t *testing.T) {
	onVariants(t, func(t *testing.T, u *uringRig) {
		a, b := u.socketPair()
		one := [][]byte{make([]byte, 64)}
		three := [][]byte{one[0][:10], one[0][10:20], one[0][20:]}
		send, recv := Op{Kind: OpSend, FD: a}, Op{Kind: OpRecv, FD: b}
		trip := func(bufs [][]byte, wait time.Duration) {
			send.Bufs = bufs
			u.submit(&recv)
			u.submit(&send)
			for left := 2; left > 0; {
				u.done = u.wait(u.now(), u.now().Add(wait), u.done[:0])
				left -= len(u.done)
			}
			recv.Buf.Release()
			recv.Buf = nil
		}
		cancelled := func() {
			u.submit(&recv)
			u.cancel(&recv)
			for u.table.live() > 0 {
				u.done = u.wait(u.now(), time.Time{}, u.done[:0])
			}
		}
		for name, f := range map[string]func(){
			"one slice":    func() { trip(one, time.Hour) },
			"three slices": func() { trip(three, 59*time.Minute) },
			"polling":      func() { trip(one, 0) },
			"cancelling":   cancelled,
			"the bell":     func() { u.wake(); u.done = u.wait(u.now(), time.Time{}, u.done[:0]) },
		} {
			if n := testing.AllocsPerRun(200, f); n != 0 && !raceEnabled {
				t.Errorf("%s: %v allocations", name, n)
			}
		}
		u.done = u.done[:0]
	})
}

func BenchmarkUringRoundTrip(b *testing.B) {
	needUring(b)
	d, err := openUring(probeOnce().features, minSlots)
	if err != nil {
		b.Fatal(err)
	}
	defer d.close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	send := Op{Kind: OpSend, FD: FD(pair[0]), Bufs: [][]byte{make([]byte, 64)}}
	recv := Op{Kind: OpRecv, FD: FD(pair[1])}
	var done []completion
	b.ReportAllocs()
	for b.Loop() {
		d.submit(&recv)
		d.submit(&send)
		for left := 2; left > 0; left -= len(done) {
			done = d.wait(d.now(), time.Time{}, done[:0])
		}
		recv.Buf.Release()
		recv.Buf = nil
	}
}
