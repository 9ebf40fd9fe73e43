package socket

import (
	"net/netip"

	"github.com/zeroring/zeroring/pgm"
)

// A SourceID names a source of multicast as it is heard.
type SourceID struct {
	TSI     pgm.TSI    // its transport session
	Address netip.Addr // where its packets come from; invalid for one that is heard by two groups
}

// String returns the transport session's id and, behind an @, the address.
func (id SourceID) String() string {
	if !id.Address.IsValid() {
		return id.TSI.String()
	}
	return id.TSI.String() + "@" + id.Address.String()
}

// A Gap is data of a source that is lost for good.
type Gap struct {
	Source      SourceID
	First, Last pgm.SQN       // the packets' sequence numbers, both included; they begin again after 2³²−1
	Reason      pgm.GapReason // zero if Err says it
	Err         error         // the packet came, and is not what ZeroMQ puts into PGM; else nil
}

// Packets is how many packets are lost, as far as that can be told: 0 if the source
// went back (Reason is pgm.GapResync).
func (g *Gap) Packets() int { return max(int(g.Last.Sub(g.First))+1, 0) }

// MulticastStats is a peer that is a pgm:// or epgm:// endpoint.
type MulticastStats struct {
	Source      *pgm.SourceStats // what was sent, and what receivers asked for; nil at a SUB or XSUB
	Sources     []HeardStats     // what was heard of each source; nil at a PUB or XPUB
	KernelDrops uint64           // packets that the kernel had no room for, of all sources
	Ignored     uint64           // packets of sources beyond MaxSources
	PassedOn    uint64           // what receivers asked of sources of other programs on this host, by NAKs that came here
	Failures    uint64           // of the descriptors, sending and receiving
	Malformed   uint64           // packets on this interface and port that are not PGM, or broken beyond telling whose they are
	Checksum    uint64           // packets on this interface and port whose checksum is wrong
	Truncated   uint64           // datagrams larger than 64 KiB
	Astray      uint64           // packets of PGM for another port
}

// HeardStats is what was heard of one source.
type HeardStats struct {
	Source  SourceID
	Invalid uint64 // packets that are not what ZeroMQ puts into PGM
	pgm.ReceiverStats
}

// stats returns a snapshot. Any goroutine.
func (l *multicast) stats() *MulticastStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	st := &MulticastStats{KernelDrops: l.kernelDrops, Failures: l.failures.Load()}
	if l.sends() {
		st.Source, st.PassedOn = new(l.source.engine.Stats()), l.source.passed
	} else {
		st.Ignored = l.ignored
		for _, s := range l.sources {
			st.Sources = append(st.Sources, HeardStats{s.id, s.invalid, s.rx.Stats()})
		}
	}
	for g := range l.legs {
		if g > 0 && l.legs[g].medium == l.legs[0].medium {
			continue // two groups of one interface and port
		}
		c := &l.legs[g].medium.counters
		st.Malformed += c.malformed.Load()
		st.Checksum += c.checksum.Load()
		st.Truncated += c.truncated.Load()
		st.Astray += c.astray.Load()
	}
	return st
}
