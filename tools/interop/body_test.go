package interop

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strings"
	"sync"
)

const (
	fillPeriod  = 1009 // octets after which a body's filling repeats
	shownOctets = 300  // how much of a frame a child spells out
)

// fillBody fills b with what (len(b), seq, seed) stands for, as peer.c and
// peer.py do. From 12 octets on, a body starts with seq and ends with a
// checksum of all that precedes it.
func fillBody(b []byte, seq, seed uint64) {
	x := seed*0x9e3779b97f4a7c15 + seq
	for i := range min(len(b), fillPeriod) {
		x = x*6364136223846793005 + 1442695040888963407
		b[i] = byte(x >> 56)
	}
	for done := fillPeriod; done < len(b); done += fillPeriod {
		copy(b[done:], b[:fillPeriod])
	}
	if len(b) < 12 {
		return
	}
	binary.BigEndian.PutUint64(b, seq)
	binary.BigEndian.PutUint32(b[len(b)-4:], crc32.ChecksumIEEE(b[:len(b)-4]))
}

// A part is one frame to be sent: the octets, and how a child is told of them.
type part struct {
	octets []byte
	token  string
}

func lit(s string) part {
	return part{[]byte(s), "x:" + hex.EncodeToString([]byte(s))}
}

func lits(frames ...string) []part {
	parts := make([]part, len(frames))
	for i, f := range frames {
		parts[i] = lit(f)
	}
	return parts
}

type bodyKey struct {
	size      int
	seq, seed uint64
}

// bodies holds what gen made: the 10 MiB ones are asked for by each row.
var bodies sync.Map

func gen(size int, seq, seed uint64) part {
	key := bodyKey{size, seq, seed}
	octets, ok := bodies.Load(key)
	if !ok {
		b := make([]byte, size)
		fillBody(b, seq, seed)
		octets, _ = bodies.LoadOrStore(key, b)
	}
	return part{octets.([]byte), fmt.Sprintf("g:%d:%d:%d", size, seq, seed)}
}

func tokens(msg []part) string {
	words := make([]string, len(msg))
	for i, p := range msg {
		words[i] = p.token
	}
	return strings.Join(words, " ")
}

// A got is one frame as it was received: its length and checksum, and its
// first octets.
type got struct {
	size  int
	sum   uint32
	shown []byte
}

func gotOf(b []byte) got {
	return got{len(b), crc32.ChecksumIEEE(b), bytes.Clone(b[:min(len(b), shownOctets)])}
}

// differ says how a received message differs from what it should be, or "".
func differ(msg []got, want []part) string {
	if len(msg) != len(want) {
		return fmt.Sprintf("%d frames %v, want %d", len(msg), msg, len(want))
	}
	for i, g := range msg {
		if w := gotOf(want[i].octets); g.size != w.size || g.sum != w.sum {
			return fmt.Sprintf("frame %d of %d is %v, want %v", i, len(want), g, w)
		}
	}
	return ""
}

func (g got) String() string {
	if g.size <= 40 {
		return fmt.Sprintf("%q", g.shown)
	}
	return fmt.Sprintf("%d octets crc %08x", g.size, g.sum)
}

// A shape is a stream of messages: message i has 1 + i%parts frames of size
// octets, and frame k of message i is the body of seq i<<8 | k.
type shape struct {
	count, size int
	seed        uint64
	parts       int
}

func (sh shape) String() string {
	return fmt.Sprintf("%d %d %d %d", sh.count, sh.size, sh.seed, sh.parts)
}

// frames fills dst with the frames of message i, reusing what is there.
func (sh shape) frames(dst [][]byte, i int) [][]byte {
	dst = dst[:0]
	for k := range 1 + i%sh.parts {
		if len(dst) == cap(dst) {
			dst = append(dst, nil)
		} else {
			dst = dst[:len(dst)+1]
		}
		if len(dst[k]) != sh.size {
			dst[k] = make([]byte, sh.size)
		}
		fillBody(dst[k], uint64(i)<<8|uint64(k), sh.seed)
	}
	return dst
}
