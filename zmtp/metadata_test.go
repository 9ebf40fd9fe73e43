package zmtp

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

var properties = []struct {
	name  string
	wire  []byte
	value string
}{
	{"Socket-Type", octets(11, "Socket-Type", 0, 0, 0, 4, "PUSH"), "PUSH"},
	{"X", octets(1, "X", 0, 0, 0, 0), ""},
	{string(long[:255]), octets(255, long[:255], 0, 0, 1, 44, long), string(long)},
}

func TestProperty(t *testing.T) {
	for _, test := range properties {
		if got := AppendProperty(nil, test.name, []byte(test.value)); !bytes.Equal(got, test.wire) {
			t.Errorf("append: %x, want %x", got, test.wire)
		}
		name, value, n, err := ConsumeProperty(append(bytes.Clone(test.wire), "more"...))
		if string(name) != test.name || string(value) != test.value || n != len(test.wire) || err != nil {
			t.Errorf("consume: %q, %q, %d, %v", name, value, n, err)
		}
		// Metadata arrives in one piece, so what is cut is broken.
		for i := range test.wire {
			if name, value, n, err := ConsumeProperty(test.wire[:i]); err != errBadMetadata {
				t.Errorf("%d octets: %q, %q, %d, %v", i, name, value, n, err)
			}
		}
	}
	for name, wire := range map[string][]byte{
		"no name":                octets(0, 0, 0, 0, 1, "x"),
		"value longer than all":  octets(1, "X", 0, 0, 0, 2, "x"),
		"value of 2^32-1 octets": octets(1, "X", 0xff, 0xff, 0xff, 0xff, "x"),
	} {
		if _, _, _, err := ConsumeProperty(wire); err != errBadMetadata {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMetadata(t *testing.T) {
	wire := octets(
		AppendProperty(nil, "SOCKET-type", []byte("DEALER")), // "Metadata names SHALL be case-insensitive."
		AppendProperty(nil, "identity", []byte("me")),
		AppendProperty(nil, "X-Hello", []byte("world")),
		AppendProperty(nil, "Resource", []byte("a/b")),
	)
	p, err := consumeMetadata(wire)
	if err != nil {
		t.Fatal(err)
	}
	clear(wire) // what the peer is must not alias what it sent
	want := &Peer{SocketType: "DEALER", Identity: []byte("me"),
		Properties: []Property{{"X-Hello", []byte("world")}, {"Resource", []byte("a/b")}}}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got %v, want %v", p, want)
	}
	for name, want := range map[string]string{
		"socket-TYPE": "DEALER", "Identity": "me", "x-hello": "world", "Resource": "a/b", "X-Other": "",
	} {
		if got := p.Property(name); string(got) != want {
			t.Errorf("Property(%q) = %q, want %q", name, got, want)
		}
	}
	if p.Property("X-Other") != nil {
		t.Error("a property that was not sent is not nil")
	}
}

func TestMetadataLast(t *testing.T) {
	p, err := consumeMetadata(octets(
		AppendProperty(nil, "Identity", []byte("a")), AppendProperty(nil, "Identity", []byte("b"))))
	if err != nil || string(p.Identity) != "b" {
		t.Errorf("identity %q, err %v; want the last one to count", p.Identity, err)
	}
}

func TestMetadataLimits(t *testing.T) {
	for _, test := range []struct {
		name string
		wire []byte
		want error
	}{
		{"nothing", nil, nil},
		{"one octet left", octets(AppendProperty(nil, "X", nil), 1), errBadMetadata},
		{"as many properties as may be", bytes.Repeat(AppendProperty(nil, "X", nil), maxProperties), nil},
		{"one more", bytes.Repeat(AppendProperty(nil, "X", nil), maxProperties+1), errManyProperties},
		{"longest identity", AppendProperty(nil, "Identity", long[:255]), nil},
		{"longer", AppendProperty(nil, "Identity", long[:256]), errBadIdentity},
		// "The first octet of the Identity SHALL NOT be zero", but libzmq's may be.
		{"identity of a zero octet", AppendProperty(nil, "Identity", octets(0)), nil},
		{"identity as a ROUTER makes them up", AppendProperty(nil, "Identity", octets(0, 1, 2, 3, 4)), nil},
	} {
		if _, err := consumeMetadata(test.wire); err != test.want {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}

func TestAppendMetadata(t *testing.T) {
	for _, socketType := range socketTypes {
		cfg := &Config{SocketType: socketType, Identity: []byte("id"), Metadata: []Property{{"X-A", []byte("b")}}}
		b := appendMetadata(nil, cfg)
		if len(b) != metadataSize(cfg) {
			t.Errorf("%s: %d octets, metadataSize says %d", socketType, len(b), metadataSize(cfg))
		}
		p, err := consumeMetadata(b)
		if err != nil || p.SocketType != socketType || string(p.Property("X-A")) != "b" {
			t.Errorf("%s: %v, %v", socketType, p, err)
		}
		// libzmq sends Identity from these three types and no other.
		if announces := strings.Contains("REQ DEALER ROUTER", socketType); announces != (string(p.Identity) == "id") {
			t.Errorf("%s announces identity %q", socketType, p.Identity)
		}
	}
}

func TestAccept(t *testing.T) {
	cfg := &Config{SocketType: "PUSH", Accept: func(peer string) bool { return peer == "PULL" }}
	for _, test := range []struct {
		peer string
		want error
	}{{"PULL", nil}, {"", nil}, {"SUB", ErrIncompatible}, {"pull", ErrIncompatible}} {
		if err := cfg.accept(&Peer{SocketType: test.peer}); !errors.Is(err, test.want) {
			t.Errorf("peer %q: %v, want %v", test.peer, err, test.want)
		}
	}
	cfg.Accept = nil
	if err := cfg.accept(&Peer{SocketType: "SUB"}); err != nil {
		t.Errorf("nobody to ask: %v", err)
	}
	cfg.Accept = func(string) bool { return false }
	if err := cfg.accept(&Peer{SocketType: strings.Repeat("\n", 1000)}); len(err.Error()) > 100 || strings.Contains(err.Error(), "\n") {
		t.Errorf("the peer's words are in the log as they came: %q", err)
	}
}

func FuzzMetadata(f *testing.F) {
	for _, test := range properties {
		f.Add(test.wire)
		f.Add(append(bytes.Clone(test.wire), test.wire...))
	}
	f.Add(appendMetadata(nil, &Config{SocketType: "DEALER", Identity: []byte("me")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := consumeMetadata(b)
		if err != nil {
			return
		}
		if len(p.Properties) > maxProperties || len(p.Identity) > maxIdentity {
			t.Fatalf("%x exceeds a limit", b)
		}
		kept := len(p.SocketType) + len(p.Identity)
		for _, property := range p.Properties {
			kept += len(property.Name) + len(property.Value)
		}
		if kept > len(b) {
			t.Fatalf("%d octets made us keep %d", len(b), kept)
		}
		// What is kept survives the octets it came in, and can be sent again.
		want := p.String()
		clear(b)
		again := AppendProperty(nil, PropertySocketType, []byte(p.SocketType))
		again = AppendProperty(again, PropertyIdentity, p.Identity)
		for _, property := range p.Properties {
			again = AppendProperty(again, property.Name, property.Value)
		}
		if len(p.Properties) > maxProperties-2 {
			return
		}
		q, err := consumeMetadata(again)
		if err != nil || q.String() != want {
			t.Fatalf("round trip of %s = %v, %v", want, q, err)
		}
	})
}
