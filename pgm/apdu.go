package pgm

import "encoding/binary"

// libzmq's use of PGM: each payload is a piece of one continuous stream per
// transport session, behind the offset of the first message that begins in it.
// A receiver that joins late, or lost something, starts at such an offset.
//
// https://rfc.zeromq.org/spec/13/ had ZMTP 1.0, the stream's framing; what is
// here is in no RFC (libzmq's pgm_sender.cpp and pgm_receiver.cpp).

// OffsetSize is how many octets the offset takes at the start of a payload.
const OffsetSize = 2

// NoMessage stands for the offset in a payload in which no message begins.
const NoMessage = 0xffff

// ConsumeTSDU splits the payload of a data packet into the offset of the first
// message that begins in it, in octets from the start of data, and its piece of
// the stream.
//
// offset is [NoMessage] if no message begins here, and otherwise at most
// len(data). It equals len(data) if a frame ended exactly here, and is then where
// the next message will begin. (libzmq aborts on a payload of one octet and on
// an offset beyond the end; they are errors here.)
func ConsumeTSDU(payload []byte) (offset int, data []byte, err error) {
	if len(payload) < OffsetSize {
		return 0, nil, errOffsetMissing
	}
	offset, data = int(binary.BigEndian.Uint16(payload)), payload[OffsetSize:]
	if offset != NoMessage && offset > len(data) {
		return 0, nil, errOffsetBeyond
	}
	return offset, data, nil
}

// PutOffset writes the offset of the first message at the start of payload,
// whose remaining octets are the piece of the stream. offset is [NoMessage] or at
// most their number.
func PutOffset(payload []byte, offset int) {
	assert(offset >= 0 && offset <= len(payload)-OffsetSize || offset == NoMessage, "offset beyond the end of the data")
	binary.BigEndian.PutUint16(payload, uint16(offset))
}
