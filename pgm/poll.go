package pgm

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// A POLL asks some of the children of a PGM parent to answer, to learn how many
// there are.
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                    POLL's Sequence Number                     |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|         POLL's Round          |       POLL's Sub-type         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|            NLA AFI            |          Reserved             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                            Path NLA                     ...   |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-...-+-+
//	|                  POLL's  Back-off Interval                    |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                        Random String                          |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                      Matching Bit-Mask                        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// https://www.rfc-editor.org/rfc/rfc3208#section-14.7.1
type POLL struct {
	SQN             SQN
	Round           uint16
	SubType         uint16 // 0 general, 1 for repairers
	Path            netip.Addr
	BackOffInterval time.Duration // counted in microseconds on the wire
	Random          uint32
	Mask            uint32
}

var (
	pollLayout = layout{{4, field("POLL_SQN")}, {6, field("POLL_ROUND")}, {8, field("POLL_S_TYPE")}}
	pollPath   = newNLAField("POLL_PATH")
	pollTail   = layout{{4, field("POLL_BO_IVL")}, {8, field("POLL_RAND")}, {12, field("POLL_MASK")}}
)

// ConsumePOLL parses the body of a POLL whose header is h. o is overwritten.
func ConsumePOLL(h *Header, body []byte, o *Options) (p POLL, err error) {
	if len(body) < 8 {
		return POLL{}, pollLayout.truncated(len(body))
	}
	p.SQN = SQN(binary.BigEndian.Uint32(body))
	p.Round = binary.BigEndian.Uint16(body[4:])
	p.SubType = binary.BigEndian.Uint16(body[6:])
	if p.Path, body, err = consumeNLA(body[8:], pollPath); err != nil {
		return POLL{}, err
	}
	if len(body) < 12 {
		return POLL{}, pollTail.truncated(len(body))
	}
	p.BackOffInterval = microseconds(body)
	p.Random = binary.BigEndian.Uint32(body[4:])
	p.Mask = binary.BigEndian.Uint32(body[8:])
	return p, consumeEnd(h, body[12:], o)
}

// A POLR answers a POLL.
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                    POLR's Sequence Number                     |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|         POLR's Round          |           reserved            |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// https://www.rfc-editor.org/rfc/rfc3208#section-14.7.2
type POLR struct {
	SQN   SQN // POLL_SQN of what it answers
	Round uint16
}

var polrLayout = layout{{4, field("POLR_SQN")}, {6, field("POLR_ROUND")}, {8, field("POLR reserved")}}

// ConsumePOLR parses the body of a POLR whose header is h. o is overwritten.
func ConsumePOLR(h *Header, body []byte, o *Options) (p POLR, err error) {
	if len(body) < 8 {
		return POLR{}, polrLayout.truncated(len(body))
	}
	p.SQN = SQN(binary.BigEndian.Uint32(body))
	p.Round = binary.BigEndian.Uint16(body[4:])
	return p, consumeEnd(h, body[8:], o)
}

// An ACK is what the receiver whose path is worst sends in PGMCC, a scheme of
// congestion control that OpenPGM has and no RFC.
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                            RX_MAX                             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                       Received packets                        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
type ACK struct {
	Max    SQN    // the newest data received
	Bitmap uint32 // which of the last 32 were received
}

var ackLayout = layout{{4, field("ACK RX_MAX")}, {8, field("ACK bitmap")}}

// ConsumeACK parses the body of an ACK whose header is h. o is overwritten.
func ConsumeACK(h *Header, body []byte, o *Options) (a ACK, err error) {
	if len(body) < 8 {
		return ACK{}, ackLayout.truncated(len(body))
	}
	a.Max = SQN(binary.BigEndian.Uint32(body))
	a.Bitmap = binary.BigEndian.Uint32(body[4:])
	return a, consumeEnd(h, body[8:], o)
}

// microseconds parses 32 bits that count microseconds.
func microseconds(b []byte) time.Duration {
	return time.Duration(binary.BigEndian.Uint32(b)) * time.Microsecond
}

// appendMicroseconds appends d rounded to the microsecond and, if it does not
// fit, the nearest that does: at most 71 minutes.
func appendMicroseconds(b []byte, d time.Duration) []byte {
	us := min(max(d.Round(time.Microsecond).Microseconds(), 0), 1<<32-1)
	return binary.BigEndian.AppendUint32(b, uint32(us))
}
