package zmtp

import (
	"bytes"
	"math"
	"testing"
)

var frameHeaders = []struct {
	name string
	wire []byte
	want FrameHeader
}{
	{"empty last frame", []byte{0x00, 0x00}, FrameHeader{0, 0}},
	{"short more", []byte{0x01, 0x05}, FrameHeader{FlagMore, 5}},
	{"short command", []byte{0x04, 0x26}, FrameHeader{FlagCommand, 38}},
	{"largest short", []byte{0x00, 0xff}, FrameHeader{0, 255}},
	{"smallest long", []byte{0x02, 0, 0, 0, 0, 0, 0, 1, 0}, FrameHeader{FlagLong, 256}},
	{"long more", []byte{0x03, 0, 0, 0, 0, 0, 1, 0, 0}, FrameHeader{FlagLong | FlagMore, 65536}},
	{"long command", []byte{0x06, 0, 0, 0, 0, 0, 1, 0, 0}, FrameHeader{FlagLong | FlagCommand, 65536}},
	{"largest", []byte{0x02, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, FrameHeader{FlagLong, math.MaxInt}},
}

// accepted are headers that we understand and do not write.
var acceptedHeaders = []struct {
	name string
	wire []byte
	want FrameHeader
}{
	{"reserved bits", []byte{0xf8, 0x05}, FrameHeader{0, 5}},
	{"reserved bits, more", []byte{0xf9, 0x05}, FrameHeader{FlagMore, 5}},
	{"long for nothing", []byte{0x02, 0, 0, 0, 0, 0, 0, 0, 5}, FrameHeader{FlagLong, 5}},
	{"LONG forgotten, smallest", []byte{0x04, 0, 0, 0, 0, 0, 0, 1, 0}, FrameHeader{FlagLong | FlagCommand, 256}},
	{"LONG forgotten, largest", []byte{0x04, 0, 0, 0, 0, 0, 0, 1, 9}, FrameHeader{FlagLong | FlagCommand, 265}},
}

var refusedHeaders = []struct {
	name string
	wire []byte
	want error
}{
	// "This bit SHALL be zero on command frames."
	{"MORE on a command", []byte{0x05, 0x00}, errMoreOnCommand},
	{"MORE on a long command", []byte{0x07, 0x00}, errMoreOnCommand},
	{"above the limit", []byte{0x02, 0, 0, 0, 0, 0, 0x10, 0, 1}, errFrameTooLarge},
	{"above every limit", []byte{0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, errFrameTooLarge},
	{"command above the limit", []byte{0x06, 0x80, 0, 0, 0, 0, 0, 0, 0}, errFrameTooLarge},
	{"empty command", []byte{0x04, 0, 0, 0, 0, 0, 0, 0, 0}, errBadCommand},
	{"LONG forgotten for 255", []byte{0x04, 0, 0, 0, 0, 0, 0, 0, 255}, errBadCommand},
	{"LONG forgotten for 266", []byte{0x04, 0, 0, 0, 0, 0, 0, 1, 10}, errBadCommand},
}

const testLimit = 1 << 20

func TestFrameHeader(t *testing.T) {
	for _, test := range frameHeaders {
		t.Run(test.name, func(t *testing.T) {
			got, n, err := ConsumeFrameHeader(test.wire, math.MaxInt)
			if got != test.want || n != len(test.wire) || err != nil {
				t.Errorf("Consume(%x) = %v, %v, %v; want %v, %v, nil",
					test.wire, got, n, err, test.want, len(test.wire))
			}
			if got := AppendFrameHeader(nil, test.want); !bytes.Equal(got, test.wire) {
				t.Errorf("Append(%v) = %x, want %x", test.want, got, test.wire)
			}
			if got := AppendFrameHeader(nil, FrameHeader{test.want.Flags ^ FlagLong, test.want.Size}); !bytes.Equal(got, test.wire) {
				t.Errorf("Append(%v) with LONG the other way = %x, want %x", test.want, got, test.wire)
			}
			if test.want.Size < math.MaxInt/2 {
				if got, want := FrameSize(test.want.Size), len(test.wire)+test.want.Size; got != want {
					t.Errorf("FrameSize(%d) = %d, want %d", test.want.Size, got, want)
				}
			}
			wantPrefixesShort(t, test.wire)
		})
	}
	for _, test := range acceptedHeaders {
		t.Run(test.name, func(t *testing.T) {
			got, n, err := ConsumeFrameHeader(test.wire, testLimit)
			if got != test.want || n != len(test.wire) || err != nil {
				t.Errorf("Consume(%x) = %v, %v, %v; want %v, %v, nil",
					test.wire, got, n, err, test.want, len(test.wire))
			}
			wantPrefixesShort(t, test.wire)
		})
	}
	for _, test := range refusedHeaders {
		t.Run(test.name, func(t *testing.T) {
			if got, n, err := ConsumeFrameHeader(test.wire, testLimit); n != 0 || err != test.want {
				t.Errorf("Consume(%x) = %v, %v, %v; want error %v", test.wire, got, n, err, test.want)
			}
		})
	}
}

// wantPrefixesShort says that a stream can stop anywhere: every proper prefix
// must ask for more, and for no more than there is going to be.
func wantPrefixesShort(t *testing.T, wire []byte) {
	t.Helper()
	for i := range wire {
		if _, n, err := ConsumeFrameHeader(wire[:i], math.MaxInt); n != 0 || err != nil {
			t.Errorf("Consume(%x) = n %v, err %v; want 0, nil", wire[:i], n, err)
		}
		if need := headerSize(wire[:i]); need <= i || need > len(wire) {
			t.Errorf("headerSize(%x) = %d, with %d octets to come", wire[:i], need, len(wire))
		}
	}
}

func TestFrameHeaderLimit(t *testing.T) {
	for _, limit := range []int{0, 1, 255, 256, 1 << 20} {
		for _, over := range []int{0, 1} {
			b := AppendFrameHeader(nil, FrameHeader{0, limit + over})
			_, n, err := ConsumeFrameHeader(b, limit)
			if over == 0 && (n != len(b) || err != nil) || over == 1 && err != errFrameTooLarge {
				t.Errorf("limit %d, size %d: n %d, err %v", limit, limit+over, n, err)
			}
		}
	}
}

func TestFrame(t *testing.T) {
	for _, size := range []int{0, 1, 255, 256, 1000} {
		body := bytes.Repeat([]byte{byte(size)}, size)
		wire := AppendFrame([]byte("before"), FlagMore, body)[len("before"):]
		if len(wire) != FrameSize(size) {
			t.Errorf("a frame of %d octets takes %d, FrameSize says %d", size, len(wire), FrameSize(size))
		}
		got, n, err := ConsumeFrame(append(wire, "after"...), testLimit)
		if n != len(wire) || err != nil || got.Flags&FlagMore == 0 || !bytes.Equal(got.Body, body) {
			t.Errorf("size %d: %v, %d, %v", size, got, n, err)
		}
		if cap(got.Body) != len(got.Body) {
			t.Errorf("size %d: appending to the body would write into the next frame", size)
		}
		for i := range wire {
			if f, n, err := ConsumeFrame(wire[:i], testLimit); n != 0 || err != nil {
				t.Errorf("%d octets of %d: %v, %d, %v", i, len(wire), f, n, err)
			}
		}
	}
}

func FuzzFrameHeader(f *testing.F) {
	for _, seed := range frameHeaders {
		f.Add(seed.wire)
	}
	for _, seed := range acceptedHeaders {
		f.Add(seed.wire)
	}
	for _, seed := range refusedHeaders {
		f.Add(seed.wire)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := ConsumeFrameHeader(b, testLimit)
		if err != nil || n == 0 {
			return
		}
		if h.Size > testLimit || n > len(b) || h.Flags&^flagsKnown != 0 || n != headerSize(b) {
			t.Fatalf("Consume(%x) = %v, %v escapes its bounds", b, h, n)
		}
		again, _, err := ConsumeFrameHeader(AppendFrameHeader(nil, h), testLimit)
		if h.Size == 0 && h.Flags&FlagCommand != 0 {
			return // a long header can say what a short one cannot
		}
		if err != nil || again.Size != h.Size || again.Flags&^FlagLong != h.Flags&^FlagLong {
			t.Fatalf("round trip of %v = %v, %v", h, again, err)
		}
	})
}

func TestFrameHeaderDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 16)
	if n := testing.AllocsPerRun(100, func() {
		b := AppendFrameHeader(buf, FrameHeader{FlagMore, 1 << 10})
		if _, _, err := ConsumeFrameHeader(b, testLimit); err != nil {
			t.Fatal(err)
		}
		for _, test := range refusedHeaders {
			if _, _, err := ConsumeFrameHeader(test.wire, testLimit); err == nil {
				t.Fatal(test.name, "accepted")
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations per frame header, want 0", n)
	}
}
