package zmtp

import (
	"fmt"
	"testing"
)

func TestDebug(t *testing.T) {
	for _, test := range []struct {
		got  fmt.Stringer
		want string
	}{
		{Flags(0), "last"},
		{FlagMore | FlagLong | FlagCommand, "MORE|LONG|COMMAND"},
		{FlagMore | 0x80, "MORE|0x80"},
		{Frame{0, []byte("a\n")}, `last 2 "a\n"`},
		{Frame{FlagMore, long}, `more 300 "` + string(long[:40]) + `"…`},
		{Frame{FlagCommand, nil}, `malformed command ""`},
		{Frame{FlagCommand, octets(3, "a\nb", "data")}, `a?b "data"`},
		{Frame{FlagCommand, octets(5, "READY", 1, "X", 0, 0, 0, 1, "y", 9)}, `READY X="y" malformed "\t"`},
		{Frame{FlagCommand, octets(4, "PING", 1)}, `PING "\x01"`},
		{Frame{FlagCommand, octets(5, "ERROR", 9)}, `ERROR "\t"`},
		{Event{Kind: EventNone, Need: 64}, "none need=64 n=0"},
		{Event{Kind: EventHandled, N: 7}, "handled n=7"},
		{Event{Kind: EventReady, N: 7}, "ready n=7"},
		{Event{Kind: EventMessages, N: 7, Messages: 3}, "messages 3 n=7"},
		{Event{Kind: EventSubscribe, N: 11, Body: []byte("A")}, `subscribe "A" n=11`},
		{Event{Kind: EventCancel, N: 8, Body: []byte("A")}, `cancel "A" n=8`},
		{&Peer{"REQ", []byte("me"), 1, []Property{{"X-A", []byte("b")}}}, `ZMTP 3.1 Socket-Type="REQ" Identity="me" X-A="b"`},
		{Null, "NULL"},
	} {
		if got := test.got.String(); got != test.want {
			t.Errorf("%#v is written %s, want %s", test.got, got, test.want)
		}
	}
}
