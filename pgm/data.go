package pgm

import "encoding/binary"

// Data is what ODATA and RDATA have alike: ODATA is original data, RDATA repeats
// it.
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                  Data Packet Sequence Number                  |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                 Trailing Edge Sequence Number                 |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Option Extensions when present ...                            |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+- ... -+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Data ...
//	+-+-+- ...
//
// https://www.rfc-editor.org/rfc/rfc3208#section-8.2
type Data struct {
	SQN     SQN    // OD_SQN, RD_SQN
	Trail   SQN    // OD_TRAIL, RD_TRAIL: the oldest data that the source can repeat now
	Payload []byte // the TSDU; aliases the packet
}

// DataHeaderSize is how many octets stand before the payload if there are no
// options.
const DataHeaderSize = HeaderSize + 8

var (
	odataLayout = layout{{4, field("OD_SQN")}, {8, field("OD_TRAIL")}}
	rdataLayout = layout{{4, field("RD_SQN")}, {8, field("RD_TRAIL")}}
)

// ConsumeData parses the body of an ODATA or RDATA packet whose header is h.
// o is overwritten.
func ConsumeData(h *Header, body []byte, o *Options) (d Data, err error) {
	if len(body) < 8 {
		if h.Type == TypeODATA {
			return Data{}, odataLayout.truncated(len(body))
		}
		return Data{}, rdataLayout.truncated(len(body))
	}
	d.SQN = SQN(binary.BigEndian.Uint32(body))
	d.Trail = SQN(binary.BigEndian.Uint32(body[4:]))
	n, err := consumeOptions(h, body[8:], o)
	if err != nil {
		return Data{}, err
	}
	// "Those who require the TPDU length must obtain it from sum of the transport
	// header length (TH) and the TSDU length." We have it from the layer below,
	// and the two must agree.
	d.Payload = body[8+n:]
	if len(d.Payload) != int(h.TSDULength) {
		return Data{}, errTSDULength
	}
	return d, nil
}

// AppendDataHeader appends to b what stands before the payload of an ODATA or
// RDATA packet, as h.Type says. d.Payload is not written, and not read either:
// the caller sends it behind the header, and knows its sum. o may be nil.
//
// A source that keeps a payload and its sum makes ODATA of it, and RDATA as often
// as it is asked for, in time that does not depend on the payload.
func AppendDataHeader(b []byte, h *Header, d *Data, o *Options, payload Sum) []byte {
	assert(h.Type.IsData(), "neither ODATA nor RDATA")
	start := len(b)
	b = appendHeader(b, h, h.Type, o, len(d.Payload))
	b = binary.BigEndian.AppendUint32(b, uint32(d.SQN))
	b = binary.BigEndian.AppendUint32(b, uint32(d.Trail))
	return finish(appendOptions(b, o), start, payload)
}

// AppendData appends a whole ODATA or RDATA packet to b. o may be nil.
func AppendData(b []byte, h *Header, d *Data, o *Options) []byte {
	return append(AppendDataHeader(b, h, d, o, SumOf(d.Payload)), d.Payload...)
}
