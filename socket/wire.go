package socket

import (
	"encoding/binary"

	"github.com/zeroring/zeroring/ring"
	"github.com/zeroring/zeroring/zmtp"
)

// Messages stand in a pipe's streams as they stand on the wire, in ZMTP 3
// framing (https://rfc.zeromq.org/spec/37/#framing). The streams hold whole
// messages that were checked on their way in, by the zmtp engine or by being
// encoded here, so what decodes them need not check again.

// frameAt returns the flags of the frame at the start of b, the offset of its
// body and the body's size in octets.
func frameAt(b []byte) (flags zmtp.Flags, body, size int) {
	flags = zmtp.Flags(b[0])
	if flags&zmtp.FlagLong == 0 {
		return flags, 2, int(b[1])
	}
	return flags, 9, int(binary.BigEndian.Uint64(b[1:9]))
}

// smallFrame returns the offset of the body and the octets in all of the message
// that b starts with, if that is one frame that a Message has room for in itself,
// or else 0. b may be empty.
func smallFrame(b []byte) (body, n int) {
	switch {
	case len(b) == 0:
	case b[0] == 0 && int(b[1]) <= smallMessage-2:
		return 2, 2 + int(b[1])
	case zmtp.Flags(b[0]) == zmtp.FlagLong:
		if size := binary.BigEndian.Uint64(b[1:9]); size <= smallMessage-9 {
			return 9, 9 + int(size)
		}
	}
	return 0, 0
}

// messageSize is the octets of the message at the start of b, all frames.
func messageSize(b []byte) int {
	at := 0
	for {
		flags, body, size := frameAt(b[at:])
		at += body + size
		if flags&zmtp.FlagMore == 0 {
			return at
		}
	}
}

// cutMessage is messageSize for octets that may end inside the message: then
// it is 0.
func cutMessage(b []byte) int {
	for at := 0; len(b)-at >= 2; {
		flags := zmtp.Flags(b[at])
		if flags&zmtp.FlagLong != 0 && len(b)-at < 9 {
			break
		}
		_, body, size := frameAt(b[at:])
		if size > len(b)-at-body {
			break
		}
		at += body + size
		if flags&zmtp.FlagMore == 0 {
			return at
		}
	}
	return 0
}

// wireSize is the octets of a message of the frames head and then parts.
func wireSize(head, parts [][]byte) int {
	n := 0
	for _, f := range head {
		n += zmtp.FrameSize(len(f))
	}
	for _, f := range parts {
		n += zmtp.FrameSize(len(f))
	}
	return n
}

// putMessage encodes the frames head and then parts into b, which has exactly
// their wireSize.
func putMessage(b []byte, head, parts [][]byte) {
	left := len(head) + len(parts)
	for _, f := range head {
		left--
		b = putFrame(b, f, left > 0)
	}
	for _, f := range parts {
		left--
		b = putFrame(b, f, left > 0)
	}
}

// putFrame encodes one frame at the start of b and returns the rest of b.
func putFrame(b, body []byte, more bool) []byte {
	var flags zmtp.Flags
	if more {
		flags = zmtp.FlagMore
	}
	if len(body) <= 255 {
		b[0], b[1] = byte(flags), byte(len(body))
		b = b[2:]
	} else {
		b[0] = byte(flags | zmtp.FlagLong)
		binary.BigEndian.PutUint64(b[1:9], uint64(len(body)))
		b = b[9:]
	}
	return b[copy(b, body):]
}

// A wire is a message encoded once, to be written to many pipes.
type wire struct {
	buf    *ring.Buf // shared by the pipes if the message is large
	octets []byte
}

// encode encodes a message into w, whose memory is reused from message to
// message unless pipes share it.
func (w *wire) encode(head, parts [][]byte) {
	n := wireSize(head, parts)
	if w.buf == nil || len(w.buf.Data) < n || w.buf.Shared() {
		w.release()
		w.buf = ring.NewBuf(n)
	}
	w.octets = w.buf.Data[:n]
	putMessage(w.octets, head, parts)
}

// release gives w's memory back.
func (w *wire) release() {
	if w.buf != nil {
		w.buf.Release()
		w.buf, w.octets = nil, nil
	}
}
