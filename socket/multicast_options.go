package socket

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/zeroring/zeroring/pgm"
)

// MulticastOptions says how a socket uses pgm:// and epgm:// endpoints. The zero
// value is what a feed of market data on one network wants.
//
// What a source sends and keeps is at the PUB: Rate to JoinPackets. What a receiver
// asks for and waits for is at the SUB: LateJoin to Timestamps. A SUB needs to know
// nothing of the PUB's.
type MulticastOptions struct {
	// Rate is how much a source may send, in bits per second of PGM packets of all
	// kinds, repairs too. What exceeds it waits, up to SendHWM messages, and is then
	// dropped, or waited for with XPubNoDrop. Zero means 100 Mbit/s, negative no
	// limit. At most 800 Gbit/s.
	Rate int64

	// RepairShare is which part of Rate repairs may take while new data waits, from
	// 0 to 1. Zero means a quarter. Without a limit to the rate repairs may take as much
	// as data did lately, and less while most of them do not get through.
	RepairShare float64

	// RecoveryInterval is for how long a source can repeat what it sent, as far as
	// WindowOctets goes. Zero means 10 s.
	RecoveryInterval time.Duration

	// WindowOctets is the memory in octets that a source keeps of what it sent, at
	// least 1 MiB. Zero means what Rate can send in RecoveryInterval, but at most 64
	// MiB.
	WindowOctets int

	// MaxTPDU is the most octets of a packet with its IP header. It must be no more
	// than the network's MTU, or IP cuts packets to pieces. 576 to 65,535. Zero means
	// 1500. libzmq's receivers take no more than their own ZMQ_MULTICAST_MAXTPDU,
	// which is 1500 too.
	MaxTPDU int

	// Hops is the TTL, or hop limit, of what goes to the group: 1 to 255. Zero
	// means 1, which is this network only.
	Hops int

	// Loop lets receivers on this very host hear the source by interfaces other
	// than loopback. Each packet then costs this host more.
	Loop bool

	// NoOffload has packets go to the kernel and come from it one by one, rather than
	// many as one that it or the network card cuts (UDP GSO) and puts together (GRO).
	// Others see no difference. It costs much: set it where a driver gets that wrong.
	NoOffload bool

	// Receivers is how many receivers may lose a packet together, and RTT how long
	// it takes to the farthest and back. Sources tell them to receivers, who choose
	// by them when to ask for repairs, so that one asks and not all. Zero means that
	// Receivers is learnt from what they ask, and an RTT of 200 µs.
	Receivers int
	RTT       time.Duration

	// JoinPackets is how many packets of the past a source offers to receivers that
	// join late. Zero means none.
	JoinPackets int

	// FEC is the parity that a source sends: with it receivers repair what they miss
	// themselves, without asking, or many repair different losses by the same packet.
	// Receivers need not be told of it. It is for groups where all receivers are of
	// zeroring: parity makes libzmq 4.3.4's abort, an assertion of OpenPGM's. Zero means
	// none.
	FEC pgm.FECConfig

	// LateJoin has a receiver that joins late ask for what the source offers of the
	// past. It is received before all else. Zero begins with what comes.
	LateJoin bool

	// LatencyBudget is after how long something missing is given up, however long
	// the source could still repeat it. It bounds for how long a loss holds up what
	// follows, and so for how long a receiver is silent in an overloaded network. Zero
	// means never for that: nothing is given up that can be repaired.
	LatencyBudget time.Duration

	// ArrivalOrder has messages received as they arrive: what is missing holds up
	// nothing else, and comes when it is repaired. Zero is the order in which each
	// source sent them.
	ArrivalOrder bool

	// ReceiveOctets bounds, for each source, what waits for something missing, and
	// how large a message may be; MaxMsgSize bounds that too. At least 1 MiB. Zero
	// means 64 MiB.
	ReceiveOctets int

	// ReceivePackets is how many packets behind the newest a missing one may be
	// until it is given up: 16 to 16,777,216. Zero means 65,536.
	ReceivePackets int

	// MaxSources is how many sources are heard at a time by each endpoint; others
	// are ignored. Zero means 64.
	MaxSources int

	// SourceTimeout is after how long a silent source is forgotten: sources of
	// zeroring say each second that they are there, and others each 30 s. At least 1
	// ms. Zero means 100 s.
	SourceTimeout time.Duration

	// Timestamps has messages carry when they arrived: see Message.Received.
	Timestamps bool
}

// Defaults of multicast, and bounds.
const (
	defaultRate           = 100_000_000 // bits per second
	maxRate               = 800_000_000_000
	defaultRecovery       = 10 * time.Second
	minWindow             = 1 << 20
	defaultWindowMax      = 64 << 20
	defaultMaxTPDU        = 1500
	defaultReceiveOctets  = 64 << 20
	defaultReceivePackets = 1 << 16
	defaultMaxSources     = 64
	defaultSourceTimeout  = 100 * time.Second

	// Buffers of the kernel, which it may grant a part of.
	defaultDatagramRecvBuf = 16 << 20
	defaultDatagramSendBuf = 4 << 20
)

// check resolves zeros, or returns the *OptionError that says what is wrong.
func (o *MulticastOptions) check() error {
	for _, n := range []struct {
		name            string
		value, min, max int64
	}{
		{"Rate", o.Rate, math.MinInt64, maxRate},
		{"RecoveryInterval", int64(o.RecoveryInterval), 0, math.MaxInt64},
		{"WindowOctets", int64(o.WindowOctets), minWindow, math.MaxInt32},
		{"MaxTPDU", int64(o.MaxTPDU), 576, math.MaxUint16},
		{"Hops", int64(o.Hops), 1, 255},
		{"Receivers", int64(o.Receivers), 0, math.MaxInt32},
		{"RTT", int64(o.RTT), 0, int64(time.Minute)},
		{"JoinPackets", int64(o.JoinPackets), 0, 1 << 30},
		{"LatencyBudget", int64(o.LatencyBudget), 0, math.MaxInt64},
		{"ReceiveOctets", int64(o.ReceiveOctets), minWindow, math.MaxInt32},
		{"ReceivePackets", int64(o.ReceivePackets), 16, 1 << 24},
		{"MaxSources", int64(o.MaxSources), 1, 1 << 20},
		{"SourceTimeout", int64(o.SourceTimeout), int64(time.Millisecond), math.MaxInt64},
	} {
		if n.value != 0 && (n.value < n.min || n.value > n.max) {
			return &OptionError{"Multicast." + n.name, fmt.Sprintf("%d is not in %d..%d", n.value, n.min, n.max)}
		}
	}
	if !(o.RepairShare >= 0 && o.RepairShare <= 1) {
		return &OptionError{"Multicast.RepairShare", fmt.Sprintf("%v is not in 0..1", o.RepairShare)}
	}
	if err := o.checkFEC(); err != nil {
		return err
	}
	o.resolve()
	return nil
}

// checkFEC says what is wrong with FEC.
func (o *MulticastOptions) checkFEC() error {
	wrong := func(field, format string, args ...any) error {
		return &OptionError{"Multicast.FEC." + field, fmt.Sprintf(format, args...)}
	}
	switch f := &o.FEC; {
	case *f == pgm.FECConfig{}:
	case f.Group < 2 || f.Group > maxFECGroup || f.Group&(f.Group-1) != 0:
		return wrong("Group", "%d is no power of two from 2 to %d", f.Group, maxFECGroup)
	case f.Proactive < 0 || f.Proactive > min(f.Group, 255-f.Group):
		return wrong("Proactive", "%d is not in 0..%d", f.Proactive, min(f.Group, 255-f.Group))
	case f.Proactive == 0 && !f.OnDemand:
		return wrong("Proactive", "0, and OnDemand is not set either: no parity would be sent")
	case f.Idle < 0:
		return wrong("Idle", "%v is negative", f.Idle)
	}
	return nil
}

// resolve replaces zeros by what they mean. A Rate of zero then means no limit.
func (o *MulticastOptions) resolve() {
	switch {
	case o.Rate == 0:
		o.Rate = defaultRate
	case o.Rate < 0:
		o.Rate = 0
	}
	o.RecoveryInterval = orElse(o.RecoveryInterval, defaultRecovery)
	o.MaxTPDU = orElse(o.MaxTPDU, defaultMaxTPDU)
	o.Hops = orElse(o.Hops, 1)
	o.ReceiveOctets = orElse(o.ReceiveOctets, defaultReceiveOctets)
	o.ReceivePackets = orElse(o.ReceivePackets, defaultReceivePackets)
	o.MaxSources = orElse(o.MaxSources, defaultMaxSources)
	o.SourceTimeout = orElse(o.SourceTimeout, defaultSourceTimeout)
	if o.WindowOctets == 0 {
		o.WindowOctets = defaultWindowMax
		if sent := float64(o.Rate) / 8 * o.RecoveryInterval.Seconds(); o.Rate > 0 && sent < defaultWindowMax {
			o.WindowOctets = max(int(sent), minWindow)
		}
	}
	o.WindowOctets = max(o.WindowOctets, minWindowTPDUs*o.MaxTPDU, 4*o.FEC.Group*o.MaxTPDU)
}

// minWindowTPDUs is the least window of a source, in its largest packets.
const minWindowTPDUs = 128

// maxFECGroup is the largest transmission group that RFC 3208 allows.
const maxFECGroup = 128

// orElse returns v, or def if that is zero.
func orElse[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// source is what a source of PGM is told.
func (o *MulticastOptions) source(tsi pgm.TSI, on *line, nla netip.Addr, raw bool) pgm.SourceConfig {
	size := o.MaxTPDU - ipHeader(nla)
	if !raw {
		size -= udpHeader
	}
	return pgm.SourceConfig{
		TSI: tsi, Port: on.port, NLA: nla, Group: on.group, MaxTPDU: size - spareTPDU,
		Rate: (o.Rate + 7) / 8, RepairShare: o.RepairShare,
		WindowOctets: o.WindowOctets, WindowAge: o.RecoveryInterval, QueuePackets: queuePackets,
		JoinPackets: o.JoinPackets, FEC: o.FEC, RTT: o.RTT, Receivers: o.Receivers,
	}
}

const (
	udpHeader = 8

	// spareTPDU is what libzmq leaves unused of each packet, and so do we: with it
	// ours are of the very size of libzmq's.
	spareTPDU = 20

	// queuePackets is how many packets wait for the rate, or leave in one go.
	queuePackets = 64
)

// ipHeader is how many octets the header of IP has, towards an address like that.
func ipHeader(like netip.Addr) int {
	if like.Is4() {
		return 20
	}
	return 40
}
