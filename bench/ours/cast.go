package ours

import (
	"sync"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/socket"
)

// multicast are the options of a job of multicast: the rate is what it says, and
// all else the default.
func multicast(j bench.Job) socket.MulticastOptions {
	if j.Pattern != bench.Multicast {
		return socket.MulticastOptions{}
	}
	rate := j.Limit
	if rate == 0 {
		rate = -1
	}
	return socket.MulticastOptions{Rate: rate, JoinPackets: j.History, LateJoin: j.History > 0, NoOffload: j.NoOffload}
}

// A castLink is a link to a group. It counts what belongs to PGM.
type castLink struct {
	*link
	once sync.Once
	last map[string]int64 // when it was closed
}

func newCastLink(s *socket.Socket, j bench.Job) *castLink {
	return &castLink{link: &link{Socket: s, topics: j.Topics}}
}

// Await has nothing to wait for: nobody tells a source who receives.
func (l *castLink) Await(int) error { return nil }

// Close closes, and keeps what was counted.
func (l *castLink) Close() error {
	l.once.Do(func() { l.last = l.count() })
	return l.link.Close()
}

// Tally is what was counted, until it was closed.
func (l *castLink) Tally() map[string]int64 {
	l.once.Do(func() { l.last = l.count() })
	return l.last
}

func (l *castLink) count() map[string]int64 {
	sum := make(map[string]int64)
	for _, p := range l.Stats().Peers {
		m := p.Multicast
		if m == nil {
			continue
		}
		sum["kernel_drops"] += int64(m.KernelDrops)
		sum["failures"] += int64(m.Failures)
		if s := m.Source; s != nil {
			sum["odata"] += int64(s.ODATA)
			sum["rdata"] += int64(s.RDATA)
			sum["nak_entries"] += int64(s.NAKEntries)
		}
		for _, s := range m.Sources {
			sum["gaps"] += int64(s.Gaps)
			sum["packets_lost"] += int64(s.Lost)
			sum["repaired"] += int64(s.Repaired)
		}
	}
	return sum
}
