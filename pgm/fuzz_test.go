package pgm

import (
	"bytes"
	"reflect"
	"testing"
)

// FuzzPacket: no octets make a Consume function panic or read past their end, what
// is accepted is written back as it was read, and a packet without unknown or
// unordered options comes back octet by octet.
func FuzzPacket(f *testing.F) {
	for _, test := range packets {
		f.Add(whole(f, test.wire))
	}
	for _, test := range options {
		f.Add(inSPMR(f, test.wire))
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		packet = packet[:len(packet):len(packet)]
		before := bytes.Clone(packet)
		var o Options
		h, fields, err := consume(packet, &o)
		if Describe(packet) == "" {
			t.Error("nothing to say")
		}
		if !bytes.Equal(packet, before) {
			t.Fatal("consuming changed the octets")
		}
		if err != nil {
			if e, ok := err.(*ProtocolError); !ok || e.Field == "" {
				t.Fatalf("error %v", err)
			}
			return
		}
		again := appendPacket(nil, &h, fields, &o)
		if again == nil {
			return // we do not write these
		}
		var o2 Options
		h2, fields2, err := consume(again, &o2)
		if err != nil || h2.VerifyChecksum(again) != nil {
			t.Fatalf("%x written as %x: %v, %v", packet, again, err, h2.VerifyChecksum(again))
		}
		if h2.TSI() != h.TSI() || h2.TSDULength != h.TSDULength || !reflect.DeepEqual(fields, fields2) {
			t.Fatalf("%v %v became %v %v", h, fields, h2, fields2)
		}
		if o.Unknown = 0; !reflect.DeepEqual(o, o2) {
			t.Fatalf("options %v became %v", &o, &o2)
		}
		third := appendPacket(nil, &h2, fields2, &o2)
		if !bytes.Equal(again, third) {
			t.Fatalf("%x written again as %x", again, third)
		}
	})
}

// FuzzOptions reaches the options at once. One parser must not see more of them
// than the other.
func FuzzOptions(f *testing.F) {
	for _, test := range options {
		f.Add(octets(f, test.wire))
	}
	for _, test := range unwritten {
		f.Add(octets(f, test.wire))
	}
	for _, test := range refused {
		f.Add(octets(f, test.wire))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		if len(wire) > 5000 {
			return
		}
		b := append([]byte{0, 4, byte((len(wire) + 4) >> 8), byte(len(wire) + 4)}, wire...)
		b = b[:len(b):len(b)]
		var o Options
		n, err := consumeOptions(&Header{Options: BitPresent}, b, &o)
		if err != nil {
			return
		}
		if n != len(b) {
			t.Fatalf("%d octets of %d", n, len(b))
		}
		rest, _, err := ConsumeOptionLength(b)
		var seen OptionSet
		unknown := 0
		for err == nil && len(rest) > 0 {
			var h OptionHeader
			if h, _, n, err = ConsumeOption(rest); err == nil {
				if formOf(h.Type) == nil {
					unknown++
				} else {
					seen |= SetOf(h.Type)
				}
				rest = rest[n:]
			}
		}
		if err != nil || seen != o.Present || unknown != int(o.Unknown) {
			t.Fatalf("%v, %x and %d unknown, walked: %x and %d", err, o.Present, o.Unknown, seen, unknown)
		}
	})
}

// FuzzTSDU: what is accepted is written back as it was.
func FuzzTSDU(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0})
	f.Add([]byte{0, 1, 2})
	f.Add([]byte{0, 2, 2})
	f.Add([]byte{0xff, 0xff, 2})
	f.Fuzz(func(t *testing.T, payload []byte) {
		offset, data, err := ConsumeTSDU(payload)
		if err != nil {
			return
		}
		if offset != NoMessage && offset > len(data) || len(data) != len(payload)-OffsetSize {
			t.Fatalf("%x: offset %d of %d", payload, offset, len(data))
		}
		again := append(make([]byte, OffsetSize), data...)
		if PutOffset(again, offset); !bytes.Equal(again, payload) {
			t.Fatalf("%x written as %x", payload, again)
		}
	})
}
