package pgm

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

var (
	testTSI = TSI{GSI{1, 2, 3, 4, 5, 6}, 0x1234}
	v4      = netip.MustParseAddr("10.0.0.7")
	v6      = netip.MustParseAddr("fe80::9")
	group4  = netip.MustParseAddr("239.192.1.1")
	group6  = netip.MustParseAddr("ff0e::1")
)

const (
	wireV4     = "0001 0000 0a000007 "
	wireV6     = "0002 0000 fe80 0000 0000 0000 0000 0000 0000 0009 "
	wireGroup4 = "0001 0000 efc00101 "
	wireGroup6 = "0002 0000 ff0e 0000 0000 0000 0000 0000 0000 0001 "
)

// head is a header on the wire with the checksum left out: the test fills it in.
func head(ports, typ, bits, tsduLength string) string {
	return ports + typ + bits + " 0000 010203040506 " + tsduLength + " "
}

const (
	down = "1234 15b3 " // from the source
	up   = "15b3 1234 "
)

// packets are written by hand from the RFC's figures.
var packets = []struct {
	name string
	wire string
	bits OptionBits // what the caller of Append sets
	want any        // of the type's own struct; nil for an SPMR
	o    Options
}{
	{name: "SPM", wire: head(down, "00", "00", "0000") + "00000001 00000002 00000003 " + wireV4,
		want: SPM{1, 2, 3, v4}},
	{name: "SPM over IPv6", wire: head(down, "00", "00", "0000") + "fffffffe 80000000 7fffffff " + wireV6,
		want: SPM{0xfffffffe, 0x80000000, 0x7fffffff, v6}},
	{name: "SPM with FIN", wire: head(down, "00", "01", "0000") + "00000001 00000002 00000003 " + wireV4 + "0004 0008 8e04 0000",
		want: SPM{1, 2, 3, v4}, o: Options{Present: SetOf(OptFIN)}},
	{name: "SPM with a back-off range", wire: head(down, "00", "03", "0000") + "00000001 00000002 00000003 " + wireV4 +
		"0004 0010 850c 0000 000f4240 000003e8",
		want: SPM{1, 2, 3, v4},
		o:    Options{Present: SetOf(OptNAKBORng), NAKBackOffMaximum: time.Second, NAKBackOffMinimum: time.Millisecond}},
	{name: "ODATA", wire: head(down, "04", "00", "0003") + "00000009 00000001 616263",
		want: Data{9, 1, []byte("abc")}},
	{name: "ODATA, empty", wire: head(down, "04", "00", "0000") + "00000009 00000001",
		want: Data{9, 1, []byte{}}},
	{name: "RDATA", wire: head(down, "05", "00", "0001") + "ffffffff 00000001 61",
		want: Data{0xffffffff, 1, []byte("a")}},
	{name: "ODATA, a fragment", wire: head(down, "04", "01", "0002") + "00000009 00000001 0004 0014 8110 0000 00000008 00000010 00000012 6162",
		want: Data{9, 1, []byte("ab")},
		o:    Options{Present: SetOf(OptFragment), FragmentSQN: 8, FragmentOffset: 16, FragmentLength: 18}},
	{name: "RDATA, parity", wire: head(down, "05", "c3", "0002") + "00000009 00000001 0004 0024 0a08 0000 00000005 0110 0480 00000008 00000010 00000012 8908 0000 00000002 6162",
		bits: BitParity | BitVarPktLen,
		want: Data{9, 1, []byte("ab")},
		o: Options{Present: SetOf(OptFragment, OptParityGrp, OptCurrTGSize), FragmentEncoded: true, FragmentNull: true,
			FragmentSQN: 8, FragmentOffset: 16, FragmentLength: 18, ParityGroup: 2, CurrentTGSize: 5}},
	{name: "ODATA of a short group", wire: head(down, "04", "01", "0000") + "00000009 00000001 0004 000c 8a08 0000 00000005",
		want: Data{9, 1, []byte{}}, o: Options{Present: SetOf(OptCurrTGSize), CurrentTGSize: 5}},
	{name: "NAK", wire: head(up, "08", "00", "0000") + "00000005 " + wireV4 + wireGroup4,
		want: NAK{5, v4, group4}},
	{name: "NAK over IPv6", wire: head(up, "08", "00", "0000") + "00000005 " + wireV6 + wireGroup6,
		want: NAK{5, v6, group6}},
	{name: "NAK with a list", wire: head(up, "08", "03", "0000") + "00000005 " + wireV4 + wireGroup4 + "0004 0010 820c 0000 00000007 ffffffff",
		want: NAK{5, v4, group4}, o: nakList(7, 0xffffffff)},
	{name: "NNAK", wire: head(up, "09", "00", "0000") + "00000005 " + wireV4 + wireGroup4,
		want: NAK{5, v4, group4}},
	{name: "NCF", wire: head(down, "0a", "00", "0000") + "00000005 " + wireV4 + wireGroup4,
		want: NAK{5, v4, group4}},
	{name: "NCF, redirecting", wire: head(down, "0a", "03", "0000") + "00000005 " + wireV4 + wireGroup4 +
		"0004 0024 040c 0000 0000c350 00000000 070c 0000 " + wireV4 + "8c08 0000 0a000007",
		want: NAK{5, v4, group4},
		o: Options{Present: SetOf(OptNAKBOIvl, OptRedirect, OptPathNLA), NAKBackOffInterval: 50 * time.Millisecond,
			RedirectNLA: v4, PathNLA: v4}},
	{name: "SPMR", wire: head(up, "0c", "00", "0000")},
	{name: "POLL", wire: head(down, "01", "00", "0000") + "00000005 0002 0001 " + wireV4 + "0000c350 01020304 ffff0000",
		want: POLL{5, 2, 1, v4, 50 * time.Millisecond, 0x01020304, 0xffff0000}},
	{name: "POLR", wire: head(up, "02", "00", "0000") + "00000005 0002 0000",
		want: POLR{5, 2}},
	{name: "ACK", wire: head(up, "0d", "01", "0000") + "00000005 80000001 0004 0014 9310 0000 00000064 0001 0007 0a000007",
		want: ACK{5, 0x80000001},
		o:    Options{Present: SetOf(OptPGMCCFeedback), FeedbackTimestamp: 100, FeedbackLossRate: 7, FeedbackNLA: v4}},
}

func nakList(list ...SQN) (o Options) {
	o.SetNAKList(list)
	return o
}

// octets parses hexadecimal with blanks in it.
func octets(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// whole is a packet with its checksum, computed one word at a time.
func whole(t testing.TB, s string) []byte {
	t.Helper()
	b := octets(t, s)
	binary.BigEndian.PutUint16(b[6:], ^slowSum(b))
	return b
}

// slowSum is RFC 1071's definition.
func slowSum(b []byte) uint16 {
	sum := 0
	for i, c := range b {
		if i%2 == 0 {
			sum += int(c) << 8
		} else {
			sum += int(c)
		}
		if sum > 0xffff {
			sum -= 0xffff
		}
	}
	return uint16(sum)
}

// consume parses any packet into what its type has.
func consume(packet []byte, o *Options) (h Header, fields any, err error) {
	h, body, err := ConsumeHeader(packet)
	if err != nil {
		return h, nil, err
	}
	switch h.Type {
	case TypeSPM:
		fields, err = ConsumeSPM(&h, body, o)
	case TypePOLL:
		fields, err = ConsumePOLL(&h, body, o)
	case TypePOLR:
		fields, err = ConsumePOLR(&h, body, o)
	case TypeODATA, TypeRDATA:
		fields, err = ConsumeData(&h, body, o)
	case TypeNAK, TypeNNAK, TypeNCF:
		fields, err = ConsumeNAK(&h, body, o)
	case TypeSPMR:
		err = ConsumeSPMR(&h, body, o)
	case TypeACK:
		fields, err = ConsumeACK(&h, body, o)
	}
	return h, fields, err
}

// appendPacket is the way back, for what we write.
func appendPacket(b []byte, h *Header, fields any, o *Options) []byte {
	switch fields := fields.(type) {
	case nil:
		return AppendSPMR(b, h, o)
	case SPM:
		return AppendSPM(b, h, &fields, o)
	case Data:
		return AppendData(b, h, &fields, o)
	case NAK:
		return AppendNAK(b, h, &fields, o)
	}
	return nil
}

func TestPackets(t *testing.T) {
	for _, test := range packets {
		t.Run(test.name, func(t *testing.T) {
			wire := whole(t, test.wire)
			var o Options
			h, got, err := consume(wire, &o)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if !reflect.DeepEqual(o, test.o) {
				t.Errorf("got options %+v, want %+v", o, test.o)
			}
			if h.TSI() != testTSI || h.DataDestinationPort() != 5555 {
				t.Errorf("session %v, port %d", h.TSI(), h.DataDestinationPort())
			}
			if err := h.VerifyChecksum(wire); err != nil {
				t.Error(err)
			}

			h = NewHeader(h.Type, testTSI, 5555)
			h.Options = test.bits
			again := appendPacket([]byte("before"), &h, test.want, &test.o)
			if again != nil && !bytes.Equal(again[6:], wire) {
				t.Errorf("appended\n%x, want\n%x", again[6:], wire)
			}
			wantRefusals(t, wire)
		})
	}
}

// wantRefusals wants every proper prefix of a packet refused, and the packet with
// something behind it, by an error that names a field.
func wantRefusals(t *testing.T, wire []byte) {
	t.Helper()
	wantNamed := func(b []byte) {
		var o Options
		_, _, err := consume(b[:len(b):len(b)], &o)
		if e, ok := err.(*ProtocolError); !ok || e.Field == "" || !strings.HasPrefix(e.Error(), "pgm: "+e.Field+": ") {
			t.Errorf("%d octets of %d: %v", len(b), len(wire), err)
		}
	}
	for n := range wire {
		wantNamed(wire[:n])
	}
	wantNamed(append(wire[:len(wire):len(wire)], 0))
}

// TestPacketsAreCovered wants each type in the table.
func TestPacketsAreCovered(t *testing.T) {
	seen := make(map[Type]bool)
	for _, test := range packets {
		seen[Type(whole(t, test.wire)[4])] = true
	}
	for typ := range typeNames {
		if Type(typ).among(known) != seen[Type(typ)] {
			t.Errorf("%v: seen is %v", Type(typ), seen[Type(typ)])
		}
	}
}

// TestFieldNames has the field named at which a packet ends.
func TestFieldNames(t *testing.T) {
	spm := head(down, "00", "00", "0000") + "00000001 00000002 00000003 "
	nak := head(up, "08", "00", "0000") + "00000005 "
	for _, test := range []struct {
		wire string
		want string
	}{
		{"", "Source Port"},
		{"12", "Source Port"},
		{"1234", "Destination Port"},
		{"1234 5678", "Type"},
		{"1234 5678 00", "Options"},
		{"1234 5678 00 00", "Checksum"},
		{"1234 5678 00 00 0000", "Global Source ID"},
		{"1234 5678 00 00 0000 0102030405", "Global Source ID"},
		{"1234 5678 00 00 0000 010203040506 00", "TSDU Length"},
		{"1234 5678 40 00 0000 010203040506 0000", "Type"},
		{"1234 5678 10 00 0000 010203040506 0000", "Type"},
		{"1234 5678 03 00 0000 010203040506 0000", "Type"},
		{"1234 5678 0f 00 0000 010203040506 0000", "Type"},
		{spm[:len(spm)-27], "SPM_SQN"},
		{spm[:len(spm)-18], "SPM_TRAIL"},
		{spm[:len(spm)-9], "SPM_LEAD"},
		{spm, "SPM_PATH AFI"},
		{spm + "0003 0000 00000000", "SPM_PATH AFI"},
		{spm + "0001 0000 000000", "SPM_PATH"},
		{spm + "0002 0000 00000000 00000000 00000000 000000", "SPM_PATH"},
		{spm + wireV4 + "00", "TSDU Length"},
		{strings.Replace(spm, " 0000 00000001", " 0001 00000001", 1) + wireV4, "TSDU Length"},
		{head(down, "04", "00", "0000"), "OD_SQN"},
		{head(down, "04", "00", "0000") + "00000000", "OD_TRAIL"},
		{head(down, "05", "00", "0000"), "RD_SQN"},
		{head(down, "05", "00", "0000") + "00000000", "RD_TRAIL"},
		{head(down, "04", "00", "0000") + "00000000 00000000 00", "TSDU Length"},
		{head(down, "04", "00", "0001") + "00000000 00000000", "TSDU Length"},
		{head(up, "08", "00", "0000"), "NAK_SQN"},
		{nak, "NAK_SRC AFI"},
		{nak + "0001 0000", "NAK_SRC"},
		{nak + wireV4, "NAK_GRP AFI"},
		{nak + wireV4 + "0001 0000", "NAK_GRP"},
		{strings.Replace(nak, "08", "09", 1) + wireV4, "NNAK_GRP AFI"},
		{head(down, "0a", "00", "0000") + "0000", "NCF_SQN"},
		{head(down, "01", "00", "0000"), "POLL_SQN"},
		{head(down, "01", "00", "0000") + "00000001", "POLL_ROUND"},
		{head(down, "01", "00", "0000") + "00000001 0001", "POLL_S_TYPE"},
		{head(down, "01", "00", "0000") + "00000001 0001 0000", "POLL_PATH AFI"},
		{head(down, "01", "00", "0000") + "00000001 0001 0000" + wireV4, "POLL_BO_IVL"},
		{head(down, "01", "00", "0000") + "00000001 0001 0000" + wireV4 + "00000000", "POLL_RAND"},
		{head(down, "01", "00", "0000") + "00000001 0001 0000" + wireV4 + "00000000 00000000", "POLL_MASK"},
		{head(up, "02", "00", "0000") + "00000001", "POLR_ROUND"},
		{head(up, "0d", "00", "0000") + "00000001", "ACK bitmap"},
		{head(up, "0c", "00", "0000") + "00", "TSDU Length"},
	} {
		var o Options
		_, _, err := consume(octets(t, test.wire), &o)
		if e, ok := err.(*ProtocolError); !ok || e.Field != test.want {
			t.Errorf("%s: %v, want one about %s", test.wire, err, test.want)
		}
	}
}

// TestUnknownType keeps the rest of the header for whoever wants to tell what it
// was.
func TestUnknownType(t *testing.T) {
	h, body, err := ConsumeHeader(octets(t, "1234 15b3 03 00 0000 010203040506 0000"))
	if err != errUnknownType || body != nil || h.GSI != testTSI.GSI || h.Type != 3 {
		t.Errorf("got %+v, %v, %v", h, body, err)
	}
}

// TestBits keeps the parity bits that the caller sets, and clears those that
// the options decide.
func TestBits(t *testing.T) {
	h := NewHeader(TypeODATA, testTSI, 1)
	h.Options = 0xff
	got, _, err := ConsumeHeader(AppendData(nil, &h, &Data{}, nil))
	if err != nil || got.Options != 0xfc {
		t.Errorf("bits %#x, %v", got.Options, err)
	}
}

// TestHasWindow: "If SPM_TRAIL == 0 and SPM_LEAD == 0x80000000, this indicates
// that no window information is present in the packet."
func TestHasWindow(t *testing.T) {
	for _, s := range []SPM{{}, {Trail: 1, Lead: 0x80000000}, {Lead: 0x80000001}, {Lead: 0xffffffff}} {
		if !s.HasWindow() {
			t.Errorf("%v has a window", s)
		}
	}
	if s := (SPM{Lead: 0x80000000}); s.HasWindow() {
		t.Errorf("%v has none", s)
	}
}

// TestRepair makes RDATA from a kept payload and its sum, without the payload.
func TestRepair(t *testing.T) {
	payload := []byte("an odd payload.")
	sum := SumOf(payload)
	h := NewHeader(TypeRDATA, testTSI, 5555)
	d := Data{SQN: 7, Trail: 3, Payload: payload}
	o := nakList(1)
	o.Present |= SetOf(OptJoin)
	for _, options := range []*Options{nil, {}, &o} {
		front := AppendDataHeader(nil, &h, &d, options, sum)
		if options == nil && len(front) != DataHeaderSize {
			t.Errorf("%d octets before the payload", len(front))
		}
		packet := append(front, payload...)
		if want := AppendData(nil, &h, &d, options); !bytes.Equal(packet, want) {
			t.Errorf("got %x, want %x", packet, want)
		}
		got, _, err := ConsumeHeader(packet)
		if err != nil || got.VerifyChecksum(packet) != nil {
			t.Errorf("%v, %v", err, got.VerifyChecksum(packet))
		}
	}
}

// TestAsserts are mistakes that only we can make.
func TestAsserts(t *testing.T) {
	h := NewHeader(TypeSPM, testTSI, 1)
	long := NewHeader(TypeODATA, testTSI, 1)
	for name, mistake := range map[string]func(){
		"no address":    func() { AppendSPM(nil, &h, &SPM{}, nil) },
		"data":          func() { AppendData(nil, &h, &Data{}, nil) },
		"NAK":           func() { AppendNAK(nil, &h, &NAK{0, v4, v4}, nil) },
		"consuming NAK": func() { _, _ = ConsumeNAK(&h, nil, new(Options)) },
		"payload":       func() { AppendData(nil, &long, &Data{Payload: make([]byte, 0x10000)}, nil) },
		"list":          func() { nakList(make([]SQN, 63)...) },
		"options":       func() { AppendSPMR(nil, &h, &Options{Present: 1 << 0x1f}) },
		"offset":        func() { PutOffset(make([]byte, 4), 3) },
	} {
		func() {
			defer func() {
				if s, _ := recover().(string); !strings.HasPrefix(s, "pgm: ") {
					t.Errorf("%s: panics with %q", name, s)
				}
			}()
			mistake()
		}()
	}
}

// TestAllocations: none, both ways, for every packet in the table.
func TestAllocations(t *testing.T) {
	buf := make([]byte, 0, 2000)
	o := new(Options)
	check := func(name string, f func()) {
		t.Helper()
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	spm, data, nak := SPM{1, 2, 3, v6}, Data{1, 2, make([]byte, 1400)}, NAK{1, v6, v6}
	full := fullOptions()
	h := NewHeader(TypeSPM, testTSI, 1)
	dataHeader, nakHeader := NewHeader(TypeODATA, testTSI, 1), NewHeader(TypeNCF, testTSI, 1)
	check("AppendSPM", func() { AppendSPM(buf, &h, &spm, &full) })
	check("AppendData", func() { AppendData(buf, &dataHeader, &data, nil) })
	check("AppendNAK", func() { AppendNAK(buf, &nakHeader, &nak, &full) })
	check("AppendSPMR", func() { AppendSPMR(buf, &h, nil) })

	bodyOf := func(packet []byte) (*Header, []byte, []byte) {
		h, body, err := ConsumeHeader(packet)
		if err != nil {
			t.Fatal(err)
		}
		return &h, body, packet
	}
	for _, test := range packets {
		h, body, packet := bodyOf(whole(t, test.wire))
		check(test.name, func() {
			_, _, _ = ConsumeHeader(packet)
			_ = h.VerifyChecksum(packet)
			_, _ = describeless(h, body, o)
			_, _ = describeless(h, body[:len(body)/2], o) // an error
		})
	}
}

// describeless parses a body and drops what it finds.
func describeless(h *Header, body []byte, o *Options) (n int, err error) {
	switch h.Type {
	case TypeSPM:
		_, err = ConsumeSPM(h, body, o)
	case TypePOLL:
		_, err = ConsumePOLL(h, body, o)
	case TypePOLR:
		_, err = ConsumePOLR(h, body, o)
	case TypeODATA, TypeRDATA:
		var d Data
		if d, err = ConsumeData(h, body, o); err == nil {
			_, _, err = ConsumeTSDU(d.Payload)
		}
	case TypeNAK, TypeNNAK, TypeNCF:
		_, err = ConsumeNAK(h, body, o)
	case TypeSPMR:
		err = ConsumeSPMR(h, body, o)
	case TypeACK:
		_, err = ConsumeACK(h, body, o)
	}
	return 0, err
}
