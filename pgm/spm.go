package pgm

import (
	"encoding/binary"
	"net/netip"
)

// An SPM is a source path message: it says who the source is, where NAKs go,
// and what the source can still repeat.
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                     SPM's Sequence Number                     |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                 Trailing Edge Sequence Number                 |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                 Leading Edge Sequence Number                  |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|            NLA AFI            |          Reserved             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                            Path NLA                     ...   |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-...-+-+
//
// https://www.rfc-editor.org/rfc/rfc3208#section-8.1
type SPM struct {
	SQN   SQN        // in a space of its own: SPMs are numbered apart from data
	Trail SQN        // SPM_TRAIL: the oldest data that the source can repeat
	Lead  SQN        // SPM_LEAD: the newest data sent; one before Trail if there is none
	Path  netip.Addr // SPM_PATH: where NAKs go
}

var (
	spmLayout = layout{{4, field("SPM_SQN")}, {8, field("SPM_TRAIL")}, {12, field("SPM_LEAD")}}
	spmPath   = newNLAField("SPM_PATH")
)

// HasWindow reports whether Trail and Lead mean anything. "If SPM_TRAIL == 0 and
// SPM_LEAD == 0x80000000, this indicates that no window information is present
// in the packet."
func (s *SPM) HasWindow() bool { return s.Trail != 0 || s.Lead != 0x80000000 }

// ConsumeSPM parses the body of an SPM whose header is h. o is overwritten.
func ConsumeSPM(h *Header, body []byte, o *Options) (s SPM, err error) {
	if len(body) < 12 {
		return SPM{}, spmLayout.truncated(len(body))
	}
	s.SQN = SQN(binary.BigEndian.Uint32(body))
	s.Trail = SQN(binary.BigEndian.Uint32(body[4:]))
	s.Lead = SQN(binary.BigEndian.Uint32(body[8:]))
	if s.Path, body, err = consumeNLA(body[12:], spmPath); err != nil {
		return SPM{}, err
	}
	return s, consumeEnd(h, body, o)
}

// AppendSPM appends a whole SPM to b, with the ports, GSI and parity bits of h.
// o may be nil.
func AppendSPM(b []byte, h *Header, s *SPM, o *Options) []byte {
	start := len(b)
	b = appendHeader(b, h, TypeSPM, o, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(s.SQN))
	b = binary.BigEndian.AppendUint32(b, uint32(s.Trail))
	b = binary.BigEndian.AppendUint32(b, uint32(s.Lead))
	b = appendNLA(b, s.Path)
	return finish(appendOptions(b, o), start, 0)
}
