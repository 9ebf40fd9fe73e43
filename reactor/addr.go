package reactor

import (
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// A Transport is the kind of socket that an Addr belongs to.
type Transport uint8

// The transports. The zero Transport is no address's.
const (
	TCP  Transport = iota + 1
	Unix           // local stream sockets, by path or abstract name
)

// An Addr is where a socket listens or connects to. The zero Addr is none.
// Addrs can be compared with ==.
type Addr struct {
	Network Transport
	IP      netip.AddrPort // TCP; an IPv6 zone is an interface's name or number
	Path    string         // Unix; a leading @ makes it abstract
}

// IsZero reports whether a is no address at all.
func (a Addr) IsZero() bool { return a == Addr{} }

// Abstract reports whether a is a Unix address that is not in the file system.
func (a Addr) Abstract() bool { return a.Network == Unix && strings.HasPrefix(a.Path, "@") }

// String returns host:port, or the path.
func (a Addr) String() string {
	switch a.Network {
	case TCP:
		return a.IP.String()
	case Unix:
		return a.Path
	default:
		return "none"
	}
}

// maxUnixPath is how long a Unix address may be, in octets: sun_path has 108,
// of which a path needs one for its terminator and an abstract name one for
// its marker. Longer ones are refused with ENAMETOOLONG.
const maxUnixPath = 107

// check returns why a cannot be used, or 0.
func (a Addr) check() syscall.Errno {
	switch a.Network {
	case TCP:
		if a.IP.IsValid() {
			return 0
		}
	case Unix:
		if len(a.Path) > maxUnixPath {
			return syscall.ENAMETOOLONG
		}
		if a.Path != "" && a.Path != "@" { // for which the kernel would make up a name
			return 0
		}
	}
	return syscall.EINVAL
}

// normal is a in the one form that is compared: an IPv4 address is not hidden
// in an IPv6 one.
func (a Addr) normal() Addr {
	if a.Network == TCP {
		a.IP = netip.AddrPortFrom(a.IP.Addr().Unmap(), a.IP.Port())
	}
	return a
}

// SockOpts says how to set up a socket. A nil *SockOpts is the zero value,
// which leaves everything to the kernel. TCP sockets never wait to fill a
// segment (TCP_NODELAY), whatever it says, and a listener's address can be bound
// again at once after a close (SO_REUSEADDR).
type SockOpts struct {
	SendBuf       int           // SO_SNDBUF in octets; 0 leaves it to the kernel, which then adapts it
	RecvBuf       int           // SO_RCVBUF in octets; 0 leaves it to the kernel, which then adapts it
	KeepAlive     KeepAlive     // TCP only
	TOS           int           // IP_TOS and IPV6_TCLASS; 0 leaves it alone
	Priority      int           // SO_PRIORITY; 0 leaves it alone
	Backlog       int           // listen(2); 0 is DefaultBacklog. The kernel caps it at net.core.somaxconn
	Device        string        // SO_BINDTODEVICE: an interface's or VRF's name; may need privileges
	Source        Addr          // bound before connecting; zero: the kernel chooses
	MaxRetransmit time.Duration // TCP_USER_TIMEOUT: how long what was sent may go without an answer; 0 leaves it alone
	IPv6Only      bool          // an IPv6 listener takes no IPv4 connections
}

// DefaultBacklog is how many connections may wait to be accepted unless
// SockOpts says otherwise.
const DefaultBacklog = 4096

// KeepAlive says whether an idle TCP connection is probed. What is zero is the
// kernel's default.
type KeepAlive struct {
	Enable   bool
	Idle     time.Duration // before the first probe; whole seconds, at least one
	Interval time.Duration // between probes; whole seconds, at least one
	Count    int           // unanswered probes until the connection is dead
}

// noOpts stands for a nil *SockOpts.
var noOpts SockOpts

// orDefault returns o, or the zero SockOpts for nil.
func (o *SockOpts) orDefault() *SockOpts {
	if o == nil {
		return &noOpts
	}
	return o
}

// backlog is what listen(2) is given.
func (o *SockOpts) backlog() int {
	if o.Backlog <= 0 {
		return DefaultBacklog
	}
	return o.Backlog
}
