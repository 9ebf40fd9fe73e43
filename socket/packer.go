package socket

import (
	"github.com/zeroring/zeroring/pgm"
	"github.com/zeroring/zeroring/zmtp"
)

// What libzmq puts into PGM is one continuous stream of ZMTP 1.0 for each
// transport session, cut into payloads without regard to messages. Each payload
// starts with the offset of the first message that begins in it, which is where a
// receiver starts that joined late or lost something.
//
// A packer makes such payloads of messages in a pipe's framing, and an unpacker
// makes those of payloads.

// A packer fills payloads. Its owner hands it room for one (begin), messages until
// it is full or nothing is left (pack), and takes the payload (end).
type packer struct {
	room  []byte // for the payload being filled; nil for none
	at    int    // octets of room that are filled, at least pgm.OffsetSize
	first int    // offset of the first message that begins in it, or pgm.NoMessage

	// The frame in progress, which may go on in the next payload.
	head    [zmtp.V1HeaderMax]byte
	headAt  int // octets of the header that are written
	headEnd int // and that there are
	left    int // octets of the body that are not written yet
	framing bool
	more    bool // the frame is not its message's last
	inside  bool // the message goes on
}

// begin starts a payload in room.
func (k *packer) begin(room []byte) { k.room, k.at, k.first = room, pgm.OffsetSize, pgm.NoMessage }

// filled reports whether there is a payload with something in it.
func (k *packer) filled() bool { return k.room != nil && k.at > pgm.OffsetSize }

// full reports whether there is a payload and it has no room left.
func (k *packer) full() bool { return k.room != nil && k.at == len(k.room) }

// end finishes the payload and returns its size.
func (k *packer) end() int {
	n := k.at
	pgm.PutOffset(k.room[:n], k.first)
	k.room = nil
	return n
}

// pack writes what octets hold, whole messages of which a part may have been
// packed before, until the payload is full. It returns how many of octets it used
// and how many messages ended there.
func (k *packer) pack(octets []byte) (used, messages int) {
	for k.at < len(k.room) {
		if !k.framing {
			if used == len(octets) {
				break
			}
			used += k.frame(octets[used:])
		}
		k.at += k.take(k.head[k.headAt:k.headEnd], &k.headAt)
		n := copy(k.room[k.at:], octets[used:used+k.left])
		k.at, k.left, used = k.at+n, k.left-n, used+n
		if k.left > 0 || k.headAt < k.headEnd {
			break
		}
		k.framing = false
		if k.inside = k.more; !k.more {
			messages++
		}
	}
	return used, messages
}

// take copies from b to the payload and moves at by what it copied.
func (k *packer) take(b []byte, at *int) int {
	n := copy(k.room[k.at:], b)
	*at += n
	return n
}

// frame starts the frame at the front of octets and returns the size of its
// header there.
func (k *packer) frame(octets []byte) int {
	flags, body, size := frameAt(octets)
	if !k.inside && k.first == pgm.NoMessage {
		k.first = k.at - pgm.OffsetSize
	}
	k.framing, k.inside, k.more = true, true, flags&zmtp.FlagMore != 0
	header := zmtp.AppendV1FrameHeader(k.head[:0], zmtp.FrameHeader{Flags: flags, Size: size})
	k.headAt, k.headEnd, k.left = 0, len(header), size
	return body
}

// An unpacker takes messages out of payloads, which it is handed in the order in
// which they were sent. After a loss (lose) it drops what it has of a message and
// goes on with the first that begins in what follows.
type unpacker struct {
	frames *zmtp.V1Decoder
	joined bool   // the next payload continues the last
	part   []byte // of a message whose last frame is missing, in a pipe's framing
	limit  int    // most octets of part
	missed uint32 // packets lost since the last message
}

func newUnpacker(maxFrame, maxWhole int) *unpacker {
	return &unpacker{frames: zmtp.NewV1Decoder(maxFrame), limit: maxWhole}
}

// lose takes note that packets are lost in front of the next payload.
func (u *unpacker) lose(packets uint32) {
	u.missed = addMissed(u.missed, packets)
	u.restart()
}

func (u *unpacker) restart() {
	u.frames.Reset()
	u.joined = false
	u.part = u.part[:0]
	if cap(u.part) > keepOctets {
		u.part = nil
	}
}

// unpack queues the messages that end in payload to, and stamps them if stamp is
// positive: when the payload arrived, in nanoseconds since 1970. An error says what
// is wrong with the payload: then the stream is left until the next message that
// begins.
func (u *unpacker) unpack(to *lane, payload []byte, stamp int64) error {
	offset, data, err := pgm.ConsumeTSDU(payload)
	if err != nil {
		u.restart()
		return err
	}
	if !u.joined {
		if offset == pgm.NoMessage {
			return nil
		}
		data = data[offset:]
		u.joined = true
	}
	for len(data) > 0 {
		f, n, whole, err := u.frames.Consume(data)
		if err != nil {
			u.restart()
			return err
		}
		data = data[n:]
		if !whole {
			return nil
		}
		if err := u.frame(to, f, stamp); err != nil {
			u.restart()
			return err
		}
	}
	return nil
}

// frame takes in one frame.
func (u *unpacker) frame(to *lane, f zmtp.Frame, stamp int64) error {
	more := f.Flags&zmtp.FlagMore != 0
	if !more && len(u.part) == 0 {
		u.message(to, nil, f.Body, stamp)
		return nil
	}
	if n := zmtp.FrameSize(len(f.Body)); n > u.limit-len(u.part) {
		return errWholeTooLarge
	}
	if more {
		at := len(u.part)
		u.part = append(u.part, make([]byte, zmtp.FrameSize(len(f.Body)))...)
		putFrame(u.part[at:], f.Body, true)
		return nil
	}
	u.message(to, u.part, f.Body, stamp)
	if u.part = u.part[:0]; cap(u.part) > keepOctets {
		u.part = nil
	}
	return nil
}

// message queues one message: the frames of front and a last one.
func (u *unpacker) message(to *lane, front, last []byte, stamp int64) {
	n, noted := len(front)+zmtp.FrameSize(len(last)), stamp > 0 || u.missed > 0
	if noted {
		n += noteSize
	}
	room := to.roomFor(n)
	b := room
	if noted {
		b = putNote(b, note{stamp, u.missed})
		u.missed = 0
	}
	b = b[copy(b, front):]
	putFrame(b, last, false)
	to.fill(room)
}
