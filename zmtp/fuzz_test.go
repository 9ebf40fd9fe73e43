package zmtp

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzEngine delivers octets in one read, and then the same octets cut as cuts
// says, to an engine that may take few messages at once. Both must see the same,
// and the messages that a plain reading of the octets finds. The side that owns
// the engines checks what must hold after every call.
func FuzzEngine(f *testing.F) {
	for _, test := range scenarios {
		f.Add(test.wire, []byte{1, 5, 2}, byte(3), false)
		if bytes.HasPrefix(test.wire, peerGreeting(1)) {
			f.Add(test.wire[greetingSize:], []byte{7}, byte(1), true)
		}
	}
	f.Fuzz(func(t *testing.T, wire, cuts []byte, most byte, greeted bool) {
		if greeted { // or else few inputs would get past the greeting
			wire = append(peerGreeting(1), wire...)
		}
		cfg := &Config{SocketType: "PAIR", MaxMessage: 1000, MaxWhole: 3000}
		whole, pieces := newSide(t, cfg), newSide(t, cfg)
		whole.gets(wire)
		pieces.most = 1 + int(most%8)
		for i, rest := 0, wire; len(rest) > 0; i++ {
			n := len(rest)
			if len(cuts) > 0 {
				n = min(n, int(cuts[i%len(cuts)]))
			}
			pieces.gets(rest[:n])
			if rest = rest[n:]; n == 0 {
				cuts = nil // a cut of zero: the rest in one piece
			}
		}
		got, want := strings.Join(pieces.log, "\n"), strings.Join(whole.log, "\n")
		if got != want {
			t.Fatalf("in pieces:\n%s\nin one:\n%s", got, want)
		}
		if got, want := pieces.e.Output(), whole.e.Output(); !bytes.Equal(got, want) {
			t.Fatalf("output in pieces %x, in one %x", got, want)
		}
		wantOrder(t, whole.log)
		wantSame(t, whole, wire)
		wantModest(t, whole, len(wire))
	})
}

// wantOrder: nothing before the handshake is over, and nothing after an error.
func wantOrder(t *testing.T, log []string) {
	for i, line := range log {
		switch {
		case i == 0 && !strings.HasPrefix(line, "ready:") && !strings.HasPrefix(line, "error:"):
			t.Fatalf("before the handshake is over: %s", line)
		case i > 0 && strings.HasPrefix(line, "ready:"):
			t.Fatalf("ready again after %s", log[i-1])
		case i < len(log)-1 && strings.HasPrefix(line, "error:"):
			t.Fatalf("after an error: %s", log[i+1])
		}
	}
}

// wantSame compares the messages in the log with those of a plain reading.
func wantSame(t *testing.T, s *side, wire []byte) {
	if len(s.log) == 0 || !strings.HasPrefix(s.log[0], "ready:") {
		return
	}
	_, n, _ := ConsumeFrame(wire[greetingSize:], MaxCommand)
	var parts, want []string
	for b := wire[greetingSize+n:]; ; b = b[n:] {
		var frame Frame
		var err error
		if frame, n, err = ConsumeFrame(b, 1<<30); n == 0 || err != nil {
			break
		}
		if frame.Flags&FlagCommand != 0 {
			continue
		}
		if parts = append(parts, quote(frame.Body)); frame.Flags&FlagMore == 0 {
			want = append(want, "message "+strings.Join(parts, " "))
			parts = nil
		}
	}
	var got []string
	for _, line := range s.log {
		if strings.HasPrefix(line, "message ") {
			got = append(got, line)
		}
	}
	if s.err == nil && len(got) != len(want) || len(got) > len(want) {
		t.Fatalf("%d messages of %d, err %v", len(got), len(want), s.err)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("message %d is %s, want %s", i, got[i], want[i])
		}
	}
}

// wantModest bounds what the engine keeps by what it got.
func wantModest(t *testing.T, s *side, arrived int) {
	keeps := cap(s.e.out)
	if p := s.e.peer; p != nil {
		keeps += len(p.SocketType) + len(p.Identity)
		for _, property := range p.Properties {
			keeps += len(property.Name) + len(property.Value)
		}
	}
	if most := 2*maxPending + arrived; keeps > most {
		t.Fatalf("%d octets made the engine keep %d", arrived, keeps)
	}
}
