package zmtp

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

var v1Frames = []struct {
	name string
	wire []byte
	want Frame
}{
	{"empty", []byte{1, 0}, Frame{0, []byte{}}},
	{"empty, more", []byte{1, 1}, Frame{FlagMore, []byte{}}},
	{"short", []byte("\x04\x00abc"), Frame{0, []byte("abc")}},
	{"short, more", []byte("\x04\x01abc"), Frame{FlagMore, []byte("abc")}},
	{"largest short", append([]byte{254, 0}, make([]byte, 253)...), Frame{0, make([]byte, 253)}},
	{"smallest long", append([]byte{255, 0, 0, 0, 0, 0, 0, 0, 255, 1}, make([]byte, 254)...), Frame{FlagMore, make([]byte, 254)}},
	{"long", append([]byte{255, 0, 0, 0, 0, 0, 0, 4, 1, 0}, make([]byte, 1024)...), Frame{0, make([]byte, 1024)}},
}

// v1Accepted are frames that we understand and do not write so.
var v1Accepted = []struct {
	name string
	wire []byte
	want Frame
}{
	{"long for nothing", []byte("\xff\x00\x00\x00\x00\x00\x00\x00\x02\x00a"), Frame{0, []byte("a")}},
	{"unknown flags", []byte("\x02\xfea"), Frame{0, []byte("a")}},
	{"unknown flags, more", []byte("\x02\xffa"), Frame{FlagMore, []byte("a")}},
}

var v1Refused = []struct {
	name string
	wire []byte
	want error
}{
	{"no flags", []byte{0, 0}, errV1Empty},
	{"no flags, long", []byte{255, 0, 0, 0, 0, 0, 0, 0, 0, 0}, errV1Empty},
	{"above the limit", []byte{255, 0, 0, 0, 0, 0, 0, 16, 2, 0}, errFrameTooLarge},
	{"above every int", []byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 0}, errFrameTooLarge},
	{"the sign bit", []byte{255, 128, 0, 0, 0, 0, 0, 0, 0, 0}, errFrameTooLarge},
}

const v1Limit = 0x1000

// v1Decode delivers octets in reads of those sizes, the rest in one, and returns
// what came of it.
func v1Decode(d *V1Decoder, wire []byte, cuts ...int) (frames []Frame, err error) {
	for len(wire) > 0 {
		size := len(wire)
		if len(cuts) > 0 {
			size, cuts = min(size, cuts[0]), cuts[1:]
		}
		b := bytes.Clone(wire[:size]) // gone after this read
		wire = wire[size:]
		for len(b) > 0 {
			f, n, ok, err := d.Consume(b)
			if err != nil {
				return frames, err
			}
			if !ok && n != len(b) {
				return frames, fmt.Errorf("%d octets of %d, and no frame", n, len(b))
			}
			if ok {
				frames = append(frames, Frame{f.Flags, bytes.Clone(f.Body)})
			}
			b = b[n:]
		}
	}
	return frames, nil
}

func sameFrames(a, b []Frame) bool {
	return slices.EqualFunc(a, b, func(a, b Frame) bool { return a.Flags == b.Flags && bytes.Equal(a.Body, b.Body) })
}

func TestV1Frame(t *testing.T) {
	for _, test := range v1Frames {
		t.Run(test.name, func(t *testing.T) {
			if got := AppendV1Frame(nil, test.want.Flags, test.want.Body); !bytes.Equal(got, test.wire) {
				t.Errorf("appended %x, want %x", got, test.wire)
			}
			if got := V1FrameSize(len(test.want.Body)); got != len(test.wire) {
				t.Errorf("size %d, want %d", got, len(test.wire))
			}
			everyV1Cut(t, test.wire, test.want)
		})
	}
	for _, test := range v1Accepted {
		t.Run(test.name, func(t *testing.T) { everyV1Cut(t, test.wire, test.want) })
	}
}

// everyV1Cut delivers a frame twice, cut at every octet, and every proper prefix
// of it alone.
func everyV1Cut(t *testing.T, wire []byte, want Frame) {
	t.Helper()
	twice := slices.Concat(wire, wire)
	for cut := range len(twice) + 1 {
		d := NewV1Decoder(v1Limit)
		got, err := v1Decode(d, twice, cut)
		if err != nil || !sameFrames(got, []Frame{want, want}) || d.Partial() {
			t.Fatalf("cut at %d: %v, %v", cut, got, err)
		}
	}
	for n := range wire {
		d := NewV1Decoder(v1Limit)
		if got, err := v1Decode(d, wire[:n]); err != nil || len(got) > 0 || d.Partial() != (n > 0) {
			t.Fatalf("%d octets: %v, %v", n, got, err)
		}
	}
}

func TestV1Refused(t *testing.T) {
	for _, test := range v1Refused {
		for cut := range len(test.wire) {
			d := NewV1Decoder(v1Limit)
			if got, err := v1Decode(d, test.wire, cut); err != test.want || len(got) > 0 {
				t.Errorf("%s, cut at %d: %v, %v", test.name, cut, got, err)
			}
			if _, n, ok, err := d.Consume([]byte("\x02\x00a")); err != test.want || n != 0 || ok {
				t.Errorf("%s: after the error: %d, %v, %v", test.name, n, ok, err)
			}
			d.Reset()
			if got, err := v1Decode(d, []byte("\x02\x00a")); err != nil || len(got) != 1 {
				t.Errorf("%s: after Reset: %v, %v", test.name, got, err)
			}
		}
	}
}

// TestV1Limit: the limit itself is allowed, one more is not, and no limit makes
// the sizes overflow.
func TestV1Limit(t *testing.T) {
	wire := AppendV1Frame(nil, 0, make([]byte, v1Limit))
	if got, err := v1Decode(NewV1Decoder(v1Limit), wire, 7); err != nil || len(got) != 1 {
		t.Errorf("at the limit: %d frames, %v", len(got), err)
	}
	if _, err := v1Decode(NewV1Decoder(v1Limit-1), wire, 7); err != errFrameTooLarge {
		t.Errorf("above the limit: %v", err)
	}
	d := NewV1Decoder(math.MaxInt)
	for _, wire := range []string{"\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00", "a", "b"} {
		if got, err := v1Decode(d, []byte(wire)); len(got) > 0 || err != nil && err != errFrameTooLarge {
			t.Errorf("%v, %v", got, err)
		}
	}
}

// TestV1Modest: a header that claims much makes nobody allocate.
func TestV1Modest(t *testing.T) {
	d := NewV1Decoder(1 << 40)
	if _, err := v1Decode(d, []byte("\xff\x00\x00\x00\x7f\xff\xff\xff\xff\x00some"), 3, 3); err != nil {
		t.Fatal(err)
	}
	if cap(d.partial) > 64 {
		t.Errorf("keeps %d octets", cap(d.partial))
	}
}

// TestV1Reset forgets half a frame.
func TestV1Reset(t *testing.T) {
	d := NewV1Decoder(v1Limit)
	if _, err := v1Decode(d, []byte("\x09\x00half")); err != nil || !d.Partial() {
		t.Fatal(err)
	}
	d.Reset()
	got, err := v1Decode(d, []byte("\x04\x01new"))
	if err != nil || !sameFrames(got, []Frame{{FlagMore, []byte("new")}}) || d.Partial() {
		t.Errorf("%v, %v", got, err)
	}
}

// v1Stream is a stream of frames of many sizes, and what is in it.
func v1Stream() (wire []byte, frames []Frame) {
	for i, size := range []int{0, 1, 2, 100, 252, 253, 254, 255, 256, 1000, 3, 0, 0, 2000} {
		body := bytes.Repeat([]byte{byte('a' + i)}, size)
		flags := FlagMore * Flags(i%3/2)
		wire = AppendV1Frame(wire, flags, body)
		frames = append(frames, Frame{flags, body})
	}
	return wire, frames
}

func TestV1Stream(t *testing.T) {
	wire, want := v1Stream()
	for size := 1; size < len(wire); size += 1 + size/8 {
		got, err := v1Decode(NewV1Decoder(v1Limit), wire, slices.Repeat([]int{size}, len(wire)/size)...)
		if err != nil || !sameFrames(got, want) {
			t.Errorf("in reads of %d: %d frames, %v", size, len(got), err)
		}
	}
}

// TestV1Allocations: none, once the largest frame that was cut has been seen.
func TestV1Allocations(t *testing.T) {
	wire, want := v1Stream()
	d := NewV1Decoder(v1Limit)
	round := func() {
		frames := 0
		for rest := wire; len(rest) > 0; {
			piece := rest[:min(len(rest), 100)]
			rest = rest[len(piece):]
			for len(piece) > 0 {
				_, n, ok, err := d.Consume(piece)
				if err != nil {
					t.Fatal(err)
				}
				if ok {
					frames++
				}
				piece = piece[n:]
			}
		}
		if frames != len(want) {
			t.Fatalf("%d frames", frames)
		}
	}
	round()
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations", n)
	}
	buf := make([]byte, 0, 3000)
	if n := testing.AllocsPerRun(100, func() { AppendV1Frame(buf, FlagMore, wire[:2000]) }); n != 0 {
		t.Errorf("AppendV1Frame: %v allocations", n)
	}
}

// FuzzV1 delivers octets in one read, and then cut as cuts says. Both must give
// the same frames and the same error, and the frames come back as octets that
// give them again.
func FuzzV1(f *testing.F) {
	wire, _ := v1Stream()
	f.Add(wire, []byte{1, 2, 3, 100})
	for _, test := range v1Refused {
		f.Add(test.wire, []byte{1})
	}
	for _, test := range v1Accepted {
		f.Add(test.wire, []byte{3, 3})
	}
	f.Fuzz(func(t *testing.T, wire, cuts []byte) {
		sizes := make([]int, len(cuts))
		for i, cut := range cuts {
			sizes[i] = int(cut)
		}
		whole, pieces := NewV1Decoder(v1Limit), NewV1Decoder(v1Limit)
		want, wantErr := v1Decode(whole, wire)
		got, err := v1Decode(pieces, wire, sizes...)
		if err != wantErr || !sameFrames(got, want) || pieces.Partial() != whole.Partial() {
			t.Fatalf("in pieces %v, %v; in one %v, %v", got, err, want, wantErr)
		}
		if c := cap(pieces.partial); c > 2*len(wire)+64 {
			t.Fatalf("%d octets made it keep %d", len(wire), c)
		}
		var again []byte
		for _, frame := range want {
			again = AppendV1Frame(again, frame.Flags, frame.Body)
		}
		if got, err := v1Decode(NewV1Decoder(v1Limit), again); err != nil || !sameFrames(got, want) {
			t.Fatalf("%v became %v, %v", want, got, err)
		}
		if wantErr == nil && len(again) > len(wire) {
			t.Fatalf("%d octets became %d", len(wire), len(again))
		}
	})
}

func BenchmarkV1Decoder(b *testing.B) {
	for _, size := range []int{16, 64, 1024} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			frame := AppendV1Frame(nil, 0, []byte(strings.Repeat("x", size)))
			wire := bytes.Repeat(frame, 64<<10/len(frame))
			d := NewV1Decoder(v1Limit)
			frames := 0
			for b.Loop() {
				for rest := wire; len(rest) > 0; {
					piece := rest[:min(len(rest), 1426)]
					rest = rest[len(piece):]
					for len(piece) > 0 {
						_, n, ok, _ := d.Consume(piece)
						if ok {
							frames++
						}
						piece = piece[n:]
					}
				}
			}
			report(b, frames)
		})
	}
}
