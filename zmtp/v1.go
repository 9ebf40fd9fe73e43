package zmtp

import (
	"encoding/binary"
	"math"
)

// Framing of ZMTP 1.0, which libzmq uses inside PGM and nowhere else that
// matters to us. There is no greeting, no handshake and no command in it.
//
//	frame  = (length / escape) flags body
//	length = OCTET        ; octets of flags and body, 1 to 254
//	escape = %xFF 8OCTET  ; the same in network order
//	flags  = %x00 / %x01  ; 1: more frames of this message follow
//
// https://rfc.zeromq.org/spec/13/

const (
	v1ShortHeader = 2 // length, flags
	v1LongHeader  = 10
	v1Escape      = 0xff
)

// V1HeaderMax is the most octets of a ZMTP 1.0 frame header.
const V1HeaderMax = v1LongHeader

// v1HeaderSize is how long the frame header is that starts with that octet.
func v1HeaderSize(first byte) int {
	if first == v1Escape {
		return v1LongHeader
	}
	return v1ShortHeader
}

// consumeV1FrameHeader parses the ZMTP 1.0 frame header at the start of b. It
// keeps the contract of [ConsumeFrameHeader].
func consumeV1FrameHeader(b []byte, limit int) (h FrameHeader, n int, err error) {
	if len(b) == 0 {
		return FrameHeader{}, 0, nil
	}
	n = v1HeaderSize(b[0])
	if len(b) < n {
		return FrameHeader{}, 0, nil
	}
	length := uint64(b[0])
	if n == v1LongHeader {
		length = binary.BigEndian.Uint64(b[1:])
	}
	if length == 0 {
		return FrameHeader{}, 0, errV1Empty // not even flags
	}
	if length-1 > uint64(limit) {
		return FrameHeader{}, 0, errFrameTooLarge
	}
	// libzmq looks at no other flag (v1_decoder.cpp, flags_ready), nor do we.
	return FrameHeader{Flags(b[n-1]) & FlagMore, int(length - 1)}, n, nil
}

// PeekV1FrameHeader returns the ZMTP 1.0 frame header at the start of b and how many
// octets it has, or zero for those if b ends inside it or it is none.
func PeekV1FrameHeader(b []byte) (h FrameHeader, n int) {
	h, n, _ = consumeV1FrameHeader(b, math.MaxInt-v1LongHeader)
	return h, n
}

// AppendV1FrameHeader appends the shortest ZMTP 1.0 encoding of h to b. Of the
// flags FlagMore alone is written.
func AppendV1FrameHeader(b []byte, h FrameHeader) []byte {
	if length := h.Size + 1; length < v1Escape {
		b = append(b, byte(length))
	} else {
		b = append(b, v1Escape)
		b = binary.BigEndian.AppendUint64(b, uint64(length))
	}
	return append(b, byte(h.Flags&FlagMore))
}

// AppendV1Frame appends one whole frame of ZMTP 1.0 to b. Of the flags FlagMore
// alone is written.
func AppendV1Frame(b []byte, flags Flags, body []byte) []byte {
	b = AppendV1FrameHeader(b, FrameHeader{flags, len(body)})
	return append(b, body...)
}

// V1FrameSize is how many octets a ZMTP 1.0 frame with a body of that many takes.
func V1FrameSize(body int) int {
	if body+1 < v1Escape {
		return v1ShortHeader + body
	}
	return v1LongHeader + body
}

// A V1Decoder turns a stream of ZMTP 1.0 into frames, however it is cut.
//
//	whole --octets end inside a frame--> partial --the rest arrives--> whole
//	  \___________________________________\--error--> broken --Reset--> whole
//
// A frame that lies in one piece is not copied. One that does not is put together
// in a buffer that grows with what has arrived, never with what a header claims,
// and that the decoder keeps: after the largest such frame nothing allocates.
type V1Decoder struct {
	limit   int
	partial []byte // header and body of a frame that is not whole, as far as they arrived
	err     error  // broken
}

// NewV1Decoder returns a decoder at the start of a frame. A body of more than
// limit octets is an error.
func NewV1Decoder(limit int) *V1Decoder {
	return &V1Decoder{limit: min(limit, math.MaxInt-v1LongHeader)}
}

// Consume takes octets from the front of b, up to the end of a frame or else all
// of them. n is how many.
//
// ok reports whether a frame ended there. Its flags are FlagMore or nothing. Its
// body aliases b or the decoder's buffer, and is good until the next call.
//
// After an error every call returns it again, until Reset: the octets have no
// frame boundary to resume from.
func (d *V1Decoder) Consume(b []byte) (f Frame, n int, ok bool, err error) {
	if d.err != nil {
		return Frame{}, 0, false, d.err
	}
	if len(d.partial) > 0 {
		return d.resume(b)
	}
	h, n, err := consumeV1FrameHeader(b, d.limit)
	if err != nil {
		return d.fail(err)
	}
	if n > 0 && len(b)-n >= h.Size {
		end := n + h.Size
		return Frame{h.Flags, b[n:end:end]}, end, true, nil
	}
	d.partial = append(d.partial[:0], b...)
	return Frame{}, len(b), false, nil
}

// resume goes on with a frame of which some octets came before b.
func (d *V1Decoder) resume(b []byte) (f Frame, n int, ok bool, err error) {
	n = d.fill(b, v1HeaderSize(d.partial[0]))
	h, header, err := consumeV1FrameHeader(d.partial, d.limit)
	if err != nil {
		return d.fail(err)
	}
	if header == 0 {
		return Frame{}, n, false, nil
	}
	n += d.fill(b[n:], header+h.Size)
	if len(d.partial) < header+h.Size {
		return Frame{}, n, false, nil
	}
	f = Frame{h.Flags, d.partial[header:len(d.partial):len(d.partial)]}
	d.partial = d.partial[:0]
	return f, n, true, nil
}

// fill takes octets from b until partial has that many, and says how many it took.
func (d *V1Decoder) fill(b []byte, size int) (n int) {
	n = min(max(size-len(d.partial), 0), len(b))
	d.partial = append(d.partial, b[:n]...)
	return n
}

func (d *V1Decoder) fail(err error) (Frame, int, bool, error) {
	d.partial, d.err = d.partial[:0], err
	return Frame{}, 0, false, err
}

// Partial reports whether the octets consumed end inside a frame.
func (d *V1Decoder) Partial() bool { return len(d.partial) > 0 }

// Reset has the decoder expect the start of a frame, and forget what it has of
// one: octets were lost, or it is broken.
func (d *V1Decoder) Reset() { d.partial, d.err = d.partial[:0], nil }
