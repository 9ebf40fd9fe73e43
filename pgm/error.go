package pgm

// A ProtocolError reports a packet that breaks RFC 3208. Multicast has no
// connection to close: such a packet is counted and dropped. All values are
// preallocated, so that a hostile peer cannot make us allocate, and may be
// compared.
type ProtocolError struct {
	Field  string // as the RFC calls it: "SPM_LEAD", "OPT_JOIN"
	Reason string // lower case, no trailing period
}

// Error implements error.
func (e *ProtocolError) Error() string { return "pgm: " + e.Field + ": " + e.Reason }

// What is wrong with the header, with what surrounds the options, and with
// libzmq's offset. The rest stands with the layouts of the packets and in the
// table of options.
var (
	errVersion      = &ProtocolError{"Type", "not version 0 of PGM"}
	errReservedType = &ProtocolError{"Type", "reserved bits are set"}
	errUnknownType  = &ProtocolError{"Type", "unknown"}
	errChecksum     = &ProtocolError{"Checksum", "wrong"}
	errNoChecksum   = &ProtocolError{"Checksum", "missing, and mandatory on data"}
	errTSDULength   = &ProtocolError{"TSDU Length", "differs from what follows the header"}
	errTSDU         = &ProtocolError{"TSDU Length", "not zero, and the packet has no data"}

	errOptLength     = &ProtocolError{"OPT_LENGTH", "missing, though the header says that there are options"}
	errOptTotal      = &ProtocolError{"OPT_LENGTH", "total length of all options exceeds the packet"}
	errOptLengthSize = &ProtocolError{"OPT_LENGTH", "wrong length"}
	errOptAgain      = &ProtocolError{"OPT_LENGTH", "appears twice"}
	errOptEnd        = &ProtocolError{"OPT_END", "not set on the last option"}
	errOptEarly      = &ProtocolError{"OPT_END", "set before the last option"}
	errOptTruncated  = &ProtocolError{"Option Type", "truncated"}
	errOptShort      = &ProtocolError{"Option Length", "less than an option's own header"}
	errOptLong       = &ProtocolError{"Option Length", "exceeds the total length of all options"}
	errManyOptions   = &ProtocolError{"options", "more than 16"}

	errOffsetMissing = &ProtocolError{"offset of the first message", "truncated"}
	errOffsetBeyond  = &ProtocolError{"offset of the first message", "beyond the end of the data"}
)

// A layout lists the fields of a packet in order, and where each ends.
type layout []struct {
	end int // octets from the start of the packet's body
	err *ProtocolError
}

// field makes one entry of a layout.
func field(name string) *ProtocolError { return &ProtocolError{name, "truncated"} }

// truncated returns the error for the field that n octets do not reach the end
// of. The last field is the one to blame if they reach all.
func (l layout) truncated(n int) error {
	for _, f := range l {
		if n < f.end {
			return f.err
		}
	}
	return l[len(l)-1].err
}
