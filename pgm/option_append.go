package pgm

import "encoding/binary"

// appendOptions appends OPT_LENGTH and the options that are present, the last one
// with OPT_END, or nothing if none is. o may be nil.
func appendOptions(b []byte, o *Options) []byte {
	if o == nil || o.Present == 0 {
		return b
	}
	start := len(b)
	b = append(b, byte(OptLength), optionSize, 0, 0)
	last, count := len(b), 0
	for _, t := range appendOrder {
		if o.Present.Has(t) {
			last = len(b)
			b = o.append(b, t)
			b[last+1] = byte(len(b) - last)
			count++
		}
	}
	assert(count > 0 && count <= MaxOptions, "unknown options or more than 16")
	b[last] |= optEnd
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	return b
}

// append appends one option, whose length is still to be filled in.
func (o *Options) append(b []byte, t OptionType) []byte {
	b = append(b, byte(t), 0, 0, o.specific(t))
	word := binary.BigEndian.AppendUint32
	switch t {
	case OptFragment:
		if o.FragmentEncoded {
			b[len(b)-2] |= optEncoded
		}
		b = word(b, uint32(o.FragmentSQN))
		b = word(word(b, o.FragmentOffset), o.FragmentLength)
	case OptNAKList:
		for _, sqn := range o.NAKList() {
			b = word(b, uint32(sqn))
		}
	case OptJoin:
		b = word(b, uint32(o.JoinMinimum))
	case OptNAKBOIvl:
		b = word(appendMicroseconds(b, o.NAKBackOffInterval), uint32(o.NAKBackOffSQN))
	case OptNAKBORng:
		b = appendMicroseconds(appendMicroseconds(b, o.NAKBackOffMaximum), o.NAKBackOffMinimum)
	case OptRedirect:
		b = appendNLA(b, o.RedirectNLA)
	case OptParityPrm:
		b = word(b, o.ParityGroupSize)
	case OptParityGrp:
		b = word(b, o.ParityGroup)
	case OptCurrTGSize:
		b = word(b, o.CurrentTGSize)
	case OptPathNLA:
		b = appendAddr(b, o.PathNLA)
	case OptCR:
		b = word(b, uint32(o.ReportSQN))
		b = word(b, uint32(o.ReportWorstLink)<<16|uint32(o.ReportWorstPath))
		b = word(b, uint32(o.ReportReceiver)<<16)
		b = appendNLA(b, o.ReportReceiverNLA)
	case OptPGMCCData:
		b = appendNLA(word(b, o.DataTimestamp), o.DataAckerNLA)
	case OptPGMCCFeedback:
		// The loss rate has the place of the bits that are reserved elsewhere.
		b = word(b, o.FeedbackTimestamp)
		b = word(b, uint32(afiOf(o.FeedbackNLA))<<16|uint32(o.FeedbackLossRate))
		b = appendAddr(b, o.FeedbackNLA)
	}
	return b
}

// specific returns the fourth octet of an option.
func (o *Options) specific(t OptionType) (b byte) {
	bit := func(set bool, bit byte) {
		if set {
			b |= bit
		}
	}
	switch t {
	case OptFragment:
		bit(o.FragmentNull, optEncodedNull)
		if o.FragmentEncoded {
			b |= o.FragmentCode & optSpecific
		}
	case OptParityPrm:
		bit(o.ProactiveParity, parityPrmPro)
		bit(o.OnDemandParity, parityPrmOnd)
	case OptRST:
		bit(o.ResetNoNAKs, rstN)
		b |= o.ResetCode & rstCode
	case OptCR:
		b = byte(o.Report & congestionKnown)
	case OptCRQST:
		b = byte(o.ReportRequest & congestionKnown)
	}
	return b
}
