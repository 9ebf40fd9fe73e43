package pgm

import (
	"encoding/binary"
	"math/bits"
)

// A Sum is the one's complement sum of some octets, as 16-bit words in network
// order. Sums add up, so that a source may keep that of a payload and send the
// payload again, as RDATA, without reading it.
type Sum uint16

// SumOf returns the sum of b. If their number is odd, a zero octet is taken to
// follow. BenchmarkSumOf measures it.
func SumOf(b []byte) Sum {
	// One's complement addition does not care for the byte order of its words
	// nor for their width (https://www.rfc-editor.org/rfc/rfc1071#section-2), so
	// these are little-endian words of 8 octets, with the carry brought round.
	// Two of them, for the processor to add at a time. Arrays, because a check of
	// bounds in between would spill the carry.
	var sum, carry, sum2, carry2 uint64
	for len(b) >= 128 {
		p := (*[128]byte)(b)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(p[0:]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(p[8:]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(p[16:]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(p[24:]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(p[32:]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(p[40:]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(p[48:]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(p[56:]), carry)
		sum2, carry2 = bits.Add64(sum2, binary.LittleEndian.Uint64(p[64:]), carry2)
		sum2, carry2 = bits.Add64(sum2, binary.LittleEndian.Uint64(p[72:]), carry2)
		sum2, carry2 = bits.Add64(sum2, binary.LittleEndian.Uint64(p[80:]), carry2)
		sum2, carry2 = bits.Add64(sum2, binary.LittleEndian.Uint64(p[88:]), carry2)
		sum2, carry2 = bits.Add64(sum2, binary.LittleEndian.Uint64(p[96:]), carry2)
		sum2, carry2 = bits.Add64(sum2, binary.LittleEndian.Uint64(p[104:]), carry2)
		sum2, carry2 = bits.Add64(sum2, binary.LittleEndian.Uint64(p[112:]), carry2)
		sum2, carry2 = bits.Add64(sum2, binary.LittleEndian.Uint64(p[120:]), carry2)
		b = b[128:]
	}
	for len(b) >= 8 {
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(b), carry)
		b = b[8:]
	}
	sum, carry = bits.Add64(sum, lastWord(b), carry)
	sum, carry = bits.Add64(sum, sum2, carry)
	// What is carried can carry once more, and then leaves next to nothing to be
	// added to.
	sum, carry = bits.Add64(sum, carry2, carry)
	sum += carry
	return Sum(bits.ReverseBytes16(fold(sum)))
}

// lastWord returns the fewer than 8 octets of b as a word.
func lastWord(b []byte) (word uint64) {
	if len(b) >= 4 {
		word = uint64(binary.LittleEndian.Uint32(b))
		b = b[4:]
		for i, c := range b {
			word |= uint64(c) << (32 + 8*i)
		}
		return word
	}
	for i, c := range b {
		word |= uint64(c) << (8 * i)
	}
	return word
}

// fold adds the 16-bit words of sum with the carry brought round.
func fold(sum uint64) uint16 {
	sum = sum>>32 + sum&0xffffffff // 33 bits
	sum = sum>>16 + sum&0xffff     // 18 bits
	sum = sum>>16 + sum&0xffff     // 17 bits, and then no more than 16 that matter
	return uint16(sum>>16 + sum)
}

// Add returns the sum of the octets of s and those of t behind them. The octets
// of s must be even in number.
func (s Sum) Add(t Sum) Sum {
	sum := uint32(s) + uint32(t)
	return Sum(sum>>16 + sum)
}

// checksum returns the field's value for a packet whose octets, with zero in the
// field, have that sum: "the usual 1's complement of the 1's complement sum of
// the entire PGM packet including header. […] If the computed checksum is zero,
// it is transmitted as all ones."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-8
func (s Sum) checksum() uint16 {
	if s == 0xffff {
		return 0xffff
	}
	return ^uint16(s)
}

// VerifyChecksum returns an error if the checksum of packet is wrong, or is
// missing where it may not be. h is the packet's header.
//
// "A value of zero in this field means the transmitter generated no checksum.
// […] The checksum is mandatory on data packets (ODATA and RDATA)."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-8
func (h *Header) VerifyChecksum(packet []byte) error {
	switch {
	case h.Checksum == 0 && h.Type.IsData():
		return errNoChecksum
	case h.Checksum != 0 && SumOf(packet) != 0xffff:
		return errChecksum
	}
	return nil
}
