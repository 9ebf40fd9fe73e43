package pgm

import (
	"fmt"
	"strings"
)

// Everything in this file is for people: tests, dumps and log lines.

var typeNames = [...]string{
	TypeSPM: "SPM", TypePOLL: "POLL", TypePOLR: "POLR", TypeODATA: "ODATA", TypeRDATA: "RDATA",
	TypeNAK: "NAK", TypeNNAK: "NNAK", TypeNCF: "NCF", TypeSPMR: "SPMR", TypeACK: "ACK",
}

// String returns the RFC's name of the type.
func (t Type) String() string {
	if t.among(known) {
		return typeNames[t]
	}
	return fmt.Sprintf("type %#x", uint8(t))
}

// String returns the RFC's name of the option.
func (t OptionType) String() string {
	switch f := formOf(t); {
	case f != nil:
		return f.name
	case t == OptLength:
		return "OPT_LENGTH"
	case t == OptInvalid:
		return "OPT_INVALID"
	}
	return fmt.Sprintf("option %#x", uint8(t))
}

// String returns the session, the way and the type.
func (h Header) String() string {
	s := fmt.Sprintf("%v > %d %v", h.TSI(), h.DataDestinationPort(), h.Type)
	if h.Type.IsUpstream() {
		s = fmt.Sprintf("%d > %v %v", h.DataDestinationPort(), h.TSI(), h.Type)
	}
	if h.Options&BitParity != 0 {
		s += " parity"
	}
	if h.Options&BitVarPktLen != 0 {
		s += " var-pktlen"
	}
	return s
}

// String returns all fields.
func (s SPM) String() string {
	text := fmt.Sprintf("seq %d trail %d lead %d nla %v", s.SQN, s.Trail, s.Lead, s.Path)
	if !s.HasWindow() {
		text += " no window"
	}
	return text
}

// String returns the numbers, and the size of the payload.
func (d Data) String() string {
	return fmt.Sprintf("trail %d seq %d [%d octets]", d.Trail, d.SQN, len(d.Payload))
}

// String returns all fields.
func (k NAK) String() string { return fmt.Sprintf("(%v -> %v) seq %d", k.Source, k.Group, k.SQN) }

// String returns all fields.
func (p POLL) String() string {
	return fmt.Sprintf("seq %d round %d sub-type %d nla %v ivl %v rnd %#08x mask %#08x",
		p.SQN, p.Round, p.SubType, p.Path, p.BackOffInterval, p.Random, p.Mask)
}

// String returns all fields.
func (p POLR) String() string { return fmt.Sprintf("seq %d round %d", p.SQN, p.Round) }

// String returns all fields.
func (a ACK) String() string { return fmt.Sprintf("max %d bitmap %#08x", a.Max, a.Bitmap) }

// String returns the options that are present, each with its values.
func (o *Options) String() string {
	var all []string
	for _, t := range appendOrder {
		if o.Present.Has(t) {
			all = append(all, strings.TrimSuffix(strings.TrimPrefix(t.String(), "OPT_")+" "+o.values(t), " "))
		}
	}
	if o.Unknown > 0 {
		all = append(all, fmt.Sprintf("%d unknown", o.Unknown))
	}
	return strings.Join(all, ", ")
}

// values returns those of one option.
func (o *Options) values(t OptionType) string {
	switch t {
	case OptFragment:
		s := fmt.Sprintf("first %d offset %d length %d", o.FragmentSQN, o.FragmentOffset, o.FragmentLength)
		if o.FragmentEncoded {
			s += fmt.Sprintf(" encoded null=%v", o.FragmentNull)
		}
		return s
	case OptNAKList:
		return fmt.Sprint(o.NAKList())
	case OptJoin:
		return fmt.Sprintf("min %d", o.JoinMinimum)
	case OptNAKBOIvl:
		return fmt.Sprintf("%v seq %d", o.NAKBackOffInterval, o.NAKBackOffSQN)
	case OptNAKBORng:
		return fmt.Sprintf("max %v min %v", o.NAKBackOffMaximum, o.NAKBackOffMinimum)
	case OptRedirect:
		return o.RedirectNLA.String()
	case OptParityPrm:
		return fmt.Sprintf("proactive=%v on-demand=%v size %d", o.ProactiveParity, o.OnDemandParity, o.ParityGroupSize)
	case OptParityGrp:
		return fmt.Sprint(o.ParityGroup)
	case OptCurrTGSize:
		return fmt.Sprint(o.CurrentTGSize)
	case OptPathNLA:
		return o.PathNLA.String()
	case OptRST:
		return fmt.Sprintf("no-naks=%v code %d", o.ResetNoNAKs, o.ResetCode)
	case OptCR:
		return fmt.Sprintf("lead %d worst-link %d worst-path %d receiver %d %v bits %#x",
			o.ReportSQN, o.ReportWorstLink, o.ReportWorstPath, o.ReportReceiver, o.ReportReceiverNLA, uint8(o.Report))
	case OptCRQST:
		return fmt.Sprintf("bits %#x", uint8(o.ReportRequest))
	case OptPGMCCData:
		return fmt.Sprintf("timestamp %d acker %v", o.DataTimestamp, o.DataAckerNLA)
	case OptPGMCCFeedback:
		return fmt.Sprintf("timestamp %d loss %d nla %v", o.FeedbackTimestamp, o.FeedbackLossRate, o.FeedbackNLA)
	}
	return ""
}

// Describe returns one line that tells what there is in a packet, much as
// tcpdump does.
func Describe(packet []byte) string {
	h, body, err := ConsumeHeader(packet)
	if err != nil {
		return fmt.Sprintf("malformed, %d octets: %v", len(packet), err)
	}
	o := new(Options)
	fields, err := describeBody(&h, body, o)
	line := strings.TrimSuffix(h.String()+" "+fields, " ")
	if err != nil {
		return fmt.Sprintf("%v malformed, %d octets: %v", h, len(packet), err)
	}
	if options := o.String(); options != "" {
		line += " (" + options + ")"
	}
	if err := h.VerifyChecksum(packet); err != nil {
		line += " " + err.Error()
	}
	return line
}

func describeBody(h *Header, body []byte, o *Options) (fields string, err error) {
	switch h.Type {
	case TypeSPM:
		s, err := ConsumeSPM(h, body, o)
		return s.String(), err
	case TypePOLL:
		p, err := ConsumePOLL(h, body, o)
		return p.String(), err
	case TypePOLR:
		p, err := ConsumePOLR(h, body, o)
		return p.String(), err
	case TypeODATA, TypeRDATA:
		d, err := ConsumeData(h, body, o)
		return d.String(), err
	case TypeNAK, TypeNNAK, TypeNCF:
		k, err := ConsumeNAK(h, body, o)
		return k.String(), err
	case TypeACK:
		a, err := ConsumeACK(h, body, o)
		return a.String(), err
	}
	return "", ConsumeSPMR(h, body, o)
}
