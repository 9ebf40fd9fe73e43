package pgm

import "encoding/binary"

// Protocol is PGM's number as a protocol of IP.
const Protocol = 113

// HeaderSize is how many octets the common header has.
const HeaderSize = 16

// A Type says what kind of packet it is: the low four bits of the Type field.
//
// https://www.rfc-editor.org/rfc/rfc3208#section-8
type Type uint8

// The types of packets. ACK is PGMCC's and in no RFC.
const (
	TypeSPM   Type = 0x0 // source path message, section 8.1
	TypePOLL  Type = 0x1 // poll request, section 14.7.1
	TypePOLR  Type = 0x2 // poll response, section 14.7.2
	TypeODATA Type = 0x4 // original data, section 8.2
	TypeRDATA Type = 0x5 // repair data, section 8.2
	TypeNAK   Type = 0x8 // negative acknowledgement, section 8.3
	TypeNNAK  Type = 0x9 // null negative acknowledgement, section 8.3
	TypeNCF   Type = 0xa // NAK confirmation, section 8.3
	TypeSPMR  Type = 0xc // SPM request, section 13.6
	TypeACK   Type = 0xd // acknowledgement
)

const (
	known    = 1<<TypeSPM | 1<<TypePOLL | 1<<TypePOLR | downstreamData | 1<<TypeNAK | 1<<TypeNNAK | 1<<TypeNCF | 1<<TypeSPMR | 1<<TypeACK
	upstream = 1<<TypePOLR | 1<<TypeNAK | 1<<TypeNNAK | 1<<TypeSPMR | 1<<TypeACK

	downstreamData = 1<<TypeODATA | 1<<TypeRDATA
	nakLike        = 1<<TypeNAK | 1<<TypeNNAK | 1<<TypeNCF

	typeVersion  = 0xc0
	typeReserved = 0x30
)

func (t Type) among(set uint16) bool { return set>>t&1 != 0 }

// IsUpstream reports whether packets of that type travel from receivers towards
// the source.
func (t Type) IsUpstream() bool { return t.among(upstream) }

// IsData reports whether packets of that type have a payload: ODATA and RDATA.
func (t Type) IsData() bool { return t.among(downstreamData) }

// OptionBits is the header's Options field: "binary indications of the presence
// and significance of any options".
//
// The RFC numbers its bits from the left and means from the right: every
// implementation has OPT_PARITY as the highest bit.
type OptionBits uint8

// The bits. The Append functions set the first two by the options there are.
const (
	BitPresent   OptionBits = 0x01 // there are option extensions
	BitNetwork   OptionBits = 0x02 // some are network-significant
	BitVarPktLen OptionBits = 0x40 // OPT_VAR_PKTLEN: parity of packets that differ in length
	BitParity    OptionBits = 0x80 // OPT_PARITY: a parity packet
)

// A Header is what all packets start with.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|         Source Port           |       Destination Port        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|      Type     |    Options    |           Checksum            |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                        Global Source ID                   ... |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| ...    Global Source ID       |           TSDU Length         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// https://www.rfc-editor.org/rfc/rfc3208#section-8
type Header struct {
	SourcePort      uint16
	DestinationPort uint16
	Type            Type
	Options         OptionBits
	Checksum        uint16 // zero: none; the Append functions compute it
	GSI             GSI
	TSDULength      uint16 // octets of payload; the Append functions compute it
}

var headerLayout = layout{
	{2, field("Source Port")}, {4, field("Destination Port")}, {5, field("Type")}, {6, field("Options")},
	{8, field("Checksum")}, {14, field("Global Source ID")}, {16, field("TSDU Length")},
}

// NewHeader returns the header for a packet of that type and session. port is
// the Data-Destination Port. "In packets which travel down-stream SPORT is the
// port number chosen in the data source (Data-Source Port) and DPORT is the data
// destination port number (Data-Destination Port). The opposite holds for
// packets which travel upstream."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-8.3
func NewHeader(t Type, tsi TSI, port uint16) Header {
	h := Header{SourcePort: tsi.Port, DestinationPort: port, Type: t, GSI: tsi.GSI}
	if t.IsUpstream() {
		h.SourcePort, h.DestinationPort = port, tsi.Port
	}
	return h
}

// TSI returns the transport session that the packet belongs to, whichever way it
// travels.
func (h *Header) TSI() TSI {
	if h.Type.IsUpstream() {
		return TSI{h.GSI, h.DestinationPort}
	}
	return TSI{h.GSI, h.SourcePort}
}

// DataDestinationPort returns the port number of the application: "a globally
// well-known port number". libzmq has the endpoint's port there.
func (h *Header) DataDestinationPort() uint16 {
	if h.Type.IsUpstream() {
		return h.SourcePort
	}
	return h.DestinationPort
}

// ConsumeHeader parses the header at the start of packet, which is one whole
// packet. body is what follows it, and is for the Consume function of h.Type.
// The checksum is left to [Header.VerifyChecksum].
//
// If the error is about the Type field, h holds the rest of the header.
func ConsumeHeader(packet []byte) (h Header, body []byte, err error) {
	if len(packet) < HeaderSize {
		return Header{}, nil, headerLayout.truncated(len(packet))
	}
	h = Header{
		SourcePort:      binary.BigEndian.Uint16(packet),
		DestinationPort: binary.BigEndian.Uint16(packet[2:]),
		Type:            Type(packet[4] & 0x0f),
		Options:         OptionBits(packet[5]),
		Checksum:        binary.BigEndian.Uint16(packet[6:]),
		GSI:             GSI(packet[8:14]),
		TSDULength:      binary.BigEndian.Uint16(packet[14:]),
	}
	// "The high-order two bits of the Type field encode a version number, 0x0 in
	// this instance. […] The intervening two bits (the low-order two bits of the
	// high-order nibble) are reserved and MUST be zero."
	switch {
	case packet[4]&typeVersion != 0:
		return h, nil, errVersion
	case packet[4]&typeReserved != 0:
		return h, nil, errReservedType
	case !h.Type.among(known):
		return h, nil, errUnknownType
	}
	return h, packet[HeaderSize:], nil
}

// appendHeader appends the header of a packet of type t, with options o and a
// payload of that many octets. The checksum stays zero until finish.
func appendHeader(b []byte, h *Header, t Type, o *Options, payload int) []byte {
	assert(payload <= 0xffff, "payload of more than 65535 octets")
	b = binary.BigEndian.AppendUint16(b, h.SourcePort)
	b = binary.BigEndian.AppendUint16(b, h.DestinationPort)
	b = append(b, byte(t), byte(h.Options&^(BitPresent|BitNetwork)|o.bits(t)), 0, 0)
	b = append(b, h.GSI[:]...)
	return binary.BigEndian.AppendUint16(b, uint16(payload))
}

// finish writes the checksum of the packet that starts at b[start] and that a
// payload of that sum follows.
func finish(b []byte, start int, payload Sum) []byte {
	packet := b[start:]
	binary.BigEndian.PutUint16(packet[6:], SumOf(packet).Add(payload).checksum())
	return b
}

// consumeEnd parses what follows the fields of a packet without payload: its
// options, if any, and nothing more. "Only data packet headers (ODATA and RDATA)
// may be followed in the packet by application data."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-8
func consumeEnd(h *Header, b []byte, o *Options) error {
	n, err := consumeOptions(h, b, o)
	switch {
	case err != nil:
		return err
	case h.TSDULength != 0:
		return errTSDU
	case n < len(b):
		return errTSDULength
	}
	return nil
}

// assert is for what only our own code can get wrong.
func assert(ok bool, what string) {
	if !ok {
		panic("pgm: " + what)
	}
}
