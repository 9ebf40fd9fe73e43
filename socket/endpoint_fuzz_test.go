package socket

import (
	"reflect"
	"strings"
	"testing"
)

// FuzzEndpoint: whatever text is given, taking it apart ends in an error or in
// something that can be bound or connected to, and what can be connected to is
// taken apart as the same again.
func FuzzEndpoint(f *testing.F) {
	for _, text := range []string{
		"tcp://127.0.0.1:5555", "tcp://*:*", "tcp://[::1]:80", "tcp://[fe80::1%lo]:80", "tcp://eth0:0;10.0.0.1:5", "tcp://[::1]:*;[::2]:1",
		"tcp://:1", "tcp://[:1", "tcp://]:1", "tcp://a;b;c:1", "ipc://@", "ipc://*", "ipc:///tmp/x", "inproc://a", "pgm://x", "://", "tcp://a:65536",
		"ipc://\x00", "inproc://" + strings.Repeat("n", 257), "ipc://" + strings.Repeat("p", 108),
	} {
		f.Add(text, true)
		f.Add(text, false)
	}
	f.Fuzz(func(t *testing.T, text string, bind bool) {
		e, err := parseEndpoint(text, bind)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error that says nothing")
			}
			return
		}
		switch e.transport {
		case transportTCP:
			if e.host == "" || !bind && (e.port == 0 || e.host == "*") || bind && (e.source != "" || e.srcPort != 0) {
				t.Fatalf("%q: %+v", text, e)
			}
		case transportIPC:
			if e.path == "" || e.path == "@" || len(e.path) > maxIPCPath || !bind && e.path == "*" {
				t.Fatalf("%q: %+v", text, e)
			}
		case transportInproc:
			if e.path == "" || len(e.path) > maxInprocName {
				t.Fatalf("%q: %+v", text, e)
			}
		case transportPGM, transportEPGM:
			if len(e.lines) == 0 || len(e.lines) > maxLines {
				t.Fatalf("%q: %+v", text, e)
			}
			for _, l := range e.lines {
				if !l.group.IsMulticast() || l.port == 0 {
					t.Fatalf("%q: %+v", text, e)
				}
			}
		default:
			t.Fatalf("%q: no transport", text)
		}
		if again, err := parseEndpoint(e.text, bind); err != nil || !reflect.DeepEqual(again, e) {
			t.Fatalf("%q: %+v, and again %+v, error %v", text, e, again, err)
		}
	})
}
