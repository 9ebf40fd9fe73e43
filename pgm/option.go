package pgm

import (
	"net/netip"
	"time"
)

// An OptionType is what kind of option it is.
//
// https://www.rfc-editor.org/rfc/rfc3208#section-3.6.5
type OptionType uint8

// The options. The last two before OPT_INVALID are PGMCC's and in no RFC.
const (
	OptLength        OptionType = 0x00 // 9.1: how long all options are
	OptFragment      OptionType = 0x01 // 9.2: the payload is a fragment of an APDU
	OptNAKList       OptionType = 0x02 // 9.3: more sequence numbers
	OptJoin          OptionType = 0x03 // 9.4: from where a late joiner may ask
	OptNAKBOIvl      OptionType = 0x04 // 15.4.1: NAK back-off interval
	OptNAKBORng      OptionType = 0x05 // 15.4.2: its range
	OptRedirect      OptionType = 0x07 // 9.5: who repairs
	OptParityPrm     OptionType = 0x08 // 11.8.1: parameters of forward error correction
	OptParityGrp     OptionType = 0x09 // 11.8.2: number of a group of parity packets
	OptCurrTGSize    OptionType = 0x0a // 11.8.3: actual size of a transmission group
	OptNbrUnreach    OptionType = 0x0b // 15.4.3: neighbour unreachable
	OptPathNLA       OptionType = 0x0c // 15.4.4: path NLA
	OptSYN           OptionType = 0x0d // 9.6: the session begins
	OptFIN           OptionType = 0x0e // 9.7: the session ends
	OptRST           OptionType = 0x0f // 9.8: the session is reset
	OptCR            OptionType = 0x10 // 12.7.1: congestion report
	OptCRQST         OptionType = 0x11 // 12.7.2: congestion report request
	OptPGMCCData     OptionType = 0x12
	OptPGMCCFeedback OptionType = 0x13
	OptInvalid       OptionType = 0x7f // made so by a network element
)

// An OptionSet is a set of the options below 0x20, which is all that are known.
type OptionSet uint32

// Has reports whether t is in the set.
func (s OptionSet) Has(t OptionType) bool { return t < 32 && s&SetOf(t) != 0 }

// SetOf returns the set of those options.
func SetOf(types ...OptionType) (s OptionSet) {
	for _, t := range types {
		s |= 1 << t
	}
	return s
}

// MaxNAKList is how many sequence numbers OPT_NAK_LIST holds: "A list of up to 62
// additional sequence numbers to which the NAK applies."
const MaxNAKList = 62

// MaxOptions is how many options a packet may have beside OPT_LENGTH: "There is a
// limit of 16 options per packet."
const MaxOptions = 16

// Options are those of one packet. The zero value has none.
//
// A field means something only if the option that it belongs to is Present. What
// consumes options sets Present first and the fields of those alone that it
// finds, so that one Options serves for many packets at no cost.
//
// https://www.rfc-editor.org/rfc/rfc3208#section-9
type Options struct {
	// Present are the options there are, those unknown here not included.
	// Zero: none.
	Present OptionSet

	// Unknown counts options that were skipped. It is not appended.
	Unknown uint8

	// FragmentEncoded is OPT_FRAGMENT's F bit, and FragmentNull its U bit: the
	// option is one of a parity packet. "OP_ENCODED and OP_ENCODED_NULL MUST be
	// normally set to zero except when the option is used in FEC packets to
	// preserve original options." The other fragment fields are then code words.
	FragmentEncoded bool
	FragmentNull    bool // the original packet has no such option

	// FragmentCode is what the 7 bits behind the U bit are if FragmentEncoded: they
	// belong to the code word.
	FragmentCode uint8

	FragmentSQN    SQN    // OPT_FRAGMENT: the packet with the APDU's first fragment
	FragmentOffset uint32 // OPT_FRAGMENT: octets from the start of the APDU
	FragmentLength uint32 // OPT_FRAGMENT: octets of the whole APDU

	// OPT_NAK_LIST. See SetNAKList.
	nakCount uint8 // 1 to 62
	nakList  [MaxNAKList]SQN

	JoinMinimum SQN // OPT_JOIN: "the initial trailing edge of the receive window for a late joining receiver"

	// OPT_NAK_BO_IVL and OPT_NAK_BO_RNG count in microseconds on the wire.
	NAKBackOffInterval time.Duration // OPT_NAK_BO_IVL
	NAKBackOffSQN      SQN           // OPT_NAK_BO_IVL: the POLL that it stems from; 0 is none
	NAKBackOffMaximum  time.Duration // OPT_NAK_BO_RNG
	NAKBackOffMinimum  time.Duration // OPT_NAK_BO_RNG

	RedirectNLA netip.Addr // OPT_REDIRECT: the repairer's
	PathNLA     netip.Addr // OPT_PATH_NLA

	ProactiveParity bool   // OPT_PARITY_PRM: P bit
	OnDemandParity  bool   // OPT_PARITY_PRM: O bit (OpenPGM has the two swapped)
	ParityGroupSize uint32 // OPT_PARITY_PRM: data packets in a transmission group
	ParityGroup     uint32 // OPT_PARITY_GRP: "PRM_GROUP MUST NOT be zero"
	CurrentTGSize   uint32 // OPT_CURR_TGSIZE: data packets in this transmission group

	ResetNoNAKs bool  // OPT_RST: "NAKs for previous ODATA will go unanswered from the source"
	ResetCode   uint8 // OPT_RST: 0 to 63; 0 is no reason given

	Report            CongestionBits // OPT_CR: which of its fields are reported
	ReportSQN         SQN            // OPT_CR_LEAD
	ReportWorstLink   uint16         // OPT_CR_NE_WL
	ReportWorstPath   uint16         // OPT_CR_NE_WP
	ReportReceiver    uint16         // OPT_CR_RX_WP
	ReportReceiverNLA netip.Addr     // OPT_CR_RCVR
	ReportRequest     CongestionBits // OPT_CRQST

	DataTimestamp     uint32     // OPT_PGMCC_DATA: milliseconds
	DataAckerNLA      netip.Addr // OPT_PGMCC_DATA
	FeedbackTimestamp uint32     // OPT_PGMCC_FEEDBACK: milliseconds, echoed
	FeedbackLossRate  uint16     // OPT_PGMCC_FEEDBACK
	FeedbackNLA       netip.Addr // OPT_PGMCC_FEEDBACK
}

// CongestionBits are flags of OPT_CR and OPT_CRQST.
//
// https://www.rfc-editor.org/rfc/rfc3208#section-12.7
type CongestionBits uint8

// The flags: the load of the worst link and of the worst path as network elements
// have it, and that of the worst path as receivers have it.
const (
	CongestionRXP CongestionBits = 1 << 0
	CongestionNEP CongestionBits = 1 << 1
	CongestionNEL CongestionBits = 1 << 2
)

// NAKList returns the sequence numbers of OPT_NAK_LIST, and none if it is not
// present. They alias o.
func (o *Options) NAKList() []SQN {
	if !o.Present.Has(OptNAKList) {
		return nil
	}
	return o.nakList[:o.nakCount]
}

// SetNAKList has OPT_NAK_LIST hold those sequence numbers, at most [MaxNAKList];
// none removes it.
func (o *Options) SetNAKList(list []SQN) {
	assert(len(list) <= MaxNAKList, "more than 62 sequence numbers in OPT_NAK_LIST")
	o.nakCount = uint8(copy(o.nakList[:], list))
	o.Present &^= SetOf(OptNAKList)
	if len(list) > 0 {
		o.Present |= SetOf(OptNAKList)
	}
}

// bits returns what o makes of a header's Options field in a packet of type t.
func (o *Options) bits(t Type) (b OptionBits) {
	if o == nil || o.Present == 0 {
		return 0
	}
	significant := networkSignificant
	if t == TypeODATA {
		// "OPT_CURR_TGSIZE is network-significant except when appended to ODATA."
		significant &^= SetOf(OptCurrTGSize)
	}
	if o.Present&significant != 0 {
		return BitPresent | BitNetwork
	}
	return BitPresent
}

// networkSignificant are the options that network elements must look at.
var networkSignificant = SetOf(OptNAKList, OptNAKBOIvl, OptNAKBORng, OptRedirect, OptParityPrm,
	OptCurrTGSize, OptNbrUnreach, OptPathNLA, OptCR, OptCRQST)

// appendOrder is the order in which options are written. "All network-significant
// options MUST be appended before any exclusively receiver-significant options."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-9.1
var appendOrder = [...]OptionType{
	OptNAKList, OptNAKBOIvl, OptNAKBORng, OptRedirect, OptParityPrm, OptCurrTGSize, OptNbrUnreach,
	OptPathNLA, OptCR, OptCRQST,
	OptFragment, OptJoin, OptParityGrp, OptSYN, OptFIN, OptRST, OptPGMCCData, OptPGMCCFeedback,
}

// A form is what an option looks like, and the errors about it.
type form struct {
	name   string
	length int       // octets, without the address that follows if there is one
	nla    *nlaField // nil: no address follows
	size   *ProtocolError
	again  *ProtocolError
	value  *ProtocolError
}

func newForm(name string, length int, nla string) *form {
	f := &form{
		name: name, length: length,
		size:  &ProtocolError{name, "wrong length"},
		again: &ProtocolError{name, "appears twice"},
		value: &ProtocolError{name, "value out of range"},
	}
	if nla != "" {
		f.nla = newNLAField(nla)
	}
	return f
}

// forms has the options that are known. Two lengths in the RFC are wrong, as its
// own figures show: those of OPT_FRAGMENT, 12 there, and of OPT_REDIRECT, which
// leaves out the AFI.
var forms = [...]*form{
	OptFragment:      newForm("OPT_FRAGMENT", 16, ""),
	OptNAKList:       newForm("OPT_NAK_LIST", 4, ""),
	OptJoin:          newForm("OPT_JOIN", 8, ""),
	OptNAKBOIvl:      newForm("OPT_NAK_BO_IVL", 12, ""),
	OptNAKBORng:      newForm("OPT_NAK_BO_RNG", 12, ""),
	OptRedirect:      newForm("OPT_REDIRECT", 8, "OPT_REDIRECT NLA"),
	OptParityPrm:     newForm("OPT_PARITY_PRM", 8, ""),
	OptParityGrp:     newForm("OPT_PARITY_GRP", 8, ""),
	OptCurrTGSize:    newForm("OPT_CURR_TGSIZE", 8, ""),
	OptNbrUnreach:    newForm("OPT_NBR_UNREACH", 4, ""),
	OptPathNLA:       newForm("OPT_PATH_NLA", 4, "OPT_PATH_NLA NLA"),
	OptSYN:           newForm("OPT_SYN", 4, ""),
	OptFIN:           newForm("OPT_FIN", 4, ""),
	OptRST:           newForm("OPT_RST", 4, ""),
	OptCR:            newForm("OPT_CR", 20, "OPT_CR_RCVR"),
	OptCRQST:         newForm("OPT_CRQST", 4, ""),
	OptPGMCCData:     newForm("OPT_PGMCC_DATA", 12, "OPT_PGMCC_DATA NLA"),
	OptPGMCCFeedback: newForm("OPT_PGMCC_FEEDBACK", 12, "OPT_PGMCC_FEEDBACK NLA"),
}

// formOf returns the form of an option, and nil if it is unknown.
func formOf(t OptionType) *form {
	if int(t) >= len(forms) {
		return nil
	}
	return forms[t]
}
