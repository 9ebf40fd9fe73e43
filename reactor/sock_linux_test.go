package reactor

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newEpollRig is a rig whose sockets are the kernel's. io_uring's are the same.
func newEpollRig(t *testing.T, transport Transport) *rig {
	return newRig(t, &Config{Backend: Epoll}, transport)
}

func tcpAddr(s string) Addr { return Addr{Network: TCP, IP: netip.MustParseAddrPort(s)} }

// option reads a socket option.
func option(t *testing.T, fd FD, level, name int) int {
	t.Helper()
	v, err := unix.GetsockoptInt(int(fd), level, name)
	if err != nil {
		t.Fatalf("getsockopt %d:%d: %v", level, name, err)
	}
	return v
}

func TestSocketOptions(t *testing.T) {
	opts := &SockOpts{
		SendBuf: 50_000, RecvBuf: 60_000, TOS: 0x28, Priority: 3,
		KeepAlive:     KeepAlive{Enable: true, Idle: 7 * time.Second, Interval: 1500 * time.Millisecond, Count: 4},
		MaxRetransmit: 12_345 * time.Millisecond,
	}
	options := []struct {
		name          string
		level, number int
		want          int
	}{
		{"SO_SNDBUF", unix.SOL_SOCKET, unix.SO_SNDBUF, 100_000}, // the kernel doubles it
		{"SO_RCVBUF", unix.SOL_SOCKET, unix.SO_RCVBUF, 120_000},
		{"SO_PRIORITY", unix.SOL_SOCKET, unix.SO_PRIORITY, 3},
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 7},
		{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 2}, // rounded up
		{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 4},
		{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 12_345},
		{"IP_TOS", unix.IPPROTO_IP, unix.IP_TOS, 0x28},
	}
	h := newEpollRig(t, TCP)
	near, far := h.pairWith(opts)
	for _, o := range options {
		for end, fd := range map[string]FD{"connecting": near, "accepted": far} {
			if got := option(t, fd, o.level, o.number); got != o.want {
				t.Errorf("%s end: %s is %d, want %d", end, o.name, got, o.want)
			}
		}
	}
	// Without options, TCP_NODELAY all the same, and nothing else.
	near, far = h.pair()
	for _, fd := range []FD{near, far} {
		if option(t, fd, unix.IPPROTO_TCP, unix.TCP_NODELAY) != 1 || option(t, fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE) != 0 {
			t.Error("without options: want TCP_NODELAY and no keepalive")
		}
	}
	fd, _, err := h.r.Listen(tcpAddr("[::1]:0"), &SockOpts{TOS: 0x28})
	if err != nil {
		t.Fatal(err)
	}
	h.own(fd)
	if got := option(t, fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS); got != 0x28 {
		t.Errorf("IPV6_TCLASS is %#x, want 0x28", got)
	}
	// A Unix socket takes what it can and is not bothered with the rest.
	h = newEpollRig(t, Unix)
	near, _ = h.pairWith(opts)
	if got := option(t, near, unix.SOL_SOCKET, unix.SO_SNDBUF); got != 100_000 {
		t.Errorf("a Unix socket's SO_SNDBUF is %d, want 100000", got)
	}
}

func TestBadSocketOptions(t *testing.T) {
	h := newEpollRig(t, TCP)
	for name, opts := range map[string]*SockOpts{
		"no such device": {Device: "no-such-nic"},
		"foreign source": {Source: tcpAddr("192.0.2.1:0")},
		"Unix source":    {Source: Addr{Network: Unix, Path: "@reactor-test-source"}},
		"no source":      {Source: Addr{Network: TCP}},
		"long keepalive": {KeepAlive: KeepAlive{Enable: true, Idle: 100_000 * time.Second}},
	} {
		if fd, err := h.r.Socket(tcpAddr("127.0.0.1:1"), opts); err == nil || fd != NoFD {
			t.Errorf("%s: FD %d, %v; want an error", name, fd, err)
		}
		if name == "no such device" {
			if fd, _, err := h.r.Listen(tcpAddr("127.0.0.1:0"), opts); !errors.Is(err, syscall.ENODEV) {
				t.Errorf("%s: listening: FD %d, %v; want ENODEV", name, fd, err)
			}
		}
	}
}

func TestSourceAndDevice(t *testing.T) {
	h := newEpollRig(t, TCP)
	listener, at := h.listen(nil)
	accept := h.call(OpAccept, listener)
	h.submit(accept)
	for _, opts := range []*SockOpts{{Source: tcpAddr("127.0.0.9:0")}, {Source: tcpAddr("127.0.0.9:0"), Device: "lo"}} {
		c := h.call(OpConnect, h.socket(at, opts))
		c.Addr = at
		h.submit(c)
		c.want(0)
		far := h.own(FD(accept.next().n))
		peer, err := h.r.Accepted(far, nil)
		if err != nil || peer.IP.Addr() != opts.Source.IP.Addr() || peer.IP.Port() == 0 {
			t.Errorf("connected from %v (%v), want 127.0.0.9", peer, err)
		}
	}
	// The same source port again, to the same place, after the first is closed.
	first := h.call(OpConnect, h.socket(at, &SockOpts{Source: tcpAddr("127.0.0.9:0")}))
	first.Addr = at
	h.submit(first)
	first.want(0)
	h.own(FD(accept.next().n))
	local, err := h.r.LocalAddr(first.FD)
	if err != nil {
		t.Fatal(err)
	}
	_, elsewhere := h.listen(nil)
	second := h.call(OpConnect, h.socket(elsewhere, &SockOpts{Source: local}))
	second.Addr = elsewhere
	h.submit(second)
	second.want(0) // SO_REUSEADDR: one source port, two destinations
}

func TestDualStack(t *testing.T) {
	h := newEpollRig(t, TCP)
	for _, c := range []struct {
		listen, dial string
		only         bool
		ok           bool
	}{
		{"[::]:0", "127.0.0.1", false, true},
		{"[::]:0", "::1", false, true},
		{"[::]:0", "127.0.0.1", true, false},
		{"[::]:0", "::1", true, true},
		{"0.0.0.0:0", "::1", false, false},
		{"0.0.0.0:0", "127.0.0.1", false, true},
		{"[::ffff:127.0.0.1]:0", "127.0.0.1", false, true},
	} {
		fd, at, err := h.r.Listen(tcpAddr(c.listen), &SockOpts{IPv6Only: c.only})
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		h.own(fd)
		to := Addr{Network: TCP, IP: netip.AddrPortFrom(netip.MustParseAddr(c.dial), at.IP.Port())}
		dial := h.dial(to)
		h.submit(dial)
		if !c.ok {
			dial.fails(syscall.ECONNREFUSED)
			continue
		}
		dial.want(0)
		accept := h.call(OpAccept, fd)
		h.submit(accept)
		far := h.own(FD(accept.next().n))
		peer, err := h.r.Accepted(far, nil)
		if err != nil || peer.IP.Addr() != to.IP.Addr() {
			t.Errorf("%+v: the peer is %v (%v), want it from %v", c, peer, err, to.IP.Addr())
		}
		h.cancel(accept)
		accept.fails(syscall.ECANCELED)
	}
}

func TestZones(t *testing.T) {
	if n, err := zoneNumber(""); n != 0 || err != nil {
		t.Errorf("no zone: %d, %v", n, err)
	}
	if n, err := zoneNumber("17"); n != 17 || err != nil {
		t.Errorf("a number: %d, %v", n, err)
	}
	n, err := zoneNumber("lo")
	if err != nil || n == 0 || zoneName(n) != "lo" {
		t.Errorf("lo is %d (%v), which is called %q", n, err, zoneName(n))
	}
	if _, err := zoneNumber("no-such-nic"); !errors.Is(err, syscall.ENODEV) {
		t.Errorf("an unknown one: %v, want ENODEV", err)
	}
	if got := zoneName(999_999); got != "999999" {
		t.Errorf("an unknown number is called %q", got)
	}
	want := tcpAddr("[fe80::1%lo]:77")
	_, address, err := sockaddr(want)
	if err != nil || address.(*unix.SockaddrInet6).ZoneId != n || toAddr(address) != want {
		t.Errorf("%v became %+v (%v) and then %v", want, address, err, toAddr(address))
	}
}

func TestUnixFiles(t *testing.T) {
	h := newEpollRig(t, Unix)
	t.Run("a file that nobody listens on is taken over", func(t *testing.T) {
		at := Addr{Network: Unix, Path: filepath.Join(t.TempDir(), "s")}
		for range 3 {
			fd, bound, err := h.r.Listen(at, nil)
			if err != nil || bound != at {
				t.Fatalf("%v, %v", bound, err)
			}
			h.r.CloseFD(fd)
			if _, err := os.Lstat(at.Path); err != nil {
				t.Fatalf("closing removed the file: %v", err)
			}
		}
	})
	t.Run("a live one is not", func(t *testing.T) {
		at := Addr{Network: Unix, Path: filepath.Join(t.TempDir(), "s")}
		first, _, err := h.r.Listen(at, &SockOpts{Backlog: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer h.r.CloseFD(first)
		// Not even if it is so busy that connecting to it gets EAGAIN.
		for range 5 {
			if _, _, err := h.r.Listen(at, nil); !errors.Is(err, syscall.EADDRINUSE) {
				t.Fatalf("%v, want EADDRINUSE", err)
			}
		}
		before, _ := os.Lstat(at.Path)
		h.r.Listen(at, nil)
		if after, err := os.Lstat(at.Path); err != nil || !os.SameFile(before, after) {
			t.Errorf("the file was replaced (%v)", err)
		}
	})
	t.Run("nor one that is no socket", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "precious")
		if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
			t.Fatal(err)
		}
		link := path + ".link"
		if err := os.Symlink(path, link); err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{path, link} {
			if _, _, err := h.r.Listen(Addr{Network: Unix, Path: p}, nil); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "no socket is in the way") {
				t.Errorf("%s: %v, want EADDRINUSE, and why", p, err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != "data" {
			t.Errorf("the file is %q, %v", got, err)
		}
	})
	t.Run("nowhere", func(t *testing.T) {
		if _, _, err := h.r.Listen(Addr{Network: Unix, Path: filepath.Join(t.TempDir(), "no", "s")}, nil); !errors.Is(err, syscall.ENOENT) {
			t.Errorf("%v, want ENOENT", err)
		}
	})
	t.Run("the longest path", func(t *testing.T) {
		t.Chdir(t.TempDir())
		at := Addr{Network: Unix, Path: strings.Repeat("x", maxUnixPath)}
		fd, bound, err := h.r.Listen(at, nil)
		if err != nil || bound != at {
			t.Fatalf("%v, %v", bound, err)
		}
		h.own(fd)
		dial := h.dial(at)
		h.submit(dial)
		dial.want(0)
	})
	t.Run("abstract", func(t *testing.T) {
		at := Addr{Network: Unix, Path: fmt.Sprintf("@zeroring-reactor-test-%d", os.Getpid())}
		fd, bound, err := h.r.Listen(at, nil)
		if err != nil || bound != at || !bound.Abstract() {
			t.Fatalf("%v, %v", bound, err)
		}
		dial := h.dial(at)
		h.submit(dial)
		dial.want(0)
		if _, _, err := h.r.Listen(at, nil); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("listening twice: %v, want EADDRINUSE", err)
		}
		h.r.CloseFD(fd)
		dial = h.dial(at)
		h.submit(dial)
		dial.fails(syscall.ECONNREFUSED)
	})
}

// TestUnixTakeoverRace has many listen at once where a dead socket's file lies.
// One gets it; no one takes it away from the one who did.
func TestUnixTakeoverRace(t *testing.T) {
	h := newEpollRig(t, Unix)
	for range 20 {
		at := Addr{Network: Unix, Path: filepath.Join(t.TempDir(), "s")}
		dead, _, err := h.r.Listen(at, nil)
		if err != nil {
			t.Fatal(err)
		}
		h.r.CloseFD(dead)
		var group sync.WaitGroup
		var mu sync.Mutex
		var won []FD
		for range 8 {
			group.Go(func() {
				fd, _, err := h.r.Listen(at, nil)
				if err == nil {
					mu.Lock()
					defer mu.Unlock()
					won = append(won, fd)
				} else if !errors.Is(err, syscall.EADDRINUSE) {
					t.Errorf("%v, want EADDRINUSE", err)
				}
			})
		}
		group.Wait()
		for _, fd := range won {
			h.r.CloseFD(fd)
		}
		if len(won) != 1 {
			t.Fatalf("%d listeners on one path", len(won))
		}
	}
}

// TestLockedDir listens in a directory that somebody keeps locked.
func TestLockedDir(t *testing.T) {
	dir := t.TempDir()
	held, err := unix.Open(dir, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(held)
	if err := unix.Flock(held, unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	h := newEpollRig(t, Unix)
	fd, _, err := h.r.Listen(Addr{Network: Unix, Path: filepath.Join(dir, "s")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	h.own(fd)
}

func TestAddr(t *testing.T) {
	for _, c := range []struct {
		addr     Addr
		want     string
		abstract bool
	}{
		{Addr{}, "none", false},
		{tcpAddr("1.2.3.4:5"), "1.2.3.4:5", false},
		{tcpAddr("[fe80::1%eth0]:5"), "[fe80::1%eth0]:5", false},
		{Addr{Network: Unix, Path: "/tmp/x"}, "/tmp/x", false},
		{Addr{Network: Unix, Path: "@x"}, "@x", true},
	} {
		if got := c.addr.String(); got != c.want || c.addr.Abstract() != c.abstract || c.addr.IsZero() != (c.want == "none") {
			t.Errorf("%+v: %q, abstract %v, zero %v", c.addr, got, c.addr.Abstract(), c.addr.IsZero())
		}
	}
}

// TestNamelessPeer: who connects over a Unix socket usually has no name, which is
// no abstract one either.
func TestNamelessPeer(t *testing.T) {
	two, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(two[0])
	defer unix.Close(two[1])
	if a, err := (kernelSockets{}).accepted(FD(two[0]), &noOpts); err != nil || a != (Addr{Network: Unix}) {
		t.Errorf("%+v, error %v", a, err)
	}
}

// TestWakeFDClosedMeanwhile rings an eventfd while it is closed, and its number
// given to somebody else, over and over. No ring may go there.
func TestWakeFDClosedMeanwhile(t *testing.T) {
	for range 200 {
		var w wakeFD
		if err := w.open(); err != nil {
			t.Fatal(err)
		}
		stop := make(chan struct{})
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						w.ring()
						runtime.Gosched()
					}
				}
			})
		}
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
		other, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		runtime.Gosched()
		close(stop)
		group.Wait()
		var count [8]byte
		if _, err := unix.Read(other, count[:]); err != unix.EAGAIN || other != w.fd {
			t.Fatalf("descriptor %d, which was %d, was written to: %v", other, w.fd, err)
		}
		unix.Close(other)
	}
}
