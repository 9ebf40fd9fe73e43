package feed

import (
	"encoding/binary"
	"fmt"

	"github.com/zeroring/zeroring/socket"
	"github.com/zeroring/zeroring/tools/itch"
)

// Topics that no symbol has.
var (
	marketTopic = itch.Stock{'*', ' ', ' ', ' ', ' ', ' ', ' ', ' '}
	joinTopic   = itch.Stock{'!', 'j', 'o', 'i', 'n', ' ', ' ', ' '}
	endTopic    = itch.Stock{'!', 'e', 'n', 'd', ' ', ' ', ' ', ' '}
)

// ownTopics is what every subscriber subscribes to, last of all: when a message
// of these arrives, so do all others.
const ownTopics = "!"

const headerLength = 16

// putHeader fills a header frame.
func putHeader(b *[headerLength]byte, seq uint64, stamp int64) {
	binary.BigEndian.PutUint64(b[:], seq)
	binary.BigEndian.PutUint64(b[8:], uint64(stamp))
}

// A delivery is a message as a subscriber sees it. It aliases the message.
type delivery struct {
	topic itch.Stock
	seq   uint64
	stamp int64
	body  itch.Raw
}

// own reports whether the topic is the publisher's own.
func (d *delivery) own() bool { return d.topic[0] == ownTopics[0] }

// parse checks a message's shape.
func parse(m *socket.Message) (d delivery, err error) {
	if m.Len() != 3 {
		return d, fmt.Errorf("a message of %d frames, not 3", m.Len())
	}
	topic, header, body := m.Frame(0), m.Frame(1), m.Frame(2)
	if len(topic) != len(d.topic) || len(header) != headerLength {
		return d, fmt.Errorf("a topic of %d octets and a header of %d, not %d and %d", len(topic), len(header), len(d.topic), headerLength)
	}
	d.topic = itch.Stock(topic)
	d.seq = binary.BigEndian.Uint64(header)
	d.stamp = int64(binary.BigEndian.Uint64(header[8:]))
	d.body = body
	if d.own() {
		return d, nil
	}
	return d, itch.Check(body)
}

// topics knows each locate code's topic. A code keeps the one it was first sent
// under, because its numbers go on: under another they would look like loss to
// whoever subscribed to that.
type topics struct{ byLocate []itch.Stock } // zero: not known yet

// learn takes note of the symbol in a message, if it has one.
func (t *topics) learn(m itch.Raw) {
	locate := int(m.Locate())
	for locate >= len(t.byLocate) {
		t.byLocate = append(t.byLocate, itch.Stock{})
	}
	if s, ok := m.Stock(); ok && locate != 0 && t.byLocate[locate] == (itch.Stock{}) {
		t.byLocate[locate] = s
	}
}

// of returns the topic of a message, and learns from it. That a locate code
// changes hands is an error: it is one stock's for the whole day.
func (t *topics) of(m itch.Raw) (itch.Stock, error) {
	t.learn(m)
	locate := int(m.Locate())
	topic := t.byLocate[locate]
	if topic == (itch.Stock{}) {
		topic = unnamed(locate)
		t.byLocate[locate] = topic
	}
	if s, ok := m.Stock(); ok && s != topic && topic != unnamed(locate) {
		return topic, fmt.Errorf("locate code %d is %v's and then %v's: that is more than one day", locate, topic, s)
	}
	return topic, nil
}

// unnamed is the topic of a locate code whose stock is not known, as in a file
// that starts in the middle of a day.
func unnamed(locate int) itch.Stock {
	if locate == 0 {
		return marketTopic
	}
	s := itch.Stock{' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '}
	copy(s[:], fmt.Sprintf("#%d", locate))
	return s
}
