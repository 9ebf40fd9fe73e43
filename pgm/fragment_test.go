package pgm

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestReceiverFragments: what becomes of fragments, good and bad. Each packet is
// sqn, first, offset, length, and octets; a length of zero is no fragment.
func TestReceiverFragments(t *testing.T) {
	type packet struct {
		sqn            SQN
		first          SQN
		offset, length uint32
		size           int
	}
	for _, test := range []struct {
		name    string
		packets []packet
		want    []string
	}{
		{"whole", []packet{{10, 10, 0, 25, 10}, {11, 10, 10, 25, 10}, {12, 10, 20, 25, 5}}, []string{"10-12: 25"}},
		{"two", []packet{{10, 10, 0, 20, 10}, {11, 10, 10, 20, 10}, {12, 12, 0, 11, 10}, {13, 12, 10, 11, 1}}, []string{"10-11: 20", "12-13: 11"}},
		{"one fragment", []packet{{10, 10, 0, 10, 10}}, []string{"10-10: 10"}},
		{"joined within", []packet{{10, 9, 10, 20, 10}, {11, 0, 0, 0, 7}}, []string{"11-11: 7"}},
		{"out of order", []packet{{10, 10, 0, 25, 10}, {12, 10, 20, 25, 5}, {11, 10, 10, 25, 10}}, []string{"10-12: 25"}},
		{"not finished", []packet{{10, 10, 0, 25, 10}, {11, 10, 10, 25, 10}, {12, 0, 0, 0, 7}},
			[]string{"gap 10-11: incomplete APDU", "12-12: 7"}},
		{"another begins", []packet{{10, 10, 0, 25, 10}, {11, 11, 0, 20, 10}, {12, 11, 10, 20, 10}},
			[]string{"gap 10-10: incomplete APDU", "11-12: 20"}},
		{"another, of one fragment", []packet{{10, 10, 0, 25, 10}, {11, 11, 0, 10, 10}},
			[]string{"gap 10-10: incomplete APDU", "11-11: 10"}},
		{"hole", []packet{{10, 10, 0, 25, 10}, {11, 10, 11, 25, 10}, {12, 10, 21, 25, 4}},
			[]string{"gap 10-11: incomplete APDU", "gap 12-12: incomplete APDU"}},
		{"other length", []packet{{10, 10, 0, 25, 10}, {11, 10, 10, 24, 10}}, []string{"gap 10-11: incomplete APDU"}},
		{"other first", []packet{{10, 10, 0, 25, 10}, {11, 9, 10, 25, 10}}, []string{"gap 10-11: incomplete APDU"}},
		{"beyond its end", []packet{{10, 10, 0, 25, 10}, {11, 10, 10, 25, 16}}, []string{"gap 10-11: incomplete APDU"}},
		{"first is elsewhere", []packet{{10, 0, 0, 0, 1}, {11, 4000, 0, 25, 10}}, []string{"10-10: 1", "gap 11-11: incomplete APDU"}},
		{"too large", []packet{{10, 0, 0, 0, 1}, {11, 11, 0, 1001, 10}, {12, 11, 10, 1001, 10}, {13, 0, 0, 0, 1}},
			[]string{"10-10: 1", "gap 11-11: incomplete APDU", "gap 12-12: incomplete APDU", "13-13: 1"}},
		{"length of all", []packet{{10, 10, 0, 0xffffffff, 10}, {11, 10, 0xfffffff0, 0xffffffff, 10}, {12, 0, 0, 0, 1}}, []string{"12-12: 1"}},
	} {
		k := newTalk(t, ReceiverConfig{MaxAPDU: 1000})
		k.spm(0, 9, ours())
		var got []string
		for _, p := range test.packets {
			h := NewHeader(TypeODATA, testTSI, 5555)
			o := Options{Present: SetOf(OptFragment), FragmentSQN: p.first, FragmentOffset: p.offset, FragmentLength: p.length}
			payload := bytes.Repeat([]byte{byte(p.sqn)}, p.size)
			h, body, err := ConsumeHeader(AppendData(nil, &h, &Data{SQN: p.sqn, Payload: payload}, &o))
			if err == nil {
				err = k.r.Handle(k.epoch, &h, body)
			}
			if err != nil {
				t.Fatal(test.name, err)
			}
			for e := k.r.Next(); e.Kind != 0; e = k.r.Next() {
				line := fmt.Sprintf("%d-%d: %d", e.SQN, e.Last, len(e.Payload))
				if e.Kind == ReceiverGap {
					line = fmt.Sprintf("gap %d-%d: %v", e.SQN, e.Last, e.Reason)
				}
				got = append(got, line)
				if e.Kind == ReceiverData && (e.Payload[0] != byte(e.SQN) || e.Payload[len(e.Payload)-1] != byte(e.Last)) {
					t.Errorf("%s: %x", test.name, e.Payload)
				}
			}
			k.r.rxw.check()
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
		if n := cap(k.r.apdu.octets); n > 2000 {
			t.Errorf("%s: memory for %d octets", test.name, n)
		}
	}
}

// TestSourceFragments: an APDU goes out whole or not at all, its fragments one
// behind the other.
func TestSourceFragments(t *testing.T) {
	k := newStand(t, SourceConfig{MaxTPDU: 400, QueuePackets: 8, First: 0xfffffffe, Rate: 100_000})
	k.pump()
	apdu := make([]byte, 3000)
	for i := range apdu {
		apdu[i] = byte(i * 7)
	}
	if !k.s.Send(k.at(), apdu) {
		t.Fatal("refused, though nothing waits")
	}
	if k.s.Send(k.at(), apdu) || k.s.Queued() != 9 {
		t.Fatalf("%d packets wait", k.s.Queued())
	}
	var whole, last []byte
	for range 10_000 {
		packet, _ := k.s.Next(k.at(), k.buf)
		if packet == nil {
			k.now += 100 * time.Microsecond
			continue
		}
		h, body, err := ConsumeHeader(packet)
		if err != nil || h.VerifyChecksum(packet) != nil {
			t.Fatalf("%s", Describe(packet))
		}
		if h.Type != TypeODATA {
			continue
		}
		var o Options
		d, err := ConsumeData(&h, body, &o)
		first := len(whole) == 0
		if err != nil || !o.Present.Has(OptFragment) || o.FragmentEncoded || o.Present.Has(OptSYN) != first {
			t.Fatalf("%s: %v", Describe(packet), err)
		}
		if o.FragmentSQN != 0xfffffffe || int(o.FragmentOffset) != len(whole) || o.FragmentLength != 3000 {
			t.Fatalf("%s, with %d octets before it", Describe(packet), len(whole))
		}
		if !first && &last[:cap(last)][0 : len(last)+1][len(last)] != &packet[0] {
			t.Fatal("packets do not lie one behind the other")
		}
		whole, last = append(whole, d.Payload...), k.s.txw.ring[k.s.txw.at(d.SQN).offset:][:len(packet)]
		if len(whole) == 3000 {
			break
		}
	}
	if !bytes.Equal(whole, apdu) {
		t.Errorf("%d octets, and not those", len(whole))
	}
	if !k.s.Send(k.at(), make([]byte, k.s.MaxAPDU())) {
		t.Error("what MaxAPDU allows is refused")
	}
	k.s.txw.check()
}

func TestAPDUAllocates(t *testing.T) {
	now := time.Unix(1e9, 0)
	source := paritySource(FECConfig{}, now)
	r := NewReceiver(ReceiverConfig{TSI: testTSI, Source: simNLA, Group: simGroup, Dice: func() float64 { return 0.5 }}, now)
	apdu, buf, got := make([]byte, 50_000), make([]byte, 2000), 0
	one := func() {
		source.Send(now, apdu)
		for packet, _ := source.Next(now, buf); packet != nil; packet, _ = source.Next(now, buf) {
			h, body, _ := ConsumeHeader(packet)
			if err := r.Handle(now, &h, body); err != nil {
				t.Fatal(err)
			}
			for e := r.Next(); e.Kind != 0; e = r.Next() {
				got += len(e.Payload)
			}
		}
	}
	for range 1000 {
		one()
	}
	if n := testing.AllocsPerRun(100, one); n != 0 || got != 1101*50_000 {
		t.Errorf("%v allocations an APDU, %d octets", n, got)
	}
}
