package lab

import (
	"encoding/binary"
	"slices"
)

// A Filter chooses frames. It is given a whole Ethernet frame, which it may read
// until it returns. The switch's goroutine calls it, so it must not wait.
type Filter func(frame []byte) bool

// The parts of Ethernet, IP and UDP that are looked at.
const (
	etherHeader = 14
	etherIPv4   = 0x0800
	etherIPv6   = 0x86dd

	protocolHopByHop = 0
	protocolIGMP     = 2
	protocolUDP      = 17
	protocolICMPv6   = 58
	protocolPGM      = 113

	udpHeader      = 8
	udpChecksum    = 6  // offset in the UDP header
	pgmType        = 4  // offset in the PGM header
	pgmHeader      = 16 // octets
	ipv6Header     = 40
	ipv4MinHeader  = 20
	ipv4NotFirst   = 0x1fff // fragment offset
	macPrefix      = 0x0277 // locally administered; the host's number is in the last two octets
	macHostOctets  = 4
	groupAddressed = 1 // in the first octet of a MAC
)

// A packet is where the parts of a frame's IP packet begin.
type packet struct {
	protocol byte // of what IP carries
	body     int  // offset of what IP carries, or frame's end
	payload  int  // offset of what UDP carries, if UDP it is; else body
	first    bool // not a later fragment: the body begins with a header
}

// consumePacket looks for an IP packet in a frame. Extension headers of IPv6
// are not stepped over: those before MLD tell it well enough.
func consumePacket(frame []byte) (p packet, ok bool) {
	if len(frame) < etherHeader {
		return p, false
	}
	ip := frame[etherHeader:]
	switch binary.BigEndian.Uint16(frame[12:]) {
	case etherIPv4:
		if len(ip) < ipv4MinHeader {
			return p, false
		}
		p.protocol = ip[9]
		p.body = etherHeader + int(ip[0]&0x0f)*4
		p.first = binary.BigEndian.Uint16(ip[6:])&ipv4NotFirst == 0
	case etherIPv6:
		if len(ip) < ipv6Header {
			return p, false
		}
		p.protocol, p.body, p.first = ip[6], etherHeader+ipv6Header, true
	default:
		return p, false
	}
	p.body = min(p.body, len(frame))
	p.payload = p.body
	if p.protocol == protocolUDP && p.first {
		p.payload = min(p.body+udpHeader, len(frame))
	}
	return p, true
}

// isTraffic reports whether faults may befall a frame. What hosts say to find
// each other and to join groups passes, so that the frames of a test, and no
// others, throw the dice.
func isTraffic(frame []byte) bool {
	p, ok := consumePacket(frame)
	return ok && p.protocol != protocolIGMP && p.protocol != protocolICMPv6 && p.protocol != protocolHopByHop
}

// PGM chooses PGM packets of the given types, RFC 3208's numbers, or of all
// types if none is given: those in IP and those in UDP, whose every datagram is
// taken for PGM.
func PGM(types ...byte) Filter {
	types = slices.Clone(types)
	return func(frame []byte) bool {
		p, ok := consumePacket(frame)
		if !ok || !p.first || (p.protocol != protocolUDP && p.protocol != protocolPGM) || len(frame)-p.payload < pgmHeader {
			return false
		}
		return len(types) == 0 || slices.Contains(types, frame[p.payload+pgmType]&0x0f)
	}
}

// From chooses the frames that a host sent.
func From(host int) Filter {
	return func(frame []byte) bool {
		return len(frame) >= etherHeader && macHost(frame[6:]) == host
	}
}

// macHost is the number of the host that a MAC belongs to, or 0.
func macHost(mac []byte) int {
	if binary.BigEndian.Uint16(mac) != macPrefix || mac[2] != 0 || mac[3] != 0 {
		return 0
	}
	return int(binary.BigEndian.Uint16(mac[macHostOctets:]))
}

// corrupt flips one bit of what a frame carries, chosen by a number from 0 up
// to 1, and makes the UDP checksum agree if it is to be mended.
func corrupt(frame []byte, where float64, mend bool) {
	p, ok := consumePacket(frame)
	if !ok || p.payload >= len(frame) {
		return
	}
	bit := int(where * float64((len(frame)-p.payload)*8))
	at := p.payload + bit/8
	before := checksumWord(frame, p.body, at)
	frame[at] ^= 1 << (bit % 8)
	if !mend || p.protocol != protocolUDP || !p.first {
		return
	}
	sum := frame[p.body+udpChecksum:]
	old := binary.BigEndian.Uint16(sum)
	if old == 0 {
		return // there is none
	}
	// "HC' = ~(~HC + ~m + m')"
	//
	// https://www.rfc-editor.org/rfc/rfc1624#section-3
	total := uint32(^old) + uint32(^before) + uint32(checksumWord(frame, p.body, at))
	total = total&0xffff + total>>16
	total = total&0xffff + total>>16
	mended := ^uint16(total)
	if mended == 0 {
		mended = 0xffff // 0 would mean that there is none
	}
	binary.BigEndian.PutUint16(sum, mended)
}

// checksumWord is the 16-bit word, counted from where the checksum starts, that
// an octet is in.
func checksumWord(frame []byte, start, at int) uint16 {
	at -= (at - start) % 2
	if at+1 == len(frame) {
		return uint16(frame[at]) << 8
	}
	return binary.BigEndian.Uint16(frame[at:])
}
