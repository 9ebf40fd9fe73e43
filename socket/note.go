package socket

import (
	"encoding/binary"

	"github.com/zeroring/zeroring/zmtp"
)

// A note is what a message that came by multicast has to tell beside its frames.
// In a pipe it stands in front of them, as a frame that is a command and has more
// behind it: ZMTP knows no such thing, so no peer can make one.
type note struct {
	received int64  // when its last packet arrived, in nanoseconds since 1970; 0 if that is not asked for
	missed   uint32 // packets lost in front of it
}

const (
	noteFlags = zmtp.FlagCommand | zmtp.FlagMore
	noteBody  = 8 + 4
	noteSize  = 2 + noteBody
)

// putNote encodes n at the start of b and returns the rest of b.
func putNote(b []byte, n note) []byte {
	b[0], b[1] = byte(noteFlags), noteBody
	binary.LittleEndian.PutUint64(b[2:], uint64(n.received))
	binary.LittleEndian.PutUint32(b[10:], n.missed)
	return b[noteSize:]
}

// noteAt returns the note at the start of b, if there is one.
func noteAt(b []byte) (n note, ok bool) {
	if len(b) < noteSize || zmtp.Flags(b[0]) != noteFlags {
		return note{}, false
	}
	return note{int64(binary.LittleEndian.Uint64(b[2:])), binary.LittleEndian.Uint32(b[10:])}, true
}

// addMissed adds two counts, up to the most there can be.
func addMissed(a, b uint32) uint32 { return a + min(b, ^a) }
