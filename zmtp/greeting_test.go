package zmtp

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// octets joins strings, slices and single octets.
func octets(parts ...any) []byte {
	var b []byte
	for _, part := range parts {
		switch part := part.(type) {
		case int:
			b = append(b, byte(part))
		case string:
			b = append(b, part...)
		case []byte:
			b = append(b, part...)
		}
	}
	return b
}

var zeros = make([]byte, 64)

var greetings = []struct {
	name      string
	wire      []byte
	mechanism string
	minor     uint8
}{
	{"ours", octets(0xff, zeros[:8], 0x7f, 3, 1, "NULL", zeros[:16], 0, zeros[:31]), "NULL", 1},
	{"libzmq's, with a padding", octets(0xff, zeros[:7], 6, 0x7f, 3, 1, "NULL", zeros[:16], 0, zeros[:31]), "NULL", 1},
	{"3.0", octets(0xff, zeros[:8], 0x7f, 3, 0, "NULL", zeros[:16], 0, zeros[:31]), "NULL", 0},
	// "A peer MUST accept higher protocol versions as valid."
	{"3.9", octets(0xff, zeros[:8], 0x7f, 3, 9, "NULL", zeros[:16], 0, zeros[:31]), "NULL", 1},
	{"4.0", octets(0xff, zeros[:8], 0x7f, 4, 0, "NULL", zeros[:16], 0, zeros[:31]), "NULL", 1},
	{"255.0", octets(0xff, zeros[:8], 0x7f, 255, 0, "NULL", zeros[:16], 0, zeros[:31]), "NULL", 1},
	{"other bits of the signature", octets(0xff, "12345678", 0x01, 3, 1, "NULL", zeros[:16], 0, zeros[:31]), "NULL", 1},
	{"a filler", octets(0xff, zeros[:8], 0x7f, 3, 1, "NULL", zeros[:16], 0, strings.Repeat("x", 31)), "NULL", 1},
	{"a server", octets(0xff, zeros[:8], 0x7f, 3, 1, "NULL", zeros[:16], 1, zeros[:31]), "NULL", 1},
	{"longest mechanism", octets(0xff, zeros[:8], 0x7f, 3, 1, "ABCDEFGHIJ0123456789", 1, zeros[:31]), "ABCDEFGHIJ0123456789", 1},
}

func TestGreeting(t *testing.T) {
	for _, test := range greetings {
		t.Run(test.name, func(t *testing.T) {
			g, n, err := consumeGreeting(append(bytes.Clone(test.wire), "more"...))
			if n != greetingSize || err != nil || g.minor != test.minor {
				t.Fatalf("minor %d, n %d, err %v; want minor %d", g.minor, n, err, test.minor)
			}
			if err := g.checkMechanism(test.mechanism); err != nil {
				t.Error(err)
			}
			for i := range test.wire {
				if _, n, err := consumeGreeting(test.wire[:i]); n != 0 || err != nil {
					t.Errorf("%d octets: n %d, err %v; want to wait for more", i, n, err)
				}
			}
		})
	}
	for i, server := range []bool{false, true} {
		g := appendGreeting(nil, "NULL", server)
		if g[asServerAt] != byte(i) {
			t.Errorf("as-server octet of %v is %d", server, g[asServerAt])
		}
		if g[asServerAt] = 0; !bytes.Equal(g, greetings[0].wire) {
			t.Errorf("greeting is %x, want %x", g, greetings[0].wire)
		}
	}
}

var refusedGreetings = []struct {
	name string
	wire []byte
	at   int // how many octets it takes to know
	want error
}{
	{"ZMTP 1.0, no identity", octets(0x01, 0x00), 1, errNotZMTP},
	{"ZMTP 1.0, long identity", octets(0xff, zeros[:7], 200, 0x00, "id"), 10, errNotZMTP},
	{"ZMTP 1.0 by its version", octets(0xff, zeros[:7], 1, 0x7f, 0), 11, errZMTP2},
	{"ZMTP 2.0", octets(0xff, zeros[:7], 1, 0x7f, 1, 8, 0, 0), 11, errZMTP2},
	{"ZMTP 2.0 by its other version", octets(0xff, zeros[:7], 1, 0x7f, 2, 8), 11, errZMTP2},
	{"HTTP", octets("GET / HTTP/1.1\r\n\r\n"), 1, errNotZMTP},
	{"TLS", octets(0x16, 3, 1, 2, 0, 1), 1, errNotZMTP},
}

// TestGreetingRefused has peers we cannot talk to, and wants to know at the
// first octet that shows it.
func TestGreetingRefused(t *testing.T) {
	for _, test := range refusedGreetings {
		for i := range len(test.wire) + 1 {
			_, n, err := consumeGreeting(test.wire[:i])
			if want := i >= test.at; n != 0 || want && err != test.want || !want && err != nil {
				t.Errorf("%s, %d octets: n %d, err %v; want %v at %d", test.name, i, n, err, test.want, test.at)
			}
		}
	}
}

func TestGreetingMechanismMismatch(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "CURVE", "NUL", "NULLX", "null", "", "NULL\x00X"} {
		b := appendGreeting(nil, mechanism, false)
		g, _, err := consumeGreeting(b)
		if err != nil {
			t.Fatal(err)
		}
		err = g.checkMechanism("NULL")
		var broke *ProtocolError
		if !errors.As(err, &broke) {
			t.Errorf("mechanism %q: %v, want a ProtocolError", mechanism, err)
		}
	}
	g, _, _ := consumeGreeting(appendGreeting(nil, "\x1b[31mPLAIN", false))
	if err := g.checkMechanism("NULL"); strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%q has the peer's control characters in it", err)
	}
}
