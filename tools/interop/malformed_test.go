package interop

import (
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zeroring/zeroring/socket"
	"github.com/zeroring/zeroring/zmtp"
)

// Octets of a PUSH that speaks ZMTP 3.1 correctly.
const (
	signature = "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f"
	greeting  = signature + "\x03\x01" + nullMech + filler
	nullMech  = "NULL\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	plainMech = "PLAIN\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	filler    = "\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	readyPush = "\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04PUSH"
	handshake = greeting + readyPush
)

// malformed is what a peer may say that no ZMTP 3 peer says. Each is refused at
// once, whatever might follow.
var malformed = map[string]string{
	"http":                      "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nUser-Agent: a browser\r\n\r\n",
	"noise":                     "\x17\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03 a TLS hello that goes on for a while, as they do do",
	"zmtp 1.0":                  "\x01\x00" + strings.Repeat("\x06\x00hello", 12),
	"zmtp 2.0":                  signature + "\x01\x08\x00\x00" + strings.Repeat("\x00\x05hello", 12),
	"other mechanism":           signature + "\x03\x01" + plainMech + filler,
	"unknown mechanism":         signature + "\x03\x01" + "XYZZY" + nullMech[5:] + filler,
	"traffic before READY":      greeting + "\x00\x05hello",
	"unknown handshake command": greeting + "\x04\x06\x05HELLO",
	"READY cut inside name":     greeting + "\x04\x0a\x05READY\x0bSoc",
	"READY cut inside value":    greeting + "\x04\x18\x05READY\x0bSocket-Type\x00\x00\x00\x04PU",
	"READY value of 4 GiB":      greeting + "\x04\x1a\x05READY\x0bSocket-Type\xff\xff\xff\xffPUSH",
	"READY of 2^63 octets":      greeting + "\x06\x80\x00\x00\x00\x00\x00\x00\x00",
	"READY of 1 GiB":            greeting + "\x06\x00\x00\x00\x00\x40\x00\x00\x00",
	"READY with MORE":           greeting + "\x05" + readyPush[1:],
	"identity of 256 octets":    greeting + "\x06\x00\x00\x00\x00\x00\x00\x01\x27\x05READY\x0bSocket-Type\x00\x00\x00\x04PUSH\x08Identity\x00\x00\x01\x00" + strings.Repeat("i", 256),
	"ERROR":                     greeting + "\x04\x0d\x05ERROR\x06go now",
	"ERROR cut":                 greeting + "\x04\x08\x05ERROR\x40g",
	"frame of 2^63 octets":      handshake + "\x02\x80\x00\x00\x00\x00\x00\x00\x00",
	"frame over the limit":      handshake + "\x02\x00\x00\x00\x00\x00\x01\x00\x01",
	"command with MORE":         handshake + "\x05\x07\x04PING\x00\x01",
	"command without a name":    handshake + "\x04\x03\x09ab",
	"PING without a TTL":        handshake + "\x04\x05\x04PING",
}

// TestMalformed says each of them to a PULL of ours. The connection must end,
// with a reason that says whose fault it was, and a libzmq peer of the same
// socket must not notice.
func TestMalformed(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		near := us.open(t, "PULL", opts{maxSize: 1 << 16}).(*ourSock)
		endpoint := near.bind(fresh("tcp"))
		good := startC(t).open(t, "PUSH", opts{})
		good.connect(endpoint)
		near.peers(1)
		for name, octets := range malformed {
			t.Run(name, func(t *testing.T) {
				w := near.watch()
				raw := dialRaw(t, endpoint)
				raw.say(octets)
				raw.closed()
				w.t = t
				t.Log(w.refused())
				good.send(lits("still", "here")...)
				expect(t, near, lits("still", "here")...)
			})
		}
	})
}

// TestMalformedBinder connects to who speaks like that. It is called again, as
// it may be a proxy whose server is away, until the endpoint is taken back.
func TestMalformedBinder(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		near := us.open(t, "PULL", opts{quick: true, maxSize: 1 << 16}).(*ourSock)
		good := startC(t).open(t, "PUSH", opts{})
		good.connect(near.bind(fresh("tcp")))
		near.peers(1)
		for name, octets := range malformed {
			t.Run(name, func(t *testing.T) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				w := near.watch()
				w.t = t
				endpoint := "tcp://" + l.Addr().String()
				w.endpoint = endpoint // others may not have ended yet
				near.connect(endpoint)
				c, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				c.SetDeadline(time.Now().Add(patience))
				raw := &rawPeer{t: t, Conn: c}
				raw.say(octets)
				raw.closed()
				var refused *zmtp.RefusedError
				if !errors.As(w.refused(), &refused) {
					l.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
					again, err := l.Accept()
					if err != nil {
						t.Fatal(err)
					}
					again.Close()
					if err := near.Disconnect(endpoint); err != nil {
						t.Fatal(err)
					}
				}
				good.send(lit("still here"))
				expect(t, near, lit("still here"))
			})
		}
	})
}

// TestWholeGreetingAtOnce checks the peer of the tables above: without
// something wrong at its end it is understood, in one piece and in many.
func TestWholeGreetingAtOnce(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		near := us.open(t, "PULL", opts{}).(*ourSock)
		endpoint := near.bind(fresh("tcp"))
		dialRaw(t, endpoint).say(handshake + "\x01\x05hello\x00\x05world")
		expect(t, near, lits("hello", "world")...)
		slow := dialRaw(t, endpoint)
		for _, octet := range []byte(handshake + "\x01\x05hello\x00\x06slowly") {
			slow.Write([]byte{octet})
		}
		expect(t, near, lits("hello", "slowly")...)
	})
}

// TestCutOff hangs up at every octet of a handshake and of a message.
func TestCutOff(t *testing.T) {
	const whole = handshake + "\x01\x05hello\x00\x05world"
	eachBackend(t, func(t *testing.T, us *zeroring) {
		near := us.open(t, "PULL", opts{}).(*ourSock)
		endpoint := near.bind(fresh("tcp"))
		w := near.watch()
		for cut := range len(whole) {
			raw := dialRaw(t, endpoint)
			raw.say(whole[:cut])
			raw.Close()
			ev := w.until(socket.EventDisconnected)
			if !errors.Is(ev.Err, io.EOF) && !strings.Contains(ev.Err.Error(), "reset") && !strings.Contains(ev.Err.Error(), "broken pipe") {
				t.Errorf("cut at %d: the connection ended with %v", cut, ev.Err)
			}
		}
		dialRaw(t, endpoint).say(whole)
		expect(t, near, lits("hello", "world")...) // and nothing of the others
	})
}

// TestSilentPeer connects and says nothing. Meanwhile others are served.
func TestSilentPeer(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		near := us.open(t, "PULL", opts{}).(*ourSock)
		endpoint := near.bind(fresh("tcp"))
		dialRaw(t, endpoint)
		dialRaw(t, endpoint).say(greeting[:40])
		good := startC(t).open(t, "PUSH", opts{})
		good.connect(endpoint)
		good.send(lit("hello"))
		expect(t, near, lit("hello"))
	})
}

// TestSilentPeerIsTurnedOut: a peer's time for the handshake runs out, whether
// it said nothing or half of its greeting. No other is there whose time could
// run out because the machine is busy.
func TestSilentPeerIsTurnedOut(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		o := us.options(opts{})
		o.HandshakeTimeout = 300 * time.Millisecond
		near := us.socket(t, "PULL", o)
		w := near.watch()
		endpoint := near.bind(fresh("tcp"))
		silent, halfway := dialRaw(t, endpoint), dialRaw(t, endpoint)
		halfway.Write([]byte(greeting[:40])) // which may be too late already
		silent.closed()
		halfway.closed()
		for range 2 {
			if ev := w.until(socket.EventDisconnected); !errors.Is(ev.Err, zmtp.ErrHandshakeTimeout) {
				t.Errorf("the connection ended with %v, want ErrHandshakeTimeout", ev.Err)
			}
		}
	})
}

// TestClaimsAreNotBelieved has peers announce frames of 900 MiB and send none
// of it. That must not cost what they claim.
func TestClaimsAreNotBelieved(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		near := us.open(t, "PULL", opts{}).(*ourSock)
		endpoint := near.bind(fresh("tcp"))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 10 {
			dialRaw(t, endpoint).say(handshake + "\x02\x00\x00\x00\x00\x38\x40\x00\x00 and so on")
		}
		near.peers(10)
		good := startC(t).open(t, "PUSH", opts{})
		good.connect(endpoint)
		good.send(lit("hello"))
		expect(t, near, lit("hello"))
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 100<<20 {
			t.Errorf("%d MiB were allocated for frames that were only announced", grown>>20)
		}
	})
}

// TestTheirFrameTooLarge has libzmq send what MaxMsgSize forbids.
func TestTheirFrameTooLarge(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		near := us.open(t, "PULL", opts{maxSize: 1000}).(*ourSock)
		w := near.watch()
		endpoint := near.bind(fresh("tcp"))
		child := startC(t)
		bad, good := child.open(t, "PUSH", opts{}), child.open(t, "PUSH", opts{})
		bad.connect(endpoint)
		good.connect(endpoint)
		bad.send(gen(1000, 1, 1))
		expect(t, near, gen(1000, 1, 1))
		bad.send(gen(1001, 1, 1))
		w.refused()
		good.send(gen(1000, 2, 1))
		expect(t, near, gen(1000, 2, 1))
	})
}

// TestOurFrameTooLarge sends libzmq what its ZMQ_MAXMSGSIZE forbids. It hangs
// up, and we come back, but not for ever with what is too large to be on its way
// when libzmq does.
func TestOurFrameTooLarge(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		far := startC(t).open(t, "PULL", opts{maxSize: 1000})
		near := us.open(t, "PUSH", opts{quick: true}).(*ourSock)
		w := near.watch()
		near.connect(far.bind(fresh("tcp")))
		near.send(gen(1000, 1, 1))
		expect(t, far, gen(1000, 1, 1))
		near.send(gen(1001, 1, 1))
		w.until(socket.EventDisconnected)
		w.until(socket.EventReady)
		near.send(gen(1000, 2, 1))
		expect(t, far, gen(1000, 2, 1))
		near.send(gen(20<<20, 3, 1))
		near.send(gen(1000, 4, 1))
		expect(t, far, gen(1000, 4, 1))
	})
}
