package lab

// Stats counts a host's frames. On a Switch it is those that faults may befall:
// no ARP, IGMP or ICMPv6, but for Missed. On a Bridge it is all packets, of which
// one may be many datagrams (see the package's Limitations), and only those of
// Sent, Delivered and Missed.
type Stats struct {
	Sent      uint64 // from the host, that the fabric has read
	Missed    uint64 // from the host, that the kernel dropped before the fabric read them
	Delivered uint64 // to the host, copies included

	// Of frames to the host.
	Lost       uint64 // by Loss
	Bursts     uint64 // lost by bursts
	Limited    uint64 // no room in the Queue before the link
	Dark       uint64 // to and from the host while it was cut off
	Overflow   uint64 // no room among the delayed: Config.Backlog
	Refused    uint64 // the kernel did not take them
	Duplicated uint64
	Reordered  uint64
	Corrupted  uint64
	Delayed    uint64 // that waited, for whatever reason
}
