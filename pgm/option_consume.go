package pgm

import (
	"encoding/binary"
	"net/netip"
)

const (
	optionSize = 4    // an option's own header
	optEnd     = 0x80 // OPT_END, in the type octet

	// In the third octet.
	optEncoded = 0x04 // F: OP_ENCODED, by the RFC's figure (OpenPGM has it at 0x08, and U at 0x80)
	optOPX     = 0x03

	// In the fourth.
	optEncodedNull = 0x80 // U: OP_ENCODED_NULL
	optSpecific    = 0x7f

	// Option-specific bits.
	parityPrmPro = 0x02 // P; the RFC's figure has it left of O
	parityPrmOnd = 0x01 // O
	rstN         = 0x40
	rstCode      = 0x3f
)

// An OPX says what a network element that does not know an option does with it.
// "Nota Bene: Only network elements pay any attention to these bits." What we
// append has [OPXIgnore].
type OPX uint8

// The option extensibility bits.
const (
	OPXIgnore     OPX = 0
	OPXInvalidate OPX = 1 // changes the type to OPT_INVALID
	OPXDiscard    OPX = 2 // discards the packet
	OPXReserved   OPX = 3
)

// An OptionHeader is what every option but OPT_LENGTH starts with.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|E| Option Type | Option Length |Reserved |F|OPX|U|Opt. Specific|
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                        Option Value                    ...    |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+...+-+
//
// https://www.rfc-editor.org/rfc/rfc3208#section-9
type OptionHeader struct {
	Type        OptionType
	End         bool  // E: the last option
	Length      uint8 // octets, this header included
	Encoded     bool  // F: the value is a code word
	OPX         OPX
	EncodedNull bool  // U
	Specific    uint8 // 7 bits that mean what the type says
}

// ConsumeOption parses the option at the start of b. value are the octets behind
// its header; n is what it takes in all, and never zero.
func ConsumeOption(b []byte) (h OptionHeader, value []byte, n int, err error) {
	switch {
	case len(b) < optionSize:
		return OptionHeader{}, nil, 0, errOptTruncated
	case b[1] < optionSize:
		return OptionHeader{}, nil, 0, errOptShort
	case int(b[1]) > len(b):
		return OptionHeader{}, nil, 0, errOptLong
	}
	h = OptionHeader{
		Type: OptionType(b[0] &^ optEnd), End: b[0]&optEnd != 0, Length: b[1],
		Encoded: b[2]&optEncoded != 0, OPX: OPX(b[2] & optOPX),
		EncodedNull: b[3]&optEncodedNull != 0, Specific: b[3] & optSpecific,
	}
	return h, b[optionSize:h.Length], int(h.Length), nil
}

// ConsumeOptionLength parses the OPT_LENGTH at the start of b, which must hold
// all options, and returns those behind it.
//
// "When option extensions are appended to the standard PGM header, the extensions
// MUST be preceded by an option extension length field specifying the total
// length of all option extensions."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-9.1
func ConsumeOptionLength(b []byte) (options []byte, n int, err error) {
	// With OPT_END it would be the last option, of none that are extensions.
	if len(b) < optionSize || OptionType(b[0]) != OptLength {
		return nil, 0, errOptLength
	}
	if b[1] != optionSize {
		return nil, 0, errOptLengthSize
	}
	n = int(binary.BigEndian.Uint16(b[2:]))
	if n > len(b) {
		return nil, 0, errOptTotal
	}
	if n <= optionSize {
		return nil, 0, errOptEnd
	}
	return b[optionSize:n], n, nil
}

// consumeOptions parses the options at the start of b, if the header says that
// there are some. n is what they take.
func consumeOptions(h *Header, b []byte, o *Options) (n int, err error) {
	o.Present, o.Unknown = 0, 0
	if h.Options&BitPresent == 0 {
		return 0, nil
	}
	rest, n, err := ConsumeOptionLength(b)
	if err != nil {
		return 0, err
	}
	for range MaxOptions {
		option, value, size, err := ConsumeOption(rest)
		if err != nil {
			return 0, err
		}
		if err := o.consume(option, value); err != nil {
			return 0, err
		}
		rest = rest[size:]
		// "The OPT_END bit MUST be set in the last option in the option list,
		// whichever that might be."
		switch {
		case option.End && len(rest) == 0:
			return n, nil
		case option.End:
			return 0, errOptEarly
		case len(rest) == 0:
			return 0, errOptEnd
		}
	}
	return 0, errManyOptions
}

// consume takes one option.
func (o *Options) consume(h OptionHeader, value []byte) error {
	f := formOf(h.Type)
	switch {
	case h.Type == OptLength:
		return errOptAgain
	case f == nil:
		o.Unknown++
		return nil
	case o.Present.Has(h.Type):
		return f.again
	case h.Type == OptNAKList:
		if len(value) == 0 || len(value)%4 != 0 {
			return f.size
		}
	case f.nla == nil && int(h.Length) != f.length,
		f.nla != nil && int(h.Length) != f.length+4 && int(h.Length) != f.length+16:
		return f.size
	}
	if f.nla != nil {
		if err := o.consumeWithNLA(h, value, f); err != nil {
			return err
		}
	} else if !o.consumePlain(h, value) {
		return f.value
	}
	o.Present |= SetOf(h.Type)
	return nil
}

// consumePlain takes an option without address, whose length is right. It returns
// false if a value is out of range.
func (o *Options) consumePlain(h OptionHeader, value []byte) bool {
	switch h.Type {
	case OptFragment:
		o.FragmentEncoded, o.FragmentNull = h.Encoded, h.EncodedNull
		o.FragmentCode = h.Specific
		o.FragmentSQN = SQN(binary.BigEndian.Uint32(value))
		o.FragmentOffset = binary.BigEndian.Uint32(value[4:])
		o.FragmentLength = binary.BigEndian.Uint32(value[8:])
		return o.FragmentEncoded || o.FragmentOffset < o.FragmentLength || o.FragmentLength == 0 && o.FragmentOffset == 0
	case OptNAKList:
		o.nakCount = uint8(len(value) / 4)
		for i := range o.nakCount {
			o.nakList[i] = SQN(binary.BigEndian.Uint32(value[4*i:]))
		}
	case OptJoin:
		o.JoinMinimum = SQN(binary.BigEndian.Uint32(value))
	case OptNAKBOIvl:
		o.NAKBackOffInterval = microseconds(value)
		o.NAKBackOffSQN = SQN(binary.BigEndian.Uint32(value[4:]))
	case OptNAKBORng:
		o.NAKBackOffMaximum, o.NAKBackOffMinimum = microseconds(value), microseconds(value[4:])
		return o.NAKBackOffMinimum <= o.NAKBackOffMaximum
	case OptParityPrm:
		// "At least one of PARITY_PRM_PRO and PARITY_PRM_OND MUST be set."
		o.ProactiveParity, o.OnDemandParity = h.Specific&parityPrmPro != 0, h.Specific&parityPrmOnd != 0
		o.ParityGroupSize = binary.BigEndian.Uint32(value)
		return o.ProactiveParity || o.OnDemandParity
	case OptParityGrp:
		o.ParityGroup = binary.BigEndian.Uint32(value)
		return o.ParityGroup != 0
	case OptCurrTGSize:
		o.CurrentTGSize = binary.BigEndian.Uint32(value)
	case OptRST:
		o.ResetNoNAKs, o.ResetCode = h.Specific&rstN != 0, h.Specific&rstCode
	case OptCRQST:
		o.ReportRequest = CongestionBits(h.Specific) & congestionKnown
	}
	return true
}

const congestionKnown = CongestionNEL | CongestionNEP | CongestionRXP

// consumeWithNLA takes an option that an address ends, whose length is one of two
// that are right.
func (o *Options) consumeWithNLA(h OptionHeader, value []byte, f *form) (err error) {
	var nla netip.Addr
	var rest []byte
	if fixed := f.length - optionSize; h.Type == OptPathNLA {
		// It has no AFI: the length tells.
		afi := uint16(afiIPv4)
		if len(value) == 16 {
			afi = afiIPv6
		}
		nla, rest, err = consumeAddr(afi, value, f.nla)
	} else {
		// AFI and what shares its 32 bits end the fixed part.
		nla, rest, err = consumeNLA(value[fixed-afiSize:], f.nla)
	}
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return f.size // a long form, and the AFI of the short one
	}
	switch h.Type {
	case OptRedirect:
		o.RedirectNLA = nla
	case OptPathNLA:
		o.PathNLA = nla
	case OptCR:
		o.Report = CongestionBits(h.Specific) & congestionKnown
		o.ReportSQN = SQN(binary.BigEndian.Uint32(value))
		o.ReportWorstLink = binary.BigEndian.Uint16(value[4:])
		o.ReportWorstPath = binary.BigEndian.Uint16(value[6:])
		o.ReportReceiver = binary.BigEndian.Uint16(value[8:])
		o.ReportReceiverNLA = nla
	case OptPGMCCData:
		o.DataTimestamp, o.DataAckerNLA = binary.BigEndian.Uint32(value), nla
	case OptPGMCCFeedback:
		o.FeedbackTimestamp, o.FeedbackNLA = binary.BigEndian.Uint32(value), nla
		o.FeedbackLossRate = binary.BigEndian.Uint16(value[6:])
	}
	return nil
}
