package pgm

import (
	"net/netip"
	"time"
)

// A ReceiverConfig is what a receiver is told. Constructors panic if it makes no
// sense.
type ReceiverConfig struct {
	// TSI names the session.
	TSI TSI

	// Port is the Data-Destination Port.
	Port uint16

	// Source is the address that the session's packets come from: NAKs go there
	// until an SPM says where to. There is no default.
	Source netip.Addr

	// Group is the address that the session's data goes to. There is no default.
	Group netip.Addr

	// Dice returns numbers uniform in [0, 1). There is no default.
	Dice func() float64

	// WindowPackets is how far received data may be ahead of what is missing;
	// what is missing farther back is given up. A window that is used to its end
	// takes 64 octets for each. Zero: 65536. At most 2²⁴.
	WindowPackets int

	// WindowOctets bounds the copies of data that wait for what is missing. Zero:
	// 64 MiB.
	WindowOctets int

	// LatencyBudget is after how long what is missing is given up, whatever the
	// source could still repeat. Zero: never for that.
	LatencyBudget time.Duration

	// Retries is NAK_NCF_RETRIES and NAK_DATA_RETRIES. Zero: 50. At most 250.
	Retries int

	// ArrivalOrder has data delivered as it comes, but for APDUs of several
	// packets. Gaps are reported all the same. Zero: data comes in the order of its
	// numbers.
	ArrivalOrder bool

	// MaxAPDU is how many octets an APDU of several packets may have; a larger one
	// is reported as a gap. Memory for it is taken as it comes. Zero: 1 MiB, sixteen
	// times what OpenPGM sends.
	MaxAPDU int

	// Join has a receiver that joins late ask for what OPT_JOIN allows. Zero: it
	// begins with the first packet that it hears.
	Join bool
}

func (c ReceiverConfig) filled() ReceiverConfig {
	c.WindowPackets = orDefault(c.WindowPackets, 1<<16)
	c.WindowOctets = orDefault(c.WindowOctets, 64<<20)
	c.Retries = orDefault(c.Retries, 50)
	c.MaxAPDU = orDefault(c.MaxAPDU, 1<<20)
	assert(c.Source.IsValid() && c.Group.IsValid() && c.Dice != nil, "ReceiverConfig: no Source, Group or Dice")
	assert(c.WindowPackets >= 16 && c.WindowPackets <= 1<<24, "ReceiverConfig: WindowPackets out of range")
	assert(c.WindowOctets > 0xffff, "ReceiverConfig: WindowOctets out of range")
	assert(c.Retries > 0 && c.Retries <= 250, "ReceiverConfig: Retries out of range")
	assert(c.MaxAPDU > 0, "ReceiverConfig: MaxAPDU out of range")
	assert(c.LatencyBudget >= 0, "ReceiverConfig: LatencyBudget out of range")
	return c
}
