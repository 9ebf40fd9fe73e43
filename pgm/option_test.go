package pgm

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// options are written by hand, without the OPT_LENGTH in front.
var options = []struct {
	wire string
	want Options
}{
	{"8110 0000 00000001 00000002 00000003", Options{Present: SetOf(OptFragment), FragmentSQN: 1, FragmentOffset: 2, FragmentLength: 3}},
	{"8110 0000 00000001 00000000 00000000", Options{Present: SetOf(OptFragment), FragmentSQN: 1}},
	{"8208 0000 00000001", nakList(1)},
	{"8308 0000 00000001", Options{Present: SetOf(OptJoin), JoinMinimum: 1}},
	{"840c 0000 00000001 00000002", Options{Present: SetOf(OptNAKBOIvl), NAKBackOffInterval: time.Microsecond, NAKBackOffSQN: 2}},
	{"840c 0000 ffffffff 00000000", Options{Present: SetOf(OptNAKBOIvl), NAKBackOffInterval: 0xffffffff * time.Microsecond}},
	{"850c 0000 00000002 00000001", Options{Present: SetOf(OptNAKBORng), NAKBackOffMaximum: 2 * time.Microsecond, NAKBackOffMinimum: time.Microsecond}},
	{"870c 0000 " + wireV4, Options{Present: SetOf(OptRedirect), RedirectNLA: v4}},
	{"8718 0000 " + wireV6, Options{Present: SetOf(OptRedirect), RedirectNLA: v6}},
	// P is left of O in the RFC's figure, and so in Wireshark; OpenPGM swaps them.
	{"8808 0002 00000008", Options{Present: SetOf(OptParityPrm), ProactiveParity: true, ParityGroupSize: 8}},
	{"8808 0001 00000008", Options{Present: SetOf(OptParityPrm), OnDemandParity: true, ParityGroupSize: 8}},
	{"8908 0000 00000001", Options{Present: SetOf(OptParityGrp), ParityGroup: 1}},
	{"8a08 0000 00000001", Options{Present: SetOf(OptCurrTGSize), CurrentTGSize: 1}},
	{"8b04 0000", Options{Present: SetOf(OptNbrUnreach)}},
	{"8c08 0000 0a000007", Options{Present: SetOf(OptPathNLA), PathNLA: v4}},
	{"8c14 0000 fe80 0000 0000 0000 0000 0000 0000 0009", Options{Present: SetOf(OptPathNLA), PathNLA: v6}},
	{"8d04 0000", Options{Present: SetOf(OptSYN)}},
	{"8e04 0000", Options{Present: SetOf(OptFIN)}},
	{"8f04 0000", Options{Present: SetOf(OptRST)}},
	{"8f04 007f", Options{Present: SetOf(OptRST), ResetNoNAKs: true, ResetCode: 63}},
	{"8f04 0001", Options{Present: SetOf(OptRST), ResetCode: 1}},
	{"9018 0005 00000001 0002 0003 0004 0000 " + wireV4, Options{Present: SetOf(OptCR), Report: CongestionNEL | CongestionRXP,
		ReportSQN: 1, ReportWorstLink: 2, ReportWorstPath: 3, ReportReceiver: 4, ReportReceiverNLA: v4}},
	{"9024 0002 00000001 0002 0003 0004 0000 " + wireV6, Options{Present: SetOf(OptCR), Report: CongestionNEP,
		ReportSQN: 1, ReportWorstLink: 2, ReportWorstPath: 3, ReportReceiver: 4, ReportReceiverNLA: v6}},
	{"9104 0007", Options{Present: SetOf(OptCRQST), ReportRequest: congestionKnown}},
	{"9210 0000 00000001 " + wireV4, Options{Present: SetOf(OptPGMCCData), DataTimestamp: 1, DataAckerNLA: v4}},
	{"921c 0000 00000001 " + wireV6, Options{Present: SetOf(OptPGMCCData), DataTimestamp: 1, DataAckerNLA: v6}},
	{"9310 0000 00000001 0001 0002 0a000007", Options{Present: SetOf(OptPGMCCFeedback), FeedbackTimestamp: 1, FeedbackLossRate: 2, FeedbackNLA: v4}},
	{"931c 0000 00000001 0002 0003 fe80 0000 0000 0000 0000 0000 0000 0009",
		Options{Present: SetOf(OptPGMCCFeedback), FeedbackTimestamp: 1, FeedbackLossRate: 3, FeedbackNLA: v6}},
}

// unwritten are options that we understand and do not write so.
var unwritten = []struct {
	wire string
	want Options
}{
	{"0d04 0000 8e04 0000", Options{Present: SetOf(OptSYN, OptFIN)}},               // any order is fine
	{"8e04 f800", Options{Present: SetOf(OptFIN)}},                                 // reserved bits
	{"8e04 0300", Options{Present: SetOf(OptFIN)}},                                 // OPX is for network elements
	{"8e04 04ff", Options{Present: SetOf(OptFIN)}},                                 // F, U and bits that mean nothing here
	{"8604 0000", Options{Unknown: 1}},                                             // 6 was never assigned
	{"8605 0000 ff", Options{Unknown: 1}},                                          // of any length
	{"ff08 0000 00000000", Options{Unknown: 1}},                                    // OPT_INVALID
	{"ff0c 0000 00000000 00000000", Options{Unknown: 1}},                           //
	{"1404 0000 1404 0000 8e04 0000", Options{Unknown: 2, Present: SetOf(OptFIN)}}, // unknown ones may repeat
	{"0d04 0000 a004 0000", Options{Unknown: 1, Present: SetOf(OptSYN)}},           // above what a set holds
	{"8110 0400 00000001 00000009 00000003", // a code word need not make sense
		Options{Present: SetOf(OptFragment), FragmentEncoded: true, FragmentSQN: 1, FragmentOffset: 9, FragmentLength: 3}},
}

// refused are options with one thing wrong, and the field to blame.
var refused = []struct {
	wire string
	want *ProtocolError
}{
	{"", errOptEnd},
	{"8e", errOptTruncated},
	{"8e04 00", errOptTruncated},
	{"8e03 0000", errOptShort},
	{"8e00 0000", errOptShort},
	{"0e04 0000", errOptEnd},
	{"0d04 0000 0e04 0000", errOptEnd},
	{"8e05 0000", errOptLong},
	{"86ff 0000 00000000", errOptLong},
	{"8d04 0000 8e04 0000", errOptEarly},
	{"8e04 0000 00", errOptEarly},
	{"0004 0008 8e04 0000", errOptAgain},
	{"8004 0008", errOptAgain},
	{"0e04 0000 8e04 0000", forms[OptFIN].again},
	{"0308 0000 00000001 8308 0000 00000001", forms[OptJoin].again},
	{"8e08 0000 00000000", forms[OptFIN].size},
	{"810c 0000 00000001 00000002", forms[OptFragment].size}, // the length in the RFC's text
	{"8204 0000", forms[OptNAKList].size},
	{"8207 0000 000000", forms[OptNAKList].size},
	{"820a 0000 00000000 0000", forms[OptNAKList].size},
	{"8304 0000", forms[OptJoin].size},
	{"8708 0000 0a000007", forms[OptRedirect].size}, // the length in the RFC's text
	{"870d 0000 " + wireV4 + "00", forms[OptRedirect].size},
	{"8718 0000 0001 0000 fe80 0000 0000 0000 0000 0000 0000 0009", forms[OptRedirect].size},
	{"870c 0000 0002 0000 0a000007", &forms[OptRedirect].nla.nla},
	{"870c 0000 0009 0000 0a000007", &forms[OptRedirect].nla.family},
	{"8c04 0000", forms[OptPathNLA].size},
	{"8c0c 0000 00000000 00000000", forms[OptPathNLA].size},
	{"8110 0000 00000001 00000003 00000003", forms[OptFragment].value},
	{"850c 0000 00000001 00000002", forms[OptNAKBORng].value},
	// "At least one of PARITY_PRM_PRO and PARITY_PRM_OND MUST be set."
	{"8808 0000 00000008", forms[OptParityPrm].value},
	// "PRM_GROUP MUST NOT be zero."
	{"8908 0000 00000000", forms[OptParityGrp].value},
	{strings.Repeat("1404 0000 ", 16) + "9404 0000", errManyOptions},
}

// inSPMR is an SPM request with those options.
func inSPMR(t testing.TB, wire string) []byte {
	b := octets(t, head(up, "0c", "01", "0000")+fmt.Sprintf("0004 %04x ", 4+len(octets(t, wire)))+wire)
	if h, _, _ := ConsumeHeader(b); h.Options&BitPresent == 0 {
		t.Fatal("no options")
	}
	return b
}

func TestOptions(t *testing.T) {
	covered := SetOf()
	for _, test := range options {
		packet := inSPMR(t, test.wire)
		var o Options
		if _, _, err := consume(packet, &o); err != nil || !reflect.DeepEqual(o, test.want) {
			t.Errorf("%s: %+v, %v, want %+v", test.wire, o, err, test.want)
		}
		h := NewHeader(TypeSPMR, testTSI, 5555)
		again := AppendSPMR(nil, &h, &test.want)
		if got, want := fmt.Sprintf("%x", again[HeaderSize:]), fmt.Sprintf("%x", packet[HeaderSize:]); got != want {
			t.Errorf("appended %s, want %s", got, want)
		}
		if s := test.want.String(); s == "" || strings.Contains(s, "unknown") {
			t.Errorf("%s: printed as %q", test.wire, s)
		}
		wantRefusals(t, packet)
		covered |= test.want.Present
	}
	for typ, f := range forms {
		if f != nil && !covered.Has(OptionType(typ)) {
			t.Errorf("%v is not tested", OptionType(typ))
		}
	}
	for _, test := range unwritten {
		var o Options
		if _, _, err := consume(inSPMR(t, test.wire), &o); err != nil || !reflect.DeepEqual(o, test.want) {
			t.Errorf("%s: %+v, %v, want %+v", test.wire, o, err, test.want)
		}
	}
}

func TestOptionsRefused(t *testing.T) {
	for _, test := range refused {
		var o Options
		if _, _, err := consume(inSPMR(t, test.wire), &o); err != test.want {
			t.Errorf("%s: %v, want %v", test.wire, err, test.want)
		}
	}
	for _, test := range []struct {
		wire string
		want error
	}{
		{"", errOptLength},
		{"000400", errOptLength},
		{"8e04 0000", errOptLength},
		{"8004 0004", errOptLength},
		{"0005 0009 8e04 0000 00", errOptLengthSize},
		{"0004 0009 8e04 0000", errOptTotal},
		{"0004 ffff 8e04 0000", errOptTotal},
		{"0004 0000 8e04 0000", errOptEnd},
		{"0004 0004 8e04 0000", errOptEnd},
		{"0004 0007 8e04 0000", errOptTruncated},
		{"0004 0008 8e04 0000 8e04 0000", errTSDULength},
	} {
		var o Options
		if _, _, err := consume(octets(t, head(up, "0c", "01", "0000")+test.wire), &o); err != test.want {
			t.Errorf("%s: %v, want %v", test.wire, err, test.want)
		}
	}
}

// TestOptionsWithoutBit: with the bit clear what looks like options is payload.
func TestOptionsWithoutBit(t *testing.T) {
	o := nakList(1)
	_, fields, err := consume(octets(t, head(down, "04", "00", "0008")+"00000001 00000001 0004 0008 8e04 0000"), &o)
	if d, ok := fields.(Data); err != nil || !ok || len(d.Payload) != 8 || o.Present != 0 || o.NAKList() != nil {
		t.Errorf("%v, %v, options %v", fields, err, &o)
	}
}

func TestNAKList(t *testing.T) {
	list := make([]SQN, MaxNAKList)
	for i := range list {
		list[i] = SQN(i) - 30
	}
	h := NewHeader(TypeNAK, testTSI, 1)
	for n := range len(list) + 1 {
		o := nakList(list[:n]...)
		packet := AppendNAK(nil, &h, &NAK{1, v4, group4}, &o)
		var got Options
		gotHeader, _, err := consume(packet, &got)
		if err != nil || fmt.Sprint(got.NAKList()) != fmt.Sprint(list[:n]) || got.Present.Has(OptNAKList) != (n > 0) {
			t.Errorf("%d: %v, %v", n, got.NAKList(), err)
		}
		if want := (BitPresent | BitNetwork) * OptionBits(min(n, 1)); gotHeader.Options != want {
			t.Errorf("%d: bits %#x, want %#x", n, gotHeader.Options, want)
		}
	}
	o := nakList(list...)
	o.SetNAKList(nil)
	if o.Present != 0 || o.NAKList() != nil {
		t.Errorf("%v after the list was removed", &o)
	}
}

// TestConsumeOption has the bits that are for network elements.
func TestConsumeOption(t *testing.T) {
	h, value, n, err := ConsumeOption(octets(t, "8f05 06c3 aa bb"))
	want := OptionHeader{Type: OptRST, End: true, Length: 5, Encoded: true, OPX: OPXDiscard, EncodedNull: true, Specific: 0x43}
	if h != want || len(value) != 1 || n != 5 || err != nil {
		t.Errorf("got %+v, %x, %d, %v", h, value, n, err)
	}
}

// TestBackOffRounding: what does not fit 32 bits of microseconds is the nearest
// that does.
func TestBackOffRounding(t *testing.T) {
	h := NewHeader(TypeSPM, testTSI, 1)
	for d, want := range map[time.Duration]time.Duration{
		-1: 0, 499: 0, 500: time.Microsecond, time.Hour: time.Hour, 2 * time.Hour: 0xffffffff * time.Microsecond,
	} {
		o := Options{Present: SetOf(OptNAKBOIvl), NAKBackOffInterval: d}
		var got Options
		if _, _, err := consume(AppendSPM(nil, &h, &SPM{Path: v4}, &o), &got); err != nil || got.NAKBackOffInterval != want {
			t.Errorf("%v became %v, %v", d, got.NAKBackOffInterval, err)
		}
	}
}

// fullOptions has 16 options, which is the most.
func fullOptions() Options {
	o := nakList(1, 2, 3)
	o.Present |= SetOf(OptFragment, OptJoin, OptNAKBOIvl, OptNAKBORng, OptRedirect, OptParityPrm, OptParityGrp,
		OptCurrTGSize, OptNbrUnreach, OptPathNLA, OptSYN, OptFIN, OptRST, OptCR, OptCRQST)
	o.RedirectNLA, o.PathNLA, o.ReportReceiverNLA = v6, v4, v6
	o.FragmentLength, o.OnDemandParity, o.ParityGroup = 1, true, 1
	return o
}

func TestFullOptions(t *testing.T) {
	o := fullOptions()
	h := NewHeader(TypeSPM, testTSI, 1)
	packet := AppendSPM(nil, &h, &SPM{Path: v4}, &o)
	var got Options
	if _, _, err := consume(packet, &got); err != nil || !reflect.DeepEqual(got, o) {
		t.Errorf("got %v, %v, want %v", &got, err, &o)
	}
	// "All network-significant options MUST be appended before any exclusively
	// receiver-significant options."
	rest, _, err := ConsumeOptionLength(packet[HeaderSize+20:])
	if err != nil {
		t.Fatal(err)
	}
	for significant := true; len(rest) > 0; {
		option, _, n, err := ConsumeOption(rest)
		if err != nil {
			t.Fatal(err)
		}
		if now := networkSignificant.Has(option.Type); now && !significant {
			t.Errorf("%v comes too late", option.Type)
		} else {
			significant = now
		}
		rest = rest[n:]
	}
}
