package interop

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// TestEndpoints binds and connects every form of endpoint that both sides
// know, in both roles.
func TestEndpoints(t *testing.T) {
	forms := map[string]struct {
		bind    string
		connect func(resolved string) string // nil: what bind resolved to
		ipv6    bool
	}{
		"any port":   {bind: "tcp://127.0.0.1:*"},
		"port 0":     {bind: "tcp://127.0.0.1:0"},
		"any host":   {bind: "tcp://*:*", connect: func(r string) string { return "tcp://127.0.0.1" + r[strings.LastIndex(r, ":"):] }},
		"interface":  {bind: "tcp://lo:*"},
		"a name":     {bind: "tcp://127.0.0.1:*", connect: func(r string) string { return "tcp://localhost" + r[strings.LastIndex(r, ":"):] }},
		"a source":   {bind: "tcp://127.0.0.1:*", connect: func(r string) string { return "tcp://127.0.0.1:0;" + strings.TrimPrefix(r, "tcp://") }},
		"ipv6":       {bind: "tcp://[::1]:*", ipv6: true},
		"ipc path":   {bind: "ipc"},
		"abstract":   {bind: "abstract"},
		"any path":   {bind: "ipc://*"},
		"relative":   {bind: "ipc://relative-socket"},
		"loopback 2": {bind: "tcp://127.0.0.2:*"},
	}
	t.Chdir(t.TempDir())
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			eachSides(t, func(t *testing.T, binds, connects side) {
				endpoint := form.bind
				if !strings.Contains(endpoint, "://") {
					endpoint = fresh(endpoint)
				}
				o := opts{ipv6: form.ipv6}
				pull, push := binds.open(t, "PULL", o), connects.open(t, "PUSH", o)
				endpoint = pull.bind(endpoint)
				if form.connect != nil {
					endpoint = form.connect(endpoint)
				}
				push.connect(endpoint)
				push.send(lits("hello", name)...)
				expect(t, pull, lits("hello", name)...)
				pull.close()
			})
		})
	}
}

// TestConnectFirst connects to an endpoint before anybody is there, and sends.
func TestConnectFirst(t *testing.T) {
	for _, transport := range []string{"tcp", "ipc", "abstract"} {
		t.Run(transport, func(t *testing.T) {
			eachSides(t, func(t *testing.T, binds, connects side) {
				endpoint := fresh(transport)
				if transport == "tcp" {
					endpoint = freePort(t)
				}
				push := connects.open(t, "PUSH", opts{quick: true})
				push.connect(endpoint)
				push.send(lit("early"))
				pull := binds.open(t, "PULL", opts{})
				pull.bind(endpoint)
				expect(t, pull, lit("early"))
			})
		})
	}
}

// freePort returns a tcp endpoint that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "tcp://" + l.Addr().String()
}

// TestStaleSocketFile leaves behind the file of an ipc socket, as a crash does,
// and binds again.
func TestStaleSocketFile(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		child := startC(t)
		endpoint := child.open(t, "PULL", opts{}).bind(fresh("ipc"))
		child.kill()
		if _, err := os.Stat(strings.TrimPrefix(endpoint, "ipc://")); err != nil {
			t.Fatal(err)
		}
		pull := us.open(t, "PULL", opts{})
		pull.bind(endpoint)
		push := startC(t).open(t, "PUSH", opts{})
		push.connect(endpoint)
		push.send(lit("hello"))
		expect(t, pull, lit("hello"))
	})
}

// TestUnbindDisconnect takes back a bind and a connect of ours. libzmq must
// notice, and what was sent before must have arrived.
func TestUnbindDisconnect(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		near := us.open(t, "PUSH", opts{linger: patience})
		child := startC(t)
		byBind, byConnect := child.socket(t, "PULL", opts{}), child.socket(t, "PULL", opts{})
		byBind.monitor()
		byConnect.monitor()
		bound := near.bind(fresh("tcp"))
		byBind.connect(bound)
		connected := byConnect.bind(fresh("tcp"))
		near.connect(connected)
		near.(*ourSock).peers(2)
		for i := range 20 {
			near.send(lit(fmt.Sprint(i)))
		}
		near.unbind(bound)
		near.disconnect(connected)
		byBind.event(eventDisconnected)
		byConnect.event(eventDisconnected)
		count := 0
		for _, pull := range []*childSock{byBind, byConnect} {
			for range 10 {
				pull.recv()
				count++
			}
		}
		if count != 20 {
			t.Errorf("%d messages, want 20", count)
		}
	})
}

// TestLinger closes a socket of ours right after it sent much: what is queued
// must still arrive.
func TestLinger(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, binds := range []bool{true, false} {
			r := row{pairing: pairing{"PUSH", "PULL"}, nearBinds: binds, transport: "tcp", opts: opts{linger: patience, unlimited: true}}
			l := r.connect(t, us, startC(t))
			sh := shape{5000, 5000, 8, 1}
			l.near.sock.(*ourSock).peers(1)
			l.near.stream(sh).end()
			drain := l.far.drain(sh, 0)
			l.near.close()
			drain.end()
		}
	})
}

// TestProperties reads what libzmq knows of our connection.
func TestProperties(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		far := startC(t).socket(t, "ROUTER", opts{})
		o := us.options(opts{identity: "our name"})
		o.Metadata = map[string]string{"X-Region": "north", "X-Empty": ""}
		near := us.socket(t, "DEALER", o)
		near.connect(far.bind(fresh("tcp")))
		for name, want := range map[string]string{
			"Socket-Type": "DEALER", "Identity": "our name",
			"X-Region": "north", "X-Empty": "", "Peer-Address": "127.0.0.1",
		} {
			near.send(lit("hello"))
			if got := far.must("property %d %s %d", far.h, name, patience/time.Millisecond); got != want {
				t.Errorf("property %s is %q, want %q", name, got, want)
			}
		}
	})
}
