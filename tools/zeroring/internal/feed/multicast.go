package feed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/zeroring/zeroring/pgm"
	"github.com/zeroring/zeroring/socket"
)

// Multicast says what a run over epgm or pgm does beside.
type Multicast struct {
	Endpoint   string // where to meet; empty for a group and a port of its own on loopback
	Mbit       int    // the source's limit, in Mbit/s
	RecvBuf    int    // each receiver's buffer in the kernel, in octets; 0 for the library's
	Timestamps bool   // measure latencies up to the kernel too

	Budget time.Duration // after which receivers give up what they miss; 0 for never

	// FEC is the parity of the source: packets of data and packets of parity that follow
	// them, as in "16:2". Empty is none.
	FEC string

	// Only is the side that this process is, as they are apart; Both if empty.
	Only string
	Wait time.Duration // how long a publisher alone calls for receivers before it begins

	// Done has a publisher alone say that it ends until this is closed, or for as long as
	// the end is waited for; nil for a second.
	Done <-chan struct{}
}

// The sides of a run.
const (
	Both      = ""
	Publish   = "publish"
	Subscribe = "subscribe"
)

// multicast reports whether the run is over multicast.
func (cfg *Config) multicast() bool { return cfg.Transport == "epgm" || cfg.Transport == "pgm" }

const maxMbit = 800_000

// checkMulticast is check for multicast.
func (cfg *Config) checkMulticast() error {
	m := &cfg.Multicast
	switch {
	case !cfg.multicast() && *m != Multicast{Mbit: m.Mbit, Wait: m.Wait}:
		return fmt.Errorf("--transport %s is no multicast: --endpoint, --only, --fec, --recvbuf, --budget and --timestamps are for epgm and pgm", cfg.Transport)
	case !cfg.multicast():
		return nil
	case m.Mbit < 1 || m.Mbit > maxMbit:
		return fmt.Errorf("--mbit %d is not between 1 and %d", m.Mbit, maxMbit)
	case m.RecvBuf < 0 || m.RecvBuf > 1<<30:
		return fmt.Errorf("--recvbuf %d is not between 0 and %d", m.RecvBuf, 1<<30)
	case cfg.Drop:
		return fmt.Errorf("--drop is not for multicast: its source never waits for a receiver")
	}
	if _, err := m.parity(); err != nil {
		return err
	}
	return m.checkSides(cfg.Transport)
}

// parity reads FEC.
func (m *Multicast) parity() (f pgm.FECConfig, err error) {
	if m.FEC == "" {
		return f, nil
	}
	if n, err := fmt.Sscanf(m.FEC, "%d:%d", &f.Group, &f.Proactive); n != 2 || m.FEC != fmt.Sprintf("%d:%d", f.Group, f.Proactive) {
		return f, fmt.Errorf("--fec %q is not packets of data and of parity, as in 16:2: %w", m.FEC, err)
	}
	return f, nil
}

// checkSides is check for where to meet.
func (m *Multicast) checkSides(transport string) error {
	switch {
	case m.Only != Both && m.Only != Publish && m.Only != Subscribe:
		return fmt.Errorf("--only %q is neither %s nor %s", m.Only, Publish, Subscribe)
	case m.Only != Both && m.Endpoint == "":
		return fmt.Errorf("--only %s takes an --endpoint, to meet others at", m.Only)
	case m.Budget < 0:
		return fmt.Errorf("--budget %v is below zero", m.Budget)
	case m.Wait < 0:
		return fmt.Errorf("--wait %v is below zero", m.Wait)
	case m.Endpoint != "" && !strings.HasPrefix(m.Endpoint, transport+"://"):
		return fmt.Errorf("--endpoint %q does not begin with %s://", m.Endpoint, transport)
	}
	return nil
}

// What a run over multicast does unless it is told: the pace that latencies are
// measured at; and the buffers of receivers in its second half, which are too small for
// it, so that packets are lost and repaired where the network loses none.
var multicastPace = Pace{PerSecond: 50_000}

const smallBuffer = 16 << 10

// multicastPhases is phases for multicast. A source waits for its own rate and never
// for a receiver, so it need not drop anything either.
func (cfg *Config) multicastPhases() ([]phase, error) {
	m := &cfg.Multicast
	p := phase{"paced", multicastPace, cfg.Duration, cfg.Laps, true, m.RecvBuf}
	switch {
	case m.Only == Subscribe:
		p.name, p.pace, p.laps = "listening", Pace{}, 0
		return []phase{p}, nil
	case cfg.Rate != "":
		pace, err := ParsePace(cfg.Rate)
		if p.pace = pace; pace.FlatOut() {
			p.name = "flat out"
		}
		return []phase{p}, err
	case m.Only == Publish:
		return []phase{p}, nil
	}
	p.time, p.laps = p.time/2, max(p.laps, 1)
	small := p
	small.name, small.recvBuf = "small buffers", orElse(m.RecvBuf, smallBuffer)
	p.recvBuf = 0
	return []phase{p, small}, nil
}

func orElse(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// loopbackEndpoint makes up a group and a port on loopback that others are unlikely
// to use: the group is of those for a site's own use by RFC 2365, section 6.2, and
// the port of those that the kernel has free.
func loopbackEndpoint(transport string) (string, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return "", err
	}
	defer c.Close()
	group := net.IPv4(239, 192+byte(rand.IntN(4)), byte(rand.IntN(256)), 1+byte(rand.IntN(254)))
	return fmt.Sprintf("%s://127.0.0.1;%v:%d", transport, group, c.LocalAddr().(*net.UDPAddr).Port), nil
}

// pubOptions are the publisher's.
func (cfg *Config) pubOptions(e *socket.Engine, wait bool) *socket.Options {
	o := &socket.Options{Engine: e, SendHWM: cfg.HWM, XPubNoDrop: wait, Linger: socket.NoLinger}
	o.Multicast.Rate = int64(cfg.Multicast.Mbit) * 1_000_000
	o.Multicast.FEC, _ = cfg.Multicast.parity() // checked
	return o
}

// subOptions are a subscriber's.
func (cfg *Config) subOptions(e *socket.Engine, p phase) *socket.Options {
	o := &socket.Options{Engine: e, RecvHWM: cfg.HWM, RecvBuf: p.recvBuf}
	o.Multicast.Timestamps, o.Multicast.LatencyBudget = cfg.Multicast.Timestamps, cfg.Multicast.Budget
	return o
}

// A Hearing is what a subscriber's receiver of multicast has counted: packets, as
// against messages.
type Hearing struct {
	Packets     int64 `json:"packets"`      // of PGM, of all kinds
	Repaired    int64 `json:"repaired"`     // that were missing and came again
	Decoded     int64 `json:"decoded"`      // that were missing and were made of parity
	GivenUp     int64 `json:"given_up"`     // that are lost for good
	NAKs        int64 `json:"naks"`         // packets that asked for what was missing
	KernelDrops int64 `json:"kernel_drops"` // that the kernel had no room for
	Gaps        int64 `json:"gap_events"`   // EventGap
	GapPackets  int64 `json:"gap_packets"`  // packets in them
	Unreported  int64 `json:"unreported"`   // messages that are missing with no word of it: none, or there is a bug
}

func (h *Hearing) add(g Hearing) {
	h.Packets += g.Packets
	h.Repaired += g.Repaired
	h.Decoded += g.Decoded
	h.GivenUp += g.GivenUp
	h.NAKs += g.NAKs
	h.KernelDrops += g.KernelDrops
	h.Gaps += g.Gaps
	h.GapPackets += g.GapPackets
	h.Unreported += g.Unreported
}

// listen updates what is heard, unless the socket is closed: then the last word
// stands.
func (s *subscriber) listen() {
	if s.sub == nil || !s.multicast {
		return
	}
	for _, p := range s.sub.Stats().Peers {
		if p.Multicast == nil {
			continue
		}
		s.mu.Lock()
		h := &s.heard
		h.KernelDrops = int64(p.Multicast.KernelDrops)
		h.Packets, h.Repaired, h.Decoded, h.GivenUp, h.NAKs = 0, 0, 0, 0, 0
		for _, from := range p.Multicast.Sources {
			h.Packets += int64(from.Packets)
			h.Repaired += int64(from.Repaired)
			h.Decoded += int64(from.Decoded)
			h.GivenUp += int64(from.Lost)
			h.NAKs += int64(from.NAKs)
		}
		s.mu.Unlock()
	}
}

// watch counts the gaps that the socket tells of, until ctx ends or it is closed.
func (s *subscriber) watch(ctx context.Context) func() {
	events := s.sub.Events(ctx) // from now on
	return func() {
		for ev := range events {
			if ev.Kind != socket.EventGap {
				continue
			}
			s.mu.Lock()
			s.heard.Gaps++
			s.heard.GapPackets += int64(ev.Gap.Packets())
			s.mu.Unlock()
		}
	}
}

// A Sending is what the source has counted.
type Sending struct {
	Packets   int64 `json:"packets"`   // of data
	Repairs   int64 `json:"repairs"`   // packets sent again
	NAKs      int64 `json:"naks"`      // packets that asked
	Receivers int   `json:"receivers"` // that lose together, as learnt
}

// sending returns what the source has counted so far.
func (p *publisher) sending() (s Sending) {
	if p.pub == nil {
		return s
	}
	for _, peer := range p.pub.Stats().Peers {
		if m := peer.Multicast; m != nil && m.Source != nil {
			s = Sending{int64(m.Source.ODATA), int64(m.Source.RDATA), int64(m.Source.NAKs), m.Source.Receivers}
		}
	}
	return s
}
