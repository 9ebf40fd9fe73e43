package interop

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A tap is a relay between two peers on tcp that knows enough of ZMTP to see
// the commands pass. It parses by itself, so that it cannot share a mistake of
// ours.
type tap struct {
	t           *testing.T
	listener    net.Listener
	target      string
	commands    chan command
	connections atomic.Int64 // ever accepted

	mu   sync.Mutex
	open []*relay
}

// A command that was seen, with what follows its name.
type command struct {
	fromTarget bool
	name       string
	data       string
}

// A relay is one connection through a tap.
type relay struct {
	near, far net.Conn
	frozen    atomic.Bool
}

// startTap relays to the tcp endpoint target for the length of the test.
func startTap(t *testing.T, target string) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tp := &tap{t: t, listener: l, target: strings.TrimPrefix(target, "tcp://"), commands: make(chan command, 10_000)}
	var all sync.WaitGroup
	all.Go(func() { tp.accept(&all) })
	t.Cleanup(func() {
		l.Close()
		tp.mu.Lock()
		for _, r := range tp.open {
			r.near.Close()
			r.far.Close()
		}
		tp.mu.Unlock()
		all.Wait()
	})
	return tp
}

func (tp *tap) endpoint() string { return "tcp://" + tp.listener.Addr().String() }

func (tp *tap) accept(all *sync.WaitGroup) {
	for {
		near, err := tp.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", tp.target)
		if err != nil {
			near.Close()
			continue
		}
		r := &relay{near: near, far: far}
		tp.mu.Lock()
		tp.open = append(tp.open, r)
		tp.mu.Unlock()
		tp.connections.Add(1)
		all.Go(func() { tp.copy(r, near, far, false) })
		all.Go(func() { tp.copy(r, far, near, true) })
	}
}

// copy passes octets on, and looks at them.
func (tp *tap) copy(r *relay, from, to net.Conn, fromTarget bool) {
	defer func() {
		if !r.frozen.Load() { // else the other end is not to notice
			to.Close()
		}
	}()
	var seen []byte
	greeted := false
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if r.frozen.Load() {
			continue
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
		seen = append(seen, b[:n]...)
		if !greeted && len(seen) >= 64 {
			seen, greeted = seen[64:], true
		}
		if greeted {
			seen = tp.look(seen, fromTarget)
		}
	}
}

// look reports the commands at the front of b and returns what is left of it.
func (tp *tap) look(b []byte, fromTarget bool) []byte {
	for {
		if len(b) < 2 {
			return b
		}
		header, size := 2, uint64(b[1])
		if b[0]&2 != 0 {
			if len(b) < 9 {
				return b
			}
			header, size = 9, binary.BigEndian.Uint64(b[1:])
		}
		if uint64(len(b)-header) < size {
			return b
		}
		body := b[header:][:size]
		if b[0]&4 != 0 && size > 0 && int(body[0]) < len(body) {
			name := body[1:][:body[0]]
			tp.commands <- command{fromTarget, string(name), string(body[1+len(name):])}
		}
		b = b[header:][size:]
	}
}

// await waits for a command and returns what follows its name.
func (tp *tap) await(fromTarget bool, name string) string {
	tp.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case c := <-tp.commands:
			if c.fromTarget == fromTarget && c.name == name {
				return c.data
			}
		case <-limit:
			tp.t.Fatalf("no %s in %v", name, patience)
		}
	}
}

// freeze makes the connections there are swallow everything, as a network does
// that broke down. New ones work.
func (tp *tap) freeze() {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	for _, r := range tp.open {
		r.frozen.Store(true)
	}
}

// A rawPeer is a connection on which a test says what no ZeroMQ peer says.
type rawPeer struct {
	t *testing.T
	net.Conn
	heard []byte // by hear
}

// dialRaw connects to a tcp endpoint.
func dialRaw(t *testing.T, endpoint string) *rawPeer {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &rawPeer{t: t, Conn: c}
}

// say writes; that the other end may be closed already is its good right.
func (r *rawPeer) say(octets string) { r.Write([]byte(octets)) }

// closed reads until the other end closes, and fails the test if it does not.
func (r *rawPeer) closed() []byte {
	r.t.Helper()
	heard, err := io.ReadAll(r)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		r.t.Errorf("the connection is still open")
	}
	return heard
}

// hear reads until the last that was said is octets.
func (r *rawPeer) hear(octets string) {
	r.t.Helper()
	for b := make([]byte, 4096); !bytes.HasSuffix(r.heard, []byte(octets)); {
		n, err := r.Read(b)
		r.heard = append(r.heard, b[:n]...)
		if err != nil {
			r.t.Fatalf("heard %q: %v, want %q", r.heard, err, octets)
		}
	}
}
