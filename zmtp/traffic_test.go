package zmtp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestWalk compares walkMessages with the slow way, frame by frame, over random
// streams cut anywhere.
func TestWalk(t *testing.T) {
	const seed = 1
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, seed))
	for range 2000 {
		var b []byte
		for range rng.IntN(8) {
			flags := []Flags{0, 0, 0, FlagMore, FlagMore, FlagCommand}[rng.IntN(6)]
			size := []int{0, 1, 2, 64, 255, 256, 1000}[rng.IntN(7)]
			b = AppendFrame(b, flags, make([]byte, size+1)) // a command has a name
		}
		b = b[:rng.IntN(len(b)+1)]
		most, frameMax, wholeMax := 1+rng.IntN(5), []int{300, 1 << 20}[rng.IntN(2)], []int{600, 1 << 20}[rng.IntN(2)]
		got, want := walkMessages(b, 0, 0, most, frameMax, wholeMax), walkSlowly(b, most, frameMax, wholeMax)
		if got.end != want.end || got.n != want.n || got.at != want.at || got.why != want.why || got.err != want.err {
			t.Fatalf("%x, most %d, limits %d and %d: %+v, want %+v", b, most, frameMax, wholeMax, got, want)
		}
		if got.why == stopShort && (got.need <= len(b) || want.need != 0 && got.need != want.need) {
			t.Fatalf("%x: need %d, want %d", b, got.need, want.need)
		}
	}
}

func walkSlowly(b []byte, most, frameMax, wholeMax int) (w walk) {
	for w.n < most {
		h, n, err := ConsumeFrameHeader(b[w.at:], 1<<62)
		next := w.at + n + h.Size
		switch {
		case err != nil:
			w.why, w.err = stopBroken, err
		case n == 0:
			w.why = stopShort
		case h.Flags&FlagCommand != 0:
			w.why = stopCommand
		case h.Size > frameMax:
			w.why, w.err = stopBroken, errFrameTooLarge
		case next-w.end > wholeMax:
			w.why, w.err = stopBroken, errMessageTooLarge
		case next > len(b):
			w.why, w.need = stopShort, next
		default:
			w.at = next
			if h.Flags&FlagMore == 0 {
				w.end, w.n = next, w.n+1
			}
			continue
		}
		return w
	}
	w.why = stopFull
	return w
}

// TestWalkRemembers overwrites the headers of frames that were walked over: an
// engine that looked at them again, as one would that took quadratic time for
// large messages, would stumble.
func TestWalkRemembers(t *testing.T) {
	e := newReadyEngine(t, &Config{SocketType: "PULL"}, 1)
	now := time.Unix(1, 0)
	wire := message("a", "b", string(long), "c", "d")
	b := bytes.Clone(wire[:len(wire)-1])
	for end := range b {
		ev, err := e.Consume(now, b[:end], 10)
		if ev.Kind != EventNone || err != nil {
			t.Fatal(ev, err)
		}
		for i := range e.walked {
			b[i] = 0xff
		}
	}
	if ev, err := e.Consume(now, append(b, 'd'), 10); ev.Messages != 1 || ev.N != len(wire) || err != nil {
		t.Fatal(ev, err)
	}
}

// TestWalkRemembersBehindRun: the walk goes on behind a run of messages where it
// was when it reported them.
func TestWalkRemembersBehindRun(t *testing.T) {
	e := newReadyEngine(t, &Config{SocketType: "PULL"}, 1)
	now := time.Unix(1, 0)
	b := octets(message("whole"), 1, 1, "a", 1, 1, "b", 0, 1)
	ev, err := e.Consume(now, b, 10)
	if ev.Messages != 1 || err != nil || e.walked != 6 {
		t.Fatalf("%v, %v, walked %d", ev, err, e.walked)
	}
	b = append(b[ev.N:], 'c')
	b[0], b[3] = 0xff, 0xff
	if ev, err = e.Consume(now, b, 10); ev.Messages != 1 || ev.N != 9 || err != nil {
		t.Fatal(ev, err)
	}
}

// TestMaxFrames: a message of too many frames is refused, wherever the reads cut
// it, and one of as many as there may be is not. Each message has its own count.
func TestMaxFrames(t *testing.T) {
	empty := func(n int) []byte { return bytes.Repeat([]byte{byte(FlagMore), 0}, n) }
	most := empty(uncounted/2 + maxFrames - 1)
	for _, test := range []struct {
		name string
		wire []byte
		want string
	}{
		{"short frames", octets(most, 0, 0, most, 0, 0), "2 messages, <nil>"},
		{"short messages", octets(bytes.Repeat([]byte{0, 0}, uncounted), most, 0, 0), "131073 messages, <nil>"},
		{"one frame more", octets(most, 1, 0, 0, 0), "0 messages, zmtp: message has too many frames"},
		{"one more behind a message", octets(most, 0, 0, most, 1, 0, 0, 0), "1 messages, zmtp: message has too many frames"},
		{"a command is none", octets(most, AppendPong(nil, nil), 0, 0), "1 messages, <nil>"},
	} {
		for _, read := range []int{len(test.wire), 100_001} {
			e := newReadyEngine(t, &Config{SocketType: "PULL"}, 1)
			at, messages := 0, 0
			var err error
			for end := 0; end < len(test.wire) && err == nil; {
				end = min(end+read, len(test.wire))
				for ev := (Event{Kind: EventHandled}); ev.Kind != EventNone && err == nil; at += ev.N {
					ev, err = e.Consume(time.Unix(1, 0), test.wire[at:end], 1<<20)
					messages += ev.Messages
				}
			}
			if got := fmt.Sprintf("%d messages, %v", messages, err); got != test.want {
				t.Errorf("%s, reads of %d: %s, want %s", test.name, read, got, test.want)
			}
		}
	}
}

// TestNeed: a caller that waits for as many octets as it was told to need makes
// do with few calls, and never waits for octets that do not come.
func TestNeed(t *testing.T) {
	wire := octets(peerGreeting(1), peerReady("PAIR"), message(string(long), "b"), AppendSubscribe(nil, long, 1), message("c"))
	e := NewEngine(&Config{SocketType: "PAIR"}, time.Unix(1, 0))
	from, to, calls := 0, 0, 0
	for from < len(wire) {
		ev, err := e.Consume(time.Unix(1, 0), wire[from:to], 10)
		if err != nil {
			t.Fatal(err)
		}
		calls++
		from += ev.N
		if ev.Kind == EventNone {
			if to = from + ev.Need; to > len(wire) {
				t.Fatalf("at %d of %d, needs %d", from, len(wire), ev.Need)
			}
		}
	}
	// None, and then one event or another None, per greeting and per header and
	// body of each frame.
	if calls > 2+5*4 {
		t.Errorf("%d calls", calls)
	}
}

// TestMaxMessages takes messages a few at a time.
func TestMaxMessages(t *testing.T) {
	wire := octets(message("a"), message("b", "b"), message(string(long)), message("d"), message("e"))
	for most := 1; most <= 6; most++ {
		s := newReadySide(t, &Config{SocketType: "PULL"}, 1)
		s.most = most
		s.gets(wire).wantLog(`message "a"`, `message "b" "b"`, "message "+quote(long), `message "d"`, `message "e"`)
	}
}

// TestNoRoom: with no room for messages the engine still handles what comes
// before them, and says that there is one rather than that it needs octets.
func TestNoRoom(t *testing.T) {
	for _, most := range []int{0, -1} {
		e := newReadyEngine(t, &Config{SocketType: "PULL"}, 1)
		now := time.Unix(1, 0)
		b := octets(AppendPing(nil, 0, nil), message("a"))
		ev, err := e.Consume(now, b, most)
		if ev.Kind != EventHandled || err != nil || len(e.Output()) == 0 {
			t.Fatal(ev, err)
		}
		b = b[ev.N:]
		if ev, err = e.Consume(now, b[:2], most); ev.Kind != EventNone || ev.Need != 3 || err != nil {
			t.Fatalf("part of a message: %v, %v", ev, err)
		}
		if ev, err = e.Consume(now, b, most); ev.Kind != EventNone || ev.Need != 0 || ev.N != 0 || err != nil {
			t.Fatalf("a whole message: %v, %v", ev, err)
		}
		if ev, err = e.Consume(now, b, 1); ev.Messages != 1 || ev.N != len(b) || err != nil {
			t.Fatalf("room again: %v, %v", ev, err)
		}
	}
}

// TestCommandsInsideMessage puts commands between the frames of messages, where
// libzmq puts its PINGs, in every combination.
func TestCommandsInsideMessage(t *testing.T) {
	parts := []string{"a", string(long), "", "z"}
	for where := range 1 << len(parts) {
		var wire []byte
		var want []string
		for i, part := range parts {
			if where&(1<<i) != 0 {
				topic := fmt.Sprint("topic", i)
				wire = AppendSubscribe(wire, []byte(topic), 1)
				wire = AppendPing(wire, 0, nil)
				want = append(want, fmt.Sprintf("subscribe %q", topic))
			}
			flags := FlagMore
			if i == len(parts)-1 {
				flags = 0
			}
			wire = AppendFrame(wire, flags, []byte(part))
		}
		want = append(want, `message "a" `+quote(long)+` "" "z"`)
		s := newReadySide(t, &Config{SocketType: "PAIR"}, 1)
		s.gets(octets(wire, wire)).wantLog(append(want, want...)...)
	}
}

// TestBodyAliases: a topic is not copied, and appending to it does not write
// into what follows.
func TestBodyAliases(t *testing.T) {
	e := newReadyEngine(t, &Config{SocketType: "PUB"}, 1)
	b := octets(AppendSubscribe(nil, []byte("topic"), 1), message("a"))
	ev, err := e.Consume(time.Unix(1, 0), b, 1)
	if err != nil || ev.Kind != EventSubscribe {
		t.Fatal(ev, err)
	}
	if &ev.Body[0] != &b[ev.N-5] || cap(ev.Body) != 5 {
		t.Errorf("body of %d octets with room for %d", len(ev.Body), cap(ev.Body))
	}
}

// TestPingFlood: a peer that asks and does not read cannot make us store more
// than a limit, and gets answers again once it reads.
func TestPingFlood(t *testing.T) {
	s := newReadySide(t, &Config{SocketType: "PAIR"}, 1)
	ping := AppendPing(nil, 0, []byte("0123456789abcdef"))
	s.gets(bytes.Repeat(ping, 10_000))
	if n, most := len(s.e.Output()), maxPending+FrameSize(len(pongPrefix)+maxPingContext); n > most || n < maxPending {
		t.Errorf("%d octets of PONGs wait, and %d may", n, most)
	}
	s.sends()
	s.gets(ping)
	if got := frames(s.sends()); got != `PONG "0123456789abcdef"` {
		t.Errorf("after the flood: %s", got)
	}
}
