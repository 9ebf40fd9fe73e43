package pgm

import (
	"encoding/hex"
	"strconv"
)

// A GSI is a global source id: "A globally unique source identifier. This ID
// MUST NOT change throughout the duration of the transport session."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-8
type GSI [6]byte

// String returns 12 hexadecimal digits.
func (g GSI) String() string { return hex.EncodeToString(g[:]) }

// A TSI is a transport session id. "Global Source ID together with Data-Source
// Port forms the TSI." It is comparable, to serve as the key of a map. (libzmq
// gives all its sources one and the same GSI, so that on a crowded group only
// the address of the source makes the key unique.)
//
// https://www.rfc-editor.org/rfc/rfc3208#section-3.1
type TSI struct {
	GSI  GSI
	Port uint16 // Data-Source Port
}

// String returns the GSI and, behind a colon, the port.
func (t TSI) String() string { return t.GSI.String() + ":" + strconv.Itoa(int(t.Port)) }
