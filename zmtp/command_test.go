package zmtp

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

var long = bytes.Repeat([]byte("x"), 300)

var commands = []struct {
	name   string
	wire   []byte
	append func(b []byte) []byte
	debug  string
}{
	{"subscribe", octets(4, 11, 9, "SUBSCRIBEA"),
		func(b []byte) []byte { return AppendSubscribe(b, []byte("A"), 1) }, `SUBSCRIBE "A"`},
	{"subscribe to all", octets(4, 10, 9, "SUBSCRIBE"),
		func(b []byte) []byte { return AppendSubscribe(b, nil, 1) }, `SUBSCRIBE ""`},
	{"subscribe, largest short", octets(4, 255, 9, "SUBSCRIBE", long[:245]),
		func(b []byte) []byte { return AppendSubscribe(b, long[:245], 1) }, `SUBSCRIBE "` + string(long[:40]) + `"…`},
	{"subscribe, smallest long", octets(6, zeros[:6], 1, 0, 9, "SUBSCRIBE", long[:246]),
		func(b []byte) []byte { return AppendSubscribe(b, long[:246], 1) }, `SUBSCRIBE "` + string(long[:40]) + `"…`},
	{"cancel", octets(4, 8, 6, "CANCELA"),
		func(b []byte) []byte { return AppendCancel(b, []byte("A"), 1) }, `CANCEL "A"`},
	{"cancel, for a peer of the future", octets(4, 8, 6, "CANCELA"),
		func(b []byte) []byte { return AppendCancel(b, []byte("A"), 2) }, `CANCEL "A"`},
	{"ping", octets(4, 7, 4, "PING", 0, 0),
		func(b []byte) []byte { return AppendPing(b, 0, nil) }, `PING ttl=0s ""`},
	{"ping with ttl and context", octets(4, 23, 4, "PING", 1, 0, "0123456789abcdef"),
		func(b []byte) []byte { return AppendPing(b, 25600*time.Millisecond, []byte("0123456789abcdef")) },
		`PING ttl=25.6s "0123456789abcdef"`},
	{"ping, longest ttl", octets(4, 7, 4, "PING", 0xff, 0xff),
		func(b []byte) []byte { return AppendPing(b, 6553500*time.Millisecond, nil) }, `PING ttl=1h49m13.5s ""`},
	{"pong", octets(4, 5, 4, "PONG"),
		func(b []byte) []byte { return AppendPong(b, nil) }, `PONG ""`},
	{"pong with context", octets(4, 8, 4, "PONGabc"),
		func(b []byte) []byte { return AppendPong(b, []byte("abc")) }, `PONG "abc"`},
	{"error", octets(4, 11, 5, "ERROR", 4, "oops"),
		func(b []byte) []byte { return AppendError(b, "oops") }, `ERROR "oops"`},
	{"error without reason", octets(4, 7, 5, "ERROR", 0),
		func(b []byte) []byte { return AppendError(b, "") }, `ERROR ""`},
	{"error, longest reason", octets(6, zeros[:6], 1, 6, 5, "ERROR", 255, long[:255]),
		func(b []byte) []byte { return AppendError(b, string(long)) }, `ERROR "` + string(long[:255]) + `"`},
}

func TestCommand(t *testing.T) {
	for _, test := range commands {
		t.Run(test.name, func(t *testing.T) {
			if got := test.append([]byte("before")); string(got) != "before"+string(test.wire) {
				t.Errorf("append: %x, want %x", got, test.wire)
			}
			frame, n, err := ConsumeFrame(test.wire, MaxCommand)
			if err != nil || n != len(test.wire) {
				t.Fatal(n, err)
			}
			if got := frame.String(); got != test.debug {
				t.Errorf("read as %s, want %s", got, test.debug)
			}
			name, data, err := ConsumeCommand(frame.Body)
			if err != nil || !strings.HasPrefix(test.debug, string(name)+" ") || len(name)+len(data)+1 != len(frame.Body) {
				t.Errorf("split into %q and %q, err %v", name, data, err)
			}
			for i := range 1 + len(name) {
				if name, _, err := ConsumeCommand(frame.Body[:i]); err != errBadCommand {
					t.Errorf("%d octets of the name: %q, %v", i, name, err)
				}
			}
		})
	}
}

// TestSubscribeMessages has the form that subscriptions had before ZMTP 3.1, and
// the topic of which libzmq gets the header wrong.
func TestSubscribeMessages(t *testing.T) {
	for _, test := range []struct {
		topic []byte
		head  []byte
	}{
		{nil, octets(0, 1)},
		{[]byte("A"), octets(0, 2)},
		{long[:254], octets(0, 255)},
		{long[:255], octets(2, zeros[:6], 1, 0)},
		{long[:256], octets(2, zeros[:6], 1, 1)},
	} {
		if got, want := AppendSubscribe(nil, test.topic, 0), octets(test.head, 1, test.topic); !bytes.Equal(got, want) {
			t.Errorf("subscribe to %d octets: %x, want %x", len(test.topic), got, want)
		}
		if got, want := AppendCancel(nil, test.topic, 0), octets(test.head, 0, test.topic); !bytes.Equal(got, want) {
			t.Errorf("cancel %d octets: %x, want %x", len(test.topic), got, want)
		}
	}
}

func TestMaxTopicFits(t *testing.T) {
	topic := make([]byte, MaxTopic)
	h, _, err := ConsumeFrameHeader(AppendSubscribe(nil, topic, 1), MaxCommand)
	if err != nil || h.Size != MaxCommand {
		t.Errorf("longest SUBSCRIBE has %d octets, err %v; want %d", h.Size, err, MaxCommand)
	}
}

func TestPing(t *testing.T) {
	for _, test := range []struct {
		name    string
		data    []byte
		ttl     time.Duration
		context string
		err     error
	}{
		{"nothing", nil, 0, "", errBadPing},
		{"half a TTL", octets(1), 0, "", errBadPing},
		{"no context", octets(0, 15), 1500 * time.Millisecond, "", nil},
		{"context", octets(0, 0, "abc"), 0, "abc", nil},
		{"context too long", octets(0, 0, "0123456789abcdefghij"), 0, "0123456789abcdef", nil},
		// More than 65,535 milliseconds, which is where libzmq wraps around.
		{"long TTL", octets(0xff, 0xff), 6553500 * time.Millisecond, "", nil},
	} {
		ttl, context, err := consumePing(test.data)
		if ttl != test.ttl || string(context) != test.context || err != test.err {
			t.Errorf("%s: %v, %q, %v", test.name, ttl, context, err)
		}
	}
	for _, test := range []struct{ ttl, want time.Duration }{
		{time.Nanosecond, 100 * time.Millisecond},
		{99 * time.Millisecond, 100 * time.Millisecond},
		{101 * time.Millisecond, 200 * time.Millisecond},
		{5 * time.Hour, MaxTTL},
	} {
		frame, _, _ := ConsumeFrame(AppendPing(nil, test.ttl, long), MaxCommand)
		_, data, _ := ConsumeCommand(frame.Body)
		if got, context, err := consumePing(data); got != test.want || len(context) != maxPingContext || err != nil {
			t.Errorf("TTL of %v arrives as %v, want %v; context of %d octets; err %v", test.ttl, got, test.want, len(context), err)
		}
	}
}

func TestError(t *testing.T) {
	for _, test := range []struct {
		name   string
		data   []byte
		reason string
		bad    bool
	}{
		{"no size", nil, "", true},
		{"cut", octets(4, "abc"), "", true},
		{"empty", octets(0), "", false},
		{"whole", octets(3, "abc"), "abc", false},
		{"trailing octets, which libzmq ignores", octets(3, "abcdef"), "abc", false},
		{"not printable", octets(8, "a\n\x1f\x7f\xff ~b"), "a???? ~b", false},
	} {
		err := consumeError(test.data)
		var refused *RefusedError
		if errors.As(err, &refused) == test.bad || !test.bad && refused.Reason != test.reason {
			t.Errorf("%s: %v", test.name, err)
		}
		if test.bad && err != errBadError {
			t.Errorf("%s: %v, want %v", test.name, err, errBadError)
		}
	}
}

func FuzzCommand(f *testing.F) {
	for _, test := range commands {
		frame, _, _ := ConsumeFrame(test.wire, MaxCommand)
		f.Add(frame.Body)
	}
	f.Add(octets(5, "READY", 1, "a", 0, 0, 0, 1, "b"))
	f.Add(octets(255, "SHORT"))
	f.Fuzz(func(t *testing.T, body []byte) {
		name, data, err := ConsumeCommand(body)
		if err != nil {
			return
		}
		if len(name) == 0 || 1+len(name)+len(data) != len(body) {
			t.Fatalf("%x splits into %x and %x", body, name, data)
		}
		if ttl, context, err := consumePing(data); err == nil {
			again := AppendPing(nil, ttl, context)[shortHeader+len(pingPrefix):]
			if ttl > MaxTTL || !bytes.HasPrefix(data, again) || len(data) > len(again) && len(context) < maxPingContext {
				t.Fatalf("PING of %x is read as TTL %v and context %x", data, ttl, context)
			}
		}
		if refused, ok := consumeError(data).(*RefusedError); ok && len(refused.Reason) != int(data[0]) {
			t.Fatalf("ERROR of %x is read as %q", data, refused.Reason)
		}
		_ = Frame{FlagCommand, body}.String()
	})
}
