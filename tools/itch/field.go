package itch

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// A Stock is a symbol as the feed writes it: left-justified and padded with
// spaces. It is an array, so that it can be a map's key and a topic as it is.
type Stock [8]byte

// ParseStock pads a symbol. It wants 1 to 8 printable characters, no space.
func ParseStock(symbol string) (Stock, error) {
	s := Stock{' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '}
	if symbol == "" || len(symbol) > len(s) {
		return Stock{}, fmt.Errorf("itch: symbol %q has %d characters, not 1 to %d", symbol, len(symbol), len(s))
	}
	if strings.ContainsFunc(symbol, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return Stock{}, fmt.Errorf("itch: symbol %q has a character no symbol has", symbol)
	}
	copy(s[:], symbol)
	return s, nil
}

// String returns the symbol without its padding.
func (s Stock) String() string { return string(bytes.TrimRight(s[:], " ")) }

// An Alpha4 is four characters padded with spaces: a market participant's
// identifier (MPID), or the reason of a trading action.
type Alpha4 [4]byte

// String returns the characters without their padding.
func (a Alpha4) String() string { return string(bytes.TrimRight(a[:], " ")) }

// A Price4 is a price in ten-thousandths of a dollar.
type Price4 uint32

// String returns the price in dollars, with its four decimals.
func (p Price4) String() string { return fmt.Sprintf("%d.%04d", p/1e4, p%1e4) }

// A Price8 has eight decimals. Only market-wide levels need them.
type Price8 uint64

// String returns the price with its eight decimals.
func (p Price8) String() string { return fmt.Sprintf("%d.%08d", p/1e8, p%1e8) }

// A Timestamp is nanoseconds since midnight. On the wire it has 48 bits, enough
// for three days.
type Timestamp uint64

// Clock makes a Timestamp of a time of day.
func Clock(hour, minute, second int) Timestamp {
	return Timestamp(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second)
}

// String returns the time of day to the nanosecond.
func (t Timestamp) String() string {
	d := time.Duration(t)
	return fmt.Sprintf("%02d:%02d:%02d.%09d", d/time.Hour, d/time.Minute%60, d/time.Second%60, d%time.Second)
}

// A Side is which side of the book an order is on.
type Side byte

// The sides.
const (
	Buy  Side = 'B'
	Sell Side = 'S'
)

// Opposite returns the other side.
func (s Side) Opposite() Side {
	if s == Buy {
		return Sell
	}
	return Buy
}
