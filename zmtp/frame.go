package zmtp

import "encoding/binary"

// Flags is the first octet of every frame.
//
// https://rfc.zeromq.org/spec/37/#framing
type Flags uint8

// The flags. FlagLong is a matter of the encoding alone.
const (
	FlagMore    Flags = 1 << 0 // more frames of this message follow
	FlagLong    Flags = 1 << 1 // the size field is 8 octets rather than 1
	FlagCommand Flags = 1 << 2 // a command rather than part of a message

	flagsKnown = FlagMore | FlagLong | FlagCommand
)

const (
	shortHeader = 2 // flags, size
	longHeader  = 9
	maxShort    = 0xff // the largest body with a short header
)

// A FrameHeader is the flags octet and the size field in front of every frame.
type FrameHeader struct {
	Flags Flags
	Size  int // octets of body that follow
}

// ConsumeFrameHeader parses the frame header at the start of b.
//
// n is the number of octets consumed. Zero means b ends inside the header:
// the caller keeps b and tries again once it has more. The body is left
// alone; it is the next h.Size octets, wherever the caller holds them.
//
// A size above limit is refused here, before anyone allocates for it: the size
// field is the peer's claim, not a fact.
func ConsumeFrameHeader(b []byte, limit int) (h FrameHeader, n int, err error) {
	if len(b) < shortHeader {
		return FrameHeader{}, 0, nil
	}
	// "Bits 7-3 are reserved for future use and MUST be zero." libzmq does not
	// look at them (v2_decoder.cpp, flags_ready), nor do we. Neither does it
	// mind a long size field for a body that would fit a short one.
	flags := Flags(b[0]) & flagsKnown
	if flags&FlagCommand != 0 && flags&FlagMore != 0 {
		// "This bit [MORE] SHALL be zero on command frames."
		return FrameHeader{}, 0, errMoreOnCommand
	}
	size, n := uint64(b[1]), headerSize(b)
	if len(b) < n {
		return FrameHeader{}, 0, nil
	}
	if n == longHeader {
		size = binary.BigEndian.Uint64(b[1:])
		if flags&FlagLong == 0 && size-maxShort-1 >= forgotten {
			return FrameHeader{}, 0, errBadCommand
		}
		flags |= FlagLong
	}
	if size > uint64(limit) {
		return FrameHeader{}, 0, errFrameTooLarge
	}
	return FrameHeader{Flags: flags, Size: int(size)}, n, nil
}

// forgotten is how many sizes from 256 on a command may have whose header has
// no LONG flag.
//
// libzmq up to 4.3.4 forgets it for a SUBSCRIBE or CANCEL of which the topic
// alone would have fitted a short frame (v3_1_encoder.cpp; mended by
// https://github.com/zeromq/libzmq/pull/4564), and libzmq as the publisher then
// loses the frame boundary. We need not: such a header looks like that of an
// empty command, which has no name and so cannot be.
const forgotten = uint64(len(subscribePrefix))

// headerSize is how long the frame header is that b starts with, as far as can
// be told from it.
func headerSize(b []byte) int {
	switch {
	case len(b) == 0:
		return shortHeader
	case Flags(b[0])&FlagLong != 0:
		return longHeader
	case Flags(b[0])&FlagCommand != 0 && len(b) > 1 && b[1] == 0:
		return longHeader
	}
	return shortHeader
}

// AppendFrameHeader appends the shortest encoding of h to b.
// FlagLong in h.Flags is ignored: the size decides it.
func AppendFrameHeader(b []byte, h FrameHeader) []byte {
	if h.Size <= maxShort {
		return append(b, byte(h.Flags&^FlagLong), byte(h.Size))
	}
	b = append(b, byte(h.Flags|FlagLong))
	return binary.BigEndian.AppendUint64(b, uint64(h.Size))
}

// FrameSize is how many octets a frame with a body of that many takes.
func FrameSize(body int) int {
	if body <= maxShort {
		return shortHeader + body
	}
	return longHeader + body
}

// A Frame is one whole frame. Body aliases the octets it was parsed from.
type Frame struct {
	Flags Flags
	Body  []byte
}

// ConsumeFrame parses the whole frame at the start of b. n is the number of
// octets consumed; zero means b ends inside the frame.
func ConsumeFrame(b []byte, limit int) (f Frame, n int, err error) {
	h, n, err := ConsumeFrameHeader(b, limit)
	if n == 0 || err != nil || len(b)-n < h.Size {
		return Frame{}, 0, err
	}
	end := n + h.Size
	return Frame{h.Flags, b[n:end:end]}, end, nil
}

// AppendFrame appends one whole frame to b.
func AppendFrame(b []byte, flags Flags, body []byte) []byte {
	b = AppendFrameHeader(b, FrameHeader{flags, len(body)})
	return append(b, body...)
}
