package bench

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// A sighting is a packet: when it came, by the kernel, and the octets that UDP
// carried.
type sighting struct {
	at     int64
	octets int
}

// watch looks at the packets of a source that keeps to a limit.
func (p *player) watch() error {
	group, port, at, err := parseCast(p.job.Connect[0])
	if err != nil {
		return err
	}
	w, err := openWatch(group, port, at)
	if err != nil {
		return err
	}
	defer w.close()
	if err := p.ready(); err != nil {
		return err
	}
	patience := castLead + p.job.warmup() + p.job.duration()
	seen, err := w.until(monotonic() + patience.Nanoseconds())
	if err != nil {
		return err
	}
	s := pace{limit: p.job.Limit, warmup: p.job.Warmup}
	for _, packet := range seen {
		s.see(packet)
	}
	if s.windows == 0 {
		return fmt.Errorf("%d packets, which is not enough to tell their rate", len(seen))
	}
	p.results(uint64(len(seen)))
	p.say("octets %d", s.octets)
	p.say("error_ppm %d", int64(s.worst*1e6))
	p.say("burst_ns %d", s.burst)
	return nil
}

// parseCast takes an endpoint of multicast apart, as a Rig writes it.
func parseCast(endpoint string) (group netip.Addr, port uint16, at netip.Addr, err error) {
	_, rest, _ := strings.Cut(endpoint, "://")
	nic, where, ok := strings.Cut(rest, ";")
	to, err := netip.ParseAddrPort(where)
	if err == nil && ok {
		at, err = netip.ParseAddr(nic)
	}
	if err != nil || !ok {
		return group, 0, at, errors.Join(fmt.Errorf("no endpoint of multicast: %q", endpoint), err)
	}
	return to.Addr(), to.Port(), at, nil
}

// A pace is how a source keeps its limit: over each stretch of 100 ms and, as a
// bucket that empties at the limit, packet by packet.
type pace struct {
	limit, warmup int64 // bits a second, nanoseconds

	begun, last int64 // first packet of all, and the one before
	from        int64 // where the current stretch began
	octets      int64 // since the warm-up
	stretch     int64 // octets in the current one
	windows     int
	worst       float64 // error of any
	level       float64 // of the bucket, in octets
	burst       int64   // most that was in it, in nanoseconds of the limit
}

const paceStretch = 100 * time.Millisecond

func (s *pace) see(packet sighting) {
	if s.begun == 0 {
		s.begun, s.last = packet.at, packet.at
	}
	if packet.at-s.begun < s.warmup {
		s.last = packet.at
		return
	}
	if s.from == 0 {
		s.from = packet.at
	}
	perNano := float64(s.limit) / 8e9
	for packet.at-s.from >= paceStretch.Nanoseconds() {
		rate := float64(s.stretch) / float64(paceStretch)
		s.worst = max(s.worst, rate/perNano-1, 1-rate/perNano)
		s.from, s.stretch = s.from+paceStretch.Nanoseconds(), 0
		s.windows++
	}
	s.stretch += int64(packet.octets)
	s.octets += int64(packet.octets)
	s.level = max(0, s.level-perNano*float64(packet.at-s.last)) + float64(packet.octets)
	s.burst = max(s.burst, int64(s.level/perNano))
	s.last = packet.at
}
