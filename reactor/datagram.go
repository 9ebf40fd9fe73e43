package reactor

import (
	"net/netip"
	"time"
)

// DatagramOpts says how to make a datagram socket. What is zero is left to the
// kernel where nothing else is said.
type DatagramOpts struct {
	Protocol   int            // 0: UDP; else a raw IP protocol's number, which may need privileges
	Local      netip.AddrPort // bound: a unicast address, or a group, and then only what goes to it arrives; raw: the port is ignored
	Interface  int            // number of the interface that multicast leaves by and arrives by; 0: the kernel's choice
	Group      netip.Addr     // joined on Interface; zero: none, and no multicast arrives
	Sources    []netip.Addr   // with Group: source-specific membership (RFC 4607); none: any source
	Hops       int            // multicast TTL or hop limit; 0: 1; negative: none, it stays within this host
	TOS        int            // IP_TOS or IPV6_TCLASS; 0 leaves it alone
	Loop       bool           // what is sent to a group that this system has joined arrives here too
	Share      bool           // others may bind the same address (SO_REUSEADDR and SO_REUSEPORT)
	SendBuf    int            // SO_SNDBUF in octets; 0 leaves it alone
	RecvBuf    int            // SO_RCVBUFFORCE, or else SO_RCVBUF, in octets; 0 leaves it alone
	Timestamps bool           // Datagram.Time is wanted; the kernel begins with it a moment after the first who wants it
	Whole      bool           // datagrams are read one by one: no GRO
	Device     string         // SO_BINDTODEVICE: an interface's or VRF's name; may need privileges
}

// DatagramInfo is what a datagram socket got.
type DatagramInfo struct {
	Local    netip.AddrPort // of a raw socket without a port; an IPv6 zone is the interface's number
	SendBuf  int            // in octets, as SendBuf counts them
	RecvBuf  int            // likewise; the kernel may have granted less than was asked for
	GSO, GRO bool           // UDP_SEGMENT and UDP_GRO work. With GRO a DatagramReader should have room for MaxDatagram
}

// Limits of datagrams.
const (
	// MaxDatagram is how many octets one message of a DatagramReader can have:
	// with GRO, of several datagrams.
	MaxDatagram = 65535
	// MaxDatagrams is how many messages a DatagramReader or DatagramWriter may
	// have: what the kernel takes at a time.
	MaxDatagrams = 1024
)

// Datagram makes a socket for datagrams, in the network namespace of the calling
// thread. OpReadable and OpWritable wait for it, a DatagramReader and a
// DatagramWriter do the rest. Errors name the option or system call and wrap its
// errno: of a raw socket EPERM if that is not allowed. A simulated network has no
// datagrams (errors.ErrUnsupported). Any goroutine.
func (r *Reactor) Datagram(opts *DatagramOpts) (FD, DatagramInfo, error) {
	return r.driver.datagram(opts)
}

// A Datagram is what a DatagramReader read.
type Datagram struct {
	Data      []byte         // valid until the next Read; of a raw socket without the IP header
	Segment   int            // if positive, Data is several datagrams of so many octets each, of which the last may have fewer (GRO)
	From      netip.AddrPort // an IPv6 zone is the interface's number
	To        netip.Addr     // the destination, without a zone
	Time      time.Time      // when the kernel or the card received it; zero if that is not known
	Hardware  bool           // Time is by the card's clock
	Truncated bool           // there was more than there was room for
}

// A DatagramReader reads many datagrams at a time, into memory of its own. It may
// be used for several sockets by turns. One goroutine at a time.
type DatagramReader struct {
	got   []Datagram // by the last Read; its capacity is the number of messages
	drops uint32
	full  bool
	inbox
}

// NewDatagramReader makes a DatagramReader for so many messages, at most
// MaxDatagrams, of so many octets each.
func NewDatagramReader(messages, size int) *DatagramReader {
	messages = min(max(messages, 1), MaxDatagrams)
	d := &DatagramReader{got: make([]Datagram, 0, messages)}
	d.open(messages, max(size, 1))
	return d
}

// Read reads what is there, up to the number of messages, and returns how many
// came. It returns ErrAgain if there is nothing. An OpReadable that is submitted
// later finds what was not read, so who got fewer than the number need not read
// again before it waits. Other errors are the socket's, as errno; they leave it
// usable.
func (d *DatagramReader) Read(r *Reactor, fd FD) (int, error) { return r.driver.readDatagrams(fd, d) }

// Full reports whether the last Read may have left something: it filled all messages,
// or failed otherwise than by ErrAgain.
func (d *DatagramReader) Full() bool { return d.full }

// At returns datagram i of those that the last Read returned.
func (d *DatagramReader) At(i int) Datagram { return d.got[i] }

// Drops is how many datagrams the kernel has dropped for the socket that was read
// last, since it was made, for want of room or for their checksums; several that
// GRO put together count once. It is told with each datagram that arrives after
// a drop. It wraps around.
func (d *DatagramReader) Drops() uint32 { return d.drops }

// An outgoing is a message in a DatagramWriter's queue.
type outgoing struct {
	data    []byte
	to      netip.AddrPort
	segment int // 0: data is one datagram
}

// A DatagramWriter sends many datagrams at a time. It may be used for several
// sockets by turns, each time until nothing is queued. One goroutine at a time.
type DatagramWriter struct {
	queue     []outgoing // its capacity is the number of messages
	done      int        // octets of the first that were sent
	segmented bool       // some of them are several datagrams
	outbox
}

// NewDatagramWriter makes a DatagramWriter for so many messages, at most
// MaxDatagrams.
func NewDatagramWriter(messages int) *DatagramWriter {
	messages = min(max(messages, 1), MaxDatagrams)
	d := &DatagramWriter{queue: make([]outgoing, 0, messages)}
	d.open(messages)
	return d
}

// Add queues a message and reports whether there was room for it. It does not
// copy: data must stay as it is until the message is no longer queued. With a
// positive segment, data is several datagrams of so many octets each, of which
// the last may have fewer; the kernel cuts them if it can (GSO), and they leave
// as if sent one by one. The port is 0 for a raw socket.
func (d *DatagramWriter) Add(to netip.AddrPort, data []byte, segment int) bool {
	if len(d.queue) == cap(d.queue) {
		return false
	}
	if segment < 0 || segment >= len(data) {
		segment = 0
	}
	d.segmented = d.segmented || segment > 0
	d.queue = append(d.queue, outgoing{data: data, to: to, segment: segment})
	return true
}

// Len is how many messages are queued. One that was sent in part counts.
func (d *DatagramWriter) Len() int { return len(d.queue) }

// Flush sends what is queued, in order. ErrAgain means that the kernel has no
// room: the rest stays queued, and an OpWritable waits. Any other error is an
// errno and the first message's, which, or what was left of it, is dropped; the
// rest stays queued, so Flush is to be called again.
//
// Where the kernel or the route turns out not to segment, it sends the datagrams
// of a message one by one, and so it does from then on.
func (d *DatagramWriter) Flush(r *Reactor, fd FD) error { return r.driver.writeDatagrams(fd, d) }

// drop forgets the first n messages, and the part of the next that was sent.
func (d *DatagramWriter) drop(n int) {
	rest := copy(d.queue, d.queue[n:])
	clear(d.queue[rest:]) // keep nothing alive
	d.queue = d.queue[:rest]
	d.segmented = d.segmented && rest > 0
}
