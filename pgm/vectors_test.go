package pgm

import (
	"bytes"
	"encoding/binary"
	"os"
	"strconv"
	"strings"
	"testing"
)

// A vector is one packet of a real libzmq, or one message of its application.
type vector struct {
	line string // with its mark, > or =
	wire []byte
}

// vectors reads what tools/vectors wrote.
func vectors(t *testing.T) (all []vector) {
	text, err := os.ReadFile("testdata/vectors/epgm.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		switch line = strings.TrimSpace(line); {
		case line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "libzmq "):
		case strings.HasPrefix(line, "> ") || strings.HasPrefix(line, "= "):
			all = append(all, vector{line: line})
		default:
			last := &all[len(all)-1]
			last.wire = append(last.wire, octets(t, line)...)
		}
	}
	return all
}

// TestVectors reads libzmq's packets and writes them again, octet by octet.
func TestVectors(t *testing.T) {
	seen := make(map[Type]int)
	for _, v := range vectors(t) {
		if v.line[0] != '>' {
			continue
		}
		if got := Describe(v.wire); got != v.line[2:] {
			t.Errorf("got  %s\nwant %s", got, v.line[2:])
		}
		var o Options
		h, fields, err := consume(v.wire, &o)
		if err != nil {
			t.Errorf("%s: %v", v.line, err)
			continue
		}
		if h.Checksum == 0 || h.VerifyChecksum(v.wire) != nil {
			t.Errorf("%s: checksum %#x", v.line, h.Checksum)
		}
		want := bytes.Clone(v.wire)
		if h.Type == TypeNAK && o.Present.Has(OptNAKList) {
			// OpenPGM sets what it takes for the U bit on the list, which is a
			// reserved one.
			want[HeaderSize+20+optionSize+2] &^= 0x80
			want[6], want[7] = 0, 0
			binary.BigEndian.PutUint16(want[6:], ^slowSum(want))
		}
		if again := appendPacket(nil, &h, fields, &o); !bytes.Equal(again, want) {
			t.Errorf("%s: written\n%x, libzmq has\n%x", v.line, again, want)
		}
		wantRefusals(t, v.wire)
		seen[h.Type]++
	}
	for _, typ := range []Type{TypeSPM, TypeODATA, TypeRDATA, TypeNAK, TypeNCF} {
		if seen[typ] == 0 {
			t.Errorf("no %v", typ)
		}
	}
}

// TestVectorsData: what was repaired is what was sent, the offset of the first
// message is where one begins, and the stream has what was published.
func TestVectorsData(t *testing.T) {
	sent := make(map[SQN][]byte)
	begins := make(map[int]bool) // by octet of the stream
	var want, stream []byte
	for _, v := range vectors(t) {
		if frames, ok := strings.CutPrefix(v.line, "= message"); ok {
			begins[len(want)] = true
			want = append(want, framed(t, frames)...)
		}
	}
	begins[len(want)] = true
	for _, v := range vectors(t) {
		var o Options
		h, fields, err := consume(v.wire, &o)
		if v.line[0] != '>' || err != nil || !h.Type.IsData() {
			continue
		}
		d := fields.(Data)
		if h.Type == TypeRDATA {
			if !bytes.Equal(sent[d.SQN], d.Payload) {
				t.Errorf("%s differs from the original", v.line)
			}
			continue
		}
		sent[d.SQN] = d.Payload
		offset, data, err := ConsumeTSDU(d.Payload)
		if err != nil {
			t.Fatal(err)
		}
		for at := range data {
			if begins[len(stream)+at] {
				if at != offset {
					t.Errorf("%s: offset %d, and a message begins at %d", v.line, offset, at)
				}
				break
			} else if at == offset {
				t.Errorf("%s: no message begins at %d", v.line, offset)
			}
		}
		stream = append(stream, data...)
	}
	if !bytes.Equal(stream, want) {
		t.Errorf("stream\n%x, want\n%x", stream, want)
	}
}

// framed is ZMTP 1.0, written down once more so that this test need not import
// its codec.
func framed(t *testing.T, quoted string) (stream []byte) {
	for quoted = strings.TrimSpace(quoted); quoted != ""; quoted = strings.TrimSpace(quoted) {
		first, err := strconv.QuotedPrefix(quoted)
		if err != nil {
			t.Fatal(err)
		}
		quoted = strings.TrimPrefix(quoted, first)
		body, err := strconv.Unquote(first)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(body) + 1; n < 255 {
			stream = append(stream, byte(n))
		} else {
			stream = append(stream, 255, 0, 0, 0, 0, 0, 0, byte(n>>8), byte(n))
		}
		more := byte(0)
		if strings.TrimSpace(quoted) != "" {
			more = 1
		}
		stream = append(append(stream, more), body...)
	}
	return stream
}
