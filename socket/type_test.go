package socket

import (
	"fmt"
	"strings"
	"testing"
)

// talks is the table of https://rfc.zeromq.org/spec/23/#the-socket-type-property
// once more: a mark where the type at the left may talk to the one above.
const talks = `
       REQ REP DEALER ROUTER PUB SUB XPUB XSUB PUSH PULL PAIR
REQ    .   x   .      x      .   .   .    .    .    .    .
REP    x   .   x      .      .   .   .    .    .    .    .
DEALER .   x   x      x      .   .   .    .    .    .    .
ROUTER x   .   x      x      .   .   .    .    .    .    .
PUB    .   .   .      .      .   x   .    x    .    .    .
SUB    .   .   .      .      x   .   x    .    .    .    .
XPUB   .   .   .      .      .   x   .    x    .    .    .
XSUB   .   .   .      .      x   .   x    .    .    .    .
PUSH   .   .   .      .      .   .   .    .    .    x    .
PULL   .   .   .      .      .   .   .    .    x    .    .
PAIR   .   .   .      .      .   .   .    .    .    .    x
`

func TestTypeCompatible(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(talks), "\n")
	names := strings.Fields(lines[0])
	if len(names) != int(endOfTypes)-1 {
		t.Fatalf("%d types in the table, want %d", len(names), endOfTypes-1)
	}
	for i, line := range lines[1:] {
		typ, marks := Type(i+1), strings.Fields(line)
		if typ.String() != marks[0] {
			t.Fatalf("type %d is %v, want %s", i+1, typ, marks[0])
		}
		for j, mark := range marks[1:] {
			if got, want := typ.compatible(names[j]), mark == "x"; got != want {
				t.Errorf("%v.compatible(%s) = %v, want %v", typ, names[j], got, want)
			}
			if Type(j+1).compatible(marks[0]) != typ.compatible(names[j]) {
				t.Errorf("%v and %s disagree", typ, names[j])
			}
		}
		for _, stranger := range []string{"", "STREAM", "req", strings.ToLower(typ.types()[0]), typ.types()[0] + " "} {
			if typ.compatible(stranger) {
				t.Errorf("%v is compatible with %q", typ, stranger)
			}
		}
	}
}

func (t Type) types() []string { return types[t].peers }

// TestJoint: those whose halves share state have one lock for both.
func TestJoint(t *testing.T) {
	for typ := Type(1); typ < endOfTypes; typ++ {
		want := typ == TypeReq || typ == TypeRep || typ == TypePub || typ == TypeXPub
		if newPattern(typ, new(Options), 0).joint() != want {
			t.Errorf("%v: joint is not %v", typ, want)
		}
	}
}

func TestTypeUnknown(t *testing.T) {
	for _, typ := range []Type{0, endOfTypes, 255} {
		if typ.valid() || typ.compatible("REP") || typ.compatible("") {
			t.Errorf("%v passes for a type", typ)
		}
		if got, want := typ.String(), fmt.Sprintf("Type(%d)", uint8(typ)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("newPattern made something of %v", typ)
				}
			}()
			newPattern(typ, new(Options), 0)
		}()
	}
}

// What is no type is refused, and named.
func TestNoSuchType(t *testing.T) {
	for _, typ := range []Type{0, endOfTypes, 255} {
		if s, err := New(typ, nil); s != nil || err == nil || !strings.Contains(err.Error(), typ.String()) {
			t.Errorf("%v, %v", s, err)
		}
	}
}
