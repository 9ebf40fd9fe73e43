package multicast

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// A part is what one frame of a message says of itself; testdata/peer.h has its
// layout.
type part struct {
	source   uint32
	sequence uint64
	stamp    int64 // CLOCK_MONOTONIC in nanoseconds
	number   uint16
	parts    uint16
}

const partHeader = 32

// append adds the part, of size octets, to b.
func (p part) append(b []byte, size int) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint32(b, p.source)
	b = binary.BigEndian.AppendUint32(b, uint32(size))
	b = binary.BigEndian.AppendUint64(b, p.sequence)
	b = binary.BigEndian.AppendUint64(b, uint64(p.stamp))
	b = binary.BigEndian.AppendUint16(b, p.number)
	b = binary.BigEndian.AppendUint16(b, p.parts)
	b = append(b, 0, 0, 0, 0)
	for i := partHeader; i < size; i++ {
		b = append(b, byte(i*31+int(p.sequence)*7+int(p.number)))
	}
	whole := b[start:]
	binary.BigEndian.PutUint32(whole[partHeader-4:], checksum(whole))
	return b
}

func checksum(b []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(b[:partHeader-4]), crc32.IEEETable, b[partHeader:])
}

// consumePart reads and checks a part.
func consumePart(b []byte) (p part, err error) {
	if len(b) < partHeader {
		return p, fmt.Errorf("a part of %d octets", len(b))
	}
	if size := binary.BigEndian.Uint32(b[4:]); int(size) != len(b) {
		return p, fmt.Errorf("a part of %d octets says that it has %d", len(b), size)
	}
	if got, want := checksum(b), binary.BigEndian.Uint32(b[partHeader-4:]); got != want {
		return p, fmt.Errorf("the checksum is %#x, not %#x", got, want)
	}
	return part{
		source: binary.BigEndian.Uint32(b), sequence: binary.BigEndian.Uint64(b[8:]), stamp: int64(binary.BigEndian.Uint64(b[16:])),
		number: binary.BigEndian.Uint16(b[24:]), parts: binary.BigEndian.Uint16(b[26:]),
	}, nil
}
