package itch

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// vectors has each message once as the specification's tables lay it out: the
// wire is written field by field, from those tables and not from the codec.
var vectors = []struct {
	length int // as the specification says
	wire   string
	want   Message
}{
	{12, "53 0000 0001 0a2d2a4b0800 4f", &SystemEvent{Header{0, 1, 0x0a2d2a4b0800}, StartOfMessages}},
	{39, "52 0102 0003 000000000004 " + // stock directory
		"5a52 4e47 2020 2020 51 4e 00000064 4e 43 5a20 50 4e 59 31 59 00000003 4e",
		&StockDirectory{Header{0x102, 3, 4}, stock("ZRNG"), 'Q', 'N', 100, 'N', 'C', [2]byte{'Z', ' '}, 'P', 'N', 'Y', '1', 'Y', 3, 'N'}},
	{25, "48 0102 0003 000000000004 5a524e4720202020 48 20 4c554450",
		&TradingAction{Header{0x102, 3, 4}, stock("ZRNG"), Halted, ' ', Alpha4{'L', 'U', 'D', 'P'}}},
	{20, "59 0102 0003 000000000004 5a524e4720202020 31", &RegSHO{Header{0x102, 3, 4}, stock("ZRNG"), '1'}},
	{26, "4c 0102 0003 000000000004 4543484f 5a524e4720202020 59 4e 41",
		&ParticipantPosition{Header{0x102, 3, 4}, Alpha4{'E', 'C', 'H', 'O'}, stock("ZRNG"), 'Y', 'N', 'A'}},
	{35, "56 0000 0003 000000000004 0000000000000105 0000000000000206 0000000000000307",
		&MWCBLevels{Header{0, 3, 4}, 0x105, 0x206, 0x307}},
	{12, "57 0000 0003 000000000004 32", &MWCBStatus{Header{0, 3, 4}, '2'}},
	{28, "4b 0102 0003 000000000004 5a524e4720202020 000093a8 41 0001e240",
		&IPOQuoting{Header{0x102, 3, 4}, stock("ZRNG"), 37800, 'A', 123456}},
	{35, "4a 0102 0003 000000000004 5a524e4720202020 00000105 00000206 00000307 00000001",
		&LULDCollar{Header{0x102, 3, 4}, stock("ZRNG"), 0x105, 0x206, 0x307, 1}},
	{21, "68 0102 0003 000000000004 5a524e4720202020 58 48",
		&OperationalHalt{Header{0x102, 3, 4}, stock("ZRNG"), 'X', 'H'}},
	{36, "41 0102 0003 000000000004 0000000000000005 42 00000064 5a524e4720202020 0001e240",
		&AddOrder{Header{0x102, 3, 4}, 5, Buy, 100, stock("ZRNG"), 123456}},
	{40, "46 0102 0003 000000000004 0000000000000005 53 00000064 5a524e4720202020 0001e240 4543484f",
		&AddOrderMPID{AddOrder{Header{0x102, 3, 4}, 5, Sell, 100, stock("ZRNG"), 123456}, Alpha4{'E', 'C', 'H', 'O'}}},
	{31, "45 0102 0003 000000000004 0000000000000005 00000064 0000000000000007",
		&OrderExecuted{Header{0x102, 3, 4}, 5, 100, 7}},
	{36, "43 0102 0003 000000000004 0000000000000005 00000064 0000000000000007 4e 0001e240",
		&OrderExecutedPrice{OrderExecuted{Header{0x102, 3, 4}, 5, 100, 7}, 'N', 123456}},
	{23, "58 0102 0003 000000000004 0000000000000005 00000064", &OrderCancel{Header{0x102, 3, 4}, 5, 100}},
	{19, "44 0102 0003 000000000004 0000000000000005", &OrderDelete{Header{0x102, 3, 4}, 5}},
	{35, "55 0102 0003 000000000004 0000000000000005 0000000000000006 00000064 0001e240",
		&OrderReplace{Header{0x102, 3, 4}, 5, 6, 100, 123456}},
	{44, "50 0102 0003 000000000004 0000000000000000 42 00000064 5a524e4720202020 0001e240 0000000000000007",
		&Trade{Header{0x102, 3, 4}, 0, Buy, 100, stock("ZRNG"), 123456, 7}},
	{40, "51 0102 0003 000000000004 0000000000000064 5a524e4720202020 0001e240 0000000000000007 4f",
		&CrossTrade{Header{0x102, 3, 4}, 100, stock("ZRNG"), 123456, 7, 'O'}},
	{19, "42 0102 0003 000000000004 0000000000000007", &BrokenTrade{Header{0x102, 3, 4}, 7}},
	{50, "49 0102 0003 000000000004 0000000000000105 0000000000000206 42 5a524e4720202020 " + // NOII
		"00000011 00000012 00000013 43 4c",
		&NOII{Header{0x102, 3, 4}, 0x105, 0x206, 'B', stock("ZRNG"), 0x11, 0x12, 0x13, 'C', 'L'}},
	{20, "4e 0102 0003 000000000004 5a524e4720202020 41", &RPII{Header{0x102, 3, 4}, stock("ZRNG"), 'A'}},
	{48, "4f 0102 0003 000000000004 5a524e4720202020 59 00000011 00000012 00000013 0000000000000014 00000015 00000016",
		&DirectListing{Header{0x102, 3, 4}, stock("ZRNG"), 'Y', 0x11, 0x12, 0x13, 0x14, 0x15, 0x16}},
}

func stock(symbol string) Stock {
	s, err := ParseStock(symbol)
	if err != nil {
		panic(err)
	}
	return s
}

func octets(t testing.TB, wire string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(wire, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVectors(t *testing.T) {
	seen := map[Type]bool{}
	for _, v := range vectors {
		wire, typ := octets(t, v.wire), v.want.Type()
		seen[typ] = true
		if len(wire) != v.length || typ.Length() != v.length || typ != Type(wire[0]) {
			t.Errorf("%v: %d octets and a Length of %d, not %d", typ, len(wire), typ.Length(), v.length)
		}
		got, err := Decode(wire)
		if err != nil || !reflect.DeepEqual(got, v.want) {
			t.Errorf("%v: decoded %+v, %v, not %+v", typ, got, err, v.want)
		}
		if got := Append([]byte("in front"), v.want); !bytes.Equal(got, append([]byte("in front"), wire...)) {
			t.Errorf("%v: encoded %x, not %x", typ, got, wire)
		}
		if got, want := AppendFrame(nil, v.want), append([]byte{0, byte(v.length)}, wire...); !bytes.Equal(got, want) {
			t.Errorf("%v: framed %x, not %x", typ, got, want)
		}
	}
	if all := Types(); len(seen) != len(all) || len(all) != 23 {
		t.Errorf("vectors for %d of %d types; the specification has 23", len(seen), len(all))
	}
}

// Raw must see the same fields as the codec.
func TestRaw(t *testing.T) {
	for _, v := range vectors {
		r := Raw(octets(t, v.wire))
		h := v.want.header()
		if r.Type() != v.want.Type() || r.Locate() != h.Locate || r.Time() != h.Time {
			t.Errorf("%v: type %v, locate %d, time %v", v.want.Type(), r.Type(), r.Locate(), r.Time())
		}
		field := reflect.ValueOf(v.want).Elem().FieldByName("Stock")
		s, ok := r.Stock()
		if ok != field.IsValid() || ok && s != field.Interface() {
			t.Errorf("%v: stock %q, %v", r.Type(), s, ok)
		}
	}
}

// Every proper prefix, and every longer message, is an error of length.
func TestWrongLengths(t *testing.T) {
	for _, v := range vectors {
		wire := octets(t, v.wire)
		for n := range len(wire) {
			if m, err := Decode(wire[:n]); !errors.Is(err, ErrLength) {
				t.Errorf("%v cut to %d octets: %v, %v", v.want.Type(), n, m, err)
			}
		}
		if m, err := Decode(append(wire, 0)); !errors.Is(err, ErrLength) {
			t.Errorf("%v and an octet: %v, %v", v.want.Type(), m, err)
		}
	}
}

func TestUnknownTypes(t *testing.T) {
	for i := range 256 {
		typ := Type(i)
		err := Check(append([]byte{byte(i)}, make([]byte, 30)...))
		if known := typ.Length() > 0; !known != errors.Is(err, ErrType) {
			t.Errorf("%v: %v", typ, err)
		}
	}
	if got := Type('z').String(); got != "'z' (unknown)" {
		t.Error(got)
	}
	if got := TypeNOII.String(); got != "'I' (net order imbalance)" {
		t.Error(got)
	}
}

func TestFields(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Price4(1234500).String(), "123.4500"},
		{Price4(1).String(), "0.0001"},
		{Price8(465012000001).String(), "4650.12000001"},
		{Clock(9, 30, 15).String(), "09:30:15.000000000"},
		{(Clock(23, 59, 59) + 999_999_999).String(), "23:59:59.999999999"},
		{stock("ZRNG").String(), "ZRNG"},
		{stock("ABCDEFGH").String(), "ABCDEFGH"},
		{Alpha4{'N', 'Y', ' ', ' '}.String(), "NY"},
	} {
		if c.got != c.want {
			t.Errorf("%s, not %s", c.got, c.want)
		}
	}
	for _, bad := range []string{"", "ABCDEFGHI", "A B", "A\x00", "Ü"} {
		if s, err := ParseStock(bad); err == nil {
			t.Errorf("%q is the symbol %q", bad, s[:])
		}
	}
	if Buy.Opposite() != Sell || Sell.Opposite() != Buy {
		t.Error("the sides are not opposite")
	}
}

// FuzzDecode: what is a message by type and length decodes, and encodes to the
// same octets; nothing else decodes.
func FuzzDecode(f *testing.F) {
	for _, v := range vectors {
		f.Add(octets(f, v.wire))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if valid := len(b) > 0 && Type(b[0]).Length() == len(b); valid != (err == nil) {
			t.Fatalf("%x: %v", b, err)
		}
		if err != nil {
			return
		}
		if got := Append(nil, m); !bytes.Equal(got, b) {
			t.Fatalf("%x became %x", b, got)
		}
	})
}
