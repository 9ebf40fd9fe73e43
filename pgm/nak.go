package pgm

import (
	"encoding/binary"
	"net/netip"
)

// A NAK is what NAK, NNAK and NCF have alike. A receiver asks with a NAK for what
// it misses, the source says to all with an NCF that it has been asked, and a
// designated local repairer says with an NNAK that it has repaired. OPT_NAK_LIST
// has more sequence numbers.
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                   Requested Sequence Number                   |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|            NLA AFI            |          Reserved             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                           Source NLA                    ...   |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-...-+-+
//	|            NLA AFI            |          Reserved             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                      Multicast Group NLA                ...   |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-...-+-+
//
// https://www.rfc-editor.org/rfc/rfc3208#section-8.3
type NAK struct {
	SQN    SQN        // NAK_SQN, of a parity NAK its transmission group and count
	Source netip.Addr // NAK_SRC: "the unicast NLA of the original source"
	Group  netip.Addr // NAK_GRP
}

// nakFields are what the RFC calls the fields of each type.
type nakFields struct {
	sqn           layout
	source, group *nlaField
}

func newNAKFields(name string) *nakFields {
	return &nakFields{
		layout{{4, field(name + "_SQN")}}, newNLAField(name + "_SRC"), newNLAField(name + "_GRP"),
	}
}

var nakFieldsOf = [...]*nakFields{
	TypeNAK: newNAKFields("NAK"), TypeNNAK: newNAKFields("NNAK"), TypeNCF: newNAKFields("NCF"),
}

// ConsumeNAK parses the body of a NAK, NNAK or NCF whose header is h. o is
// overwritten.
func ConsumeNAK(h *Header, body []byte, o *Options) (k NAK, err error) {
	assert(h.Type.among(nakLike), "neither NAK, NNAK nor NCF")
	fields := nakFieldsOf[h.Type]
	if len(body) < 4 {
		return NAK{}, fields.sqn.truncated(len(body))
	}
	k.SQN = SQN(binary.BigEndian.Uint32(body))
	if k.Source, body, err = consumeNLA(body[4:], fields.source); err != nil {
		return NAK{}, err
	}
	if k.Group, body, err = consumeNLA(body, fields.group); err != nil {
		return NAK{}, err
	}
	return k, consumeEnd(h, body, o)
}

// AppendNAK appends a whole NAK, NNAK or NCF to b, as h.Type says. o may be nil.
func AppendNAK(b []byte, h *Header, k *NAK, o *Options) []byte {
	assert(h.Type.among(nakLike), "neither NAK, NNAK nor NCF")
	start := len(b)
	b = appendHeader(b, h, h.Type, o, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(k.SQN))
	b = appendNLA(b, k.Source)
	b = appendNLA(b, k.Group)
	return finish(appendOptions(b, o), start, 0)
}
