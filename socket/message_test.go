package socket

import (
	"bytes"
	"testing"

	"github.com/zeroring/zeroring/ring"
	"github.com/zeroring/zeroring/zmtp"
)

// TestSmallFrame: a single frame that fits into a Message itself is known by its
// header, short or long, and nothing else passes for one.
func TestSmallFrame(t *testing.T) {
	const most = smallMessage - maxHeader
	for _, size := range []int{0, 1, 255, 256, most, most + 1, smallMessage} {
		octets := make([]byte, zmtp.FrameSize(size)+1) // another message begins behind it
		putFrame(octets, make([]byte, size), false)
		at, n := smallFrame(octets)
		wantAt, wantN := zmtp.FrameSize(size)-size, zmtp.FrameSize(size)
		if size > most {
			wantAt, wantN = 0, 0
		}
		if at != wantAt || n != wantN {
			t.Errorf("%d octets: body at %d, %d in all, want %d and %d", size, at, n, wantAt, wantN)
		}
		putFrame(octets, make([]byte, size), true)
		if _, n := smallFrame(octets); n != 0 {
			t.Errorf("%d octets: the first of several frames passes for a message of %d", size, n)
		}
	}
	if _, n := smallFrame(nil); n != 0 {
		t.Errorf("nothing at all passes for a message of %d", n)
	}
}

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
