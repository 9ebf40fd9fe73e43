package reactor

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// onKernels runs test on epoll and on io_uring.
func onKernels(t *testing.T, transport Transport, test func(t *testing.T, h *rig)) {
	for _, w := range kernelWorlds {
		t.Run(w.name, func(t *testing.T) {
			if available(t, w) {
				test(t, newRig(t, w.config(), transport))
			}
		})
	}
}

// noAllocations checks that f allocates nothing, here or on a reactor.
func noAllocations(t *testing.T, what string, f func()) {
	t.Helper()
	if raceEnabled {
		return
	}
	for range 100 { // pools and tables fill up
		f()
	}
	// The count is the process's: let it be disturbed a few times.
	var n float64
	for range 3 {
		if n = testing.AllocsPerRun(200, f); n == 0 {
			return
		}
	}
	t.Errorf("%s: %v allocations, want 0", what, n)
}

// A pinger sends on one FD and receives on another, again and again.
type pinger struct {
	r          *Reactor
	start      Task
	recv, send Op
	left       int // completions until the round is over
	over       chan struct{}
	failed     int32
}

func newPinger(r *Reactor, near, far FD, octets int) *pinger {
	p := &pinger{r: r, over: make(chan struct{}, 1)}
	p.send = Op{Kind: OpSend, FD: near, Owner: p, Bufs: [][]byte{make([]byte, octets/2), make([]byte, octets-octets/2)}}
	p.recv = Op{Kind: OpRecv, FD: far, Owner: p}
	p.start.Run = func(time.Time) {
		p.left = 2
		p.r.Submit(&p.recv)
		p.r.Submit(&p.send)
	}
	return p
}

func (p *pinger) Complete(_ time.Time, op *Op) {
	if op.Result <= 0 {
		p.failed = op.Result
	}
	if op.Kind == OpRecv && op.Buf != nil {
		op.Buf.Release()
		op.Buf = nil
	}
	if p.left--; p.left == 0 {
		p.over <- struct{}{}
		p.r.Yield() // to who waits for it
	}
}

func (p *pinger) round() {
	p.r.Post(&p.start)
	<-p.over
}

func TestAllocations(t *testing.T) {
	onKernels(t, TCP, func(t *testing.T, h *rig) {
		near, far := h.pair()
		for _, octets := range []int{64, smallRead + 1} { // copied into a small Buf; handed out in a large one
			p := newPinger(h.r, near, far, octets)
			noAllocations(t, fmt.Sprintf("sending and receiving %d octets", octets), p.round)
			if p.failed != 0 {
				t.Fatalf("result %d", p.failed)
			}
		}
		out, in := [][]byte{make([]byte, 50), make([]byte, 50)}, make([]byte, 100)
		noAllocations(t, "TryWrite and TryRead", func() {
			if n, err := h.r.TryWrite(near, out); n != 100 || err != nil {
				t.Fatalf("TryWrite = %d, %v", n, err)
			}
			if n, err := h.r.TryRead(far, in); n != 100 || err != nil {
				t.Fatalf("TryRead = %d, %v", n, err)
			}
			if _, err := h.r.TryRead(far, in); err != ErrAgain {
				t.Fatalf("TryRead: %v", err)
			}
		})
		ran := make(chan struct{})
		task := Task{Run: func(time.Time) { ran <- struct{}{} }}
		noAllocations(t, "Post", func() { h.r.Post(&task); <-ran })
		timer := Timer{Fire: func(time.Time) { ran <- struct{}{} }}
		start := Task{Run: func(now time.Time) { h.r.StartTimer(&timer, now.Add(time.Microsecond)) }}
		noAllocations(t, "a timer", func() { h.r.Post(&start); <-ran })

		cancelled := h.recv(far)
		cancelled.Owner = handlerFunc(func(_ time.Time, op *Op) {
			if op.Result == canceled {
				ran <- struct{}{}
			}
		})
		cancel := Task{Run: func(time.Time) { h.r.Submit(&cancelled.Op); h.r.Cancel(&cancelled.Op) }}
		noAllocations(t, "a cancelled receive", func() { h.r.Post(&cancel); <-ran })
	})
}

// TestNoDescriptors accepts while no descriptor is free. The listener reports
// it without spinning, and goes on when there is one.
func TestNoDescriptors(t *testing.T) {
	onKernels(t, Unix, func(t *testing.T, h *rig) {
		listener, at := h.listen(nil)
		accept, dial := h.call(OpAccept, listener), h.dial(at)
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		none := limit
		none.Cur = uint64(dial.FD) + 1 // numbers below are in use, or soon will be
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
			t.Fatal(err)
		}
		restored := false
		restore := func() {
			if !restored {
				restored = true
				if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
					t.Fatal(err)
				}
			}
		}
		defer restore()
		var fill []int
		for {
			fd, err := unix.Dup(int(dial.FD))
			if err != nil {
				break
			}
			fill = append(fill, fd)
		}
		defer func() {
			for _, fd := range fill {
				unix.Close(fd)
			}
		}()
		h.do(func(began time.Time) {
			accept.then = func(now time.Time, res result) {
				tries := len(accept.got) + 1
				if most := 1 + int(now.Sub(began)/stallTime); tries > most && res.n != canceled {
					t.Errorf("%d tries in %v, want at most %d: it spins", tries, now.Sub(began), most)
				}
			}
			accept.start() // now: io_uring keeps the limit of when it was asked
			dial.start()
		})
		dial.want(0)
		for range 3 { // by itself
			if res := accept.want(-int32(syscall.EMFILE)); !res.more {
				t.Fatalf("result %+v without descriptors", res)
			}
		}
		restore()
		res := accept.next()
		for ; res.n < 0; res = accept.next() { // it may have tried just before
			if res.n != -int32(syscall.EMFILE) || !res.more {
				t.Fatalf("result %+v", res)
			}
		}
		h.own(FD(res.n))
		h.cancel(accept)
		accept.fails(syscall.ECANCELED)
	})
}

// TestBadDescriptors uses what is no socket.
func TestBadDescriptors(t *testing.T) {
	onKernels(t, TCP, func(t *testing.T, h *rig) {
		for _, fd := range []FD{NoFD, maxFDs} {
			connect := h.call(OpConnect, fd)
			connect.Addr = tcpAddr("127.0.0.1:1")
			for _, c := range []*call{h.recv(fd), h.send(fd, "x"), h.call(OpAccept, fd), connect} {
				for range 2 {
					h.submit(c)
					c.fails(syscall.EBADF)
				}
			}
		}
		null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		file := h.own(FD(null))
		for range 2 { // the second time is no different from the first
			for _, c := range []*call{h.send(file, "x"), h.call(OpAccept, file)} {
				h.submit(c)
				c.fails(syscall.ENOTSOCK, syscall.EPERM)
			}
		}
		_, readErr := h.r.TryRead(file, make([]byte, 1))
		_, writeErr := h.r.TryWrite(file, [][]byte{{1}})
		_, peerErr := h.r.Accepted(file, nil)
		_, localErr := h.r.LocalAddr(file)
		for what, err := range map[string]error{
			"TryRead": readErr, "TryWrite": writeErr, "Accepted": peerErr, "LocalAddr": localErr, "Shutdown": h.r.Shutdown(file),
		} {
			if !errors.Is(err, syscall.ENOTSOCK) {
				t.Errorf("%s of a file: %v, want ENOTSOCK", what, err)
			}
		}
	})
}

// TestAcceptOnOthers accepts on sockets that do not listen. That fails, and is
// forgotten: what a connected one is there for works before and after.
func TestAcceptOnOthers(t *testing.T) {
	onKernels(t, TCP, func(t *testing.T, h *rig) {
		near, far := h.pair()
		for _, fd := range []FD{h.socket(tcpAddr("127.0.0.1:1"), nil), near} {
			for range 2 {
				accept := h.call(OpAccept, fd)
				if fd == near {
					h.write(far, "to be read") // or epoll has nothing to report
				}
				h.submit(accept)
				accept.fails(syscall.EINVAL)
				accept.idle()
				if fd == near {
					if got := h.readAll(near, 10); got != "to be read" {
						t.Errorf("got %q", got)
					}
				}
			}
		}
		recv := h.recv(near)
		h.submit(recv)
		recv.idle()
		h.write(far, "and more")
		recv.want(8)
	})
}

// manyConns is how many connections TestManyConnections holds. Each end takes a
// descriptor, so the other ends are other processes'.
const (
	manyConns   = 10_000
	manyDialers = 2
)

// TestManyConnections holds them all at once, echoes on each, and sees them go.
func TestManyConnections(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur < manyConns+100 {
		t.Fatalf("%d descriptors are not enough for %d connections", limit.Cur, manyConns)
	}
	onKernels(t, Unix, func(t *testing.T, h *rig) {
		listener, at := h.listen(nil)
		s := &manyServer{h: h}
		accept := Op{Kind: OpAccept, FD: listener, Owner: s}
		h.do(func(time.Time) { h.r.Submit(&accept) })
		var dialers []*dialer
		for i := range manyDialers {
			dialers = append(dialers, startDialer(t, at.Path, i*manyConns/manyDialers, manyConns/manyDialers))
		}
		for _, d := range dialers {
			d.expect("echoed")
		}
		h.until("connections", func() bool { return s.open == manyConns })
		// All at once, again.
		for _, d := range dialers {
			d.say("again")
		}
		for _, d := range dialers {
			d.expect("echoed")
			d.end()
		}
		h.until("ends", func() bool { return s.open == 0 })
		if s.failed != 0 {
			t.Errorf("%d connections failed", s.failed)
		}
		h.do(func(time.Time) { h.r.Cancel(&accept) })
	})
}

// A manyServer echoes.
type manyServer struct {
	h            *rig
	open, failed int // guarded by h.mu
}

func (s *manyServer) Complete(_ time.Time, op *Op) {
	if op.Result < 0 {
		return
	}
	c := &manyConn{s: s}
	c.recv = Op{Kind: OpRecv, FD: FD(op.Result), Owner: c}
	c.send = Op{Kind: OpSend, FD: FD(op.Result), Owner: c}
	s.h.r.Submit(&c.recv)
	s.count(1, false)
}

func (s *manyServer) count(n int, failed bool) {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	s.open += n
	if failed {
		s.failed++
	}
	s.h.tell()
}

type manyConn struct {
	s          *manyServer
	recv, send Op
	text       [8]byte
	bufs       [1][]byte
}

func (c *manyConn) Complete(_ time.Time, op *Op) {
	r := c.s.h.r
	switch {
	case op.Result <= 0 || op.Kind == OpRecv && op.Result != 8 || op.Kind == OpSend && op.Result != 8:
		if op.Result > 0 && op.Kind == OpRecv {
			op.Buf.Release()
		}
		r.CloseFD(op.FD)
		c.s.count(-1, op.Result != 0)
	case op.Kind == OpRecv:
		copy(c.text[:], op.Buf.Data)
		op.Buf.Release()
		op.Buf = nil
		c.bufs[0] = c.text[:]
		c.send.Bufs = c.bufs[:]
		r.Submit(&c.send)
	default:
		r.Submit(&c.recv)
	}
}

// A dialer is a child process with many connections.
type dialer struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// dialerVariable tells a child what to do: path,first,count.
const dialerVariable = "REACTOR_TEST_DIALER"

func startDialer(t *testing.T, path string, first, count int) *dialer {
	t.Helper()
	d := &dialer{t: t, cmd: exec.Command(os.Args[0], "-test.run=^TestDialerProcess$", "-test.v")}
	d.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s,%d,%d", dialerVariable, path, first, count))
	d.cmd.Stderr = os.Stderr
	var err error
	if d.in, err = d.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.out = bufio.NewScanner(out)
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // for a test that ends early
		d.in.Close()
		d.cmd.Process.Kill()
		d.cmd.Wait()
	})
	return d
}

// expect waits until the child says what.
func (d *dialer) expect(what string) {
	d.t.Helper()
	for d.out.Scan() {
		if d.out.Text() == what {
			return
		}
		if strings.HasPrefix(d.out.Text(), "---") {
			break
		}
	}
	d.t.Fatalf("the child did not say %q but %q", what, d.out.Text())
}

func (d *dialer) say(what string) {
	d.t.Helper()
	if _, err := fmt.Fprintln(d.in, what); err != nil {
		d.t.Fatal(err)
	}
}

// end makes the child close everything and waits for it.
func (d *dialer) end() {
	d.t.Helper()
	d.in.Close()
	for d.out.Scan() {
	}
	if err := d.cmd.Wait(); err != nil {
		d.t.Error(err)
	}
}

// TestDialerProcess is what a dialer runs. By itself it does nothing.
func TestDialerProcess(t *testing.T) {
	args := strings.Split(os.Getenv(dialerVariable), ",")
	if len(args) != 3 {
		return
	}
	first, _ := strconv.Atoi(args[1])
	count, _ := strconv.Atoi(args[2])
	conns := make([]net.Conn, count)
	for i := range conns {
		c, err := net.Dial("unix", args[0])
		for errors.Is(err, syscall.EAGAIN) { // the backlog is full
			runtime.Gosched()
			c, err = net.Dial("unix", args[0])
		}
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns[i] = c
	}
	echo := func(salt uint64) {
		var want, got [8]byte
		for i, c := range conns {
			binary.LittleEndian.PutUint64(want[:], salt+uint64(first+i))
			if _, err := c.Write(want[:]); err != nil {
				t.Fatal(err)
			}
		}
		for i, c := range conns {
			binary.LittleEndian.PutUint64(want[:], salt+uint64(first+i))
			if _, err := io.ReadFull(c, got[:]); err != nil || !bytes.Equal(got[:], want[:]) {
				t.Fatalf("connection %d: got %x, want %x, %v", i, got, want, err)
			}
		}
		fmt.Println("echoed")
	}
	echo(1 << 40)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		echo(1 << 50)
	}
}

// TestAffinity runs reactors on one CPU, and on one there cannot be.
func TestAffinity(t *testing.T) {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		t.Fatal(err)
	}
	cpu := 0
	for !allowed.IsSet(cpu) {
		cpu++
	}
	for _, w := range kernelWorlds {
		if !available(t, w) {
			continue
		}
		cfg := w.config()
		cfg.Reactors, cfg.CPUs = 2, []int{cpu}
		h := newRig(t, cfg, TCP)
		for _, r := range h.g.Reactors() {
			h.doOn(r, func(time.Time) {
				var now unix.CPUSet
				if err := unix.SchedGetaffinity(0, &now); err != nil || now.Count() != 1 || !now.IsSet(cpu) {
					t.Errorf("%s: runs on %d CPUs (%v), want one", w.name, now.Count(), err)
				}
			})
		}
		testEcho(t, h)
		cfg.CPUs = []int{1023}
		if g, err := NewGroup(cfg); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%s on CPU 1023: %v, %v; want EINVAL", w.name, g, err)
		}
		cfg.CPUs = []int{-1}
		if g, err := NewGroup(cfg); err == nil {
			t.Errorf("%s on CPU -1: %v, %v; want an error", w.name, g, err)
		}
	}
}

// TestPollers runs a reactor that does not sleep while octets may come.
func TestPollers(t *testing.T) {
	for _, w := range kernelWorlds {
		if !available(t, w) {
			continue
		}
		cfg := w.config()
		cfg.Pollers = 1
		h := newRig(t, cfg, TCP)
		testEcho(t, h)
		testTimers(t, h)
		testPostMany(t, h)
		near, far := h.pair()
		recv := h.recv(far)
		h.submit(recv)
		turn := func() {
			for range 2 * publishEvery {
				h.do(func(time.Time) {})
			}
		}
		turn() // it may have blocked before it was submitted
		before := h.g.Stats()
		turn()
		if s := h.g.Stats(); s.Blocks != before.Blocks || s.Wakes != before.Wakes {
			t.Errorf("%s: %+v, then %+v; want neither blocks nor wakes", w.name, before, s)
		}
		h.write(near, "x")
		recv.want(1)
		for h.g.Stats().Blocks == before.Blocks { // it sleeps again
			h.do(func(time.Time) {})
		}
	}
}

// TestPollersAreBounded has two reactors that could poll where one may.
func TestPollersAreBounded(t *testing.T) {
	g := &Group{pollers: 1}
	a, b := &Reactor{group: g}, &Reactor{group: g}
	for _, step := range []struct {
		r       *Reactor
		waiting int
		may     bool
	}{{a, 0, false}, {a, 1, true}, {b, 1, false}, {a, 2, true}, {a, 0, false}, {b, 1, true}, {a, 1, false}, {b, 0, false}, {a, 1, true}} {
		step.r.waiting = step.waiting
		if may := step.r.mayPoll(); may != step.may {
			t.Fatalf("%+v: may %v", step, may)
		}
	}
}

// TestRouse asks on behalf of the runtime's poller: where that has told already,
// or there is nothing to tell, nothing happens.
func TestRouse(t *testing.T) {
	for _, w := range kernelWorlds {
		if !available(t, w) {
			continue
		}
		h := newRig(t, w.config(), TCP)
		near, far := h.pair()
		for range 100 {
			recv := h.recv(far)
			h.submit(recv)
			h.g.Rouse()
			h.write(near, "x")
			h.g.Rouse()
			recv.want(1)
		}
		testTimers(t, h)
	}
}

// TestParkingRoused sleeps although there is nothing to see, until roused.
func TestParkingRoused(t *testing.T) {
	var bell wakeFD
	if err := bell.open(); err != nil {
		t.Fatal(err)
	}
	defer bell.close()
	bell.ring() // readable, and stays so: no edge will follow
	var p parking
	looks := make(chan bool, 100)
	if err := p.open(bell.fd, func() bool { looks <- true; return false }); err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for range 3 {
		woken := make(chan bool)
		go func() {
			p.sleep()
			close(woken)
		}()
		<-looks
		for over := false; !over; {
			p.rouse()
			select {
			case <-woken:
				over = true
			case <-looks:
			default:
				runtime.Gosched()
			}
		}
	}
}

// TestSleepsAndWakes checks what an idle reactor and who wakes it do.
func TestSleepsAndWakes(t *testing.T) {
	for _, w := range kernelWorlds {
		if !available(t, w) {
			continue
		}
		cfg := w.config()
		cfg.Spin = -1
		h := newRig(t, cfg, Unix)
		settled := func() bool { s := h.g.Stats(); return s.Blocks > 0 && s.Blocks == h.g.Stats().Blocks }
		h.do(func(time.Time) {})
		for !settled() {
			h.do(func(time.Time) {})
		}
		// Posts from its own thread wake nobody.
		ran := 0
		tasks := make([]Task, 10)
		for i := range tasks {
			tasks[i].Run = func(time.Time) { ran++ }
		}
		var before Stats
		h.do(func(time.Time) {
			before = h.g.Stats()
			for i := range tasks {
				h.r.Post(&tasks[i])
			}
		})
		h.do(func(time.Time) {
			if ran != len(tasks) {
				t.Errorf("%s: %d of %d tasks ran", w.name, ran, len(tasks))
			}
		})
		if after := h.g.Stats(); after.Wakes > before.Wakes+2 {
			t.Errorf("%s: %d wakes for posts to a reactor that is awake", w.name, after.Wakes-before.Wakes)
		}
	}
}

// TestCloseFreesPort closes a group that accepts. The port must be free even
// though nobody cancelled the accept.
func TestCloseFreesPort(t *testing.T) {
	at := loopback
	for range 5 {
		for _, w := range kernelWorlds {
			if !available(t, w) {
				continue
			}
			g, err := NewGroup(w.config())
			if err != nil {
				t.Fatal(err)
			}
			r := g.Home()
			fd, bound, err := r.Listen(at, nil)
			if err != nil {
				t.Fatalf("%s: %v", w.name, err)
			}
			at = bound // the same one from here on
			started := make(chan struct{})
			accept := Op{Kind: OpAccept, FD: fd, Owner: handlerFunc(func(time.Time, *Op) {})}
			r.Post(&Task{Run: func(time.Time) { r.Submit(&accept); close(started) }})
			<-started
			if err := g.Close(); err != nil {
				t.Fatal(err)
			}
			r.CloseFD(fd)
		}
	}
}

// TestUnixPathOfPeer: who connects from a bound Unix socket is known by it.
func TestUnixPathOfPeer(t *testing.T) {
	h := newEpollRig(t, Unix)
	listener, at := h.listen(nil)
	from := Addr{Network: Unix, Path: filepath.Join(t.TempDir(), "client")}
	dial := h.call(OpConnect, h.socket(at, &SockOpts{Source: from}))
	dial.Addr = at
	accept := h.call(OpAccept, listener)
	h.submit(accept, dial)
	dial.want(0)
	if peer, err := h.r.Accepted(h.own(FD(accept.next().n)), nil); err != nil || peer != from {
		t.Errorf("the peer is %v (%v), want %v", peer, err, from)
	}
}
