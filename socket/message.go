package socket

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeroring/zeroring/ring"
	"github.com/zeroring/zeroring/zmtp"
)

// smallMessage is the most octets, frame headers included, that are copied
// out of what was received. Copying so few costs less than counting a
// reference, and one small message that is kept does not keep the 64 KiB it
// arrived in.
const smallMessage = 512

// Frames that fit into a Message without a slice of its own. The front ones
// stay free for what patterns prepend: a routing id.
const (
	messageSlots    = 8
	messageHeadroom = 2
)

// keepFrames is the most frames that a Message keeps room for when it is
// recycled.
const keepFrames = 1 << 10

// A Message is one ZeroMQ message: one or more frames, sent and received whole.
//
// A received Message aliases memory that is recycled: call Release when done
// with it and do not touch it or its frames afterwards. Not calling Release is
// safe, and leaves the memory to the garbage collector.
//
// A Message is not safe for concurrent use.
type Message struct {
	frames   [][]byte // with front: the frames are frames[front:]
	front    int
	slots    [messageSlots][]byte
	small    [smallMessage]byte
	buf      *ring.Buf // what the frames alias, unless that is small or the user's memory
	foreign  bool      // frames may point to memory other than small
	released bool
	looped   bool // Messages has it and will release it
	note     note // zero in an empty message

	// A message that is lent goes back to the socket that lends it, by one
	// store: it is back if its two counts are equal. lent is the socket's,
	// under its receive lock, while the message is back. See loans.
	lendable bool
	lent     uint32
	back     atomic.Uint32
}

var messages = sync.Pool{New: func() any { return new(Message) }}

// newMessage returns an empty Message from the pool.
func newMessage() *Message {
	m := messages.Get().(*Message)
	m.released = false
	m.front = messageHeadroom
	m.frames = m.slots[:messageHeadroom]
	return m
}

// NewMessage returns a message of the given frames, which are copied.
func NewMessage(frames ...[]byte) *Message {
	m := newMessage()
	for _, f := range frames {
		m.Append(f)
	}
	return m
}

// Len is the number of frames.
func (m *Message) Len() int { return len(m.frames) - m.front }

// Frame returns frame i, counted from 0. It aliases the message: it is valid
// until Release, and changing it changes the message.
func (m *Message) Frame(i int) []byte { return m.frames[m.front+i] }

// Size is the octets of all frames together.
func (m *Message) Size() int {
	n := 0
	for _, f := range m.frames[m.front:] {
		n += len(f)
	}
	return n
}

// Append adds a copy of frame at the end.
func (m *Message) Append(frame []byte) {
	m.foreign = true
	m.frames = append(m.frames, append(make([]byte, 0, len(frame)), frame...))
}

// Clone returns a copy that shares nothing with m.
func (m *Message) Clone() *Message {
	c := NewMessage(m.frames[m.front:]...)
	c.note = m.note
	return c
}

// Received returns when the message arrived, by multicast and at a socket with
// MulticastOptions.Timestamps: as the kernel or the network card noted it for the
// packet that completed the message. Otherwise it is the zero time.
func (m *Message) Received() time.Time {
	if m.note.received == 0 {
		return time.Time{}
	}
	return time.Unix(0, m.note.received)
}

// Missed returns how many packets of multicast are lost for good between the
// message that this socket received before and this one. Packets are not messages:
// one may hold many, or a part. Events tells of each gap as soon as it is certain,
// with its source and reason.
func (m *Message) Missed() int { return int(m.note.missed) }

// Release gives the message's memory back. The caller must not use m or any of
// its frames afterwards. Releasing a message twice panics: the second owner of
// the memory would be robbed of it.
func (m *Message) Release() {
	if m.looped {
		return
	}
	if m.released || m.lendable && m.back.Load() == m.lent {
		panic("socket: Message released twice")
	}
	m.reset()
	if m.lendable {
		m.back.Store(m.lent) // the socket owns m from here on
		return
	}
	m.released = true
	messages.Put(m)
}

// forget drops what m's frames point to, unless that is small.
func (m *Message) forget() {
	if m.buf != nil {
		m.buf.Release()
		m.buf = nil
	}
	m.foreign = false
	clear(m.frames) // let the collector have what they pointed to
	if cap(m.frames) != messageSlots {
		clear(m.slots[:]) // and what these did when the frames outgrew them
	}
	if cap(m.frames) > keepFrames {
		m.frames = m.slots[:] // more than keepFrames do not fit into small
	}
}

// reset empties m.
func (m *Message) reset() {
	if m.foreign {
		m.forget()
	}
	m.front, m.frames, m.note = messageHeadroom, m.frames[:messageHeadroom], note{}
}

// parts returns the frames. They alias m.
func (m *Message) parts() [][]byte { return m.frames[m.front:] }

// dropFront drops the first n frames.
func (m *Message) dropFront(n int) { m.front += n }

// pushFront puts frame, which is not copied, in front of the others.
func (m *Message) pushFront(frame []byte) {
	if m.front == 0 {
		m.frames = slices.Insert(m.frames, 0, nil)
		m.front = 1
	}
	m.front--
	m.foreign = true
	m.frames[m.front] = frame
}

// takeSmall is take of what smallFrame found, into an empty m: most messages of
// those that come by the million.
func (m *Message) takeSmall(octets []byte, body, n int) {
	copy(m.small[:n], octets[:n])
	m.frames = append(m.frames, m.small[body:n:n])
}

// take decodes the message at the front of octets, which hold whole messages
// in ZMTP framing and are part of buf, into m. It returns the octets used.
func (m *Message) take(octets []byte, buf *ring.Buf) int {
	if len(m.frames) != messageHeadroom {
		m.reset()
	}
	if body, n := smallFrame(octets); n > 0 {
		m.takeSmall(octets, body, n)
		return n
	}
	n := messageSize(octets)
	if n <= smallMessage {
		copy(m.small[:], octets[:n])
		octets = m.small[:n]
	} else {
		buf.Retain(1)
		m.buf, m.foreign = buf, true
		octets = octets[:n:n]
	}
	at := 0
	if noted, ok := noteAt(octets); ok {
		m.note, at = noted, noteSize
	}
	for at < n {
		flags, body, size := frameAt(octets[at:])
		end := at + body + size
		m.frames = append(m.frames, octets[at+body:end:end])
		at = end
		if flags&zmtp.FlagMore == 0 {
			break
		}
	}
	return n
}
