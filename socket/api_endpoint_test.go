package socket_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/zeroring/zeroring/socket"
)

// TestEndpoints: what one can bind, what Bind says it is, and that one can
// connect to that.
func TestEndpoints(t *testing.T) {
	everywhere(t, []string{"tcp"}, func(t *testing.T, b *bed) {
		long := filepath.Join(b.dir, strings.Repeat("l", 107-len(b.dir)-1))
		for _, c := range []struct {
			bind   string
			prefix string // of what Bind returns; PORT stands for some number
			via    string // what to connect to, if it is not that
		}{
			{"tcp://127.0.0.1:*", "tcp://127.0.0.1:PORT", ""},
			{"tcp://127.0.0.1:0", "tcp://127.0.0.1:PORT", ""},
			{"tcp://*:*", "tcp://0.0.0.0:PORT", "tcp://127.0.0.1:PORT"},
			{"tcp://lo:*", "tcp://127.0.0.1:PORT", ""},
			{"tcp://localhost:*", "tcp://127.0.0.1:PORT", "tcp://localhost:PORT"},
			{"tcp://127.0.0.1:*", "tcp://127.0.0.1:PORT", "tcp://localhost:PORT"},
			{"tcp://[::1]:*", "tcp://[::1]:PORT", ""},
			{"tcp://[::]:*", "tcp://[::]:PORT", "tcp://[::1]:PORT"},
			{"tcp://127.0.0.1:*", "tcp://127.0.0.1:PORT", "tcp://127.0.0.1:0;127.0.0.1:PORT"},
			{"tcp://127.0.0.1:*", "tcp://127.0.0.1:PORT", "tcp://127.0.0.1;127.0.0.1:PORT"},
			{"tcp://127.0.0.1:*", "tcp://127.0.0.1:PORT", "tcp://lo;127.0.0.1:PORT"},
			{"tcp://[::1]:*", "tcp://[::1]:PORT", "tcp://[::1]:*;[::1]:PORT"},
			{"ipc://" + b.dir + "/plain", "ipc://" + b.dir + "/plain", ""},
			{"ipc://" + long, "ipc://" + long, ""},
			{"ipc://*", "ipc://" + os.TempDir() + "/", ""},
			{"ipc://@" + filepath.Base(b.dir), "ipc://@" + filepath.Base(b.dir), ""},
			{"inproc://name", "inproc://name", ""},
			{"inproc://" + strings.Repeat("n", 256), "inproc://", ""},
		} {
			pull, push := b.open(t, socket.TypePull), b.open(t, socket.TypePush)
			resolved, err := pull.Bind(c.bind)
			if err != nil {
				t.Errorf("Bind(%q): %v", c.bind, err)
				continue
			}
			_, port, _ := strings.Cut(resolved[6:], ":")
			port = port[strings.LastIndexByte(port, ':')+1:]
			if port == "*" || port == "0" || !strings.HasPrefix(resolved, strings.Replace(c.prefix, "PORT", port, 1)) {
				t.Errorf("Bind(%q) = %q, want %q", c.bind, resolved, c.prefix)
			}
			via := resolved
			if c.via != "" {
				via = strings.Replace(c.via, "PORT", port, 1)
			}
			connectTo(t, push, via)
			send(t, push, "through")
			want(t, pull, "through")
			if err := push.Disconnect(via); err != nil {
				t.Errorf("Disconnect(%q): %v", via, err)
			}
			if err := pull.Unbind(resolved); err != nil {
				t.Errorf("Unbind(%q): %v", resolved, err)
			}
			closeNow(t, push)
			closeNow(t, pull)
		}
		if left, err := os.ReadDir(b.dir); err != nil || len(left) > 0 {
			t.Errorf("socket files left: %v, %v", left, err)
		}
	})
}

// TestSourceAddress: the peer sees the address that was asked for.
func TestSourceAddress(t *testing.T) {
	everywhere(t, []string{"tcp"}, func(t *testing.T, b *bed) {
		pull := b.open(t, socket.TypePull)
		_, port, _ := net.SplitHostPort(strings.TrimPrefix(b.bind(t, pull), "tcp://"))
		for _, source := range []string{"127.0.0.2:0", "127.0.0.3", "127.0.0.4:*"} {
			push := b.open(t, socket.TypePush)
			connectTo(t, push, "tcp://"+source+";127.0.0.1:"+port)
			send(t, push, "x")
			want(t, pull, "x")
			host, _, _ := strings.Cut(source, ":")
			if !slices.ContainsFunc(pull.Stats().Peers, func(p socket.PeerStats) bool {
				return strings.HasPrefix(p.Address, host+":")
			}) {
				t.Errorf("nobody came from %s: %+v", host, pull.Stats().Peers)
			}
			closeNow(t, push)
		}
	})
}

// TestBadEndpoints: what cannot be bound or connected to is refused at once,
// with an error that names it.
func TestBadEndpoints(t *testing.T) {
	b := newBed(t, "tcp", backends()[0])
	tooLong := "ipc:///tmp/" + strings.Repeat("x", 120)
	both := []string{
		"", "tcp", "tcp:", "tcp:/", "://", "127.0.0.1:5555", "/tmp/socket",
		"udp://127.0.0.1:5555", "TCP://127.0.0.1:5555", "http://localhost:80", " tcp://127.0.0.1:5555",
		"tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://:5555", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:-1",
		"tcp://127.0.0.1:http", "tcp://127.0.0.1: 5555", "tcp://127.0.0.1:5555 ", "tcp://127.0.0.1:+5",
		"tcp://::1:5555", "tcp://[::1:5555", "tcp://[::1]", "tcp://[127.0.0.1]:5555", "tcp://[localhost]:5555",
		"tcp://a b:5555", "tcp://a/b:5555", "tcp://127.0.0.1:5555\x00",
		"ipc://", "ipc://@", "ipc://a\x00b", tooLong,
		"inproc://", "inproc://" + strings.Repeat("n", 257), "inproc://a\x00b",
	}
	bindOnly := []string{
		"tcp://127.0.0.1:0;127.0.0.1:5555", "tcp://no-such-interface:5555", "tcp://192.0.2.1:*",
		"ipc:///no/such/directory/socket", "ipc://" + b.dir,
	}
	connectOnly := []string{
		"tcp://*:5555", "tcp://127.0.0.1:*", "tcp://127.0.0.1:0", "tcp://;127.0.0.1:5555", "tcp://127.0.0.1:x;127.0.0.1:5555",
		"tcp://127.0.0.1:0;", "tcp://127.0.0.1:0;127.0.0.1", "ipc://*",
	}
	s := b.open(t, socket.TypePush)
	check := func(op, endpoint string, err error) {
		t.Helper()
		var e *socket.EndpointError
		if !errors.As(err, &e) || e.Op != op || e.Endpoint != endpoint || e.Err == nil {
			t.Errorf("%s %q: %v", op, endpoint, err)
		}
	}
	for _, endpoint := range append(both, bindOnly...) {
		_, err := s.Bind(endpoint)
		check("bind", endpoint, err)
	}
	for _, endpoint := range append(both, connectOnly...) {
		check("connect", endpoint, s.Connect(endpoint))
	}
	if n := len(s.Stats().Peers); n != 0 {
		t.Errorf("%d peers came of it", n)
	}
	_, err := s.Bind("tcp://192.0.2.1:5555")
	wantError(t, "an address of somebody else", err, syscall.EADDRNOTAVAIL)
}

// TestTaken: an address belongs to who bound it first, until he gives it back.
func TestTaken(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		owner, thief := b.open(t, socket.TypePull), b.open(t, socket.TypePull)
		endpoint := b.bind(t, owner)
		var e *socket.EndpointError
		for _, s := range []*socket.Socket{thief, owner} {
			if _, err := s.Bind(endpoint); !errors.As(err, &e) || b.transport != "inproc" && !errors.Is(err, syscall.EADDRINUSE) {
				t.Fatalf("binding what is bound: %v", err)
			}
		}
		push := b.open(t, socket.TypePush)
		connectTo(t, push, endpoint)
		send(t, push, "still his")
		want(t, owner, "still his")
		if err := owner.Unbind(endpoint); err != nil {
			t.Fatal(err)
		}
		wantError(t, "Unbind again", owner.Unbind(endpoint), socket.ErrNotFound)
		if b.transport != "inproc" { // where who came by the name stays with its first owner
			untilDown(t, push)
		}
		bindTo(t, thief, endpoint)
		if b.transport == "inproc" {
			return
		}
		send(t, push, "his now")
		want(t, thief, "his now")
	})
}

// TestNotFound: what was not bound or connected cannot be taken back.
func TestNotFound(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		s, other := b.open(t, socket.TypeDealer), b.open(t, socket.TypeDealer)
		mine, his := b.bind(t, s), b.bind(t, other)
		for _, endpoint := range []string{his, b.endpoint(t), "tcp://*:*", "ipc://*", "inproc://nobody", "nonsense", ""} {
			wantError(t, "Unbind "+endpoint, s.Unbind(endpoint), socket.ErrNotFound)
			wantError(t, "Disconnect "+endpoint, s.Disconnect(endpoint), socket.ErrNotFound)
		}
		wantError(t, "Disconnect what is bound", s.Disconnect(mine), socket.ErrNotFound)
		connectTo(t, s, his)
		wantError(t, "Unbind what is connected", s.Unbind(his), socket.ErrNotFound)
		if err := s.Disconnect(his); err != nil {
			t.Fatal(err)
		}
		wantError(t, "Disconnect again", s.Disconnect(his), socket.ErrNotFound)
	})
}

// TestConnectTwice: a REQ, DEALER, PUB or SUB that connects to an endpoint a
// second time stays with one connection; others have two.
func TestConnectTwice(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		for _, c := range []struct {
			typ, peer socket.Type
			peers     int
		}{
			{socket.TypeReq, socket.TypeRouter, 1},
			{socket.TypeDealer, socket.TypeRouter, 1},
			{socket.TypeSub, socket.TypeXPub, 1},
			{socket.TypePush, socket.TypePull, 2},
			{socket.TypeRouter, socket.TypeRouter, 2},
		} {
			server, client := b.open(t, c.peer), b.open(t, c.typ)
			if c.typ == socket.TypeSub {
				subscribe(t, client, "")
			}
			endpoint := b.bind(t, server)
			for range 2 {
				connectTo(t, client, endpoint)
			}
			waitPeers(t, client, c.peers)
			waitPeers(t, server, c.peers)
			if n := len(client.Stats().Peers); n != c.peers {
				t.Errorf("%v has %d connections", c.typ, n)
			}
			for range c.peers {
				if err := client.Disconnect(endpoint); err != nil {
					t.Error(err)
				}
			}
			wantError(t, "no more", client.Disconnect(endpoint), socket.ErrNotFound)
			until(t, "all connections are over", func() bool { return len(client.Stats().Peers) == 0 })
			closeNow(t, client)
			closeNow(t, server)
		}
	})
}

// TestManyEndpoints: one socket can bind and connect to several, over
// different transports.
func TestManyEndpoints(t *testing.T) {
	everywhere(t, []string{"tcp"}, func(t *testing.T, b *bed) {
		pull := b.open(t, socket.TypePull)
		for i, endpoint := range []string{"tcp://127.0.0.1:*", "tcp://[::1]:*", "ipc://*", "inproc://many"} {
			push := b.open(t, socket.TypePush)
			connectTo(t, push, bindTo(t, pull, endpoint))
			send(t, push, fmt.Sprint(i))
			want(t, pull, fmt.Sprint(i))
		}
		for _, transport := range anyTransport {
			other := &bed{b.backend, transport, b.engine, b.dir}
			push := b.open(t, socket.TypePush)
			connectTo(t, pull, other.bind(t, push))
			send(t, push, transport)
			want(t, pull, transport)
		}
	})
}

// TestStaleSocketFile: the file that a process leaves behind when it dies is
// taken over; one that somebody listens on is not, nor is one that is no socket.
func TestStaleSocketFile(t *testing.T) {
	everywhere(t, []string{"ipc"}, func(t *testing.T, b *bed) {
		path := filepath.Join(b.dir, "stale")
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
		if err != nil {
			t.Fatal(err)
		}
		s := b.open(t, socket.TypePull)
		_, err = s.Bind("ipc://" + path)
		wantError(t, "somebody listens", err, syscall.EADDRINUSE)
		l.SetUnlinkOnClose(false)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Fatal(err)
		}
		bindTo(t, s, "ipc://"+path)
		push := b.open(t, socket.TypePush)
		connectTo(t, push, "ipc://"+path)
		send(t, push, "taken over")
		want(t, s, "taken over")
		closeNow(t, s)
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Fatalf("the socket's file is left: %v", err)
		}

		precious := filepath.Join(b.dir, "precious")
		if err := os.WriteFile(precious, []byte("data"), 0o600); err != nil {
			t.Fatal(err)
		}
		other := b.open(t, socket.TypePull)
		_, err = other.Bind("ipc://" + precious)
		wantError(t, "a file that is no socket", err, syscall.EADDRINUSE)
		if kept, err := os.ReadFile(precious); err != nil || string(kept) != "data" {
			t.Fatalf("the file holds %q, %v", kept, err)
		}
	})
}

// TestInprocNames belong to an engine.
func TestInprocNames(t *testing.T) {
	b := newBed(t, "inproc", backends()[0])
	other := newEngine(t, &socket.EngineOptions{Backend: b.backend, Reactors: 1})
	defer other.Close()
	there := func(o *socket.Options) { o.Engine = other }
	here, far := b.open(t, socket.TypePull), b.open(t, socket.TypePull, there)
	bindTo(t, here, "inproc://same")
	bindTo(t, far, "inproc://same")
	for _, c := range []struct {
		pull *socket.Socket
		push *socket.Socket
		text string
	}{
		{here, b.open(t, socket.TypePush), "here"},
		{far, b.open(t, socket.TypePush, there), "far"},
	} {
		connectTo(t, c.push, "inproc://same")
		send(t, c.push, c.text)
		want(t, c.pull, c.text)
	}
}

// TestBackends: each that has a name can be asked for by it.
func TestBackends(t *testing.T) {
	for asked, want := range map[string]string{"epoll": "epoll", "prefer-uring": "io_uring|epoll"} {
		e := newEngine(t, &socket.EngineOptions{Backend: asked, Reactors: 1})
		if got := e.Backend().Name; !strings.Contains(want, got) {
			t.Errorf("%s is what came of %s", got, asked)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := socket.NewEngine(&socket.EngineOptions{Backend: "kqueue"}); err == nil || !strings.Contains(err.Error(), `"kqueue"`) {
		t.Errorf("a backend that does not exist: %v", err)
	}
}
