package socket

import "testing"

// TestRoomForManyFrames: what arrived of a message is not copied again and again
// because it has many frames, of which only the next one's size is known. The
// memory for it stays within twice what arrived.
func TestRoomForManyFrames(t *testing.T) {
	for _, frame := range []int{2, 100, 5000} {
		const total, chunk = 4 << 20, 64 << 10
		c := new(session)
		copied := 0
		for arrived := 0; arrived < total; {
			had, before := c.end-c.at, c.buf
			c.makeRoom(chunk)
			if c.buf != before {
				copied += had
			}
			if most := 2*had + chunk; len(c.buf.Data) > max(most, 2*chunk) {
				t.Fatalf("frames of %d: %d octets of memory for %d", frame, len(c.buf.Data), had)
			}
			n := min(chunk, len(c.buf.Data)-c.end)
			for i := range n {
				c.buf.Data[c.end+i] = 1 // MORE, as the first octet of the first frame
			}
			c.end += n
			arrived += n
			c.need = (c.end - c.at) + frame // what the engine says when a frame is cut
		}
		c.buf.Release()
		if copied > 2*total {
			t.Errorf("frames of %d: copied %d octets of %d", frame, copied, total)
		}
	}
}

// TestRoomForOneFrame: memory for a frame is made to measure once half of it is
// there.
func TestRoomForOneFrame(t *testing.T) {
	const total, chunk = 10 << 20, 64 << 10
	c := new(session)
	for c.end < total {
		c.makeRoom(chunk)
		n := min(chunk, len(c.buf.Data)-c.end, total-c.end)
		clear(c.buf.Data[c.end : c.end+n])
		c.end += n
		c.need = total
	}
	if len(c.buf.Data) > total+smallestRead {
		t.Errorf("%d octets of memory for %d", len(c.buf.Data), total)
	}
	c.buf.Release()
}
