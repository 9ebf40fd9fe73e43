package pgm

import (
	"encoding/binary"
	"net/netip"
)

// Address family indicators. "Address Family Indicators (AFIs) are as specified"
// in the registry of address family numbers.
const (
	afiIPv4 = 1
	afiIPv6 = 2

	afiSize = 4 // with the 16 reserved bits that follow it
)

// consumeNLA parses an AFI, 16 reserved bits and the network-layer address.
// afi and nla are the errors that name the fields.
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|            NLA AFI            |          Reserved             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                           NLA                           ...   |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-...-+-+
func consumeNLA(b []byte, f *nlaField) (nla netip.Addr, rest []byte, err error) {
	if len(b) < afiSize {
		return netip.Addr{}, nil, &f.afi
	}
	return consumeAddr(binary.BigEndian.Uint16(b), b[afiSize:], f)
}

// consumeAddr parses the address alone.
func consumeAddr(afi uint16, b []byte, f *nlaField) (nla netip.Addr, rest []byte, err error) {
	switch {
	case afi == afiIPv4 && len(b) >= 4:
		return netip.AddrFrom4([4]byte(b)), b[4:], nil
	case afi == afiIPv6 && len(b) >= 16:
		return netip.AddrFrom16([16]byte(b)), b[16:], nil
	case afi == afiIPv4 || afi == afiIPv6:
		return netip.Addr{}, nil, &f.nla
	}
	return netip.Addr{}, nil, &f.family
}

// An nlaField has the errors of an address's fields.
type nlaField struct{ afi, family, nla ProtocolError }

func newNLAField(name string) *nlaField {
	return &nlaField{
		afi:    ProtocolError{name + " AFI", "truncated"},
		family: ProtocolError{name + " AFI", "neither IPv4 nor IPv6"},
		nla:    ProtocolError{name, "truncated"},
	}
}

func afiOf(nla netip.Addr) uint16 {
	assert(nla.IsValid(), "no network-layer address to append")
	if nla.Is4() {
		return afiIPv4
	}
	return afiIPv6
}

// appendNLA appends AFI, reserved bits and address.
func appendNLA(b []byte, nla netip.Addr) []byte {
	b = binary.BigEndian.AppendUint16(b, afiOf(nla))
	return appendAddr(append(b, 0, 0), nla)
}

// appendAddr appends the address alone. A zone has no meaning to others and is
// left out.
func appendAddr(b []byte, nla netip.Addr) []byte {
	if nla.Is4() {
		a := nla.As4()
		return append(b, a[:]...)
	}
	a := nla.As16()
	return append(b, a[:]...)
}
