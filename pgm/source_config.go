package pgm

import (
	"net/netip"
	"time"
)

// A SourceConfig is what a source is told about its session and the network.
// Constructors panic if it makes no sense.
type SourceConfig struct {
	// TSI names the session. Its GSI should be of random octets and its port
	// differ from Port.
	TSI TSI

	// Port is the Data-Destination Port.
	Port uint16

	// NLA is the source's own address: receivers send NAKs there. There is no
	// default.
	NLA netip.Addr

	// Group is the address that data goes to. There is no default.
	Group netip.Addr

	// First is the number of the first data packet. Zero is a number like any
	// other. With FEC it is rounded down to a multiple of FEC.Group.
	First SQN

	// MaxTPDU is the size of the largest packet in octets, the layers below PGM
	// not included. Zero: 1452, which with IPv4 and UDP makes 1480. At most
	// 65535.
	MaxTPDU int

	// Rate is TXW_MAX_RTE: octets of packets per second, of all types. Zero:
	// unlimited. At most 100 GiB/s.
	Rate int64

	// RepairShare is which part of Rate RDATA may take while data waits. Zero:
	// 0.25. At most 1.
	RepairShare float64

	// RepeatRDATA is after how long RDATA is sent a second time that a receiver
	// asked for that is not of ours. OpenPGM's wait 200 ms for a repair that is
	// lost. Zero: 5 ms. Negative, or with NoBackOff: never.
	RepeatRDATA time.Duration

	// ReceiverShare is which part of the rate of repairs one receiver may have
	// before others, if NAKs come to HandleFrom. Zero: 0.1. At most 1.
	ReceiverShare float64

	// WindowOctets is how much data is kept for repairs: the memory of a source,
	// but for 42 octets per packet of WindowPackets. Zero: 16 MiB. At least 128
	// packets of MaxTPDU.
	WindowOctets int

	// WindowPackets is how many packets are kept, rounded up to a power of two.
	// Zero: as many as WindowOctets has room for at half of MaxTPDU. At most 2³⁰.
	WindowPackets int

	// WindowAge is TXW_SECS, the recovery interval: when data is added, what is
	// older is given up. Zero: never for its age.
	WindowAge time.Duration

	// QueuePackets is how many packets may wait for Rate before Reserve refuses.
	// Zero: 64. At most half of WindowPackets, and half of WindowOctets in packets
	// of MaxTPDU.
	QueuePackets int

	// Ambient is the interval of ambient SPMs. Zero: 30 s.
	Ambient time.Duration

	// Heartbeats are the intervals between the last data and the heartbeat SPMs
	// that follow it; the last one repeats. None: 8 ms doubled up to 1 s. See
	// [LibzmqHeartbeats]. The first is IHB_MIN.
	Heartbeats []time.Duration

	// NoSYN leaves OPT_SYN out of the first data packet. Zero: it is there.
	NoSYN bool

	// NoBackOff leaves OPT_NAK_BO_IVL and OPT_NAK_BO_RNG out of SPMs, for the
	// same octets that OpenPGM would send. Zero: they are there, and receivers
	// of ours know by them what to do.
	NoBackOff bool

	// JoinPackets is how many packets back a late joiner may ask for: SPMs bear
	// OPT_JOIN. Zero: none, and no option.
	JoinPackets int

	// FEC is the parity that is sent. Zero: none.
	FEC FECConfig

	// RTT is the longest time from a receiver to the source and back that is
	// usual in this network. It is advertised. Zero: 200 µs.
	RTT time.Duration

	// Receivers is how many may lose one packet at the same time. It is
	// advertised. Zero: learnt from the number of NAKs, beginning with 4.
	Receivers int
}

// LibzmqHeartbeats is the ladder that libzmq has OpenPGM climb (pgm_socket.cpp,
// init).
var LibzmqHeartbeats = []time.Duration{
	100 * time.Millisecond, 100 * time.Millisecond, 100 * time.Millisecond, 100 * time.Millisecond,
	1300 * time.Millisecond, 7 * time.Second, 16 * time.Second, 25 * time.Second, 30 * time.Second,
}

// ourHeartbeats double: "The transmission of consecutive heartbeat SPMs doubles
// IHB each time up to a maximum interval IHB_MAX." The first is short, because
// the loss of the last packets before a pause is noticed by it alone. The last is a
// second, so that this is the longest it takes, whatever is lost before.
//
// https://www.rfc-editor.org/rfc/rfc3208#section-5.1.5
var ourHeartbeats = []time.Duration{
	8 * time.Millisecond, 16 * time.Millisecond, 32 * time.Millisecond, 64 * time.Millisecond,
	128 * time.Millisecond, 256 * time.Millisecond, 512 * time.Millisecond, 1024 * time.Millisecond,
}

const (
	defaultMaxTPDU     = 1452
	defaultWindow      = 16 << 20
	minWindowTPDUs     = 128
	maxWindowPackets   = 1 << 30 // below "half the PGM sequence number space less one"
	defaultQueue       = 64
	defaultAmbient     = 30 * time.Second
	defaultRTT         = 200 * time.Microsecond
	defaultReceivers   = 4
	defaultRepairShare = 0.25
	defaultReceiver    = 0.1
)

// filled returns the configuration with defaults for zeros, and panics if it
// makes no sense.
func (c SourceConfig) filled() SourceConfig {
	c.MaxTPDU = orDefault(c.MaxTPDU, defaultMaxTPDU)
	c.RepairShare = orDefault(c.RepairShare, defaultRepairShare)
	c.RepeatRDATA = orDefault(c.RepeatRDATA, 5*time.Millisecond)
	c.ReceiverShare = orDefault(c.ReceiverShare, defaultReceiver)
	c.WindowOctets = orDefault(c.WindowOctets, max(defaultWindow, minWindowTPDUs*c.MaxTPDU))
	c.WindowPackets = orDefault(c.WindowPackets, 2*c.WindowOctets/c.MaxTPDU)
	c.QueuePackets = orDefault(c.QueuePackets, defaultQueue)
	c.Ambient = orDefault(c.Ambient, defaultAmbient)
	c.RTT = orDefault(c.RTT, defaultRTT)
	if c.Heartbeats == nil {
		c.Heartbeats = ourHeartbeats
	}
	assert(c.NLA.IsValid() && c.Group.IsValid(), "SourceConfig: no NLA or no Group")
	assert(c.MaxTPDU > maxNAKSize && c.MaxTPDU <= 0xffff, "SourceConfig: MaxTPDU out of range")
	assert(c.RepairShare > 0 && c.RepairShare <= 1, "SourceConfig: RepairShare out of range")
	assert(c.ReceiverShare > 0 && c.ReceiverShare <= 1, "SourceConfig: ReceiverShare out of range")
	assert(c.WindowOctets >= minWindowTPDUs*c.MaxTPDU && c.WindowOctets <= 1<<31-1, "SourceConfig: WindowOctets out of range")
	assert(c.QueuePackets > 0 && c.WindowPackets <= maxWindowPackets, "SourceConfig: WindowPackets or QueuePackets out of range")
	// So that what Next returned is not overwritten while it is on its way.
	assert(2*c.QueuePackets <= c.WindowPackets && 2*c.QueuePackets*c.MaxTPDU <= c.WindowOctets, "SourceConfig: QueuePackets is more than half the window")
	assert(c.Ambient > 0 && c.RTT > 0 && c.Receivers >= 0 && c.JoinPackets >= 0, "SourceConfig: Ambient, RTT or Receivers out of range")
	if c.FEC = c.FEC.filled(&c); c.FEC.Group > 0 {
		c.First &^= SQN(c.FEC.Group - 1)
	}
	for _, d := range c.Heartbeats {
		assert(d > 0, "SourceConfig: Heartbeats out of range")
	}
	return c
}

// orDefault returns v, or d if it is zero.
func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}
