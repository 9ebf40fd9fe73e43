package reactor

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zeroring/zeroring/ring"
)

var simAddr = Addr{Network: TCP, IP: netip.MustParseAddrPort("10.0.0.1:5555")}

// newSimRig is a rig on a stepped Network.
func newSimRig(t *testing.T, n *Network) *rig {
	return newRig(t, &Config{Network: n}, TCP)
}

// A conversation is a server that echoes, and clients that each send octets and
// check what comes back. Connections break and are made again, and clients then
// begin anew. It uses everything that sockets use: multishot accepts, receives
// with and without a Buf, partial sends, direct reads and writes, timers.
type conversation struct {
	t       *testing.T
	net     *Network
	server  *Reactor
	at      Addr
	accept  Op
	clients []*simClient
	echoes  map[*echo]bool
	failed  string
}

func (c *conversation) fail(format string, args ...any) {
	if c.failed == "" {
		c.failed = fmt.Sprintf(format, args...)
	}
}

// Complete is the listener's handler.
func (c *conversation) Complete(_ time.Time, op *Op) {
	switch {
	case op.Result >= 0:
		e := &echo{c: c, fd: FD(op.Result)}
		c.echoes[e] = true
		e.recv = Op{Kind: OpRecv, FD: e.fd, Owner: e}
		e.send = Op{Kind: OpSend, FD: e.fd, Owner: e}
		c.server.Submit(&e.recv)
	case op.Result == -int32(syscall.EMFILE):
		if !op.More {
			c.fail("an accept without descriptors gave up")
		}
	case op.Result != canceled:
		c.fail("accept: %d", op.Result)
	}
}

// An echo is the server's end of one connection.
type echo struct {
	c          *conversation
	fd         FD
	recv, send Op
	octets     []byte
}

func (e *echo) Complete(_ time.Time, op *Op) {
	if op.Result == -int32(syscall.ENOBUFS) {
		e.c.server.Submit(op)
		return
	}
	if op.Result <= 0 {
		e.c.server.CloseFD(e.fd)
		delete(e.c.echoes, e)
		return
	}
	if op == &e.recv {
		e.octets = append(e.octets, op.Buf.Data[:op.Result]...)
		op.Buf.Release()
		op.Buf = nil
	} else {
		e.octets = e.octets[op.Result:]
	}
	if len(e.octets) == 0 {
		e.c.server.Submit(&e.recv)
		return
	}
	half := len(e.octets) / 2
	e.send.Bufs = [][]byte{e.octets[:half], e.octets[half:]}
	e.c.server.Submit(&e.send)
}

// A simClient sends goal octets, a chunk at a time, each when the last has come
// back.
type simClient struct {
	c       *conversation
	r       *Reactor
	dice    *rand.Rand
	fd      FD
	op      Op
	retry   Timer
	pending []byte // not written yet
	sent    byte   // the next octet to write
	want    byte   // the next octet to read
	await   int    // octets on their way back
	done    int
	breaks  int
	buf     *ring.Buf
}

const simGoal = 2000

func (s *simClient) dial(time.Time) {
	fd, err := s.r.Socket(s.c.at, nil)
	if err != nil {
		s.c.fail("Socket: %v", err)
		return
	}
	s.fd, s.sent, s.want, s.await, s.pending = fd, 0, 0, 0, nil
	s.op = Op{Kind: OpConnect, FD: fd, Addr: s.c.at, Owner: s}
	s.r.Submit(&s.op)
}

// broke gives the connection up and tries another soon.
func (s *simClient) broke(now time.Time) {
	s.r.CloseFD(s.fd)
	s.fd = NoFD
	s.breaks++
	s.r.StartTimer(&s.retry, now.Add(time.Millisecond))
}

func (s *simClient) Complete(now time.Time, op *Op) {
	switch {
	case op.Result == -int32(syscall.ENOBUFS):
		s.r.Submit(op)
	case op.Result == canceled:
		if s.fd != NoFD {
			s.r.CloseFD(s.fd)
		}
	case op.Result < 0 || op.Result == 0 && op.Kind == OpRecv:
		s.broke(now)
	case op.Kind == OpConnect:
		s.chunk(now)
	case op.Kind == OpSend:
		s.pending = s.pending[op.Result:]
		s.write(now)
	case op.Kind == OpRecv:
		s.check(op.Buf.Data[op.Off:][:op.Result])
		if op.Buf != s.buf {
			op.Buf.Release()
		}
		s.read(now)
	}
}

// chunk starts the next one.
func (s *simClient) chunk(now time.Time) {
	if s.done >= simGoal {
		s.r.CloseFD(s.fd)
		s.fd = NoFD
		return
	}
	// No more than the network takes: neither side reads while it writes.
	s.await = 1 + s.dice.IntN(min(300, s.c.net.faults.Buffer))
	s.pending = make([]byte, s.await)
	for i := range s.pending {
		s.pending[i] = s.sent
		s.sent++
	}
	s.write(now)
}

// write writes what is pending, directly as far as possible or not at all.
func (s *simClient) write(now time.Time) {
	for len(s.pending) > 0 && s.dice.IntN(2) == 0 {
		n, err := s.r.TryWrite(s.fd, [][]byte{s.pending})
		if err == ErrAgain {
			break
		}
		if err != nil {
			s.broke(now)
			return
		}
		s.pending = s.pending[n:]
	}
	if len(s.pending) == 0 {
		s.read(now)
		return
	}
	s.op = Op{Kind: OpSend, FD: s.fd, Owner: s, Bufs: [][]byte{s.pending}}
	s.r.Submit(&s.op)
}

// read reads until the chunk is back, directly as far as possible or not at all.
func (s *simClient) read(now time.Time) {
	b := make([]byte, 100)
	for s.await > 0 && s.dice.IntN(2) == 0 {
		n, err := s.r.TryRead(s.fd, b)
		if err == ErrAgain {
			break
		}
		if err != nil {
			if n != 0 || err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
				s.c.fail("TryRead: %d, %v", n, err)
			}
			s.broke(now)
			return
		}
		s.check(b[:n])
	}
	if s.await == 0 {
		s.chunk(now)
		return
	}
	s.op = Op{Kind: OpRecv, FD: s.fd, Owner: s}
	if s.dice.IntN(2) == 0 {
		s.op.Buf, s.op.Off = s.buf, s.dice.IntN(len(s.buf.Data))
	}
	s.r.Submit(&s.op)
}

func (s *simClient) check(b []byte) {
	for _, c := range b {
		if c != s.want {
			s.c.fail("octet %d, want %d", c, s.want)
		}
		s.want++
	}
	s.await -= len(b)
	s.done += len(b)
	if s.await < 0 {
		s.c.fail("%d octets more than were sent", -s.await)
	}
}

// converse runs a conversation by seed, and returns the network for what it
// counted. Faults last for a while and then end; from there on everything must
// come through.
func converse(t *testing.T, seed uint64, faults Faults) (n *Network, breaks int) {
	t.Helper()
	leaks := watchLeaks(t)
	n = NewNetwork(seed, faults)
	dice := rand.New(rand.NewPCG(seed, 5))
	c := &conversation{t: t, net: n, echoes: map[*echo]bool{}}
	servers, err := NewGroup(&Config{Network: n})
	if err != nil {
		t.Fatal(err)
	}
	clients, err := NewGroup(&Config{Network: n, Reactors: 2})
	if err != nil {
		t.Fatal(err)
	}
	c.server = servers.Home()
	fd, at, err := c.server.Listen(simAddr, &SockOpts{Backlog: 2})
	if err != nil {
		t.Fatal(err)
	}
	c.at = at
	c.accept = Op{Kind: OpAccept, FD: fd, Owner: c}
	c.server.Post(&Task{Run: func(time.Time) { c.server.Submit(&c.accept) }})
	for range 5 {
		s := &simClient{c: c, r: clients.Home(), dice: dice, buf: ring.NewBuf(512)}
		s.retry.Fire = s.dial
		s.r.Post(&Task{Run: s.dial})
		c.clients = append(c.clients, s)
	}
	finished := func() bool {
		for _, s := range c.clients {
			if s.fd != NoFD || s.retry.Active() {
				return false
			}
		}
		return len(c.echoes) == 0
	}
	steps := 0
	for ; c.failed == "" && !finished(); steps++ {
		if steps == 5000 {
			n.Heal()
		}
		if steps == 100_000 {
			c.fail("not finished after %d steps", steps)
		}
		if !n.Step() {
			c.fail("nothing left to do after %d steps", steps)
		}
	}
	if c.failed != "" {
		t.Fatalf("seed %d, faults %+v: %s", seed, faults, c.failed)
	}
	c.server.Post(&Task{Run: func(time.Time) { c.server.Cancel(&c.accept) }})
	for n.Step() {
	}
	for _, s := range c.clients {
		breaks += s.breaks
		s.buf.Release()
	}
	servers.Reactors()[0].CloseFD(fd)
	if err := errors.Join(servers.Close(), clients.Close()); err != nil {
		t.Fatal(err)
	}
	if n.Open() != 0 {
		t.Fatalf("seed %d: %d sockets left open", seed, n.Open())
	}
	leaks()
	return n, breaks
}

// TestSimConversations is the simulator's test of itself and of the reactor:
// under any faults, what is read is what was written, and everything ends.
func TestSimConversations(t *testing.T) {
	seeds := uint64(300)
	if testing.Short() {
		seeds = 30
	}
	broke := 0
	for seed := range seeds {
		_, breaks := converse(t, seed, RandomFaults(seed))
		broke += breaks
	}
	if broke == 0 {
		t.Error("no connection ever broke: the faults do nothing")
	}
	t.Logf("seeds 0 to %d, %d connections broke", seeds-1, broke)
}

// FuzzSimConversation looks for seeds, and for faults no seed would choose.
func FuzzSimConversation(f *testing.F) {
	f.Add(uint64(1), byte(0), byte(0), byte(0), byte(0), uint16(1))
	f.Add(uint64(2), byte(255), byte(255), byte(255), byte(255), uint16(0))
	f.Fuzz(func(t *testing.T, seed uint64, short, delay, again, buffers byte, buffer uint16) {
		faults := RandomFaults(seed)
		faults.ShortRead, faults.ShortWrite = float64(short)/255, float64(short)/255
		faults.Delay, faults.Again = float64(delay)/255, float64(again)/255
		faults.NoBuffers, faults.LateCancel = float64(buffers)/255, float64(buffers)/255
		faults.Buffer = max(1, int(buffer))
		converse(t, seed, faults)
	})
}

func TestSimIsDeterministic(t *testing.T) {
	seen := map[uint64]uint64{}
	for seed := range uint64(20) {
		first, _ := converse(t, seed, RandomFaults(seed))
		again, _ := converse(t, seed, RandomFaults(seed))
		if first.Digest() != again.Digest() || !first.Now().Equal(again.Now()) {
			t.Errorf("seed %d: digests %#x and %#x, ended at %v and %v", seed, first.Digest(), again.Digest(), first.Now(), again.Now())
		}
		if other, ok := seen[first.Digest()]; ok {
			t.Errorf("seeds %d and %d did the same", seed, other)
		}
		seen[first.Digest()] = seed
	}
}

// TestSimFaults has each fault happen always, and sees what it does.
func TestSimFaults(t *testing.T) {
	t.Run("short read and write", func(t *testing.T) {
		h := newSimRig(t, NewNetwork(1, Faults{}))
		near, far := h.pair()
		h.stepped.faults.ShortRead, h.stepped.faults.ShortWrite = 1, 1
		text := strings.Repeat("x", 1000)
		short := 0
		for range 10 {
			send := h.send(near, text)
			h.submit(send)
			res := send.next()
			if res.n < 1 || res.n > 1000 {
				t.Fatalf("send: %d", res.n)
			}
			recv := h.recv(far)
			h.submit(recv)
			got := recv.next()
			if got.n < 1 || got.n > res.n {
				t.Fatalf("read %d of %d", got.n, res.n)
			}
			if res.n < 1000 && got.n < res.n {
				short++
			}
			if got.n < res.n {
				h.readAll(far, int(res.n-got.n))
			}
		}
		if short == 0 {
			t.Error("nothing was short")
		}
	})
	t.Run("reset", func(t *testing.T) {
		h := newSimRig(t, NewNetwork(1, Faults{}))
		near, far := h.pair()
		recv := h.recv(far)
		h.submit(recv)
		h.stepped.faults.Reset = 1
		send := h.send(near, "x")
		h.submit(send)
		send.fails(syscall.ECONNRESET)
		recv.fails(syscall.ECONNRESET)
	})
	t.Run("refuse", func(t *testing.T) {
		h := newSimRig(t, NewNetwork(1, Faults{Refuse: 1}))
		_, at := h.listen(nil)
		connect := h.dial(at)
		h.submit(connect)
		connect.fails(syscall.ECONNREFUSED)
		h.stepped.Heal()
		h.submit(connect)
		connect.want(0)
	})
	t.Run("delay", func(t *testing.T) {
		h := newSimRig(t, NewNetwork(1, Faults{}))
		near, far := h.pair()
		h.stepped.faults.Delay, h.stepped.faults.MaxDelay = 1, time.Hour
		before := h.stepped.Now()
		recv := h.recv(far)
		h.submit(recv)
		h.write(near, "x")
		recv.want(1)
		if took := h.stepped.Now().Sub(before); took < time.Second || took > 2*time.Hour {
			t.Errorf("two operations took %v, want something up to two hours", took)
		}
	})
	t.Run("no buffers", func(t *testing.T) {
		h := newSimRig(t, NewNetwork(1, Faults{}))
		near, far := h.pair()
		h.stepped.faults.NoBuffers = 1
		recv := h.recv(far)
		h.submit(recv)
		h.write(near, "x")
		recv.fails(syscall.ENOBUFS)
		buf := ring.NewBuf(10)
		defer buf.Release()
		recv.Buf = buf
		h.submit(recv) // one that brings a buffer needs none
		recv.want(1)

		listener, at := h.listen(nil)
		accept, connect := h.call(OpAccept, listener), h.dial(at)
		h.submit(accept, connect)
		for range 3 { // it tries again by itself
			if res := accept.want(-int32(syscall.EMFILE)); !res.more {
				t.Fatal("the accept gave up")
			}
		}
		h.stepped.Heal()
		h.own(FD(accept.next().n))
	})
	t.Run("again", func(t *testing.T) {
		h := newSimRig(t, NewNetwork(1, Faults{}))
		near, far := h.pair()
		h.write(near, "x")
		h.turns()
		h.stepped.faults.Again = 1
		if _, err := h.r.TryRead(far, make([]byte, 1)); err != ErrAgain {
			t.Errorf("TryRead: %v, want ErrAgain", err)
		}
		if _, err := h.r.TryWrite(near, [][]byte{{1}}); err != ErrAgain {
			t.Errorf("TryWrite: %v, want ErrAgain", err)
		}
		if got := h.readAll(far, 1); got != "x" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("late cancel", func(t *testing.T) {
		h := newSimRig(t, NewNetwork(1, Faults{}))
		near, far := h.pair()
		h.write(near, "x")
		h.turns()
		h.stepped.faults.LateCancel = 1
		recv := h.recv(far)
		h.do(func(time.Time) { recv.start(); h.r.Cancel(&recv.Op) })
		recv.want(1)
		h.do(func(time.Time) { recv.start(); h.r.Cancel(&recv.Op) })
		recv.fails(syscall.ECANCELED)
	})
	t.Run("latency", func(t *testing.T) {
		h := newSimRig(t, NewNetwork(1, Faults{Latency: time.Second, Jitter: time.Second}))
		before := h.stepped.Now()
		near, far := h.pair()
		recv := h.recv(far)
		for i := range 100 {
			h.write(near, string(rune('0'+i%10)))
		}
		got := h.readAll(far, 100)
		if want := strings.Repeat("0123456789", 10); got != want {
			t.Errorf("jitter changed the order: %s", got)
		}
		h.closeNow(near)
		h.submit(recv)
		recv.want(0)
		if took := h.stepped.Now().Sub(before); took < 3*time.Second || took > 7*time.Second {
			t.Errorf("connecting, sending and closing took %v, want 3 to 6 s", took)
		}
	})
}

func TestSimKill(t *testing.T) {
	h := newSimRig(t, NewNetwork(1, Faults{}))
	near, far := h.pair()
	other, _ := h.pair()
	at, err := h.r.LocalAddr(near)
	if err != nil {
		t.Fatal(err)
	}
	here, there, elsewhere := h.recv(near), h.recv(far), h.recv(other)
	h.submit(here, there, elsewhere)
	if n := h.stepped.Kill(at); n != 1 {
		t.Errorf("Kill ended %d connections, want 1", n)
	}
	here.fails(syscall.ECONNRESET)
	there.fails(syscall.ECONNRESET)
	elsewhere.idle()
	if n := h.stepped.Kill(Addr{}); n != 1 {
		t.Errorf("Kill of all ended %d connections, want the 1 that was left", n)
	}
	elsewhere.fails(syscall.ECONNRESET)
}

func TestSimHold(t *testing.T) {
	h := newSimRig(t, NewNetwork(1, Faults{}))
	listener, at := h.listen(nil)
	accept, connect := h.call(OpAccept, listener), h.dial(at)
	h.stepped.Hold(at, true)
	h.submit(accept, connect)
	connect.idle()
	h.stepped.Hold(at, false)
	connect.want(0)
	far := h.own(FD(accept.next().n))

	h.stepped.Hold(at, true)
	recv := h.recv(far)
	h.submit(recv)
	h.write(connect.FD, "kept")
	recv.idle()
	if _, err := h.r.TryRead(connect.FD, make([]byte, 1)); err != ErrAgain {
		t.Errorf("TryRead: %v", err)
	}
	h.fill(connect.FD)
	if h.r.Backlogged(connect.FD) {
		t.Error("a peer that nothing is heard of is known to be there")
	}
	h.stepped.Heal()
	if !h.r.Backlogged(connect.FD) {
		t.Error("not backlogged, though nothing more can be sent")
	}
	if res := recv.next(); res.data[:4] != "kept" {
		t.Errorf("got %q", res.data)
	}
}

func TestSimBacklog(t *testing.T) {
	h := newSimRig(t, NewNetwork(1, Faults{}))
	listener, at := h.listen(&SockOpts{Backlog: 2})
	calls := []*call{h.dial(at), h.dial(at), h.dial(at)}
	h.submit(calls...)
	calls[0].want(0)
	calls[1].want(0)
	calls[2].idle()
	recv := h.recv(calls[0].FD)
	h.submit(recv)
	h.closeNow(listener) // who waited in the backlog is reset, who did not get there is refused
	recv.fails(syscall.ECONNRESET)
	calls[2].fails(syscall.ECONNREFUSED)
}

func TestSimAddresses(t *testing.T) {
	h := newSimRig(t, NewNetwork(1, Faults{}))
	tcp := func(s string) Addr { return Addr{Network: TCP, IP: netip.MustParseAddrPort(s)} }
	listen := func(s string, only bool) error {
		fd, _, err := h.r.Listen(tcp(s), &SockOpts{IPv6Only: only})
		if err == nil {
			h.own(fd)
		}
		return err
	}
	reaches := func(s string) bool {
		c := h.dial(tcp(s))
		h.submit(c)
		return c.next().n == 0
	}
	if err := errors.Join(listen("0.0.0.0:1", false), listen("[::]:2", false), listen("[::]:3", true), listen("10.0.0.1:4", false)); err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{
		"127.0.0.1:1": true, "10.0.0.9:1": true, "[::1]:1": false,
		"127.0.0.1:2": true, "[::1]:2": true,
		"127.0.0.1:3": false, "[::1]:3": true,
		"10.0.0.1:4": true, "10.0.0.2:4": false, "[::ffff:10.0.0.1]:4": true,
		"127.0.0.1:5": false,
	} {
		if got := reaches(addr); got != want {
			t.Errorf("connecting to %s worked: %v, want %v", addr, got, want)
		}
	}
	for _, addr := range []string{"127.0.0.1:1", "[::1]:2", "0.0.0.0:2", "[::1]:3", "0.0.0.0:4", "[::]:4", "10.0.0.1:4"} {
		if err := listen(addr, false); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("listening on %s: %v, want EADDRINUSE", addr, err)
		}
	}
	for _, addr := range []string{"[::1]:1", "0.0.0.0:3", "10.0.0.2:4"} {
		if err := listen(addr, false); err != nil {
			t.Errorf("listening on %s: %v", addr, err)
		}
	}
	// An address to connect from.
	fd := h.socket(simAddr, &SockOpts{Source: tcp("10.9.8.7:66")})
	connect := h.call(OpConnect, fd)
	connect.Addr = tcp("10.0.0.1:4")
	h.submit(connect)
	connect.want(0)
	if local, err := h.r.LocalAddr(fd); err != nil || local != tcp("10.9.8.7:66") {
		t.Errorf("LocalAddr = %v, %v; want what it was bound to", local, err)
	}
	h.submit(connect)
	connect.fails(syscall.EISCONN)
}

// TestSimMisuse checks that the simulator finds what a kernel would let pass.
func TestSimMisuse(t *testing.T) {
	h := newSimRig(t, NewNetwork(1, Faults{}))
	near, far := h.pair()
	panics := func(what string, f func()) {
		defer func() {
			if recover() == nil {
				t.Errorf("%s goes unnoticed", what)
			}
			h.stepped.mu.TryLock()
			h.stepped.mu.Unlock()
		}()
		f()
	}
	recv := h.recv(far)
	h.submit(recv)
	panics("TryRead beside an OpRecv", func() { h.r.TryRead(far, make([]byte, 1)) })
	panics("submitting twice", func() { h.r.Submit(&recv.Op) })
	panics("closing under an operation", func() { h.r.CloseFD(far) })
	second := h.recv(far)
	panics("two receives at once", func() { h.r.Submit(&second.Op) })
	h.r.driver.ops().remove(&second.Op) // what the panic left behind
	h.closeNow(near)
	recv.want(0)
	panics("closing twice", func() { h.r.CloseFD(near) })
}

func TestSimModes(t *testing.T) {
	n := NewNetwork(1, Faults{})
	g, err := NewGroup(&Config{Network: n})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if b := g.Backend(); b.Name != "sim" || b.Reason == "" || len(g.Reactors()) != 1 {
		t.Errorf("backend %+v with %d reactors", b, len(g.Reactors()))
	}
	if _, err := NewGroup(&Config{Network: n, Run: true}); err == nil {
		t.Error("a stepped network runs as well")
	}
	if _, err := NewGroup(&Config{Run: true}); err == nil {
		t.Error("Run without a Network is accepted")
	}
}

// TestSimInBubble runs reactors on goroutines in fake time.
func TestSimInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(1, Faults{Latency: time.Hour})
		g, err := NewGroup(&Config{Network: n, Run: true, Reactors: 2})
		if err != nil {
			t.Fatal(err)
		}
		here, there := g.Reactors()[0], g.Reactors()[1]
		listener, at, err := there.Listen(simAddr, nil)
		if err != nil {
			t.Fatal(err)
		}
		fd, err := here.Socket(at, nil)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		var accept, recv, connect, send Op
		got := make(chan string, 1)
		recv = Op{Kind: OpRecv, Owner: handlerFunc(func(now time.Time, op *Op) {
			if op.Result < 0 {
				return
			}
			got <- fmt.Sprintf("%s after %v", op.Buf.Data[:op.Result], now.Sub(start))
			op.Buf.Release()
		})}
		accept = Op{Kind: OpAccept, FD: listener, Owner: handlerFunc(func(_ time.Time, op *Op) {
			if op.Result >= 0 {
				recv.FD = FD(op.Result)
				there.Submit(&recv)
			}
		})}
		send = Op{Kind: OpSend, FD: fd, Bufs: [][]byte{[]byte("hello")}, Owner: handlerFunc(func(time.Time, *Op) {})}
		connect = Op{Kind: OpConnect, FD: fd, Addr: at, Owner: handlerFunc(func(time.Time, *Op) { here.Submit(&send) })}
		there.Post(&Task{Run: func(time.Time) { there.Submit(&accept) }})
		here.Post(&Task{Run: func(time.Time) { here.Submit(&connect) }})
		if text := <-got; text != "hello after 2h0m0s" {
			t.Errorf("got %q, want hello after two hours: one to connect, one to arrive", text)
		}
		// A timer a day ahead, and a task that comes between.
		fired := make(chan time.Duration)
		timer := Timer{Fire: func(now time.Time) { fired <- now.Sub(start) }}
		here.Post(&Task{Run: func(now time.Time) { here.StartTimer(&timer, start.Add(24*time.Hour)) }})
		if at := <-fired; at != 24*time.Hour {
			t.Errorf("the timer fired after %v, want a day", at)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		here.CloseFD(fd)
		there.CloseFD(recv.FD)
		there.CloseFD(listener)
		if n.Open() != 0 {
			t.Errorf("%d sockets left open", n.Open())
		}
	})
}

// TestSimRunningHears checks that whatever somebody else does to a socket wakes
// the reactor whose operation waits for it. In a bubble nothing else would.
func TestSimRunningHears(t *testing.T) {
	for name, c := range map[string]struct {
		kind OpKind
		act  func(r *Reactor, n *Network, far FD)
		want int32
	}{
		"TryWrite": {OpRecv, func(r *Reactor, _ *Network, far FD) { r.TryWrite(far, [][]byte{{1}}) }, 1},
		"Shutdown": {OpRecv, func(r *Reactor, _ *Network, far FD) { r.Shutdown(far) }, 0},
		"CloseFD":  {OpRecv, func(r *Reactor, _ *Network, far FD) { r.CloseFD(far) }, -int32(syscall.ECONNRESET)},
		"Kill":     {OpRecv, func(_ *Reactor, n *Network, _ FD) { n.Kill(Addr{}) }, -int32(syscall.ECONNRESET)},
		"TryRead":  {OpSend, func(r *Reactor, _ *Network, far FD) { r.TryRead(far, make([]byte, 2)) }, 2},
		"let go": {OpRecv, func(r *Reactor, n *Network, far FD) {
			n.Hold(Addr{}, true)
			r.TryWrite(far, [][]byte{{1}})
			synctest.Wait()
			n.Hold(Addr{}, false)
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := NewNetwork(1, Faults{Buffer: 4})
				g, err := NewGroup(&Config{Network: n, Run: true})
				if err != nil {
					t.Fatal(err)
				}
				defer g.Close()
				r := g.Home()
				near, far := n.newSocket(), n.newSocket()
				near.state, near.peer, far.state, far.peer = simConnected, far, simConnected, near
				if _, err := r.TryWrite(near.fd, [][]byte{{1, 2, 3, 4}}); err != nil {
					t.Fatal(err)
				}
				got := make(chan int32, 1)
				op := Op{Kind: c.kind, FD: near.fd, Bufs: [][]byte{{5, 6, 7}}, Owner: handlerFunc(func(_ time.Time, op *Op) {
					if op.Buf != nil {
						op.Buf.Release()
					}
					got <- op.Result
				})}
				r.Post(&Task{Run: func(time.Time) { r.Submit(&op) }})
				synctest.Wait()
				if len(got) != 0 {
					t.Fatalf("result %d before anything happened", <-got)
				}
				c.act(r, n, far.fd)
				synctest.Wait()
				if len(got) != 1 {
					t.Fatal("the reactor did not hear of it")
				}
				if res := <-got; res != c.want {
					t.Errorf("result %d, want %d", res, c.want)
				}
			})
		})
	}
}
