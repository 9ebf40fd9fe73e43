package itch

import "encoding/binary"

// A Raw is one message's octets, seen without decoding. Its methods read single
// fields, for programs that pass messages on. They panic on fewer octets than
// Check allows.
type Raw []byte

// Type returns the message's type.
func (r Raw) Type() Type { return Type(r[0]) }

// Locate returns the code of the stock that the message is about, 0 if it is
// about the market.
func (r Raw) Locate() uint16 { return binary.BigEndian.Uint16(r[1:]) }

// Time returns the message's timestamp.
func (r Raw) Time() Timestamp { return timestampOf(r[5:headerLength]) }

// Stock returns the symbol in the message, if its type carries one. The others
// have only the locate code.
func (r Raw) Stock() (s Stock, ok bool) {
	at := layouts[r[0]].stockAt
	if at == 0 {
		return s, false
	}
	return Stock(r[at : at+len(s)]), true
}
