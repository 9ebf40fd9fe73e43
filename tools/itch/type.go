package itch

import "fmt"

// A Type is a message's first octet.
type Type byte

// The message types, in the order of the specification.
const (
	TypeSystemEvent         Type = 'S'
	TypeStockDirectory      Type = 'R'
	TypeTradingAction       Type = 'H'
	TypeRegSHO              Type = 'Y'
	TypeParticipantPosition Type = 'L'
	TypeMWCBLevels          Type = 'V'
	TypeMWCBStatus          Type = 'W'
	TypeIPOQuoting          Type = 'K'
	TypeLULDCollar          Type = 'J'
	TypeOperationalHalt     Type = 'h'
	TypeAddOrder            Type = 'A'
	TypeAddOrderMPID        Type = 'F'
	TypeOrderExecuted       Type = 'E'
	TypeOrderExecutedPrice  Type = 'C'
	TypeOrderCancel         Type = 'X'
	TypeOrderDelete         Type = 'D'
	TypeOrderReplace        Type = 'U'
	TypeTrade               Type = 'P'
	TypeCrossTrade          Type = 'Q'
	TypeBrokenTrade         Type = 'B'
	TypeNOII                Type = 'I'
	TypeRPII                Type = 'N'
	TypeDirectListing       Type = 'O'
)

// MaxLength is the longest message's, the NOII's.
const MaxLength = 50

// headerLength is what all messages have in front: type, locate, tracking, time.
const headerLength = 11

// A layout is what the codec has to know of a type before it looks inside.
type layout struct {
	name    string
	length  int // of the whole message, type included; zero for no such type
	stockAt int // where the symbol starts; zero if the message has none
}

// layouts is indexed by type. An array, because the reader looks here for
// every message.
var layouts = [256]layout{
	TypeSystemEvent:         {"system event", 12, 0},
	TypeStockDirectory:      {"stock directory", 39, 11},
	TypeTradingAction:       {"trading action", 25, 11},
	TypeRegSHO:              {"Reg SHO restriction", 20, 11},
	TypeParticipantPosition: {"market participant position", 26, 15},
	TypeMWCBLevels:          {"MWCB decline levels", 35, 0},
	TypeMWCBStatus:          {"MWCB status", 12, 0},
	TypeIPOQuoting:          {"IPO quoting period", 28, 11},
	TypeLULDCollar:          {"LULD auction collar", 35, 11},
	TypeOperationalHalt:     {"operational halt", 21, 11},
	TypeAddOrder:            {"add order", 36, 24},
	TypeAddOrderMPID:        {"add order with MPID", 40, 24},
	TypeOrderExecuted:       {"order executed", 31, 0},
	TypeOrderExecutedPrice:  {"order executed with price", 36, 0},
	TypeOrderCancel:         {"order cancel", 23, 0},
	TypeOrderDelete:         {"order delete", 19, 0},
	TypeOrderReplace:        {"order replace", 35, 0},
	TypeTrade:               {"trade", 44, 24},
	TypeCrossTrade:          {"cross trade", 40, 19},
	TypeBrokenTrade:         {"broken trade", 19, 0},
	TypeNOII:                {"net order imbalance", MaxLength, 28},
	TypeRPII:                {"retail interest", 20, 11},
	TypeDirectListing:       {"direct listing price discovery", 48, 11},
}

// Types lists every type, in no particular order.
func Types() []Type {
	var all []Type
	for i := range layouts {
		if layouts[i].length > 0 {
			all = append(all, Type(i))
		}
	}
	return all
}

// Length returns how many octets a message of this type has, or 0 if there is
// no such type.
func (t Type) Length() int { return layouts[t].length }

// String returns the type's letter and name.
func (t Type) String() string {
	if layouts[t].length == 0 {
		return fmt.Sprintf("%q (unknown)", byte(t))
	}
	return fmt.Sprintf("%q (%s)", byte(t), layouts[t].name)
}
