package bench

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// A Stamp writes and checks what is in messages. All systems' programs keep to
// this layout, numbers being little-endian:
//
//	Prefix octets   the topic, where there are any: decimal, with zeros in front
//	then, if 8 octets are left:
//	    4 octets    the sequence number, from 0, modulo 2^32
//	    4 octets    the lower half of the check
//	and if 16 or more are left:
//	    8 octets    the sequence number, from 0
//	    8 octets    the intended time, if 24 or more are left: nanoseconds of the
//	                monotonic clock, or 0
//	    …           octet i of the message is 131 i + 7 modulo 256
//	    last 8      the check
//
// The check is [Mix] of the sequence number xor size << 48. It is verified in
// every message, and with it what is lost, repeated, reordered, cut short or
// joined wrongly. The octets in the middle are compared in every sixteenth: to
// look at all of them each time would measure memory rather than messaging.
//
// The end of a stream is a message of Prefix + 9 octets: the letter E and the
// number of messages that were sent before it.
type Stamp struct {
	Prefix int
	Size   int
}

const (
	topicSize  = 8
	fullEvery  = 16
	endSize    = 9
	stampSmall = 8
	stampTime  = 24
)

// Least is the size of the smallest message that can be stamped, with the
// intended time if timed.
func (s Stamp) Least(timed bool) int {
	if timed {
		return s.Prefix + stampTime
	}
	return s.Prefix + stampSmall
}

// Mix is the 64-bit finalizer of MurmurHash3 without its last two steps.
func Mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	return x ^ x>>33
}

func (s Stamp) check(seq uint64) uint64 { return Mix(seq ^ uint64(s.Size)<<48) }

// New returns a message, all of it filled but the stamp.
func (s Stamp) New() []byte {
	body := make([]byte, s.Size)
	for i := range body {
		body[i] = byte(131*i + 7)
	}
	return body
}

// Put stamps a body that New made.
func (s Stamp) Put(body []byte, seq uint64, intended int64) {
	b := body[s.Prefix:]
	switch {
	case len(b) < 16:
		// One store: whoever copies the octets as one would have to wait for two.
		binary.LittleEndian.PutUint64(b, uint64(uint32(seq))|s.check(seq)<<32)
		return
	case len(b) >= stampTime:
		binary.LittleEndian.PutUint64(b[8:], uint64(intended))
	}
	binary.LittleEndian.PutUint64(b, seq)
	binary.LittleEndian.PutUint64(b[len(b)-8:], s.check(seq))
}

// PutTopic writes the topic of a body.
func PutTopic(body []byte, topic int) {
	for i := topicSize - 1; i >= 0; i-- {
		body[i] = byte('0' + topic%10)
		topic /= 10
	}
}

// End appends the message that ends a stream of count messages.
func (s Stamp) End(b []byte, count uint64) []byte {
	for range s.Prefix {
		b = append(b, '0')
	}
	return binary.LittleEndian.AppendUint64(append(b, 'E'), count)
}

// IsEnd returns the count of a message that ends a stream.
func (s Stamp) IsEnd(body []byte) (count uint64, ok bool) {
	if len(body) != s.Prefix+endSize || body[s.Prefix] != 'E' {
		return 0, false
	}
	return binary.LittleEndian.Uint64(body[s.Prefix+1:]), true
}

// Intended is the intended time in a body that was checked, or 0.
func (s Stamp) Intended(body []byte) int64 {
	if len(body)-s.Prefix < stampTime {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(body[s.Prefix+8:]))
}

// ErrCorrupt is what the errors of a message that is not as it was sent are.
var ErrCorrupt = errors.New("corrupt message")

// A Checker checks the messages of one stream.
type Checker struct {
	Stamp
	filled []byte
}

// NewChecker returns a Checker of s.
func NewChecker(s Stamp) *Checker { return &Checker{s, s.New()} }

// Seq checks a message, and that it is number want, unless any number will do.
// It returns the number.
func (c *Checker) Seq(body []byte, want uint64, ordered bool) (uint64, error) {
	if len(body) != c.Size {
		return 0, fmt.Errorf("%w: %d octets instead of %d", ErrCorrupt, len(body), c.Size)
	}
	b := body[c.Prefix:]
	var seq, check uint64
	if len(b) < 16 {
		low := binary.LittleEndian.Uint32(b)
		// The number's upper half is not sent: it is that of the one expected.
		seq = want + uint64(int64(int32(low-uint32(want))))
		check = c.check(seq)&^0xffffffff | uint64(binary.LittleEndian.Uint32(b[4:]))
	} else {
		seq = binary.LittleEndian.Uint64(b)
		check = binary.LittleEndian.Uint64(b[len(b)-8:])
	}
	if check != c.check(seq) {
		return 0, fmt.Errorf("%w: the check of message %d is wrong", ErrCorrupt, seq)
	}
	if ordered && seq != want {
		return 0, fmt.Errorf("message %d came where %d was due", seq, want)
	}
	if seq%fullEvery == 0 && len(b) > stampTime+8 {
		if from, to := c.Prefix+stampTime, c.Size-8; !bytes.Equal(body[from:to], c.filled[from:to]) {
			return 0, fmt.Errorf("%w: the middle of message %d", ErrCorrupt, seq)
		}
	}
	return seq, nil
}
