package zmtp

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestConfigCheck(t *testing.T) {
	many := make([]Property, maxProperties-1)
	for i := range many {
		many[i].Name = "X"
	}
	for _, test := range []struct {
		want string // part of the error, or "" for none
		cfg  Config
	}{
		{"", Config{SocketType: "PAIR"}},
		{"", Config{SocketType: "PAIR", Identity: long[:255], HeartbeatTTL: MaxTTL}},
		{"", Config{SocketType: "PAIR", Metadata: []Property{{"X-azAZ09_.+", nil}}}},
		{"", Config{SocketType: "PAIR", Metadata: many[1:]}},
		{"", Config{SocketType: "REQ", Metadata: []Property{{"X-Large", make([]byte, 65_486)}}}},
		{"socket type", Config{}},
		{"255 octets", Config{SocketType: "PAIR", Identity: long[:256]}},
		{"zero octet", Config{SocketType: "PAIR", Identity: []byte{0}}},
		{"mechanism", Config{SocketType: "PAIR", Mechanism: 1}},
		{"size limit", Config{SocketType: "PAIR", MaxMessage: -1}},
		{"size limit", Config{SocketType: "PAIR", MaxWhole: -1}},
		{"duration", Config{SocketType: "PAIR", Handshake: -1}},
		{"duration", Config{SocketType: "PAIR", HeartbeatEvery: -1}},
		{"duration", Config{SocketType: "PAIR", HeartbeatTimeout: -1}},
		{"duration", Config{SocketType: "PAIR", HeartbeatTTL: -1}},
		{"6553.5 s", Config{SocketType: "PAIR", HeartbeatTTL: MaxTTL + 1}},
		{"1 to 255", Config{SocketType: "PAIR", Metadata: []Property{{"", nil}}}},
		{"1 to 255", Config{SocketType: "PAIR", Metadata: []Property{{string(long), nil}}}},
		{"redefine", Config{SocketType: "PAIR", Metadata: []Property{{"socket-type", nil}}}},
		{"redefine", Config{SocketType: "PAIR", Metadata: []Property{{"IDENTITY", nil}}}},
		{"character", Config{SocketType: "PAIR", Metadata: []Property{{"X-ü", nil}}}},
		{"character", Config{SocketType: "PAIR", Metadata: []Property{{"X a", nil}}}},
		{"too much", Config{SocketType: "PAIR", Metadata: many}},
		{"too much", Config{SocketType: "REQ", Metadata: []Property{{"X-Large", make([]byte, 65_487)}}}},
	} {
		err := test.cfg.Check()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%q: %v", test.want, err)
		}
		if err == nil {
			continue
		}
		func() {
			defer func() {
				if got, _ := recover().(string); got != err.Error() {
					t.Errorf("NewEngine panics with %q, want %q", got, err)
				}
			}()
			NewEngine(&test.cfg, time.Unix(1, 0))
		}()
	}
}

// TestConfigFits has each side announce as much as Check lets it.
func TestConfigFits(t *testing.T) {
	many := make([]Property, maxProperties-2)
	for i := range many {
		many[i].Name = "X"
	}
	for _, metadata := range [][]Property{many, {{"X-Large", make([]byte, 65_486)}}} {
		cfg := &Config{SocketType: "REQ", Metadata: metadata}
		a, b := newSide(t, cfg), newSide(t, cfg)
		converse(a, b)
		a.wantLog("ready: REQ")
		b.wantLog("ready: REQ")
	}
}

func TestLimits(t *testing.T) {
	for _, test := range []struct {
		maxMessage, maxWhole int64
		frame, whole         int
	}{
		{0, 0, 1 << 30, 2 << 30},
		{1000, 0, 1000, 64 << 20},
		{1 << 40, 0, 1 << 40, 2 << 40},
		{0, 5, 1 << 30, 5},
		{math.MaxInt64, math.MaxInt64, math.MaxInt / 4, math.MaxInt / 4},
		{math.MaxInt64, 0, math.MaxInt / 4, math.MaxInt / 4},
	} {
		cfg := Config{MaxMessage: test.maxMessage, MaxWhole: test.maxWhole}
		if frame, whole := cfg.limits(); frame != test.frame || whole != test.whole {
			t.Errorf("%d, %d: %d, %d; want %d, %d", test.maxMessage, test.maxWhole, frame, whole, test.frame, test.whole)
		}
	}
}
