package reactor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zeroring/zeroring/ring"
)

// This file is the conformance suite: what every driver promises, run on each
// of them over each transport. What only one of them has is tested elsewhere.

// A world is a driver to run the suite on.
type world struct {
	name   string
	config func() *Config
}

// simWorlds are those that need no kernel.
var simWorlds = []world{
	{"sim", func() *Config { return &Config{Network: NewNetwork(1, Faults{})} }},
	{"sim-latency", func() *Config {
		return &Config{Network: NewNetwork(2, Faults{Latency: time.Millisecond, Jitter: time.Millisecond, Buffer: 4096})}
	}},
	{"sim-running", func() *Config { return &Config{Network: NewNetwork(3, Faults{}), Run: true} }},
}

// A suiteTest gets a rig of its own.
type suiteTest struct {
	name string
	test func(t *testing.T, h *rig)
}

// suite is the tests, to which ready_test.go adds some.
var suite = []suiteTest{
	{"echo", testEcho},
	{"recv into a buffer", testRecvInto},
	{"big transfer in small pieces", testBigTransfer},
	{"gather", testGather},
	{"a send waits for room", testSendWaits},
	{"a peer that does not read", testBacklogged},
	{"end of stream", testEnd},
	{"half close", testHalfClose},
	{"reset by peer", testReset},
	{"send to a peer that is gone", testSendToGone},
	{"cancel a receive", testCancelRecv},
	{"cancel a send", testCancelSend},
	{"cancel an accept", testCancelAccept},
	{"cancel a connect", testCancelConnect},
	{"cancel what is not in flight", testCancelIdle},
	{"cancel against completion", testCancelRace},
	{"full table", testFullTable},
	{"many receivers at once", testManyReceivers},
	{"accept many", testAcceptMany},
	{"refused", testRefused},
	{"address in use", testAddressInUse},
	{"bad addresses", testBadAddresses},
	{"close gives the port back", testPortFreed},
	{"timers", testTimers},
	{"timer restarted for now", testTimerRestart},
	{"post", testPost},
	{"post from many goroutines", testPostMany},
	{"try before submit", testTry},
	{"try and submit by turns, reading", testTryReading},
	{"try and submit by turns, writing", testTryWriting},
	{"read in one place and write in another", testDuplex},
	{"talk both ways, by dice", testTalkers},
	{"close the group during everything", testCloseDuring},
	{"descriptors are used again", testReuse},
	{"handlers run one at a time", testSerial},
	{"a busy connection leaves time for others", testFair},
}

// runSuite runs it all on the given worlds.
func runSuite(t *testing.T, worlds []world) {
	for _, w := range worlds {
		for _, transport := range []Transport{TCP, Unix} {
			for _, s := range slices.Concat(suite, readiness) {
				name := map[Transport]string{TCP: "tcp", Unix: "unix"}[transport]
				t.Run(w.name+"/"+name+"/"+s.name, func(t *testing.T) {
					s.test(t, newRig(t, w.config(), transport))
				})
			}
		}
	}
}

func TestConformanceSim(t *testing.T) { runSuite(t, simWorlds) }

// A rig is a Group under test and what the test has learned from it.
type rig struct {
	t         *testing.T
	g         *Group
	r         *Reactor // the first
	transport Transport
	stepped   *Network // not nil: nothing happens but by its Step

	mu   sync.Mutex
	news chan struct{} // capacity 1: something was recorded
	fds  []FD          // closed at the end
}

// patience is how long a test waits for what should come soon. It is not part
// of what is tested: it turns a hang into a failure.
const patience = 30 * time.Second

func newRig(t *testing.T, cfg *Config, transport Transport) *rig {
	t.Helper()
	if cfg.Reactors == 0 {
		cfg.Reactors = 1
	}
	leaks := watchLeaks(t)
	g, err := NewGroup(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h := &rig{t: t, g: g, r: g.Reactors()[0], transport: transport, news: make(chan struct{}, 1)}
	if cfg.Network != nil && !cfg.Run {
		h.stepped = cfg.Network
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		for _, fd := range h.fds {
			h.r.CloseFD(fd)
		}
		if cfg.Network != nil && cfg.Network.Open() != 0 {
			t.Errorf("%d simulated sockets left open", cfg.Network.Open())
		}
		leaks()
	})
	return h
}

// watchLeaks returns a function that fails the test if there are more
// goroutines, descriptors or buffers than when it was made.
func watchLeaks(t *testing.T) func() {
	startPoller()
	goroutines, fds, bufs := runtime.NumGoroutine(), openFDs(t), ring.LiveBufs()
	return func() {
		t.Helper()
		for limit := time.Now().Add(patience); runtime.NumGoroutine() > goroutines && time.Now().Before(limit); {
			runtime.Gosched() // those that were told to end may need a moment
		}
		if n := runtime.NumGoroutine(); n > goroutines {
			t.Errorf("%d goroutines, were %d:\n%s", n, goroutines, stacks())
		}
		if open := openFDs(t); len(open) > len(fds) {
			t.Errorf("descriptors open: %v\nwere: %v", open, fds)
		}
		if n := ring.LiveBufs(); n != bufs {
			t.Errorf("%d buffers in use, were %d", n, bufs)
		}
	}
}

// startPoller has the runtime open its own descriptors, which it does for a
// process's first timer and keeps. A leak they are not, whichever test is first.
var startPoller = sync.OnceFunc(func() { time.AfterFunc(time.Hour, func() {}).Stop() })

func stacks() string {
	b := make([]byte, 1<<20)
	return string(b[:runtime.Stack(b, true)])
}

// tell says that something was recorded.
func (h *rig) tell() {
	select {
	case h.news <- struct{}{}:
	default:
	}
}

// until waits for cond, which is evaluated under the lock.
func (h *rig) until(what string, cond func() bool) {
	h.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for !h.holds(cond) {
		if h.stepped != nil {
			if !h.stepped.Step() && !h.holds(cond) {
				h.t.Fatalf("nothing left to do, waiting for %s", what)
			}
			continue
		}
		select {
		case <-h.news:
		case <-limit.C:
			h.t.Fatalf("no %s after %v\n%s", what, patience, stacks())
		}
	}
}

func (h *rig) holds(cond func() bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return cond()
}

// do runs f on the reactor's thread and waits for it.
func (h *rig) do(f func(now time.Time)) {
	h.t.Helper()
	h.doOn(h.r, f)
}

func (h *rig) doOn(r *Reactor, f func(now time.Time)) {
	h.t.Helper()
	done := false
	r.Post(&Task{Run: func(now time.Time) {
		f(now)
		h.mu.Lock()
		done = true
		h.mu.Unlock()
		h.tell()
	}})
	h.until("task", func() bool { return done })
}

// turns lets the reactor run a few turns, so that what could happen would have.
func (h *rig) turns() {
	h.t.Helper()
	for range 5 {
		h.do(func(time.Time) {})
	}
}

// own makes the rig close fd at the end.
func (h *rig) own(fd FD) FD {
	h.fds = append(h.fds, fd)
	return fd
}

// closeNow closes fd, which the rig owned.
func (h *rig) closeNow(fd FD) {
	for i, f := range h.fds {
		if f == fd {
			h.fds = append(h.fds[:i], h.fds[i+1:]...)
			h.r.CloseFD(fd)
			return
		}
	}
	h.t.Fatalf("FD %d is not the rig's", fd)
}

// A call is an Op and what came of it.
type call struct {
	Op
	rig    *rig
	chosen bool                            // the driver is to choose the Buf
	then   func(now time.Time, res result) // under rig.mu
	got    []result                        // guarded by rig.mu
	seen   int
}

type result struct {
	n    int32
	more bool
	data string // of an OpRecv
}

func (h *rig) call(kind OpKind, fd FD) *call {
	c := &call{Op: Op{Kind: kind, FD: fd}, rig: h}
	c.Owner = c
	return c
}

func (h *rig) send(fd FD, parts ...string) *call {
	c := h.call(OpSend, fd)
	for _, p := range parts {
		c.Bufs = append(c.Bufs, []byte(p))
	}
	return c
}

func (h *rig) recv(fd FD) *call { return h.call(OpRecv, fd) }

func (c *call) Complete(now time.Time, op *Op) {
	h := c.rig
	if op != &c.Op {
		h.t.Errorf("completed with an Op that is not the one submitted")
	}
	res := result{n: op.Result, more: op.More}
	if op.Kind == OpRecv && op.Result > 0 {
		res.data = string(op.Buf.Data[op.Off : op.Off+int(op.Result)])
	}
	if op.Kind == OpRecv && c.chosen && op.Buf != nil {
		if op.Result <= 0 {
			h.t.Errorf("result %d came with a Buf", op.Result)
		}
		if int(op.Result) <= smallRead && len(op.Buf.Data) > 2*smallRead {
			h.t.Errorf("%d octets came in a Buf of %d", op.Result, len(op.Buf.Data))
		}
		op.Buf.Release()
		op.Buf = nil
	}
	if h.r.InFlight(op) != op.More {
		h.t.Errorf("in its handler an Op with More %v is in flight: %v", op.More, !op.More)
	}
	h.mu.Lock()
	if c.then != nil {
		c.then(now, res)
	}
	c.got = append(c.got, res)
	h.mu.Unlock()
	h.tell()
}

// submit submits calls, all in one turn.
func (h *rig) submit(calls ...*call) {
	h.t.Helper()
	h.do(func(time.Time) {
		for _, c := range calls {
			c.start()
		}
	})
}

// start submits c. Reactor thread only.
func (c *call) start() {
	c.chosen = c.Kind == OpRecv && c.Buf == nil
	c.rig.r.Submit(&c.Op)
}

func (h *rig) cancel(c *call) {
	h.t.Helper()
	h.do(func(time.Time) { h.r.Cancel(&c.Op) })
}

// next is c's next completion.
func (c *call) next() result {
	c.rig.t.Helper()
	c.rig.until(fmt.Sprintf("completion of kind %d on FD %d", c.Kind, c.FD), func() bool { return len(c.got) > c.seen })
	c.rig.mu.Lock()
	defer c.rig.mu.Unlock()
	c.seen++
	return c.got[c.seen-1]
}

// want checks c's next completion.
func (c *call) want(n int32) result {
	c.rig.t.Helper()
	res := c.next()
	if res.n != n {
		c.rig.t.Fatalf("kind %d completed with %d (%v), want %d", c.Kind, res.n, ErrnoError(res.n), n)
	}
	return res
}

// fails checks that c's next completion is its last, with one of errnos.
func (c *call) fails(errnos ...syscall.Errno) {
	c.rig.t.Helper()
	res := c.next()
	for _, e := range errnos {
		if errors.Is(ErrnoError(res.n), e) && !res.more {
			return
		}
	}
	c.rig.t.Fatalf("kind %d completed with %d (%v), more %v; want %v", c.Kind, res.n, ErrnoError(res.n), res.more, errnos)
}

// idle checks that c has not completed again by now.
func (c *call) idle() {
	c.rig.t.Helper()
	c.rig.turns()
	c.rig.mu.Lock()
	defer c.rig.mu.Unlock()
	if len(c.got) > c.seen {
		c.rig.t.Fatalf("kind %d completed with %+v, want it to wait", c.Kind, c.got[c.seen:])
	}
}

// anywhere is an address to listen on that nobody else has.
func (h *rig) anywhere() Addr {
	if h.transport == Unix {
		return Addr{Network: Unix, Path: filepath.Join(h.t.TempDir(), "s")}
	}
	return loopback
}

// loopback is an address to listen on with a port that is free. It is this
// process's own, so that nobody takes a port that is to be listened on again.
var loopback = Addr{Network: TCP, IP: netip.AddrPortFrom(netip.AddrFrom4([4]byte{
	127, 1 + byte(os.Getpid()>>16&0x7f), byte(os.Getpid() >> 8), byte(os.Getpid()),
}), 0)}

func (h *rig) listen(opts *SockOpts) (FD, Addr) {
	h.t.Helper()
	fd, at, err := h.r.Listen(h.anywhere(), opts)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.own(fd), at
}

func (h *rig) socket(to Addr, opts *SockOpts) FD {
	h.t.Helper()
	fd, err := h.r.Socket(to, opts)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.own(fd)
}

// dial returns a connect to the given address, not submitted yet.
func (h *rig) dial(to Addr) *call {
	h.t.Helper()
	c := h.call(OpConnect, h.socket(to, nil))
	c.Addr = to
	return c
}

// pair returns the two ends of a connection.
func (h *rig) pair() (near, far FD) { return h.pairWith(nil) }

func (h *rig) pairWith(opts *SockOpts) (near, far FD) {
	h.t.Helper()
	listener, at := h.listen(opts)
	accept := h.call(OpAccept, listener)
	connect := h.call(OpConnect, h.socket(at, opts))
	connect.Addr = at
	h.submit(accept, connect)
	connect.want(0)
	far = h.own(FD(accept.next().n))
	if _, err := h.r.Accepted(far, opts); err != nil {
		h.t.Fatal(err)
	}
	h.cancel(accept)
	accept.fails(syscall.ECANCELED)
	h.closeNow(listener)
	return connect.FD, far
}

// write sends text and waits until it was sent.
func (h *rig) write(fd FD, text string) {
	h.t.Helper()
	send := h.send(fd, text)
	h.submit(send)
	send.want(int32(len(text)))
}

// readAll receives want octets on fd.
func (h *rig) readAll(fd FD, want int) string {
	h.t.Helper()
	var all strings.Builder
	for all.Len() < want {
		c := h.recv(fd)
		h.submit(c)
		res := c.next()
		if res.n <= 0 {
			h.t.Fatalf("after %d of %d octets: result %d", all.Len(), want, res.n)
		}
		all.WriteString(res.data)
	}
	return all.String()
}

func testEcho(t *testing.T, h *rig) {
	near, far := h.pair()
	for _, text := range []string{"a", "hello", strings.Repeat("x", smallRead), strings.Repeat("y", smallRead+1)} {
		for _, way := range [][2]FD{{near, far}, {far, near}} {
			send := h.send(way[0], text)
			h.submit(send)
			send.want(int32(len(text)))
			if got := h.readAll(way[1], len(text)); got != text {
				t.Fatalf("got %d octets %.20q, want %d %.20q", len(got), got, len(text), text)
			}
		}
	}
	if h.transport == TCP {
		local, err := h.r.LocalAddr(near)
		if err != nil || local.Network != TCP || local.IP.Port() == 0 {
			t.Errorf("LocalAddr = %v, %v", local, err)
		}
		if peer, err := h.r.Accepted(far, nil); err != nil || peer != local {
			t.Errorf("the peer is %v (%v), want %v", peer, err, local)
		}
	}
}

func testRecvInto(t *testing.T, h *rig) {
	near, far := h.pair()
	buf := ring.NewBuf(512)
	defer buf.Release()
	copy(buf.Data, "0123456789")
	recv := h.recv(far)
	recv.Buf, recv.Off = buf, 4
	h.submit(recv)
	h.write(near, "AB")
	if res := recv.want(2); res.data != "AB" {
		t.Errorf("got %q", res.data)
	}
	if got := string(buf.Data[:10]); got != "0123AB6789" {
		t.Errorf("the buffer holds %q, want 0123AB6789: octets outside the read changed", got)
	}
	// No more than fits.
	recv.Off = len(buf.Data) - 3
	h.submit(recv)
	h.write(near, "abcdef")
	if res := recv.want(3); res.data != "abc" {
		t.Errorf("got %q, want abc", res.data)
	}
	if got := h.readAll(far, 3); got != "def" {
		t.Errorf("then %q, want def", got)
	}
}

// pattern is octets that show where they belong.
func pattern(n int) []byte {
	dice := rand.New(rand.NewPCG(7, 7))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(dice.Uint32())
	}
	return b
}

func testBigTransfer(t *testing.T, h *rig) {
	near, far := h.pairWith(&SockOpts{SendBuf: 4 << 10, RecvBuf: 4 << 10})
	want := pattern(1 << 20)
	var got bytes.Buffer
	rest, partial := want, 0

	send := h.call(OpSend, near)
	next := func() {
		send.Bufs = [][]byte{rest[:len(rest)/3], rest[len(rest)/3:]}
		send.start()
	}
	send.then = func(_ time.Time, res result) {
		if res.n <= 0 {
			t.Errorf("send: %d", res.n)
			return
		}
		if int(res.n) < len(rest) {
			partial++
		}
		if rest = rest[res.n:]; len(rest) > 0 {
			next()
		}
	}
	recv := h.recv(far)
	recv.then = func(_ time.Time, res result) {
		if got.WriteString(res.data); res.n > 0 && got.Len() < len(want) {
			recv.start()
		}
	}
	h.do(func(time.Time) { next(); recv.start() })
	h.until("all octets", func() bool { return got.Len() >= len(want) || len(recv.got) > 0 && recv.got[len(recv.got)-1].n <= 0 })
	h.turns() // the last send's completion
	if !bytes.Equal(got.Bytes(), want) {
		t.Fatalf("received %d octets that differ from the %d sent", got.Len(), len(want))
	}
	if partial == 0 {
		t.Error("no send was partial: the test shows nothing")
	}
}

func testGather(t *testing.T, h *rig) {
	near, far := h.pair()
	var parts []string
	for i := range MaxGather {
		parts = append(parts, strings.Repeat(string(rune('a'+i)), i)) // the first is empty
	}
	want := strings.Join(parts, "")
	send := h.send(near, parts...)
	h.submit(send)
	send.want(int32(len(want)))
	if got := h.readAll(far, len(want)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	// TryWrite takes as much, and no more slices than that.
	bufs := send.Bufs
	if n, err := h.r.TryWrite(near, bufs); err != nil || n != len(want) {
		t.Fatalf("TryWrite = %d, %v", n, err)
	}
	h.readAll(far, len(want))
	if n, err := h.r.TryWrite(near, append([][]byte{[]byte("!")}, bufs[1:]...)); err != nil || n != len(want)+1 {
		t.Fatalf("TryWrite = %d, %v", n, err)
	}
	h.readAll(far, len(want)+1)
	if n, err := h.r.TryWrite(near, append(bufs[1:], []byte("z"), []byte("beyond"))); err != nil || n != len(want)+1 {
		t.Fatalf("TryWrite of %d slices = %d, %v; want %d octets", MaxGather+1, n, err, len(want)+1)
	}
	h.readAll(far, len(want)+1)
}

// fill writes to fd until there is no room, and returns how much that was.
func (h *rig) fill(fd FD) int {
	h.t.Helper()
	total := 0
	chunk := [][]byte{make([]byte, 32<<10)}
	for {
		n, err := h.r.TryWrite(fd, chunk)
		total += n
		if err == ErrAgain {
			return total
		}
		if err != nil {
			h.t.Fatal(err)
		}
	}
}

// filled fills fd in the way a Reactor sees: it stays full for the next Op.
func (h *rig) filled(near FD) int {
	h.t.Helper()
	total := h.fill(near)
	// TCP moves octets to the peer meanwhile, and then has room again.
	for limit := time.Now().Add(patience); h.g.Backend().Name != "sim" && !stuck(near); {
		h.turns()
		total += h.fill(near)
		if time.Now().After(limit) {
			h.t.Fatal("the peer reads nothing, and octets go on moving")
		}
	}
	for range 3 {
		h.turns()
		total += h.fill(near)
	}
	return total
}

func testSendWaits(t *testing.T, h *rig) {
	near, far := h.pairWith(&SockOpts{SendBuf: 8 << 10, RecvBuf: 8 << 10})
	// Room is made by a TryRead too.
	total := h.filled(near)
	send, left := h.send(near, "tail"), total+4
	h.submit(send)
	for b := make([]byte, 4096); left > 0; {
		n, err := h.r.TryRead(far, b)
		if left -= n; err == ErrAgain {
			h.turns()
		} else if err != nil {
			t.Fatal(err)
		}
	}
	send.want(4)
	for range 3 { // once the driver knows the FD it behaves differently
		total := h.filled(near)
		send := h.send(near, "tail")
		h.submit(send)
		send.idle()
		if got := h.readAll(far, total+4); !strings.HasSuffix(got, "\x00tail") || len(got) != total+4 {
			t.Errorf("got %d octets that end in %q, want %d and tail", len(got), got[max(0, len(got)-4):], total+4)
		}
		send.want(4)
	}
}

func testBacklogged(t *testing.T, h *rig) {
	near, far := h.pairWith(&SockOpts{SendBuf: 8 << 10, RecvBuf: 8 << 10})
	if h.r.Backlogged(near) || h.r.Backlogged(far) {
		t.Error("backlogged before anything was sent")
	}
	total := h.filled(near)
	if !h.r.Backlogged(near) {
		t.Error("not backlogged, though nothing more can be sent")
	}
	if h.r.Backlogged(far) {
		t.Error("who does not read is backlogged too")
	}
	h.readAll(far, total)
	for h.r.Backlogged(near) { // until the peer's last acknowledgement is here
		h.turns()
	}
	h.filled(near)
	h.closeNow(far)
	recv := h.recv(near)
	h.submit(recv)
	recv.fails(syscall.ECONNRESET)
	if h.r.Backlogged(near) {
		t.Error("backlogged towards a peer that is gone")
	}
}

func testEnd(t *testing.T, h *rig) {
	near, far := h.pair()
	recv := h.recv(far)
	h.submit(recv)
	h.write(near, "last words")
	recv.want(10)
	h.submit(recv)
	h.closeNow(near)
	recv.want(0)
	for range 2 { // and so it stays
		h.submit(recv)
		recv.want(0)
	}
	if n, err := h.r.TryRead(far, make([]byte, 8)); n != 0 || err != io.EOF {
		t.Errorf("TryRead at the end = %d, %v; want 0, EOF", n, err)
	}
	// Octets and end at once: the end is not lost behind the octets.
	near, far = h.pair()
	h.write(near, "bye")
	h.closeNow(near)
	h.turns()
	recv = h.recv(far)
	h.submit(recv)
	if res := recv.want(3); res.data != "bye" {
		t.Errorf("got %q, want bye", res.data)
	}
	h.submit(recv)
	recv.want(0)
}

func testHalfClose(t *testing.T, h *rig) {
	near, far := h.pair()
	recv := h.recv(far)
	h.submit(recv)
	if err := h.r.Shutdown(near); err != nil {
		t.Fatal(err)
	}
	recv.want(0)
	back := h.recv(near)
	h.submit(back)
	h.write(far, "still here")
	if res := back.want(10); res.data != "still here" {
		t.Errorf("got %q", res.data)
	}
	send := h.send(near, "x")
	h.submit(send)
	send.fails(syscall.EPIPE)
}

func testReset(t *testing.T, h *rig) {
	near, far := h.pair()
	recv := h.recv(near)
	send := h.send(near, "never read")
	h.submit(recv, send)
	send.want(10)
	h.until("arrival", func() bool { return h.waiting(far) })
	h.closeNow(far)
	recv.fails(syscall.ECONNRESET)
	h.submit(send)
	send.fails(syscall.EPIPE, syscall.ECONNRESET)
	if _, err := h.r.TryWrite(near, send.Bufs); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("TryWrite: %v, want EPIPE", err)
	}
}

// waiting reports whether octets wait to be read on fd. It is called under the
// lock, by the only goroutine there is to read.
func (h *rig) waiting(fd FD) bool {
	if h.stepped == nil && h.g.network == nil {
		return peek(fd)
	}
	n := h.g.network
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.socket(fd).arrived(n.time()) > 0
}

func testSendToGone(t *testing.T, h *rig) {
	near, far := h.pair()
	h.closeNow(far)
	send := h.send(near, "into the void")
	for range 10_000 { // the first ones may get away
		h.submit(send)
		if res := send.next(); res.n < 0 {
			if res.n != -int32(syscall.EPIPE) && res.n != -int32(syscall.ECONNRESET) {
				t.Errorf("result %d, want EPIPE or ECONNRESET", res.n)
			}
			return
		}
	}
	t.Error("sending to nobody went on working")
}

func testCancelRecv(t *testing.T, h *rig) {
	near, far := h.pair()
	recv := h.recv(far)
	// In the same turn, and in a later one.
	h.do(func(time.Time) { recv.start(); h.r.Cancel(&recv.Op) })
	recv.fails(syscall.ECANCELED)
	h.submit(recv)
	h.turns()
	h.do(func(time.Time) { h.r.Cancel(&recv.Op); h.r.Cancel(&recv.Op) })
	recv.fails(syscall.ECANCELED)
	recv.idle()
	// Nothing was lost.
	h.write(near, "after")
	if got := h.readAll(far, 5); got != "after" {
		t.Errorf("got %q, want after", got)
	}
}

func testCancelSend(t *testing.T, h *rig) {
	near, far := h.pairWith(&SockOpts{SendBuf: 8 << 10, RecvBuf: 8 << 10})
	total := h.filled(near)
	send := h.send(near, "not sent")
	h.submit(send)
	h.turns()
	h.cancel(send)
	send.fails(syscall.ECANCELED)
	h.readAll(far, total)
	send = h.send(near, "sent")
	h.submit(send)
	send.want(4)
	if got := h.readAll(far, 4); got != "sent" {
		t.Errorf("got %q: a cancelled send was sent", got)
	}
}

func testCancelAccept(t *testing.T, h *rig) {
	listener, at := h.listen(nil)
	accept := h.call(OpAccept, listener)
	h.do(func(time.Time) { accept.start(); h.r.Cancel(&accept.Op) })
	accept.fails(syscall.ECANCELED)
	h.submit(accept)
	h.turns()
	h.cancel(accept)
	accept.fails(syscall.ECANCELED)
	// Who connects meanwhile waits in the backlog.
	connect := h.dial(at)
	h.submit(connect)
	connect.want(0)
	accept.idle()
	h.submit(accept)
	res := accept.next()
	if res.n < 0 || !res.more {
		t.Fatalf("accept: %+v", res)
	}
	h.own(FD(res.n))
	h.cancel(accept)
	accept.fails(syscall.ECANCELED)
}

func testCancelConnect(t *testing.T, h *rig) {
	_, at := h.listen(&SockOpts{Backlog: 1})
	connect := h.dial(at)
	h.do(func(time.Time) { connect.start(); h.r.Cancel(&connect.Op) })
	if res := connect.next(); res.n != 0 && res.n != canceled {
		t.Fatalf("result %d", res.n)
	}
	// With a full backlog a TCP connect gets no answer; a Unix one may be told
	// so at once.
	var last *call
	for range 4 {
		last = h.dial(at)
		h.submit(last)
		h.turns()
	}
	h.cancel(last)
	switch res := last.next(); {
	case res.more:
		t.Error("More is set")
	case res.n != 0 && res.n != canceled && res.n != -int32(syscall.EAGAIN):
		t.Errorf("result %d", res.n)
	}
	last.idle()
}

func testCancelIdle(t *testing.T, h *rig) {
	near, far := h.pair()
	recv := h.recv(far)
	h.cancel(recv) // never submitted
	h.submit(recv)
	h.write(near, "x")
	recv.want(1)
	h.cancel(recv) // completed
	// Another now has its slot.
	other := h.recv(far)
	h.submit(other)
	h.cancel(recv)
	other.idle()
	h.write(near, "y")
	other.want(1)
	recv.idle()
}

// testCancelRace cancels receives just when octets arrive. Each completes once
// in any case, and every octet is read once.
func testCancelRace(t *testing.T, h *rig) {
	near, far := h.pair()
	dice := rand.New(rand.NewPCG(11, 13))
	var got []byte
	rounds, cancelled := 500, 0
	for i := range rounds {
		recv, send := h.recv(far), h.send(near, string(rune('a'+i%26)))
		steps := []func(){recv.start, send.start, func() { h.r.Cancel(&recv.Op) }}
		if dice.IntN(2) == 0 { // octets first
			steps[0], steps[1] = steps[1], steps[0]
		}
		if dice.IntN(2) == 0 { // all at once, or not
			h.do(func(time.Time) {
				for _, s := range steps {
					s()
				}
			})
		} else {
			for _, s := range steps {
				h.do(func(time.Time) { s() })
			}
		}
		send.want(1)
		switch res := recv.next(); {
		case res.n == canceled:
			cancelled++
			got = append(got, h.readAll(far, 1)...)
		case res.n == 1:
			got = append(got, res.data...)
		default:
			t.Fatalf("round %d: result %d", i, res.n)
		}
		h.mu.Lock()
		if len(recv.got) != 1 {
			t.Fatalf("round %d: completed %d times", i, len(recv.got))
		}
		h.mu.Unlock()
	}
	for i, c := range got {
		if c != byte('a'+i%26) {
			t.Fatalf("octet %d is %q, want %q", i, c, byte('a'+i%26))
		}
	}
	if len(got) != rounds {
		t.Fatalf("%d octets, want %d", len(got), rounds)
	}
	t.Logf("%d of %d were cancelled", cancelled, rounds)
}

func testFullTable(t *testing.T, h *rig) {
	const limit = 4
	h.r.driver.ops().limit = limit // the table is empty and grows on demand
	near, far := h.pair()
	var waiting []*call
	for range limit / 2 {
		a, b := h.pair()
		waiting = append(waiting, h.recv(a), h.recv(b))
	}
	h.submit(waiting...)
	one, two := h.recv(near), h.send(near, "x")
	h.submit(one, two)
	one.fails(syscall.ENOBUFS)
	two.fails(syscall.ENOBUFS)
	h.cancel(waiting[0])
	waiting[0].fails(syscall.ECANCELED)
	h.submit(two) // there is a slot again
	two.want(1)
	if got := h.readAll(far, 1); got != "x" {
		t.Errorf("got %q", got)
	}
	for _, w := range waiting[1:] {
		w.idle()
	}
}

// testManyReceivers makes more receives complete in one turn than any driver
// has buffers at hand.
func testManyReceivers(t *testing.T, h *rig) {
	const pairs = 100
	var recvs, sends []*call
	text := strings.Repeat("0123456789abcdef", 256) // 4 KiB: larger than smallRead
	for range pairs {
		near, far := h.pair()
		recvs = append(recvs, h.recv(far))
		sends = append(sends, h.send(near, text))
	}
	h.submit(recvs...)
	h.submit(sends...)
	for i, recv := range recvs {
		got := ""
		for len(got) < len(text) {
			res := recv.next()
			if res.n == -int32(syscall.ENOBUFS) {
				h.submit(recv)
				continue
			}
			if res.n <= 0 {
				t.Fatalf("receiver %d: result %d", i, res.n)
			}
			if got += res.data; len(got) < len(text) {
				h.submit(recv)
			}
		}
		if got != text {
			t.Fatalf("receiver %d got something else than was sent", i)
		}
	}
}

func testAcceptMany(t *testing.T, h *rig) {
	const count = 200
	listener, at := h.listen(nil)
	accept := h.call(OpAccept, listener)
	h.submit(accept)
	for batch := range 4 {
		var dials []*call
		for range count / 4 {
			dials = append(dials, h.dial(at))
		}
		h.submit(dials...)
		for _, d := range dials {
			d.want(0)
		}
		seen := map[int32]bool{}
		for range dials {
			res := accept.next()
			if res.n < 0 || !res.more || seen[res.n] {
				t.Fatalf("batch %d: accept %+v, seen before: %v", batch, res, seen[res.n])
			}
			seen[res.n] = true
			h.own(FD(res.n))
		}
	}
	accept.idle()
	h.cancel(accept)
	accept.fails(syscall.ECANCELED)
}

func testRefused(t *testing.T, h *rig) {
	listener, at := h.listen(nil)
	h.closeNow(listener)
	for range 3 {
		connect := h.dial(at)
		h.submit(connect)
		connect.fails(syscall.ECONNREFUSED)
		h.closeNow(connect.FD)
	}
	if h.transport == Unix {
		connect := h.dial(h.anywhere())
		h.submit(connect)
		connect.fails(syscall.ENOENT)
	}
}

func testAddressInUse(t *testing.T, h *rig) {
	_, at := h.listen(nil)
	if fd, _, err := h.r.Listen(at, nil); !errors.Is(err, syscall.EADDRINUSE) || fd != NoFD {
		t.Errorf("listening twice: FD %d, %v; want EADDRINUSE", fd, err)
	}
	if h.transport == TCP {
		wild := Addr{Network: TCP, IP: netip.AddrPortFrom(netip.IPv4Unspecified(), at.IP.Port())}
		if fd, _, err := h.r.Listen(wild, nil); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("listening on %v beside %v: FD %d, %v; want EADDRINUSE", wild, at, fd, err)
		}
	}
	connect := h.dial(at) // the first is still there
	h.submit(connect)
	connect.want(0)
}

func testBadAddresses(t *testing.T, h *rig) {
	for _, c := range []struct {
		name string
		addr Addr
		want syscall.Errno
	}{
		{"none", Addr{}, syscall.EINVAL},
		{"no IP", Addr{Network: TCP}, syscall.EINVAL},
		{"no path", Addr{Network: Unix}, syscall.EINVAL},
		{"abstract without name", Addr{Network: Unix, Path: "@"}, syscall.EINVAL},
		{"long path", Addr{Network: Unix, Path: "/tmp/" + strings.Repeat("x", maxUnixPath-4)}, syscall.ENAMETOOLONG},
		{"long name", Addr{Network: Unix, Path: "@" + strings.Repeat("x", maxUnixPath)}, syscall.ENAMETOOLONG},
	} {
		if fd, err := h.r.Socket(c.addr, nil); !errors.Is(err, c.want) || fd != NoFD {
			t.Errorf("%s: Socket: FD %d, %v; want %v", c.name, fd, err, c.want)
		}
		if fd, _, err := h.r.Listen(c.addr, nil); !errors.Is(err, c.want) || fd != NoFD {
			t.Errorf("%s: Listen: FD %d, %v; want %v", c.name, fd, err, c.want)
		}
		connect := h.call(OpConnect, h.socket(h.anywhere(), nil))
		connect.Addr = c.addr
		h.submit(connect)
		connect.fails(c.want)
	}
}

func testPortFreed(t *testing.T, h *rig) {
	listener, at := h.listen(nil)
	for range 5 {
		accept := h.call(OpAccept, listener)
		connect := h.dial(at)
		h.submit(accept, connect)
		connect.want(0)
		conn := h.own(FD(accept.next().n))
		h.cancel(accept)
		accept.fails(syscall.ECANCELED)
		h.closeNow(listener)
		h.closeNow(conn) // we close first: without SO_REUSEADDR the port is taken for a minute
		fd, again, err := h.r.Listen(at, nil)
		if err != nil || again != at {
			t.Fatalf("listening again: %v, %v; want %v", again, err, at)
		}
		listener = h.own(fd)
	}
}

func testTimers(t *testing.T, h *rig) {
	var fired []int
	var early int
	timers := make([]Timer, 6)
	var at [6]time.Time
	for i := range timers {
		timers[i].Fire = func(now time.Time) {
			h.mu.Lock()
			defer h.mu.Unlock()
			if now.Before(at[i]) {
				early++
			}
			fired = append(fired, i)
			h.tell()
		}
	}
	h.do(func(now time.Time) {
		for i, ms := range []int{30, 10, 20, 10, 40, 10} {
			at[i] = now.Add(time.Duration(ms) * time.Millisecond)
			h.r.StartTimer(&timers[i], at[i])
		}
		h.r.StopTimer(&timers[2])
		at[4] = now.Add(time.Millisecond) // from the end to the front
		h.r.StartTimer(&timers[4], at[4])
	})
	h.until("timers", func() bool { return len(fired) == 5 })
	if now := h.r.Now(); now.Before(at[0]) {
		t.Errorf("Now is %v, before the time %v of a timer that has fired", now, at[0])
	}
	h.do(func(now time.Time) { // passed already
		h.r.StartTimer(&timers[2], now.Add(-time.Hour))
	})
	h.until("timer in the past", func() bool { return len(fired) == 6 })
	if want := []int{4, 1, 3, 5, 0, 2}; fmt.Sprint(fired) != fmt.Sprint(want) {
		t.Errorf("fired %v, want %v", fired, want)
	}
	if early != 0 {
		t.Errorf("%d fired before their time", early)
	}
	h.do(func(time.Time) {
		for i := range timers {
			if timers[i].Active() {
				t.Errorf("timer %d is active after it fired", i)
			}
			h.r.StopTimer(&timers[i])
		}
	})
}

// testTimerRestart has timers start themselves again for a time that has come,
// one of them long ago. Everything else must get its turn all the same.
func testTimerRestart(t *testing.T, h *rig) {
	near, far := h.pair()
	var timer, late, other Timer
	stop, fired := false, false
	timer.Fire = func(now time.Time) {
		if !stop {
			h.r.StartTimer(&timer, now)
		}
	}
	late.Fire = func(now time.Time) {
		if !stop {
			h.r.StartTimer(&late, now.Add(-time.Hour))
		}
	}
	other.Fire = func(time.Time) {
		h.mu.Lock()
		defer h.mu.Unlock()
		fired = true
		h.tell()
	}
	h.do(func(now time.Time) {
		h.r.StartTimer(&late, now)
		h.r.StartTimer(&other, now.Add(time.Millisecond))
	})
	h.until("timer beside one that starts itself for the past", func() bool { return fired })
	h.do(func(now time.Time) { h.r.StartTimer(&timer, now) })
	recv := h.recv(far)
	h.submit(recv)
	h.write(near, "through")
	recv.want(7)
	h.do(func(time.Time) { stop = true })
}

func testPost(t *testing.T, h *rig) {
	var order []int
	tasks := make([]Task, 4)
	for i := range tasks {
		tasks[i].Run = func(time.Time) {
			h.mu.Lock()
			defer h.mu.Unlock()
			order = append(order, i)
		}
	}
	h.do(func(time.Time) { // none runs before this ends
		for _, i := range []int{2, 0, 2, 1, 0} {
			h.r.Post(&tasks[i])
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(order) != 0 {
			t.Errorf("%v ran within Post", order)
		}
	})
	h.do(func(time.Time) {})
	if want := []int{2, 0, 1}; fmt.Sprint(order) != fmt.Sprint(want) {
		t.Errorf("ran %v, want %v: each once and in order", order, want)
	}
	// A task may post itself.
	again := 0
	var self Task
	self.Run = func(time.Time) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if again++; again < 10 {
			h.r.Post(&self)
		}
		h.tell()
	}
	h.r.Post(&self)
	h.until("the task's tenth run", func() bool { return again == 10 })
}

// testPostMany has goroutines announce work by posting one task. However their
// posts coalesce, after the last one the task runs once more.
func testPostMany(t *testing.T, h *rig) {
	if h.stepped != nil {
		return // one goroutine steps: there are no others
	}
	const posters, rounds = 4, 2000
	var added, seen [posters]int // guarded by h.mu
	var runs int
	task := Task{Run: func(time.Time) {
		h.mu.Lock()
		defer h.mu.Unlock()
		seen, runs = added, runs+1
		h.tell()
	}}
	var group sync.WaitGroup
	for p := range posters {
		group.Go(func() {
			for range rounds {
				h.mu.Lock()
				added[p]++
				h.mu.Unlock()
				h.r.Post(&task)
			}
		})
	}
	group.Wait()
	h.until("the last post", func() bool { return seen == [posters]int{rounds, rounds, rounds, rounds} })
	h.do(func(time.Time) { // behind a run that may still be to come
		if runs > posters*rounds {
			t.Errorf("%d runs for %d posts", runs, posters*rounds)
		}
	})
}

func testTry(t *testing.T, h *rig) {
	near, far := h.pair()
	b := make([]byte, 64)
	if n, err := h.r.TryRead(far, b); n != 0 || err != ErrAgain {
		t.Fatalf("TryRead with nothing there = %d, %v; want ErrAgain", n, err)
	}
	if n, err := h.r.TryRead(far, nil); n != 0 || err != nil {
		t.Fatalf("TryRead into nothing = %d, %v; want 0, nil", n, err)
	}
	if n, err := h.r.TryWrite(near, nil); n != 0 || err != nil {
		t.Fatalf("TryWrite of nothing = %d, %v; want 0, nil", n, err)
	}
	if n, err := h.r.TryWrite(near, [][]byte{[]byte("direct")}); n != 6 || err != nil {
		t.Fatalf("TryWrite = %d, %v", n, err)
	}
	h.until("arrival", func() bool { return h.waiting(far) })
	if n, err := h.r.TryRead(far, b[:2]); n != 2 || err != nil || string(b[:2]) != "di" {
		t.Fatalf("TryRead = %q, %v", b[:n], err)
	}
	// What is left is found by an operation.
	if got := h.readAll(far, 4); got != "rect" {
		t.Errorf("got %q, want rect", got)
	}
	if n, err := h.r.TryRead(far, b); n != 0 || err != ErrAgain {
		t.Errorf("TryRead with nothing left = %d, %v; want ErrAgain", n, err)
	}
}

// feed writes octets 0, 1, 2 … to fd, count of them, in pieces of all sizes.
// On a real clock it runs on a goroutine of its own.
func (h *rig) feed(fd FD, count int) (wait func()) {
	dice := rand.New(rand.NewPCG(17, 19))
	sent := 0
	push := func() bool { // some more; false if there was no room
		size := min(1+dice.IntN(3000), count-sent)
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(sent + i)
		}
		n, err := h.r.TryWrite(fd, [][]byte{b})
		if err != nil && err != ErrAgain {
			h.t.Errorf("TryWrite: %v", err)
			sent = count
		}
		sent += n
		return err == nil
	}
	if h.stepped != nil {
		var task Task
		task.Run = func(time.Time) {
			if push(); sent < count {
				h.r.Post(&task)
			}
		}
		h.r.Post(&task)
		return func() { h.until("everything sent", func() bool { return sent == count }) }
	}
	var group sync.WaitGroup
	group.Go(func() {
		for sent < count {
			if !push() || dice.IntN(8) == 0 {
				runtime.Gosched()
			}
		}
	})
	return group.Wait
}

// testTryReading reads a stream by turns directly, until there is nothing, and
// by an operation submitted after that. Nothing may be lost or come twice, and
// the operation must complete whenever the octets came.
func testTryReading(t *testing.T, h *rig) {
	near, far := h.pair()
	const count = 400_000
	wait := h.feed(near, count)
	got, byOp := 0, 0
	check := func(b []byte) {
		for i, c := range b {
			if c != byte(got+i) {
				t.Fatalf("octet %d is %d, want %d", got+i, c, byte(got+i))
			}
		}
		got += len(b)
	}
	dice := rand.New(rand.NewPCG(23, 29))
	b := make([]byte, 8192)
	for got < count {
		switch dice.IntN(4) {
		case 0: // leave something in the socket
			if n, err := h.r.TryRead(far, b[:1+dice.IntN(100)]); err == nil {
				check(b[:n])
			}
		default:
			for {
				n, err := h.r.TryRead(far, b)
				if err == ErrAgain {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				check(b[:n])
			}
		}
		if got < count {
			recv := h.recv(far)
			h.submit(recv)
			res := recv.next()
			if res.n <= 0 {
				t.Fatalf("result %d after %d octets", res.n, got)
			}
			check([]byte(res.data))
			byOp++
		}
	}
	wait()
	t.Logf("%d operations", byOp)
}

// testTryWriting is the same for writing.
func testTryWriting(t *testing.T, h *rig) {
	near, far := h.pairWith(&SockOpts{SendBuf: 8 << 10, RecvBuf: 8 << 10})
	const count = 400_000
	want := pattern(count)
	var got bytes.Buffer
	recv := h.recv(far)
	recv.then = func(_ time.Time, res result) {
		got.WriteString(res.data)
		if res.n > 0 && got.Len() < count {
			recv.start()
		}
	}
	byOp := 0 // nobody reads before the first
	for rest := want; len(rest) > 0; {
		n, err := h.r.TryWrite(near, [][]byte{rest[:min(len(rest), 10_000)]})
		rest = rest[n:]
		if err == ErrAgain {
			send := h.call(OpSend, near)
			send.Bufs = [][]byte{rest[:min(len(rest), 3000)]}
			h.submit(send)
			if byOp++; byOp == 1 {
				h.submit(recv)
			}
			res := send.next()
			if res.n <= 0 {
				t.Fatalf("send: %d", res.n)
			}
			rest = rest[res.n:]
		} else if err != nil {
			t.Fatal(err)
		}
	}
	h.until("all octets", func() bool { return len(recv.got) > 0 && got.Len() == count })
	if !bytes.Equal(got.Bytes(), want) {
		t.Error("octets were changed")
	}
}

// testDuplex has an operation wait for reading while the same FD is written
// directly, and the other way round.
func testDuplex(t *testing.T, h *rig) {
	near, far := h.pair()
	for range 20 {
		recv := h.recv(near)
		h.submit(recv)
		if n, err := h.r.TryWrite(near, [][]byte{[]byte("ping")}); n != 4 || err != nil {
			t.Fatalf("TryWrite = %d, %v", n, err)
		}
		if got := h.readAll(far, 4); got != "ping" {
			t.Fatalf("got %q", got)
		}
		recv.idle()
		h.write(far, "pong")
		if res := recv.want(4); res.data != "pong" {
			t.Fatalf("got %q", res.data)
		}
	}
}

// testCloseDuring closes the group with an operation of each kind in flight.
// Each completes; what is submitted then is refused; nothing is left.
func testCloseDuring(t *testing.T, h *rig) {
	listener, at := h.listen(&SockOpts{Backlog: 1})
	near, far := h.pairWith(&SockOpts{SendBuf: 8 << 10, RecvBuf: 8 << 10})
	h.filled(near)
	accept, recv, send, connect := h.call(OpAccept, listener), h.recv(near), h.send(near, "x"), h.dial(at)
	late := h.recv(far)
	var timer Timer
	timer.Fire = func(time.Time) { t.Error("a timer fired during Close") }
	recv.then = func(now time.Time, res result) {
		if res.n == canceled {
			h.r.Submit(&late.Op) // must not, but may: it is refused
			h.r.StartTimer(&timer, now)
		}
	}
	h.submit(accept, recv, send)
	h.do(func(time.Time) { connect.start() })
	posted := false
	h.r.Post(&Task{Run: func(time.Time) { posted = true }})
	if err := h.g.Close(); err != nil {
		t.Fatal(err)
	}
	if !posted {
		t.Error("a task posted before Close did not run")
	}
	// All is done: nothing must wait from here on.
	for name, c := range map[string]*call{"accept": accept, "recv": recv, "send": send, "connect": connect, "late": late} {
		last := result{more: true}
		for _, res := range c.got {
			if last = res; res.more && res.n >= 0 {
				h.own(FD(res.n))
			}
		}
		if len(c.got) == 0 || last.more || last.n != canceled && c != connect {
			t.Errorf("%s: completions %+v, want -ECANCELED as the last", name, c.got)
		}
	}
	if err := h.g.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}

// testReuse closes sockets and opens others, which on a kernel get the same
// numbers: what a driver knew of the old must not be taken for the new.
func testReuse(t *testing.T, h *rig) {
	for round := range 30 {
		near, far := h.pairWith(&SockOpts{SendBuf: 8 << 10, RecvBuf: 8 << 10})
		if round%3 == 0 { // leave it known as full and as unread
			h.filled(near)
			send := h.send(near, "x")
			h.submit(send)
			h.turns()
			h.cancel(send)
			send.next()
		} else {
			recv, send := h.recv(far), h.send(near, "something")
			h.submit(recv, send)
			recv.want(9)
			send.want(9)
			if round%3 == 1 { // an edge that nobody waits for
				h.write(near, "left unread")
				h.turns()
			}
		}
		h.closeNow(near)
		h.closeNow(far)
	}
}

// A handlerFunc is a Handler.
type handlerFunc func(now time.Time, op *Op)

func (f handlerFunc) Complete(now time.Time, op *Op) { f(now, op) }

// testSerial has handlers of many operations touch plain memory. The race
// detector finds out if they do not all run on one thread at a time.
func testSerial(t *testing.T, h *rig) {
	const pairs, rounds = 8, 50
	plain := 0
	all := false // guarded by h.mu
	var starts []func()
	for range pairs {
		near, far := h.pair()
		left := rounds
		recv, send := Op{Kind: OpRecv, FD: far}, h.send(near, "tick").Op
		start := func() { h.r.Submit(&recv); h.r.Submit(&send) }
		ended := 0
		next := handlerFunc(func(_ time.Time, op *Op) {
			if op.Result != 4 {
				t.Errorf("kind %d: result %d", op.Kind, op.Result)
			}
			if op.Kind == OpRecv {
				op.Buf.Release()
				op.Buf = nil
			}
			if ended++; ended%2 == 1 {
				return
			}
			plain++
			if left--; left > 0 {
				start()
			}
			if plain == pairs*rounds {
				h.mu.Lock()
				all = true
				h.mu.Unlock()
				h.tell()
			}
		})
		recv.Owner, send.Owner = next, next
		starts = append(starts, start)
	}
	h.do(func(time.Time) {
		for _, start := range starts {
			start()
		}
	})
	h.until("all rounds", func() bool { return all })
}

// testFair has sends that complete at once follow each other without end. An
// operation of another connection must complete all the same.
func testFair(t *testing.T, h *rig) {
	near, far := h.pair()
	busy, reader := h.send(near, "."), h.recv(far)
	stop := false // guarded by h.mu
	for _, c := range []*call{busy, reader} {
		c.then = func(time.Time, result) {
			if c.got = nil; !stop { // nobody looks at the results
				c.start()
			}
		}
	}
	one, other := h.pair()
	recv := h.recv(other)
	h.submit(recv, busy, reader)
	h.write(one, "x")
	recv.want(1)
	h.mu.Lock()
	stop = true
	h.mu.Unlock()
}
