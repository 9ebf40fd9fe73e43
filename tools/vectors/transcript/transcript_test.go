package transcript

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestParseStep(t *testing.T) {
	for line, want := range map[string]Step{
		"# any \"thing":               {Verb: "#"},
		"libzmq 4.3.4":                {Verb: "libzmq", Args: []Arg{{"", "4.3.4"}}},
		"socket REQ identity=\"a b\"": {Verb: "socket", Args: []Arg{{"", "REQ"}, {"identity", "a b"}}},
		"> greeting":                  {Verb: "> greeting"},
		"< ping ttl=1500ms \"\\x00\"": {Verb: "< ping", Args: []Arg{{"ttl", "1500ms"}, {"", "\x00"}}},
		"= message \"\" 3*\"x\"":      {Verb: "= message", Args: []Arg{{"", ""}, {"", "xxx"}}},
	} {
		want.Text = line
		got, err := ParseStep(line)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s\nis read as %+v, %v\nwant       %+v", line, got, err, want)
		}
	}
	for _, line := range []string{`> message "`, `> message x"a"`} {
		if step, err := ParseStep(line); err == nil {
			t.Errorf("%s is read as %+v", line, step)
		}
	}
}

func TestStep(t *testing.T) {
	step, err := ParseStep(`> ready Socket-Type="REQ" "a" "b"`)
	if err != nil {
		t.Fatal(err)
	}
	if value, ok := step.Arg("Socket-Type"); value != "REQ" || !ok {
		t.Errorf("Arg: %q, %v", value, ok)
	}
	if value, ok := step.Arg("Identity"); value != "" || ok {
		t.Errorf("Arg that is not there: %q, %v", value, ok)
	}
	if got := step.Values(); len(got) != 2 || string(got[1]) != "b" {
		t.Errorf("Values: %q", got)
	}
	if step.Mark() != '>' || (&Step{Verb: "#"}).Mark() != 0 || (&Step{Verb: "socket"}).Mark() != 0 {
		t.Error("marks are wrong")
	}
}

func TestParseOctets(t *testing.T) {
	steps, err := Parse("> octets 3\n  01 02   # two\n\n  ff*3\n")
	if err != nil || len(steps) != 1 || !bytes.Equal(steps[0].Wire, []byte{1, 2, 255, 255, 255}) {
		t.Errorf("%+v, %v", steps, err)
	}
	for _, text := range []string{"> octets\n  0", "> octets\n  01*x", "> octets\n  xx"} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestFormat says that what was written is read as it was, and written again the
// same way.
func TestFormat(t *testing.T) {
	paths, err := filepath.Glob("../../../zmtp/testdata/vectors/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal("no vectors", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		steps, err := Parse(string(text))
		if err != nil {
			t.Fatal(path, err)
		}
		if got := Format(steps); got != string(text) {
			t.Errorf("%s is written back as\n%s", path, got)
		}
	}
}

// TestFormatMalformed has octets that cannot be split into fields. None may get
// lost.
func TestFormatMalformed(t *testing.T) {
	for _, wire := range [][]byte{
		{0, 5, 'a'}, {5, 0}, {4, 1, 9}, []byte("\x04\x07\x05READY\x05"), []byte("\x04\x06\x05ERROR"), []byte("\x04\x06\x04PING\x01"),
	} {
		for _, verb := range []string{"> message", "> greeting", "> octets"} {
			steps, err := Parse(Format([]Step{{Verb: verb, Text: verb, Wire: wire}}))
			if err != nil || len(steps) != 1 || !bytes.Equal(steps[0].Wire, wire) {
				t.Errorf("%x of %s is read as %+v, %v", wire, verb, steps, err)
			}
		}
	}
}

func TestEncode(t *testing.T) {
	for line, want := range map[string]string{
		`< subscribe "A"`:      "\x04\x0b\x09SUBSCRIBEA",
		`< cancel`:             "\x04\x07\x06CANCEL",
		`< message "a" "b"`:    "\x01\x01a\x00\x01b",
		`< ping ttl=100ms "c"`: "\x04\x08\x04PING\x00\x01c",
		`< pong`:               "\x04\x05\x04PONG",
		`< error "no"`:         "\x04\x09\x05ERROR\x02no",
		`< ready X="y"`:        "\x04\x0d\x05READY\x01X\x00\x00\x00\x01y",
		`< greeting`:           "\xff\x00\x00\x00\x00\x00\x00\x00\x00\x7f\x03\x01NULL" + strings.Repeat("\x00", 48),
	} {
		step, err := ParseStep(line)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Encode(&step, 1); string(got) != want || err != nil {
			t.Errorf("%s is written %q, %v; want %q", line, got, err, want)
		}
	}
	step, _ := ParseStep(`< subscribe "A"`)
	if got, err := Encode(&step, 0); string(got) != "\x00\x02\x01A" || err != nil {
		t.Errorf("for a 3.0 peer: %q, %v", got, err)
	}
	for _, line := range []string{"< ping ttl=x", "< dance"} {
		step, _ := ParseStep(line)
		if got, err := Encode(&step, 1); err == nil {
			t.Errorf("%s is written %q", line, got)
		}
	}
}
