package main

import (
	"encoding/binary"
	"net/netip"

	"github.com/zeroring/zeroring/pgm"
)

// A linkType says what stands before the IP header.
//
// https://www.tcpdump.org/linktypes.html
type linkType uint32

const (
	linkNull     linkType = 0 // BSD loopback
	linkEthernet linkType = 1
	linkRawBSD   linkType = 12
	linkRaw      linkType = 101
	linkLoop     linkType = 108 // OpenBSD loopback
	linkSLL      linkType = 113 // Linux cooked
	linkIPv4     linkType = 228
	linkIPv6     linkType = 229
	linkSLL2     linkType = 276
)

const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
	etherVLAN = 0x8100
	etherQinQ = 0x88a8

	protocolUDP = 17
)

func (l linkType) known() bool {
	switch l {
	case linkNull, linkEthernet, linkRawBSD, linkRaw, linkLoop, linkSLL, linkIPv4, linkIPv6, linkSLL2:
		return true
	}
	return false
}

// network returns the IP packet inside a captured one, and false if there is
// something else.
func (l linkType) network(b []byte) ([]byte, bool) {
	switch l {
	case linkNull, linkLoop:
		// The address family differs by system and byte order: IP's own version
		// tells.
		return after(b, 4)
	case linkEthernet:
		for at := 12; len(b) >= at+2; at += 4 {
			switch binary.BigEndian.Uint16(b[at:]) {
			case etherIPv4, etherIPv6:
				return after(b, at+2)
			case etherVLAN, etherQinQ:
				continue
			}
			break
		}
		return nil, false
	case linkSLL:
		return afterType(b, 14, 16)
	case linkSLL2:
		return afterType(b, 0, 20)
	}
	return b, true
}

func after(b []byte, n int) ([]byte, bool) {
	if len(b) < n {
		return nil, false
	}
	return b[n:], true
}

// afterType is for a header of size octets with an Ethernet type in it.
func afterType(b []byte, at, size int) ([]byte, bool) {
	if len(b) < size {
		return nil, false
	}
	if t := binary.BigEndian.Uint16(b[at:]); t != etherIPv4 && t != etherIPv6 {
		return nil, false
	}
	return b[size:], true
}

// A datagram is what may be a PGM packet, and where from and to it travels.
type datagram struct {
	from, to   netip.AddrPort // ports of UDP; 0 for PGM in IP
	udp        bool
	packet     []byte
	fragmented bool // a fragment of it, which we do not reassemble
}

// consumeIP finds PGM in IP, and UDP, and false if it is anything else.
func consumeIP(b []byte) (d datagram, ok bool) {
	if len(b) == 0 {
		return d, false
	}
	var protocol byte
	switch b[0] >> 4 {
	case 4:
		protocol, ok = d.consumeIPv4(b)
	case 6:
		protocol, ok = d.consumeIPv6(b)
	}
	switch {
	case !ok:
		return d, false
	case protocol == pgm.Protocol:
		return d, true
	case protocol != protocolUDP || d.fragmented:
		return d, false
	}
	return d, d.consumeUDP()
}

func (d *datagram) consumeIPv4(b []byte) (protocol byte, ok bool) {
	if len(b) < 20 {
		return 0, false
	}
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < 20 || total < header || len(b) < header {
		return 0, false
	}
	d.from = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[12:])), 0)
	d.to = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[16:])), 0)
	const moreFragments, offset = 0x2000, 0x1fff
	d.fragmented = binary.BigEndian.Uint16(b[6:])&(moreFragments|offset) != 0
	d.packet = b[header:min(total, len(b))] // Ethernet pads what is short
	return b[9], true
}

func (d *datagram) consumeIPv6(b []byte) (protocol byte, ok bool) {
	if len(b) < 40 {
		return 0, false
	}
	d.from = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:])), 0)
	d.to = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[24:])), 0)
	protocol = b[6]
	b = b[40:min(40+int(binary.BigEndian.Uint16(b[4:])), len(b))]
	// PGM's packets bear a router alert, which is a hop-by-hop option.
	const hopByHop, routing, fragment, destination = 0, 43, 44, 60
	for protocol == hopByHop || protocol == routing || protocol == destination {
		if len(b) < 8 || len(b) < 8+8*int(b[1]) {
			return 0, false
		}
		protocol, b = b[0], b[8+8*int(b[1]):]
	}
	if protocol == fragment {
		if len(b) < 8 {
			return 0, false
		}
		protocol, b, d.fragmented = b[0], b[8:], true
	}
	d.packet = b
	return protocol, true
}

func (d *datagram) consumeUDP() bool {
	b := d.packet
	if len(b) < 8 {
		return false
	}
	d.udp = true
	d.from = netip.AddrPortFrom(d.from.Addr(), binary.BigEndian.Uint16(b))
	d.to = netip.AddrPortFrom(d.to.Addr(), binary.BigEndian.Uint16(b[2:]))
	size := int(binary.BigEndian.Uint16(b[4:]))
	if size < 8 {
		return false
	}
	d.packet = b[8:min(size, len(b))]
	return true
}
