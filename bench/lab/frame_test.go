package lab

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"testing"
)

// pgmPacket is a PGM header of a type, and an odd number of octets of data.
func pgmPacket(typ byte) []byte {
	p := make([]byte, pgmHeader, pgmHeader+5)
	p[pgmType] = typ
	return append(p, 1, 2, 3, 4, 5)
}

// testFrame is a frame from host 1 to a group, with the checksums there ought
// to be.
func testFrame(t *testing.T, network string, payload []byte) []byte {
	t.Helper()
	eth := []byte{0x01, 0, 0x5e, 1, 1, 1, 0x02, 0x77, 0, 0, 0, 1, 0, 0}
	protocol, udp := byte(protocolPGM), []byte(nil)
	if network == "udp4" || network == "udp6" {
		protocol = protocolUDP
		udp = []byte{0x30, 0x39, 0x15, 0xb3, 0, 0, 0, 0}
		binary.BigEndian.PutUint16(udp[4:], uint16(len(payload)+udpHeader))
	}
	body := append(udp, payload...)
	var ip []byte
	switch network {
	case "udp4", "ip4":
		binary.BigEndian.PutUint16(eth[12:], etherIPv4)
		ip = []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 1, protocol, 0, 0, 10, 77, 0, 1, 239, 1, 1, 1}
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(body)))
	case "udp6", "ip6":
		binary.BigEndian.PutUint16(eth[12:], etherIPv6)
		ip = make([]byte, ipv6Header)
		ip[0], ip[6], ip[7], ip[8], ip[24] = 0x60, protocol, 1, 0xfd, 0xff
		binary.BigEndian.PutUint16(ip[4:], uint16(len(body)))
	default:
		t.Fatalf("no network %s", network)
	}
	if udp != nil {
		binary.BigEndian.PutUint16(body[udpChecksum:], ^udpSum(ip, body))
	}
	return append(append(eth, ip...), body...)
}

// udpSum is the sum over the pseudo-header and a UDP datagram: 0xffff if its
// checksum is right.
func udpSum(ip, body []byte) uint16 {
	addresses := ip[12:20]
	if ip[0]>>4 == 6 {
		addresses = ip[8:40]
	}
	all := append(bytes.Clone(addresses), 0, protocolUDP, byte(len(body)>>8), byte(len(body)))
	all = append(append(all, body...), 0)
	var sum uint32
	for i := 0; i+1 < len(all); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(all[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

var networks = []string{"udp4", "udp6", "ip4", "ip6"}

func TestPGMFilter(t *testing.T) {
	for _, network := range networks {
		frame := testFrame(t, network, pgmPacket(0x5))
		for _, tt := range []struct {
			types []byte
			want  bool
		}{{nil, true}, {[]byte{5}, true}, {[]byte{4, 5}, true}, {[]byte{4}, false}, {[]byte{0}, false}} {
			if got := PGM(tt.types...)(frame); got != tt.want {
				t.Errorf("%s: types %v: %v, want %v", network, tt.types, got, tt.want)
			}
		}
		// The version is in the same octet.
		frame[len(frame)-len(pgmPacket(0))+pgmType] |= 0x40
		if !PGM(5)(frame) {
			t.Errorf("%s: the version is taken for part of the type", network)
		}
		header := len(frame) - len(pgmPacket(0)) + pgmHeader
		for n := range len(frame) {
			if got := PGM()(frame[:n]); got != (n >= header) {
				t.Errorf("%s: %d octets of it: %v", network, n, got)
			}
		}
	}
	later := testFrame(t, "udp4", pgmPacket(0x5))
	later[etherHeader+7] = 1 // fragment offset
	if PGM()(later) {
		t.Error("a later fragment has no header and is taken for PGM")
	}
}

func TestFrom(t *testing.T) {
	frame := testFrame(t, "udp4", nil)
	if !From(1)(frame) || From(2)(frame) || From(0)(frame) || From(1)(frame[:10]) {
		t.Error("host 1 sent it")
	}
	frame[9] = 1
	if From(1)(frame) {
		t.Error("somebody else's MAC")
	}
}

func TestIsTraffic(t *testing.T) {
	frame := testFrame(t, "udp4", nil)
	arp := bytes.Clone(frame)
	arp[13] = 6
	igmp := bytes.Clone(frame)
	igmp[etherHeader+9] = protocolIGMP
	mld := testFrame(t, "udp6", nil)
	mld[etherHeader+6] = protocolHopByHop
	neighbour := bytes.Clone(mld)
	neighbour[etherHeader+6] = protocolICMPv6
	for _, tt := range []struct {
		name  string
		frame []byte
		want  bool
	}{
		{"udp4", frame, true}, {"udp6", testFrame(t, "udp6", nil), true}, {"pgm", testFrame(t, "ip4", nil), true},
		{"arp", arp, false}, {"igmp", igmp, false}, {"mld", mld, false}, {"neighbour", neighbour, false},
		{"cut", frame[:20], false}, {"empty", nil, false},
	} {
		if got := isTraffic(tt.frame); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// Every bit of the payload can be flipped, no other is, and a mended checksum
// is right.
func TestCorrupt(t *testing.T) {
	for _, network := range networks {
		whole := testFrame(t, network, pgmPacket(0x4))
		size := len(pgmPacket(0)) * 8
		for bit := range size {
			for _, mend := range []bool{false, true} {
				frame := bytes.Clone(whole)
				corrupt(frame, (float64(bit)+0.5)/float64(size), mend)
				p, _ := consumePacket(frame)
				flipped := 0
				for i := range frame {
					if i < p.payload && (i < p.body+udpChecksum || !mend) && frame[i] != whole[i] {
						t.Fatalf("%s bit %d: octet %d before the payload has changed", network, bit, i)
					}
					if i >= p.payload {
						flipped += bits.OnesCount8(frame[i] ^ whole[i])
					}
				}
				if flipped != 1 || frame[p.payload+bit/8] == whole[p.payload+bit/8] {
					t.Fatalf("%s bit %d: %d bits have changed", network, bit, flipped)
				}
				if p.protocol != protocolUDP {
					continue
				}
				sum := udpSum(frame[etherHeader:p.body], frame[p.body:])
				if right := sum == 0xffff; right != mend {
					t.Fatalf("%s bit %d: the checksum is right: %v, want %v", network, bit, right, mend)
				}
			}
		}
	}
}

// Nothing to flip, or no checksum to mend, is left alone.
func TestCorruptLeavesAlone(t *testing.T) {
	for _, frame := range [][]byte{nil, testFrame(t, "udp4", nil), testFrame(t, "udp4", nil)[:20]} {
		got := bytes.Clone(frame)
		corrupt(got, 0.5, true)
		if !bytes.Equal(got, frame) {
			t.Errorf("% x became % x", frame, got)
		}
	}
	frame := testFrame(t, "udp4", pgmPacket(0))
	p, _ := consumePacket(frame)
	frame[p.body+udpChecksum], frame[p.body+udpChecksum+1] = 0, 0
	corrupt(frame, 0.5, true)
	if frame[p.body+udpChecksum] != 0 || frame[p.body+udpChecksum+1] != 0 {
		t.Error("it had no checksum, and has one now")
	}
}
