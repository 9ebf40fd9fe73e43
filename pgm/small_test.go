package pgm

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestTSI(t *testing.T) {
	if got := testTSI.String(); got != "010203040506:4660" {
		t.Errorf("got %s", got)
	}
}

func TestSQN(t *testing.T) {
	for _, test := range []struct {
		a, b SQN
		sub  int32
	}{
		{1, 0, 1}, {0, 0, 0}, {0, 1, -1}, {0, 0xffffffff, 1}, {0xffffffff, 0, -1}, {5, 0xfffffff0, 21},
		{0x7fffffff, 0, math.MaxInt32}, {0x80000000, 1, math.MaxInt32}, {0, 0x7fffffff, -math.MaxInt32},
		{0x80000000, 0, math.MinInt32}, {0, 0x80000000, math.MinInt32},
	} {
		if got := test.a.Sub(test.b); got != test.sub {
			t.Errorf("%d - %d = %d, want %d", test.a, test.b, got, test.sub)
		}
		if got := test.a.Before(test.b); got != (test.sub < 0) {
			t.Errorf("%d before %d is %v", test.a, test.b, got)
		}
		if got := test.b.Add(test.sub); got != test.a {
			t.Errorf("%d + %d = %d, want %d", test.b, test.sub, got, test.a)
		}
	}
}

// TestSumOf compares with the definition: every length, every alignment, octets
// that carry and octets that do not.
func TestSumOf(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	for _, mask := range []byte{0x00, 0xff, 0x80, 0x01} {
		b := make([]byte, 300)
		for i := range b {
			b[i] = byte(dice.Uint32()) | mask
			if mask == 0 && i%3 == 0 {
				b[i] = 0
			}
		}
		for from := range 9 {
			for to := from; to <= len(b); to++ {
				if got, want := SumOf(b[from:to]), slowSum(b[from:to]); uint16(got) != want {
					t.Fatalf("SumOf(%x) = %#x, want %#x", b[from:to], got, want)
				}
			}
		}
	}
	for n := range 100 { // all ones: each addition carries
		b := []byte(strings.Repeat("\xff", n))
		if got, want := SumOf(b), slowSum(b); uint16(got) != want {
			t.Errorf("%d octets of ones: %#x, want %#x", n, got, want)
		}
	}
}

func TestSumAdd(t *testing.T) {
	b := make([]byte, 101)
	for i := range b {
		b[i] = byte(i * 37)
	}
	for cut := 0; cut < len(b); cut += 2 {
		if got, want := SumOf(b[:cut]).Add(SumOf(b[cut:])), SumOf(b); got != want {
			t.Errorf("cut at %d: %#x, want %#x", cut, got, want)
		}
	}
	if got := Sum(0xffff).Add(0xffff); got != 0xffff {
		t.Errorf("got %#x", got)
	}
}

// TestZeroChecksum: "If the computed checksum is zero, it is transmitted as all
// ones."
func TestZeroChecksum(t *testing.T) {
	h := NewHeader(TypeODATA, testTSI, 1)
	d := Data{Payload: make([]byte, 2)}
	plain := AppendData(nil, &h, &d, nil)
	d.Payload[0], d.Payload[1] = plain[6], plain[7] // makes the sum all ones
	packet := AppendData(nil, &h, &d, nil)
	got, _, err := ConsumeHeader(packet)
	if err != nil || got.Checksum != 0xffff || got.VerifyChecksum(packet) != nil {
		t.Errorf("checksum %#x, %v", got.Checksum, got.VerifyChecksum(packet))
	}
}

func TestVerifyChecksum(t *testing.T) {
	for _, test := range packets {
		packet := whole(t, test.wire)
		h, _, err := ConsumeHeader(packet)
		if err != nil || h.VerifyChecksum(packet) != nil {
			t.Errorf("%s: %v, %v", test.name, err, h.VerifyChecksum(packet))
		}
		for i := range packet {
			for bit := range 8 {
				packet[i] ^= 1 << bit
				h := h // the header as it was, but for the field itself
				if i == 6 || i == 7 {
					h.Checksum ^= uint16(1<<bit) << (8 * (7 - i))
				}
				if err := h.VerifyChecksum(packet); err != errChecksum && h.Checksum != 0 {
					t.Errorf("%s: bit %d of octet %d flipped: %v", test.name, bit, i, err)
				}
				packet[i] ^= 1 << bit
			}
		}
		// "A value of zero in this field means the transmitter generated no
		// checksum. […] The checksum is mandatory on data packets".
		packet[6], packet[7], h.Checksum = 0, 0, 0
		if err := h.VerifyChecksum(packet); h.Type.IsData() && err != errNoChecksum || !h.Type.IsData() && err != nil {
			t.Errorf("%s without checksum: %v", test.name, err)
		}
	}
}

func BenchmarkSumOf(b *testing.B) {
	octets := make([]byte, 1452)
	b.SetBytes(int64(len(octets)))
	for b.Loop() {
		SumOf(octets)
	}
}

func BenchmarkAppendDataHeader(b *testing.B) {
	buf := make([]byte, 0, 64)
	h := NewHeader(TypeODATA, testTSI, 1)
	d := Data{Payload: make([]byte, 1428)}
	for b.Loop() {
		AppendDataHeader(buf, &h, &d, nil, 1)
	}
}

func BenchmarkConsumeData(b *testing.B) {
	h := NewHeader(TypeODATA, testTSI, 1)
	packet := AppendData(nil, &h, &Data{Payload: make([]byte, 1428)}, nil)
	var o Options
	for b.Loop() {
		h, body, _ := ConsumeHeader(packet)
		if _, err := ConsumeData(&h, body, &o); err != nil {
			b.Fatal(err)
		}
	}
}

func TestTSDU(t *testing.T) {
	for _, test := range []struct {
		wire   string
		offset int
		data   string
		err    error
	}{
		{"", 0, "", errOffsetMissing},
		{"00", 0, "", errOffsetMissing}, // libzmq: assertion in pgm_receiver.cpp
		{"0000", 0, "", nil},
		{"ffff", NoMessage, "", nil},
		{"0001", 0, "", errOffsetBeyond}, // likewise
		{"0000 6162", 0, "ab", nil},
		{"0001 6162", 1, "ab", nil},
		{"0002 6162", 2, "ab", nil}, // a frame ended exactly here
		{"0003 6162", 0, "", errOffsetBeyond},
		{"fffe 6162", 0, "", errOffsetBeyond},
		{"ffff 6162", NoMessage, "ab", nil},
	} {
		payload := octets(t, test.wire)
		offset, data, err := ConsumeTSDU(payload)
		if offset != test.offset || string(data) != test.data || err != test.err {
			t.Errorf("%s: %d, %q, %v", test.wire, offset, data, err)
		}
		if test.err == nil {
			got := append([]byte{0xaa, 0xaa}, test.data...)
			if PutOffset(got, offset); string(got) != string(payload) {
				t.Errorf("put %x, want %x", got, payload)
			}
		}
	}
}

// TestDescribe shows what people get to read.
func TestDescribe(t *testing.T) {
	for _, test := range []struct{ name, want string }{
		{"SPM", "010203040506:4660 > 5555 SPM seq 1 trail 2 lead 3 nla 10.0.0.7"},
		{"SPM with FIN", "010203040506:4660 > 5555 SPM seq 1 trail 2 lead 3 nla 10.0.0.7 (FIN)"},
		{"ODATA", "010203040506:4660 > 5555 ODATA trail 1 seq 9 [3 octets]"},
		{"ODATA, a fragment", "010203040506:4660 > 5555 ODATA trail 1 seq 9 [2 octets] (FRAGMENT first 8 offset 16 length 18)"},
		{"RDATA, parity", "010203040506:4660 > 5555 RDATA parity var-pktlen trail 1 seq 9 [2 octets] " +
			"(CURR_TGSIZE 5, FRAGMENT first 8 offset 16 length 18 encoded null=true, PARITY_GRP 2)"},
		{"NAK with a list", "5555 > 010203040506:4660 NAK (10.0.0.7 -> 239.192.1.1) seq 5 (NAK_LIST [7 4294967295])"},
		{"SPMR", "5555 > 010203040506:4660 SPMR"},
		{"POLR", "5555 > 010203040506:4660 POLR seq 5 round 2"},
		{"ACK", "5555 > 010203040506:4660 ACK max 5 bitmap 0x80000001 (PGMCC_FEEDBACK timestamp 100 loss 7 nla 10.0.0.7)"},
		{"POLL", "010203040506:4660 > 5555 POLL seq 5 round 2 sub-type 1 nla 10.0.0.7 ivl 50ms rnd 0x01020304 mask 0xffff0000"},
	} {
		for _, p := range packets {
			if p.name != test.name {
				continue
			}
			packet := whole(t, p.wire)
			if got := Describe(packet); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			packet[7]++
			if got := Describe(packet); got != test.want+" pgm: Checksum: wrong" {
				t.Errorf("got %s", got)
			}
		}
	}
	for wire, want := range map[string]string{
		"":                             "malformed, 0 octets: pgm: Source Port: truncated",
		head(down, "03", "00", "0000"): "malformed, 16 octets: pgm: Type: unknown",
		head(down, "04", "00", "0000"): "010203040506:4660 > 5555 ODATA malformed, 16 octets: pgm: OD_SQN: truncated",
	} {
		if got := Describe(octets(t, wire)); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
	for typ, want := range map[OptionType]string{OptLength: "OPT_LENGTH", OptInvalid: "OPT_INVALID", 6: "option 0x6", OptJoin: "OPT_JOIN"} {
		if got := typ.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := Type(3).String(); got != "type 0x3" {
		t.Errorf("got %s", got)
	}
	if o := (Options{Unknown: 2}); o.String() != "2 unknown" {
		t.Errorf("got %v", &o)
	}
}
