package zmtp

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// TestConversation is two engines talking, in each of the two orders that the
// RFCs have for READY.
func TestConversation(t *testing.T) {
	for _, server := range []bool{false, true} {
		a := newSide(t, &Config{SocketType: "DEALER", Identity: []byte("me")})
		b := newSide(t, &Config{SocketType: "ROUTER", AsServer: server, Metadata: []Property{{"X-A", []byte("b")}}})
		converse(a, b)
		a.wantLog("ready: ROUTER")
		b.wantLog("ready: DEALER")
		if got := string(b.e.Peer().Identity); got != "me" {
			t.Errorf("identity arrives as %q", got)
		}
		if got := string(a.e.Peer().Property("x-a")); got != "b" {
			t.Errorf("metadata arrives as %q", got)
		}
		b.gets(message("", "hello")).wantLog(`message "" "hello"`)
		b.gets(AppendSubscribe(nil, []byte("A"), a.e.Peer().Minor)).wantLog(`subscribe "A"`)
		b.gets(AppendCancel(nil, []byte("A"), a.e.Peer().Minor)).wantLog(`cancel "A"`)
	}
}

// TestServerWaits follows the RFC: "the client SHALL send a READY command and
// then wait for a READY command in reply."
func TestServerWaits(t *testing.T) {
	s := newSide(t, &Config{SocketType: "PULL", AsServer: true})
	s.sends()
	s.gets(peerGreeting(1))
	if got := s.sends(); len(got) > 0 {
		t.Fatalf("the server speaks first: %s", frames(got))
	}
	s.gets(peerReady("PUSH")).wantLog("ready: PUSH")
	if got := frames(s.sends()); got != `READY Socket-Type="PULL"` {
		t.Errorf("the server answers %s", got)
	}
}

// TestGreetingGoesFirst: no order of arrival may make the engine wait, since
// libzmq sends the rest of its greeting after it has seen ours.
func TestGreetingGoesFirst(t *testing.T) {
	s := newSide(t, &Config{SocketType: "PULL"})
	if got := s.sends(); !bytes.Equal(got, appendGreeting(nil, "NULL", false)) {
		t.Fatalf("before anything arrived, output is %x", got)
	}
	for i, octet := range peerGreeting(1) {
		if got := s.sends(); len(got) > 0 {
			t.Fatalf("after %d octets of greeting: %x", i, got)
		}
		s.gets(octets(int(octet)))
	}
	if got := frames(s.sends()); got != `READY Socket-Type="PULL"` {
		t.Errorf("after the greeting: %s", got)
	}
}

// scenarios are streams from a peer, by what they should cause. All of them are
// delivered in one piece, and cut in two at every octet.
var scenarios = []struct {
	name string
	cfg  Config
	wire []byte
	want []string
	sent string // what the engine says after its greeting
}{
	{"all that traffic has", Config{SocketType: "PAIR"},
		octets(peerGreeting(1), peerReady("PAIR"), message("a"), message("b", "", "c"), message(string(long)),
			AppendSubscribe(nil, []byte("topic"), 1), message("d"), AppendPing(nil, 0, []byte("ctx")),
			AppendCancel(nil, long, 1), command("UNKNOWN", "data"), AppendPong(nil, nil), message("")),
		[]string{"ready: PAIR", `message "a"`, `message "b" "" "c"`, "message " + quote(long), `subscribe "topic"`,
			`message "d"`, `cancel "` + string(long) + `"`, `message ""`},
		`READY Socket-Type="PAIR", PONG "ctx"`},
	{"commands inside a message", Config{SocketType: "PAIR"},
		octets(peerGreeting(1), peerReady("PAIR"), message("before"),
			AppendFrame(nil, FlagMore, []byte("a")), AppendPing(nil, 0, []byte("1")),
			AppendFrame(nil, FlagMore, long), AppendPing(nil, 0, []byte("2")), AppendSubscribe(nil, []byte("t"), 1),
			AppendFrame(nil, 0, []byte("z")), message("after")),
		[]string{"ready: PAIR", `message "before"`, `subscribe "t"`, `message "a" ` + quote(long) + ` "z"`, `message "after"`},
		`READY Socket-Type="PAIR", PONG "1", PONG "2"`},
	{"subscriptions of a 3.0 peer", Config{SocketType: "PUB"},
		octets(peerGreeting(0), peerReady("SUB"), AppendSubscribe(nil, []byte("A"), 0), AppendCancel(nil, []byte("A"), 0)),
		[]string{"ready: SUB", `message "\x01A"`, `message "\x00A"`}, `READY Socket-Type="PUB"`},
	{"commands from a 3.0 peer, which libzmq sends", Config{SocketType: "PAIR"},
		octets(peerGreeting(0), peerReady("PAIR"), AppendPing(nil, 0, nil)),
		[]string{"ready: PAIR"}, `READY Socket-Type="PAIR", PONG ""`},
	{"what libzmq puts up with", Config{SocketType: "PAIR"},
		octets(peerGreeting(1),
			AppendFrame(nil, 0, []byte("\x05READY\x0bsocket-type\x00\x00\x00\x04PAIR")), // no COMMAND flag
			0xf8, 1, "a", // reserved bits
			2, zeros[:7], 1, "b", // a long size for a short body
			0xfb, zeros[:7], 1, "c", 0, 1, "d"),
		[]string{"ready: PAIR", `message "a"`, `message "b"`, `message "c" "d"`}, `READY Socket-Type="PAIR"`},
	{"the flag that libzmq forgets", Config{SocketType: "PUB"},
		octets(peerGreeting(1), peerReady("SUB"), message("a"), 4, zeros[:6], 1, 4, 9, "SUBSCRIBE", long[:250], message("b")),
		[]string{"ready: SUB", `message "a"`, `subscribe "` + string(long[:250]) + `"`, `message "b"`}, `READY Socket-Type="PUB"`},
	{"no socket type", Config{SocketType: "PUB", Accept: func(string) bool { return false }},
		octets(peerGreeting(1), command("READY")), []string{"ready: "}, `READY Socket-Type="PUB"`},

	{"refused", Config{SocketType: "PUSH"},
		octets(peerGreeting(1), AppendError(nil, "Go away"), message("a")),
		[]string{"error: zmtp: refused by peer: Go away"}, `READY Socket-Type="PUSH"`},
	{"refused after READY", Config{SocketType: "PUSH"},
		octets(peerGreeting(1), peerReady("PULL"), AppendError(nil, "Go away")),
		[]string{"ready: PULL", "error: zmtp: refused by peer: Go away"}, `READY Socket-Type="PUSH"`},
	{"incompatible, seen by the server", Config{SocketType: "PUSH", AsServer: true, Accept: func(p string) bool { return p == "PULL" }},
		octets(peerGreeting(1), peerReady("SUB"), message("a")),
		[]string{"error: zmtp: incompatible socket types: PUSH cannot talk to SUB"}, `ERROR "Incompatible socket type"`},
	{"incompatible, seen by the client", Config{SocketType: "PUSH", Accept: func(p string) bool { return p == "PULL" }},
		octets(peerGreeting(1), peerReady("SUB"), message("a")),
		[]string{"error: zmtp: incompatible socket types: PUSH cannot talk to SUB"},
		`READY Socket-Type="PUSH", ERROR "Incompatible socket type"`},

	{"not ZMTP", Config{SocketType: "PUSH"}, octets("GET / HTTP/1.1"),
		[]string{"error: zmtp: peer speaks ZMTP 1.0 or not ZMTP at all"}, ""},
	{"ZMTP 2.0", Config{SocketType: "PUSH"}, octets(0xff, zeros[:8], 0x7f, 1, 7),
		[]string{"error: zmtp: peer speaks ZMTP 2.0 or older, and 3.0 is needed"}, ""},
	{"other mechanism", Config{SocketType: "PUSH"}, appendGreeting(nil, "CURVE", false),
		[]string{"error: zmtp: peer asks for security mechanism CURVE and this side for NULL"}, ""},
	{"message instead of READY", Config{SocketType: "PULL"}, octets(peerGreeting(1), message("hello")),
		[]string{"error: zmtp: malformed command"}, `READY Socket-Type="PULL"`},
	{"other command instead of READY", Config{SocketType: "PULL"}, octets(peerGreeting(1), AppendPing(nil, 0, nil)),
		[]string{"error: zmtp: unexpected command in the handshake"}, `READY Socket-Type="PULL"`},
	{"READY with MORE", Config{SocketType: "PULL"}, octets(peerGreeting(1), AppendFrame(nil, FlagMore, []byte("\x05READY"))),
		[]string{"error: zmtp: command frame with MORE set"}, `READY Socket-Type="PULL"`},
	{"READY command with MORE", Config{SocketType: "PULL"}, octets(peerGreeting(1), AppendFrame(nil, FlagMore|FlagCommand, []byte("\x05READY"))),
		[]string{"error: zmtp: command frame with MORE set"}, `READY Socket-Type="PULL"`},
	{"bad metadata", Config{SocketType: "PULL"}, octets(peerGreeting(1), command("READY", 11, "Socket-Ty")),
		[]string{"error: zmtp: malformed metadata"}, `READY Socket-Type="PULL"`},
	{"READY twice", Config{SocketType: "PULL"}, octets(peerGreeting(1), peerReady("PUSH"), peerReady("PUSH"), message("a")),
		[]string{"ready: PUSH", `message "a"`}, `READY Socket-Type="PULL"`}, // unknown by then
	{"READY too large", Config{SocketType: "PULL"},
		octets(peerGreeting(1), AppendFrameHeader(nil, FrameHeader{FlagCommand, MaxCommand + 1})),
		[]string{"error: zmtp: command exceeds the size limit"}, `READY Socket-Type="PULL"`},

	{"empty command", Config{SocketType: "PULL"}, octets(peerGreeting(1), peerReady("PUSH"), message("a"), 4, zeros[:8]),
		[]string{"ready: PUSH", `message "a"`, "error: zmtp: malformed command"}, `READY Socket-Type="PULL"`},
	{"malformed command", Config{SocketType: "PULL"}, octets(peerGreeting(1), peerReady("PUSH"), message("a"), 4, 2, 2, "X"),
		[]string{"ready: PUSH", `message "a"`, "error: zmtp: malformed command"}, `READY Socket-Type="PULL"`},
	{"PING without TTL", Config{SocketType: "PULL"}, octets(peerGreeting(1), peerReady("PUSH"), command("PING", 1)),
		[]string{"ready: PUSH", "error: zmtp: malformed PING command"}, `READY Socket-Type="PULL"`},
	{"malformed ERROR", Config{SocketType: "PULL"}, octets(peerGreeting(1), command("ERROR", 5, "x")),
		[]string{"error: zmtp: malformed ERROR command"}, `READY Socket-Type="PULL"`},
	{"MORE on a command", Config{SocketType: "PULL"}, octets(peerGreeting(1), peerReady("PUSH"), message("a"), 5, 5, 4, "PONG"),
		[]string{"ready: PUSH", `message "a"`, "error: zmtp: command frame with MORE set"}, `READY Socket-Type="PULL"`},
	{"frame too large", Config{SocketType: "PULL", MaxMessage: 5},
		octets(peerGreeting(1), peerReady("PUSH"), message("12345"), message("123456")),
		[]string{"ready: PUSH", `message "12345"`, "error: zmtp: frame exceeds the size limit"}, `READY Socket-Type="PULL"`},
	{"second frame too large", Config{SocketType: "PULL", MaxMessage: 5},
		octets(peerGreeting(1), peerReady("PUSH"), message("12345", "123456")),
		[]string{"ready: PUSH", "error: zmtp: frame exceeds the size limit"}, `READY Socket-Type="PULL"`},
	{"long frame too large", Config{SocketType: "PULL", MaxMessage: 256},
		octets(peerGreeting(1), peerReady("PUSH"), message(string(long[:256])), message(string(long[:257]))),
		[]string{"ready: PUSH", "message " + quote(long[:256]), "error: zmtp: frame exceeds the size limit"}, `READY Socket-Type="PULL"`},
	{"message too large", Config{SocketType: "PULL", MaxWhole: 14},
		octets(peerGreeting(1), peerReady("PUSH"), message("12345", "12345"), message("12345", "123456")),
		[]string{"ready: PUSH", `message "12345" "12345"`, "error: zmtp: message exceeds the size limit"}, `READY Socket-Type="PULL"`},
	{"message of one frame too large", Config{SocketType: "PULL", MaxWhole: 14},
		octets(peerGreeting(1), peerReady("PUSH"), message("123456789012"), message("1234567890123")),
		[]string{"ready: PUSH", `message "123456789012"`, "error: zmtp: message exceeds the size limit"}, `READY Socket-Type="PULL"`},
	{"endless message", Config{SocketType: "PULL", MaxWhole: 100},
		octets(peerGreeting(1), peerReady("PUSH"), bytes.Repeat([]byte{1, 0}, 51)),
		[]string{"ready: PUSH", "error: zmtp: message exceeds the size limit"}, `READY Socket-Type="PULL"`},
	{"endless commands inside a message", Config{SocketType: "PULL", MaxWhole: 100},
		octets(peerGreeting(1), peerReady("PUSH"), 1, 0, bytes.Repeat(AppendPong(nil, nil), 14), 1, 0),
		[]string{"ready: PUSH", "error: zmtp: message exceeds the size limit"}, `READY Socket-Type="PULL"`},
	{"command too large", Config{SocketType: "PUB"},
		octets(peerGreeting(1), peerReady("SUB"), message("a"), AppendFrameHeader(nil, FrameHeader{FlagCommand, MaxCommand + 1})),
		[]string{"ready: SUB", `message "a"`, "error: zmtp: command exceeds the size limit"}, `READY Socket-Type="PUB"`},
	{"command too large, inside a message", Config{SocketType: "PUB", MaxMessage: 1},
		octets(peerGreeting(1), peerReady("SUB"), 1, 1, "a", AppendFrameHeader(nil, FrameHeader{FlagCommand, MaxCommand + 1})),
		[]string{"ready: SUB", "error: zmtp: frame exceeds the size limit"}, `READY Socket-Type="PUB"`},
	{"commands are not subject to the limit on messages", Config{SocketType: "PUB", MaxMessage: 1},
		octets(peerGreeting(1), peerReady("SUB"), AppendSubscribe(nil, []byte("AAA"), 1), message("b")),
		[]string{"ready: SUB", `subscribe "AAA"`, `message "b"`}, `READY Socket-Type="PUB"`},
}

func TestScenarioEverySplit(t *testing.T) {
	for _, test := range scenarios {
		t.Run(test.name, func(t *testing.T) {
			for cut := range len(test.wire) + 1 {
				for _, most := range []int{1, 1000} {
					s := newSide(t, &test.cfg)
					s.sends()
					s.most = most
					s.gets(test.wire[:cut])
					s.gets(test.wire[cut:])
					if got, want := strings.Join(s.log, "\n"), strings.Join(test.want, "\n"); got != want {
						t.Fatalf("cut at %d:\n%s\nwant:\n%s", cut, got, want)
					}
					if got := frames(s.sends()); got != test.sent {
						t.Fatalf("cut at %d, output is %s, want %s", cut, got, test.sent)
					}
					if len(s.in) > 0 && s.err == nil {
						t.Fatalf("cut at %d: %x left over", cut, s.in)
					}
				}
			}
		})
	}
}

// TestScenarioPrefix says that no prefix of a sound stream is an error.
func TestScenarioPrefix(t *testing.T) {
	for _, test := range scenarios {
		s := newSide(t, &test.cfg)
		for i := range test.wire {
			if s.gets(test.wire[i : i+1]); s.err != nil && !strings.HasPrefix(test.want[len(test.want)-1], "error:") {
				t.Errorf("%s, %d octets: %v", test.name, i, s.err)
			}
		}
		if got, want := strings.Join(s.log, "\n"), strings.Join(test.want, "\n"); got != want {
			t.Errorf("%s, octet by octet:\n%s\nwant:\n%s", test.name, got, want)
		}
	}
}

func TestErrorsAreFinal(t *testing.T) {
	s := newReadySide(t, &Config{SocketType: "PULL"}, 1)
	s.gets(octets(4, 1, 9))
	if s.err != errBadCommand {
		t.Fatal(s.err)
	}
	if s.e.Ready() {
		t.Error("ready after an error")
	}
	if ev, err := s.e.Consume(s.now, message("a"), 1); err != errBadCommand || ev.N != 0 {
		t.Errorf("Consume after an error: %v, %v", ev, err)
	}
	if _, err := s.e.Tick(s.now); err != errBadCommand {
		t.Errorf("Tick after an error: %v", err)
	}
}

func TestErrorKinds(t *testing.T) {
	refuse := func(string) bool { return false }
	for _, test := range []struct {
		wire []byte
		want any
	}{
		{octets("GET"), new(*ProtocolError)},
		{octets(peerGreeting(1), AppendError(nil, "no")), new(*RefusedError)},
	} {
		s := newSide(t, &Config{SocketType: "PULL", Accept: refuse}).gets(test.wire)
		if !errors.As(s.err, test.want) {
			t.Errorf("%x: %T, want %T", test.wire, s.err, test.want)
		}
	}
	s := newSide(t, &Config{SocketType: "PULL", Accept: refuse}).gets(octets(peerGreeting(1), peerReady("SUB")))
	if !errors.Is(s.err, ErrIncompatible) {
		t.Errorf("%v is not ErrIncompatible", s.err)
	}
}

// TestSentPartly sends the output a few octets at a time, which is how it goes
// when the kernel's buffer is full.
func TestSentPartly(t *testing.T) {
	s := newSide(t, &Config{SocketType: "PAIR", Metadata: []Property{{"X-Large", make([]byte, 600)}}})
	s.gets(peerGreeting(1))
	var got []byte
	for i := 1; len(s.e.Output()) > 0; i++ {
		n := min(i, len(s.e.Output()))
		got = append(got, s.e.Output()[:n]...)
		s.e.Sent(n)
		if i == 3 {
			s.gets(octets(peerReady("PAIR"), AppendPing(nil, 0, []byte("x"))))
		}
	}
	if rest := got[greetingSize:]; !strings.HasSuffix(frames(rest), `, PONG "x"`) || !strings.HasPrefix(frames(rest), "READY") {
		t.Errorf("sent %s", frames(rest))
	}
	if kept := cap(s.e.out); kept > 4*initialOutput {
		t.Errorf("%d octets of output kept for nothing", kept)
	}
}

func TestSentTooMuch(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Sent of more than there is went unnoticed")
		}
	}()
	newSide(t, &Config{SocketType: "PAIR"}).e.Sent(greetingSize + 1)
}

func TestHandshakeTimeout(t *testing.T) {
	half := octets(peerGreeting(1), 4, 100, 5, "READY") // and no more
	for name, arrives := range map[string][]byte{"silent peer": nil, "slow peer": half} {
		s := newSide(t, &Config{SocketType: "PAIR", Handshake: 30 * time.Second})
		if next := s.tick(); next != 30*time.Second {
			t.Errorf("%s: first tick in %v", name, next)
		}
		for i := range arrives {
			s.wait(time.Second / 4).gets(arrives[i : i+1])
			if next, passed := s.tick(), time.Duration(i+1)*time.Second/4; next != 30*time.Second-passed {
				t.Fatalf("%s: %v passed, and %v are left", name, passed, next)
			}
		}
		s.wait(30*time.Second - s.now.Sub(time.Unix(1, 0)) - 1)
		if s.tick(); s.err != nil {
			t.Fatalf("%s: %v before the time", name, s.err)
		}
		s.wait(1).tick()
		if s.err != ErrHandshakeTimeout {
			t.Errorf("%s: %v, want %v", name, s.err, ErrHandshakeTimeout)
		}
	}
	s := newReadySide(t, &Config{SocketType: "PAIR", Handshake: 30 * time.Second}, 1)
	if next := s.wait(time.Hour).tick(); next != -1 || s.err != nil {
		t.Errorf("after the handshake its deadline still counts: %v, %v", next, s.err)
	}
	s = newSide(t, &Config{SocketType: "PAIR"})
	if next := s.wait(time.Hour).tick(); next != -1 || s.err != nil {
		t.Errorf("no deadline was set: %v, %v", next, s.err)
	}
}

// TestHoldsLittle counts what an idle connection keeps: 10,000 of them must not
// need more than a few megabytes.
func TestHoldsLittle(t *testing.T) {
	s := newSide(t, &Config{SocketType: "ROUTER", HeartbeatEvery: time.Second})
	s.gets(octets(peerGreeting(1), appendReady(nil, &Config{SocketType: "DEALER", Identity: []byte("worker-1")})))
	s.sends()
	s.wait(time.Second).tick()
	s.sends()
	e := s.e
	if e.mech != nil {
		t.Error("the handshake is over and its mechanism still here")
	}
	holds := int(unsafe.Sizeof(*e)) + cap(e.out) + int(unsafe.Sizeof(*e.peer)) + cap(e.peer.Identity)
	if holds > 600 {
		t.Errorf("an idle connection holds %d octets", holds)
	}
	t.Logf("an idle connection holds %d octets, %d of them the Engine", holds, unsafe.Sizeof(*e))
}

// TestSetUpAllocatesLittle counts all that a connection allocates until it is up,
// kept or not.
func TestSetUpAllocatesLittle(t *testing.T) {
	const connections = 1000
	cfg, now := &Config{SocketType: "PULL"}, time.Unix(1, 0)
	hello := [][]byte{peerGreeting(1), peerReady("PUSH")}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range connections {
		e := NewEngine(cfg, now)
		for _, wire := range hello {
			if ev, err := e.Consume(now, wire, 1); err != nil || ev.N != len(wire) {
				t.Fatal(ev, err)
			}
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / connections; each > 640 {
		t.Errorf("a connection allocates %d octets", each)
	}
}

// TestSteadyStateDoesNotAllocate covers everything that happens once the
// connection is up.
func TestSteadyStateDoesNotAllocate(t *testing.T) {
	s := newReadySide(t, &Config{SocketType: "PAIR", HeartbeatEvery: time.Second}, 1)
	e, now := s.e, s.now
	inside := octets(1, 1, "a", AppendPing(nil, 0, []byte("ctx")), 0, 1, "z")
	wire := octets(message("a"), message("b", string(long)), AppendSubscribe(nil, long, 1),
		AppendPing(nil, time.Second, []byte("ctx")), AppendCancel(nil, long, 1), command("UNKNOWN"), inside)
	buf := make([]byte, len(wire))
	if n := testing.AllocsPerRun(100, func() {
		copy(buf, wire)
		now = now.Add(2 * time.Second)
		if _, err := e.Tick(now); err != nil {
			t.Fatal(err)
		}
		for b := buf; len(b) > 0; {
			ev, err := e.Consume(now, b, 10)
			if err != nil || ev.Kind == EventNone {
				t.Fatal(ev, err)
			}
			b = b[ev.N:]
		}
		if len(e.Output()) == 0 {
			t.Fatal("neither PING nor PONG")
		}
		e.Sent(len(e.Output()))
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// TestClaimsDoNotAllocate: what a peer says is coming costs nothing until it is
// there.
func TestClaimsDoNotAllocate(t *testing.T) {
	claims := [][]byte{
		AppendFrameHeader(nil, FrameHeader{0, 1 << 30}),
		AppendFrameHeader(nil, FrameHeader{FlagMore, 1 << 30}),
		AppendFrameHeader(nil, FrameHeader{FlagCommand, MaxCommand}),
	}
	e := newReadyEngine(t, &Config{SocketType: "PAIR"}, 1)
	if n := testing.AllocsPerRun(100, func() {
		for _, claim := range claims {
			ev, err := e.Consume(time.Unix(1, 0), claim, 10)
			if h, _, _ := ConsumeFrameHeader(claim, 1<<30); err != nil || ev.Need != len(claim)+h.Size {
				t.Fatal(ev, err)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
