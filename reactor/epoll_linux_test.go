package reactor

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// known is what the driver knows of fd.
func (h *rig) known(fd FD) (s struct {
	interest uint32
	readable bool
}) {
	h.t.Helper()
	h.do(func(time.Time) {
		at := h.r.driver.(*epollDriver).fds.at(fd)
		s.interest, s.readable = at.interest, at.readable
	})
	return s
}

func (h *rig) interest(fd FD) uint32 { return h.known(fd).interest }

// TestEpollLosesInterest checks that octets that somebody else reads do not
// wake the reactor again and again, and that it hears of them when it has to.
func TestEpollLosesInterest(t *testing.T) {
	for _, transport := range []Transport{TCP, Unix} {
		h := newEpollRig(t, transport)
		near, far := h.pair()
		recv := h.recv(far)
		h.submit(recv)
		if h.interest(far)&unix.EPOLLIN == 0 {
			t.Fatal("a receive waits and nobody is interested")
		}
		h.write(near, "one")
		recv.want(3)
		b := make([]byte, 100)
		for range 2 {
			for range 3 { // read directly
				h.write(near, "two")
				h.turns()
				if n, err := h.r.TryRead(far, b); n != 3 || err != nil {
					t.Fatalf("TryRead = %d, %v", n, err)
				}
			}
			if h.interest(far)&unix.EPOLLIN != 0 {
				t.Error("still interested in what others read")
			}
			h.submit(recv) // finds nothing
			recv.idle()
			if k := h.known(far); k.interest&unix.EPOLLIN == 0 || k.interest&unix.EPOLLET == 0 || k.readable {
				t.Errorf("a receive waits again, and known is %+v", k)
			}
			h.write(near, "three")
			if recv.want(5); h.known(far).readable {
				t.Error("after a short read something is believed to be left")
			}
		}
		h.write(near, "two") // lost interest again
		h.turns()
		h.write(near, "three") // nobody is told, and it stays there
		h.turns()
		h.submit(recv)
		if res := recv.want(8); res.data != "twothree" {
			t.Errorf("got %q, want twothree", res.data)
		}
		h.submit(recv)
		h.write(near, "four")
		recv.want(4)
		// An end that comes while nobody waits is remembered.
		h.closeNow(near)
		h.turns()
		h.submit(recv)
		recv.want(0)
	}
}

// TestEpollWriteInterest checks that a Unix socket, which reports room each
// time its peer reads, is left alone once nobody waits for room.
func TestEpollWriteInterest(t *testing.T) {
	h := newEpollRig(t, Unix)
	near, far := h.pairWith(&SockOpts{SendBuf: 8 << 10})
	// The connecting end has an interest in writing from its connect only if
	// that had to wait, which on a Unix socket it has not.
	total := h.filled(near)
	send := h.send(near, "x")
	h.submit(send)
	send.idle()
	if h.interest(near)&unix.EPOLLOUT == 0 {
		t.Fatal("a send waits and nobody is interested")
	}
	h.readAll(far, total+1)
	send.want(1)
	for range 5 {
		h.write(near, "y")
		h.readAll(far, 1)
		h.turns()
	}
	if h.interest(near)&unix.EPOLLOUT != 0 {
		t.Error("still interested in room that nobody waits for")
	}
	total = h.filled(near)
	h.submit(send)
	send.idle()
	h.readAll(far, total+1)
	send.want(1)
}

// TestEpollReadinessOfTheOld hands the driver events of a descriptor that was
// closed, as another thread may do at any time. They say nothing about the
// socket that has its number now.
func TestEpollReadinessOfTheOld(t *testing.T) {
	h := newEpollRig(t, TCP)
	d := h.r.driver.(*epollDriver)
	near, _ := h.pair()
	recv := h.recv(near)
	h.submit(recv)
	h.cancel(recv)
	recv.fails(syscall.ECANCELED)
	old := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP, Fd: int32(near)}
	h.do(func(time.Time) { old.Pad = int32(d.fds.at(near).era) })
	h.closeNow(near)
	h.do(func(time.Time) { d.event(&old) }) // closed, number unused
	again, _ := h.pair()
	if again != near {
		t.Fatalf("the number %d was not used again but %d", near, again)
	}
	h.submit(h.recv(again))
	h.do(func(time.Time) {
		d.event(&old)
		if s := d.fds.at(again); s.readable || s.ended || s.interest&unix.EPOLLIN == 0 {
			t.Errorf("an old event changed %+v", s)
		}
	})
	if d.fds.at(NoFD) != nil || d.fds.at(maxFDs) != nil {
		t.Error("there is an entry for what can be no descriptor")
	}
	d.fds.closing(NoFD)
	d.fds.closing(maxFDs)
}

// TestEpollSpuriousConnect: an event that is not about connecting does not end
// a connect.
func TestEpollSpuriousConnect(t *testing.T) {
	h := newEpollRig(t, TCP)
	d := h.r.driver.(*epollDriver)
	fd := h.socket(tcpAddr("127.0.0.1:1"), nil)
	var connected bool
	h.do(func(time.Time) {
		op := Op{Kind: OpConnect, FD: fd}
		connected = d.connected(&fdState{out: &op}, &op)
	})
	if connected {
		t.Error("a socket without a peer is connected")
	}
}

// TestEpollInCall sleeps in system calls, as where the runtime's poller does not
// take an epoll instance.
func TestEpollInCall(t *testing.T) {
	h := newEpollRig(t, TCP)
	h.do(func(time.Time) { h.r.driver.(*epollDriver).parking.forget(t) })
	testEcho(t, h)
	testTimers(t, h)
	testPostMany(t, h)
}

// forget makes p one that cannot be slept by.
func (p *parking) forget(t *testing.T) {
	if !p.works() {
		t.Error("the runtime's poller did not take the driver's descriptor")
	}
	_ = p.close()
	*p = parking{}
}

// TestEpollWait drives the driver directly: what is queued is handed out
// without waiting, and a wait does not end before its time.
func TestEpollWait(t *testing.T) {
	opened, err := newEpollDriver(&Config{})
	if err != nil {
		t.Fatal(err)
	}
	d := opened.(*epollDriver)
	defer d.close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	send := Op{Kind: OpSend, FD: FD(pair[0]), Bufs: [][]byte{{1}}}
	d.submit(&send)
	done := d.wait(time.Now(), time.Time{}, nil)
	if len(done) != 1 || done[0] != (completion{op: &send, result: 1}) || d.ops().live() != 0 {
		t.Errorf("done %+v, %d in flight; want the send", done, d.ops().live())
	}
	recv := Op{Kind: OpRecv, FD: FD(pair[0])}
	d.submit(&recv)
	for _, parked := range []bool{true, false} {
		if !parked {
			d.parking.forget(t)
		}
		now := time.Now()
		if done = d.wait(now, now.Add(-time.Hour), done[:0]); len(done) != 0 { // does not block
			t.Errorf("parked %v: a wait into the past brought %v", parked, done)
		}
		for _, pause := range []time.Duration{1, time.Millisecond / 2, 41 * time.Millisecond / 2} {
			// A signal ends a wait early, rightly, but there are not that many.
			until, waits := time.Now().Add(pause), 0
			for ; time.Now().Before(until); waits++ {
				if done = d.wait(time.Now(), until, done[:0]); len(done) != 0 {
					t.Errorf("parked %v: a wait of %v brought %v", parked, pause, done)
				}
			}
			if waits > 50 {
				t.Errorf("parked %v: a wait of %v took %d, so they end too early", parked, pause, waits)
			}
		}
	}
	waits := 0 // without an end in sight
	time.AfterFunc(20*time.Millisecond, func() { _, _ = d.tryWrite(FD(pair[1]), [][]byte{{1}}) })
	for done = done[:0]; len(done) == 0; waits++ {
		done = d.wait(time.Now(), time.Time{}, done)
	}
	if waits > 50 {
		t.Errorf("it took %d waits for something to happen", waits)
	}
	recv.Buf.Release()
	recv.Buf = nil
	d.submit(&recv)
	d.wake()
	d.wake()
	if done = d.wait(time.Now(), time.Time{}, done[:0]); len(done) != 0 {
		t.Errorf("a wake brought %v", done)
	}
	d.cancel(&recv)
	if done = d.wait(time.Now(), time.Time{}, done[:0]); len(done) != 1 || done[0].result != canceled {
		t.Errorf("a cancel brought %v", done)
	}
	d.closeFD(FD(pair[0]))
}

// TestEpollAccepts drives the driver directly: of a flood of connections a turn
// brings a batch, a listener that rests ends a wait, and one whose accept was
// cancelled is not heard of, though connections wait.
func TestEpollAccepts(t *testing.T) {
	defer watchLeaks(t)()
	opened, err := newEpollDriver(&Config{})
	if err != nil {
		t.Fatal(err)
	}
	d := opened.(*epollDriver)
	listener, at, err := d.listen(Addr{Network: Unix, Path: filepath.Join(t.TempDir(), "s")}, &SockOpts{})
	if err != nil {
		t.Fatal(err)
	}
	fds := []FD{listener}
	defer func() {
		for _, fd := range fds {
			d.closeFD(fd)
		}
		d.close()
	}()
	const count = 2*acceptBatch + 6
	for range count {
		fd, err := d.socket(at, &SockOpts{})
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, fd)
		if err := unix.Connect(int(fd), &unix.SockaddrUnix{Name: at.Path}); err != nil {
			t.Fatal(err)
		}
	}
	accept := Op{Kind: OpAccept, FD: listener}
	d.submit(&accept)
	now := time.Now()
	next := func() (done []completion) {
		for len(done) == 0 { // a signal ends a wait too
			done = d.wait(now, time.Time{}, nil)
		}
		return done
	}
	done := next()
	for _, c := range done {
		fds = append(fds, FD(c.result))
	}
	if len(done) != acceptBatch {
		t.Errorf("a turn brought %d connections, want %d", len(done), acceptBatch)
	}
	d.stalls = append(d.stalls, stall{op: &accept, token: accept.token})
	for until, want := range map[time.Time]time.Time{
		{}:                     now.Add(stallTime),
		now.Add(time.Hour):     now.Add(stallTime),
		now.Add(stallTime / 2): now.Add(stallTime / 2),
	} {
		if got := d.resume(now, until); got != want {
			t.Errorf("with a listener that rests, a wait until %v is one until %v, want %v", until, got, want)
		}
	}
	d.cancel(&accept)
	if s := d.fds.at(listener); s.interest != 0 {
		t.Errorf("the events %#x of a listener that nobody accepts from are reported", s.interest)
	}
	if done := next(); len(done) != 1 || done[0] != (completion{op: &accept, result: canceled}) {
		t.Errorf("a cancel brought %+v", done)
	}
	if got := d.resume(now, time.Time{}); !got.IsZero() || len(d.stalls) != 0 {
		t.Error("what was cancelled still rests")
	}
}

// TestEpollHearsWhileConnecting: octets and the news that a connection is made
// come as one event, before anybody receives. The edge is not lost.
func TestEpollHearsWhileConnecting(t *testing.T) {
	opened, err := newEpollDriver(&Config{})
	if err != nil {
		t.Fatal(err)
	}
	d := opened.(*epollDriver)
	defer d.close()
	listener, at, err := d.listen(loopback, &SockOpts{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.closeFD(listener)
	fd, err := d.socket(at, &SockOpts{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.closeFD(fd)
	var done []completion
	complete := func(op *Op) completion {
		t.Helper()
		for limit := time.Now().Add(patience); len(done) == 0; {
			if done = d.wait(time.Now(), limit, done); time.Now().After(limit) {
				t.Fatalf("kind %d does not complete", op.Kind)
			}
		}
		c := done[0]
		if done = done[1:]; c.op != op {
			t.Fatalf("%+v completed", c.op)
		}
		return c
	}
	connect := Op{Kind: OpConnect, FD: fd, Addr: at}
	d.submit(&connect)
	var far int
	for far = -1; far < 0; { // until it is there
		if n, _, err := unix.Accept4(int(listener), unix.SOCK_CLOEXEC); err == nil {
			far = n
		} else if err != unix.EAGAIN && err != unix.EINTR {
			t.Fatal(err)
		}
	}
	defer unix.Close(far)
	if _, err := unix.Write(far, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	for !peek(fd) {
	}
	if c := complete(&connect); c.result != 0 {
		t.Fatalf("connect: %+v", c)
	}
	recv := Op{Kind: OpRecv, FD: fd}
	d.submit(&recv)
	if c := complete(&recv); c.result != 5 {
		t.Errorf("recv: %+v", c)
	}
	recv.Buf.Release()
}

// TestEpollMisuse does what drivers forbid. It crashes at once: a second receive
// would take the place of the first, which would never complete.
func TestEpollMisuse(t *testing.T) {
	opened, err := newEpollDriver(&Config{})
	if err != nil {
		t.Fatal(err)
	}
	d := opened.(*epollDriver)
	defer d.close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	defer d.closeFD(FD(pair[0]))
	for { // until a send waits
		if _, err := d.tryWrite(FD(pair[0]), [][]byte{make([]byte, 1<<16)}); err == ErrAgain {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	recv, send := Op{Kind: OpRecv, FD: FD(pair[0])}, Op{Kind: OpSend, FD: FD(pair[0]), Bufs: [][]byte{{1}}}
	d.submit(&recv)
	d.submit(&send)
	for what, op := range map[string]*Op{
		"a second receive":           {Kind: OpRecv, FD: recv.FD},
		"a receive beside an accept": {Kind: OpAccept, FD: recv.FD},
		"a second send":              {Kind: OpSend, FD: recv.FD, Bufs: send.Bufs},
		"a connect beside a send":    {Kind: OpConnect, FD: recv.FD},
		"nothing":                    {FD: recv.FD},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is taken", what)
				}
			}()
			d.submit(op)
		}()
		d.table.remove(op)
	}
	d.cancel(&recv)
	d.cancel(&send)
	if done := d.wait(time.Now(), time.Time{}, nil); len(done) != 2 || d.ops().live() != 0 {
		t.Errorf("afterwards %+v completed", done)
	}
}

// TestOpenOutOfDescriptors opens drivers when there is nothing left for them.
func TestOpenOutOfDescriptors(t *testing.T) {
	opens := map[string]func(*Config) (driver, error){"epoll": newEpollDriver}
	if probeOnce().err == nil {
		opens["uring"] = newUringDriver
	}
	leaks := watchLeaks(t)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	next, err := unix.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(next)
	for name, open := range opens {
		for room := range 2 { // not even the first; no second, which is an eventfd or a ring
			few := limit
			few.Cur = uint64(next + room)
			if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
				t.Fatal(err)
			}
			d, err := open(&Config{})
			if e := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); e != nil {
				t.Fatal(e)
			}
			if d != nil || !errors.Is(err, syscall.EMFILE) {
				t.Errorf("%s with room for %d: %v, %v; want EMFILE", name, room, d, err)
			}
		}
	}
	leaks()
}

func TestResultOf(t *testing.T) {
	for err, want := range map[error]int32{
		nil:                 0,
		syscall.EPIPE:       -int32(syscall.EPIPE),
		errors.New("other"): -int32(syscall.EINVAL),
	} {
		if got := resultOf(err); got != want {
			t.Errorf("resultOf(%v) = %d, want %d", err, got, want)
		}
	}
	if _, err := zoneNumber("no-such-nic"); resultOf(err) != -int32(syscall.ENODEV) {
		t.Errorf("resultOf(%v) = %d", err, resultOf(err))
	}
	if ErrnoError(0) != nil || ErrnoError(7) != nil || !errors.Is(ErrnoError(canceled), ErrCanceled) {
		t.Error("ErrnoError")
	}
}
