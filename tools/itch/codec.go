package itch

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// What can be wrong with the octets of one message. Errors of this package wrap
// them and say more.
var (
	ErrType   = errors.New("unknown message type")
	ErrLength = errors.New("wrong message length")
)

// A Message is one of the message structs of this package, by pointer.
type Message interface {
	// Type returns the type that stands in the first octet.
	Type() Type
	header() *Header
	fields(c *coder)
}

// A Header is the part that all messages have in front, after the type.
type Header struct {
	Locate   uint16 // the stock's code today; 0 for messages about the market
	Tracking uint16
	Time     Timestamp
}

func (h *Header) header() *Header { return h }

// A coder walks over a message's fields in the specification's order. One walk
// both encodes and decodes, so that the two cannot disagree; that it is the
// right walk, the tests' table of offsets says.
type coder struct {
	b      []byte // encoding: what was written; decoding: what is left
	decode bool
}

// next returns the octets of a field of n: consumed, or appended to be filled.
// Decoding never runs out, because the message's length was checked before.
func (c *coder) next(n int) []byte {
	if c.decode {
		field := c.b[:n]
		c.b = c.b[n:]
		return field
	}
	c.b = append(c.b, make([]byte, n)...)
	return c.b[len(c.b)-n:]
}

// text is a field of characters, kept as they are.
func (c *coder) text(v []byte) {
	if field := c.next(len(v)); c.decode {
		copy(v, field)
	} else {
		copy(field, v)
	}
}

func (c *coder) char(v *byte) {
	if field := c.next(1); c.decode {
		*v = field[0]
	} else {
		field[0] = *v
	}
}

func (c *coder) u16(v *uint16) {
	if field := c.next(2); c.decode {
		*v = binary.BigEndian.Uint16(field)
	} else {
		binary.BigEndian.PutUint16(field, *v)
	}
}

func (c *coder) u32(v *uint32) {
	if field := c.next(4); c.decode {
		*v = binary.BigEndian.Uint32(field)
	} else {
		binary.BigEndian.PutUint32(field, *v)
	}
}

func (c *coder) u64(v *uint64) {
	if field := c.next(8); c.decode {
		*v = binary.BigEndian.Uint64(field)
	} else {
		binary.BigEndian.PutUint64(field, *v)
	}
}

func (c *coder) price(v *Price4)  { c.u32((*uint32)(v)) }
func (c *coder) price8(v *Price8) { c.u64((*uint64)(v)) }
func (c *coder) side(v *Side)     { c.char((*byte)(v)) }

// time is 48 bits; of a later time the high bits are lost, which the day's
// length rules out.
func (c *coder) time(v *Timestamp) {
	if field := c.next(6); c.decode {
		*v = timestampOf(field)
	} else {
		binary.BigEndian.PutUint16(field, uint16(*v>>32))
		binary.BigEndian.PutUint32(field[2:], uint32(*v))
	}
}

func timestampOf(b []byte) Timestamp {
	return Timestamp(binary.BigEndian.Uint16(b))<<32 | Timestamp(binary.BigEndian.Uint32(b[2:]))
}

// walk is the walk over a whole message but its first octet.
func (c *coder) walk(m Message) {
	h := m.header()
	c.u16(&h.Locate)
	c.u16(&h.Tracking)
	c.time(&h.Time)
	m.fields(c)
}

// Append appends m as it stands on the wire, without framing.
func Append(b []byte, m Message) []byte {
	c := coder{b: append(b, byte(m.Type()))}
	c.walk(m)
	return c.b
}

// AppendFrame appends m with its length in front, as files have it.
func AppendFrame(b []byte, m Message) []byte {
	return Append(binary.BigEndian.AppendUint16(b, uint16(m.Type().Length())), m)
}

// Check reports whether b is, by its type and length, one message. It says
// nothing about the values in it.
func Check(b []byte) error {
	if len(b) == 0 {
		return fmt.Errorf("%w: no octets at all", ErrLength)
	}
	t := Type(b[0])
	switch want := t.Length(); want {
	case len(b):
		return nil
	case 0:
		return fmt.Errorf("%w: %q", ErrType, b[0])
	default:
		return fmt.Errorf("%w: %v has %d octets, not %d", ErrLength, t, want, len(b))
	}
}

// Decode decodes one message into a new struct.
func Decode(b []byte) (Message, error) {
	if err := Check(b); err != nil {
		return nil, err
	}
	m := newMessage(Type(b[0]))
	c := coder{b: b[1:], decode: true}
	c.walk(m)
	return m, nil
}
