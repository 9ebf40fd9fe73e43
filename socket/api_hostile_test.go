package socket_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zeroring/zeroring/socket"
	"github.com/zeroring/zeroring/zmtp"
)

// longFrame is the header of a frame with eight octets of size.
func longFrame(flags byte, size uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{flags | 2}, size)
}

// property is one property of a READY.
func property(name, value string) string {
	return string(byte(len(name))) + name + string(binary.BigEndian.AppendUint32(nil, uint32(len(value)))) + value
}

// A broken is what a peer says that no peer may say.
type broken struct {
	name string
	says []byte
	// why the connection ends: an error, or nil for any *zmtp.ProtocolError
	why error
}

// brokenGreetings are said by a peer that connects, instead of a handshake.
var brokenGreetings = []broken{
	{"http", []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), nil},
	{"tls", []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), nil},
	{"zeros", make([]byte, 100), nil},
	{"zmtp 1", []byte("\x01\x00"), nil},
	{"zmtp 1 with a long identity", []byte("\xff\x00\x00\x00\x00\x00\x00\x00\x05\x00hello"), nil},
	{"zmtp 2", []byte("\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x01\x08\x00\x00"), nil},
	{"another mechanism", bytes.Replace(greeting, []byte("NULL"), []byte("CURV"), 1), nil},
	{"no mechanism", bytes.Replace(greeting, []byte("NULL"), make([]byte, 4), 1), nil},
	{"message before READY", slices.Concat(greeting, frame("sneaky")), nil},
	{"PING before READY", slices.Concat(greeting, command([]byte("\x04PING\x00\x00"))), nil},
	{"command without a name", slices.Concat(greeting, command(nil), frame("no part of it")), nil},
	{"command with an empty name", slices.Concat(greeting, command([]byte{0})), nil},
	{"name longer than its command", slices.Concat(greeting, command([]byte("\x20READY"))), nil},
	{"command that goes on", slices.Concat(greeting, []byte("\x05\x06\x05READY")), nil},
	{"huge command", slices.Concat(greeting, longFrame(4, 1<<40)), nil},
	{"impossible size", slices.Concat(greeting, longFrame(4, 1<<63)), nil},
	{"metadata cut off", slices.Concat(greeting, command([]byte("\x05READY\x0bSocket-Ty"))), nil},
	{"value cut off", slices.Concat(greeting, command([]byte("\x05READY\x0bSocket-Type\x00\x00\xff\xffPUSH"))), nil},
	{"no such socket type", slices.Concat(greeting, ready("PUSHY")), zmtp.ErrIncompatible},
	{"wrong socket type", slices.Concat(greeting, ready("PUB")), zmtp.ErrIncompatible},
	{"its own socket type", slices.Concat(greeting, ready("PULL")), zmtp.ErrIncompatible},
	{"identity too long", slices.Concat(greeting, longFrame(4, uint64(6+20+13+256)),
		[]byte("\x05READY"+property("Socket-Type", "PUSH")+property("Identity", strings.Repeat("i", 256)))), nil},
	{"half a greeting", greeting[:30], io.EOF},
	{"nothing at all", nil, io.EOF},
	{"half a READY", slices.Concat(greeting, ready("PUSH")[:10]), io.EOF},
}

// brokenTraffic is said by a peer whose handshake was fine.
var brokenTraffic = []broken{
	{"frame over the limit", longFrame(0, maxTestFrame+1), nil},
	{"frame over the limit of a message", slices.Concat([]byte("\x01\x01a"), longFrame(0, maxTestFrame+1)), nil},
	{"frame of an impossible size", longFrame(0, 1<<63), nil},
	{"frame of the largest size", longFrame(0, 1<<63-1), nil},
	{"command that goes on", []byte("\x05\x07\x04PING\x00\x00"), nil},
	{"command without a name", slices.Concat(command(nil), frame("no part of it")), nil},
	{"name longer than its command", command([]byte("\x20PING")), nil},
	{"huge command", longFrame(4, 1<<40), nil},
	{"PING without a TTL", command([]byte("\x04PING")), nil},
	{"ERROR", command([]byte("\x05ERROR\x04gone")), &zmtp.RefusedError{}},
	{"malformed ERROR", command([]byte("\x05ERROR\x40gone")), nil},
	{"half a message", []byte("\x01\x01a"), io.EOF},
	{"half a frame", []byte("\x00\x05a"), io.EOF},
	{"half a header", []byte("\x02\x00\x00"), io.EOF},
}

const maxTestFrame = 1000

// matches reports whether err is what the connection should end with.
func (x broken) matches(err error) bool {
	var protocol *zmtp.ProtocolError
	var refused *zmtp.RefusedError
	switch {
	case x.why == nil:
		return errors.As(err, &protocol)
	case errors.As(x.why, &refused):
		return errors.As(err, &refused)
	}
	// A peer that hangs up may do so while it is written to.
	hungUp := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	return errors.Is(err, x.why) || x.why == io.EOF && hungUp
}

// TestHostilePeers: a peer that breaks the protocol loses its connection, with an
// event that says why, and nobody else notices.
func TestHostilePeers(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		pull := b.open(t, socket.TypePull, func(o *socket.Options) { o.MaxMsgSize = maxTestFrame })
		events := watch(t, pull)
		endpoint := b.bind(t, pull)
		push := b.open(t, socket.TypePush)
		connectTo(t, push, endpoint)
		waitPeers(t, push, 1)
		try := func(x broken, handshake bool) {
			c := rawDial(t, endpoint)
			if handshake {
				c.handshake(t, "PUSH")
				c.say(frame("before"))
				want(t, pull, "before")
			}
			c.say(x.says)
			if x.why == io.EOF {
				_ = c.Close()
			}
			if err := events.ended(t, x.name); !x.matches(err) {
				t.Errorf("%s: ended with %v", x.name, err)
			}
			if x.why != io.EOF {
				c.ended(t)
				_ = c.Close()
			}
			send(t, push, x.name)
			want(t, pull, x.name)
		}
		for _, x := range brokenGreetings {
			try(x, false)
		}
		for _, x := range brokenTraffic {
			try(x, true)
		}
		until(t, "they are forgotten", func() bool { return len(pull.Stats().Peers) == 1 })
	})
}

// TestHostileServers: a socket that connects to such a peer says why it failed,
// and connects again unless it was told not to.
func TestHostileServers(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		for _, x := range brokenGreetings {
			if x.why == zmtp.ErrIncompatible {
				continue // one of them is a PULL; TestIncompatible has the others
			}
			server := b.rawListen(t)
			push := b.open(t, socket.TypePush, func(o *socket.Options) { o.ReconnectMax = o.ReconnectInterval })
			events := watch(t, push)
			connectTo(t, push, server.endpoint)
			c := server.accept(t)
			c.say(x.says)
			if x.why == io.EOF {
				_ = c.Close()
				if err := events.ended(t, x.name); err == nil {
					t.Errorf("%s: no error", x.name)
				}
				server.accept(t) // it comes back
			} else {
				if err := events.ended(t, x.name); !x.matches(err) {
					t.Errorf("%s: ended with %v", x.name, err)
				}
				c.ended(t)
				var refused *zmtp.RefusedError
				if errors.As(x.why, &refused) {
					until(t, x.name+": given up", func() bool { return len(push.Stats().Peers) == 0 })
				} else {
					server.accept(t) // it comes back: this may have been a proxy
				}
			}
			closeNow(t, push)
			_ = server.Close()
		}
	})
}

// TestIncompatible: types that do not talk to each other do not get to, and
// both sides say so.
func TestIncompatible(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		for _, mine := range everyType {
			for _, theirs := range everyType {
				friends := slices.ContainsFunc(talks, func(k talk) bool {
					return k.from == mine && k.to == theirs || k.from == theirs && k.to == mine
				})
				if friends {
					continue
				}
				server, client := b.open(t, mine), b.open(t, theirs)
				if b.transport == "inproc" {
					endpoint := b.bind(t, server)
					var e *socket.EndpointError
					if err := client.Connect(endpoint); !errors.As(err, &e) {
						t.Errorf("%v connects to %v: %v", theirs, mine, err)
					}
				} else {
					there, here := watch(t, server), watch(t, client)
					connectTo(t, client, b.bind(t, server))
					if err := there.ended(t, "the one accepted"); !notFriends(err) {
						t.Errorf("%v, to which a %v connected: %v", mine, theirs, err)
					}
					if err := here.ended(t, "the one made"); !notFriends(err) {
						t.Errorf("%v, which connected to a %v: %v", theirs, mine, err)
					}
					until(t, "the connection is given up", func() bool { return len(client.Stats().Peers) == 0 })
					closeNow(t, client)
					here.wantNone(t, socket.EventRetrying)
				}
				closeNow(t, client)
				closeNow(t, server)
			}
		}
	})
}

// notFriends reports whether err says that the types do not match, or that the
// peer said so first, or hung up when it saw.
func notFriends(err error) bool {
	var refused *zmtp.RefusedError
	return errors.Is(err, zmtp.ErrIncompatible) || errors.As(err, &refused)
}

// TestIncompatibleBeforeBind: over inproc, who connected before somebody bound
// learns of it by having no peer.
func TestIncompatibleBeforeBind(t *testing.T) {
	everywhere(t, []string{"inproc"}, func(t *testing.T, b *bed) {
		endpoint := b.endpoint(t)
		wrong, right := b.open(t, socket.TypePub), b.open(t, socket.TypePush)
		connectTo(t, wrong, endpoint)
		connectTo(t, right, endpoint)
		send(t, right, "waits")
		pull := b.open(t, socket.TypePull)
		bindTo(t, pull, endpoint)
		want(t, pull, "waits")
		if n := len(wrong.Stats().Peers); n != 0 {
			t.Fatalf("a PUB has a PULL for a peer")
		}
	})
}

// silentPeers connects peers that each stop elsewhere in their greeting.
func silentPeers(t *testing.T, endpoint string) (conns []rawConn) {
	for i := range 50 {
		c := rawDial(t, endpoint)
		c.say(greeting[:i])
		conns = append(conns, c)
	}
	return conns
}

// TestSilentPeers: peers that connect and say nothing keep nobody out.
func TestSilentPeers(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		pull := b.open(t, socket.TypePull)
		endpoint := b.bind(t, pull)
		silentPeers(t, endpoint)
		push := b.open(t, socket.TypePush)
		connectTo(t, push, endpoint)
		send(t, push, "not kept out")
		want(t, pull, "not kept out")
	})
}

// TestSilentPeersAreTurnedOut when their time is up. They are alone: on a busy
// machine anybody's time might be up.
func TestSilentPeersAreTurnedOut(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		pull := b.open(t, socket.TypePull, func(o *socket.Options) { o.HandshakeTimeout = 50 * time.Millisecond })
		events := watch(t, pull)
		conns := silentPeers(t, b.bind(t, pull))
		for range conns {
			wantError(t, "a silent peer", events.ended(t, "the connection"), zmtp.ErrHandshakeTimeout)
		}
		for _, c := range conns {
			c.ended(t)
		}
	})
}

// TestSlowPeer: whatever the pieces that octets come in, they are the same.
func TestSlowPeer(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		pull := b.open(t, socket.TypePull)
		c := rawDial(t, b.bind(t, pull))
		octets := slices.Concat(greeting, ready("PUSH"), frame("one"), []byte("\x01\x03two"), command([]byte("\x04PING\x00\x00ctx")),
			[]byte("\x00\x05three"), longFrame(0, 4), []byte("four"))
		for _, octet := range octets {
			c.say([]byte{octet})
			runtime.Gosched()
		}
		want(t, pull, "one")
		want(t, pull, "two", "three")
		want(t, pull, "four")
		c.hear(t, 64)
		head := c.hear(t, 2)
		c.hear(t, int(head[1]))
		if pong := c.hear(t, 10); string(pong) != "\x04\x08\x04PONGctx" {
			t.Fatalf("PING was answered by %q", pong)
		}
	})
}

// TestTolerated: what ought not to be sent and does no harm.
func TestTolerated(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		pull := b.open(t, socket.TypePull)
		c := rawDial(t, b.bind(t, pull))
		c.say(bytes.Replace(greeting, []byte{3, 1}, []byte{9, 9}, 1)) // a version yet to come
		c.say(command([]byte("\x05READY" + property("socket-TYPE", "PUSH") + property("X-Whatever", "") + property("Resource", "r"))))
		c.say(command([]byte("\x07UNKNOWNcommand")), command([]byte("\x04PONG")))
		c.say(command([]byte("\x09SUBSCRIBEto what?")), command([]byte("\x06CANCELthat")))
		c.say([]byte("\xf8\x05hello"), []byte("\x00\x00"), longFrame(0, 0))
		want(t, pull, "hello")
		want(t, pull, "")
		want(t, pull, "")

		nameless := rawDial(t, bindTo(t, pull, b.wildcard(t)))
		nameless.say(greeting, command([]byte("\x05READY")), frame("of no known type"))
		want(t, pull, "of no known type")
	})
}

// TestUnaskedFor: a SUB drops what it did not subscribe to, should a publisher
// send it all the same; an XSUB leaves that to its user.
func TestUnaskedFor(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		for _, typ := range []socket.Type{socket.TypeSub, socket.TypeXSub} {
			s := b.open(t, typ)
			subscribe(t, s, "topic")
			c := rawDial(t, b.bind(t, s))
			c.handshake(t, "PUB")
			c.say(frame("topi"), []byte("\x01\x05other\x00\x05topic"), frame(""), frame("topical"))
			if typ == socket.TypeXSub {
				want(t, s, "topi")
				want(t, s, "other", "topic")
				want(t, s, "")
			}
			want(t, s, "topical")
		}
	})
}

// TestPushIsDeaf: a PUSH keeps nothing of what a PULL sends it, and so sees that
// the PULL has left.
func TestPushIsDeaf(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		push := b.open(t, socket.TypePush, func(o *socket.Options) {
			o.RecvHWM, o.HeartbeatInterval = 10, socket.Off
		})
		c := rawDial(t, b.bind(t, push))
		c.handshake(t, "PULL")
		waitPeers(t, push, 1)
		for range 100 {
			c.say(frame("unasked for"))
		}
		c.Close()
		untilDown(t, push)
		if err := push.TrySendBytes([]byte("x")); err != socket.ErrWouldBlock {
			t.Errorf("sent to a peer that has left: error %v", err)
		}
	})
}

// TestClaimedSizeCostsNothing: memory is taken for octets that came, not for
// those that a header promises.
func TestClaimedSizeCostsNothing(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		pull := b.open(t, socket.TypePull)
		endpoint := b.bind(t, pull)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		const liars, claim, sent = 50, 900 << 20, 1000
		conns := make([]rawConn, liars)
		for i := range conns {
			conns[i] = rawDial(t, endpoint)
			conns[i].handshake(t, "PUSH")
			conns[i].say(longFrame(0, claim), make([]byte, sent))
		}
		for _, c := range conns { // a PONG says that all before it was seen
			c.say()
		}
		push := b.open(t, socket.TypePush)
		connectTo(t, push, endpoint)
		send(t, push, "still here")
		want(t, pull, "still here")
		for _, c := range conns {
			_ = c.Close()
		}
		until(t, "they are gone", func() bool { return len(pull.Stats().Peers) == 1 })
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
			t.Fatalf("%d connections that claimed %d MiB each took %d MiB", liars, claim>>20, took>>20)
		}
	})
}

// TestMaxMsgSize: the limit itself passes, and it is each frame's.
func TestMaxMsgSize(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		pull := b.open(t, socket.TypePull, func(o *socket.Options) { o.MaxMsgSize = maxTestFrame })
		events := watch(t, pull)
		push := b.open(t, socket.TypePush)
		b.join(t, pull, push)
		largest := strings.Repeat("x", maxTestFrame)
		send(t, push, largest, largest)
		want(t, pull, largest, largest)
		send(t, push, "before")
		send(t, push, largest+"x")
		send(t, push, "after")
		want(t, pull, "before")
		var protocol *zmtp.ProtocolError
		if err := events.ended(t, "the connection"); !errors.As(err, &protocol) {
			t.Fatalf("a frame too large ended with %v", err)
		}
	})
}

// TestDeadPeer: a peer that answers no PING counts as lost. Not over ipc, where
// one that does not read is known to be just slow: a dead one hangs up.
func TestDeadPeer(t *testing.T) {
	everywhere(t, []string{"tcp"}, func(t *testing.T, b *bed) {
		pull := b.open(t, socket.TypePull, func(o *socket.Options) {
			o.HeartbeatInterval, o.HeartbeatTimeout = 5*time.Millisecond, 50*time.Millisecond
		})
		events := watch(t, pull)
		endpoint := b.bind(t, pull)
		dead := rawDial(t, endpoint)
		dead.handshake(t, "PUSH")
		wantError(t, "a dead peer", events.ended(t, "the connection"), zmtp.ErrHeartbeatTimeout)
		if said := string(dead.ended(t)); !strings.Contains(said, "\x04PING") {
			t.Fatalf("it was not asked: %q", said)
		}
	})
}

// TestFlood: peers that connect and hang up, with and without a word, by the
// hundred, while traffic flows.
func TestFlood(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		count := 300
		if testing.Short() {
			count = 100
		}
		pull := b.open(t, socket.TypePull)
		endpoint := b.bind(t, pull)
		push := b.open(t, socket.TypePush)
		connectTo(t, push, endpoint)
		for i := range count {
			c := rawDial(t, endpoint)
			if i%2 == 0 {
				c.say(greeting, ready("PUSH"), brokenTraffic[i/2%len(brokenTraffic)].says)
			} else {
				c.say(brokenGreetings[i/2%len(brokenGreetings)].says)
			}
			_ = c.Close()
			send(t, push, fmt.Sprint(i))
			want(t, pull, fmt.Sprint(i))
		}
		until(t, "they are forgotten", func() bool { return len(pull.Stats().Peers) == 1 })
	})
}
