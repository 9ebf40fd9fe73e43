package socket

import (
	"bytes"
	"testing"

	"github.com/zeroring/zeroring/ring"
)

// TestMessageForgetsHugeFrames: a message of many frames, which any peer can
// send, leaves nothing behind in the messages that a socket lends or recycles.
func TestMessageForgetsHugeFrames(t *testing.T) {
	buf := ring.NewBuf(4 * keepFrames)
	defer buf.Release()
	wire := append(bytes.Repeat([]byte{1, 0}, 2*keepFrames-1), 0, 0)
	copy(buf.Data, wire)
	var lender loans
	m, _ := lender.next()
	m.take(buf.Data[:len(wire)], buf)
	if m.Len() != 2*keepFrames {
		t.Fatalf("%d frames, want %d", m.Len(), 2*keepFrames)
	}
	m.Release()
	if kept := cap(m.frames); kept > keepFrames {
		t.Errorf("it keeps room for %d frames", kept)
	}
	m.lent++
	m.take([]byte{1, 1, 'a', 0, 1, 'b'}, nil)
	if m.Len() != 2 || string(m.Frame(0))+string(m.Frame(1)) != "ab" {
		t.Errorf("used again, it is %q", m.parts())
	}
	m.Release()
}

// TestReleasedMessageHoldsNothing: what a message of many frames pointed to is
// the collector's, though the message itself is used again.
func TestReleasedMessageHoldsNothing(t *testing.T) {
	for _, frames := range []int{1, messageSlots, 3 * messageSlots, 2 * keepFrames} {
		var l loans
		m, _ := l.next()
		for range frames {
			m.Append([]byte("large"))
		}
		m.Release()
		for i, held := range [][][]byte{m.slots[:], m.frames[:cap(m.frames)]} {
			for at, b := range held {
				// A message from the pool may also have frames left in memory of its own.
				if string(b) == "large" {
					t.Errorf("%d frames: list %d still holds %q at %d", frames, i, b, at)
				}
			}
		}
	}
}
