package socket

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/zeroring/zeroring/zmtp"
)

// TestHeartbeatOptions: what is not said follows from what is, so that peers do
// not give up on a socket that keeps its word.
func TestHeartbeatOptions(t *testing.T) {
	const s = time.Second
	for _, test := range []struct{ interval, timeout, ttl, wantInterval, wantTimeout, wantTTL time.Duration }{
		{0, 0, 0, 5 * s, 15 * s, 15 * s},
		{s, 0, 0, s, 15 * s, 15 * s},
		{20 * s, 0, 0, 20 * s, 15 * s, 60 * s},
		{s, s / 3, 0, s, s / 3, 3 * s},
		{s, s, 2 * s, s, s, 2 * s},
		{0, 2 * time.Hour, 0, 5 * s, 2 * time.Hour, zmtp.MaxTTL},
		{time.Hour, 0, 0, time.Hour, 15 * s, zmtp.MaxTTL},
		{2 * time.Hour, 0, 0, 2 * time.Hour, 15 * s, 0},
		{math.MaxInt64, 0, 0, math.MaxInt64, 15 * s, 0},
		{0, 0, Off, 5 * s, 15 * s, 0},
		{0, Off, 0, 5 * s, never, 0},
		{0, Off, 7 * s, 5 * s, never, 7 * s},
		{Off, 0, 0, 0, 0, 0},
		{Off, s, 9999 * s, 0, 0, 0},
	} {
		o := &Options{HeartbeatInterval: test.interval, HeartbeatTimeout: test.timeout, HeartbeatTTL: test.ttl}
		got, err := o.check(TypePull)
		if err != nil || got.HeartbeatInterval != test.wantInterval || got.HeartbeatTimeout != test.wantTimeout || got.HeartbeatTTL != test.wantTTL {
			t.Errorf("%v, %v, %v: got %v, %v, %v, error %v; want %v, %v, %v", test.interval, test.timeout, test.ttl,
				got.HeartbeatInterval, got.HeartbeatTimeout, got.HeartbeatTTL, err, test.wantInterval, test.wantTimeout, test.wantTTL)
		}
	}
}

// TestBadOptions: a value that is not allowed is an error that names the option.
func TestBadOptions(t *testing.T) {
	many := make(map[string]string)
	for i := range 200 {
		many["X-"+strings.Repeat("a", i)] = ""
	}
	for _, test := range []struct {
		option string
		o      Options
	}{
		{"HeartbeatTTL", Options{HeartbeatTTL: zmtp.MaxTTL + 1}},
		{"HeartbeatTTL", Options{HeartbeatTTL: 5 * time.Second}},
		{"HeartbeatTTL", Options{HeartbeatInterval: time.Minute, HeartbeatTTL: 50 * time.Second}},
		{"Metadata", Options{Metadata: map[string]string{"Colour": "blue"}}},
		{"Metadata", Options{Metadata: map[string]string{"X-a colour": "blue"}}},
		{"Metadata", Options{Metadata: many}},
		{"Identity", Options{Identity: make([]byte, 256)}},
		{"Identity", Options{Identity: []byte("\x00id")}},
		{"SendBuf", Options{SendBuf: -1}},
		{"RecvBuf", Options{RecvBuf: -1}},
		{"Backlog", Options{Backlog: 1 << 20}},
		{"TOS", Options{TOS: 256}},
		{"Conflate", Options{Conflate: true}},
	} {
		s, err := New(TypeRouter, &test.o)
		var bad *OptionError
		if s != nil || !errors.As(err, &bad) || bad.Option != test.option {
			t.Errorf("%s: socket %v, error %v", test.option, s, err)
		}
	}
	for _, typ := range []Type{0, endOfTypes, 255} {
		if s, err := New(typ, nil); s != nil || err == nil {
			t.Errorf("New makes a socket of %v", typ)
		}
	}
}
