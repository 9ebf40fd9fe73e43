package bench

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Pattern says which types of sockets a workload uses and what they do.
type Pattern string

// The patterns.
const (
	PushPull     Pattern = "pushpull"     // PUSH sends, PULL receives
	PubSub       Pattern = "pubsub"       // PUB sends, each SUB receives all of it
	ReqRep       Pattern = "reqrep"       // REQ asks, REP answers, one at a time
	DealerRouter Pattern = "dealerrouter" // DEALER asks, ROUTER answers, Window at a time
	Proxy        Pattern = "proxy"        // PUSH sends, a proxy forwards, PULL receives
	Connect      Pattern = "connect"      // PUSH connects, PULL accepts and hears from each
	Multicast    Pattern = "multicast"    // PUB sends to a group, SUBs on hosts of their own receive; see Cast
)

// Messages reports whether the pattern's result is a rate of messages one way.
func (p Pattern) Messages() bool { return p == PushPull || p == PubSub || p == Proxy }

// A Transport carries messages.
type Transport string

// The transports.
const (
	TCP    Transport = "tcp"    // loopback tcp, two processes
	IPC    Transport = "ipc"    // Unix domain sockets, two processes
	Inproc Transport = "inproc" // memory, one process
	EPGM   Transport = "epgm"   // PGM in UDP, a host in a namespace for each process
	PGM    Transport = "pgm"    // PGM in IP, otherwise the same
)

// A Workload says what is to be done. Its zero values are made good by
// [Workload.Normal].
type Workload struct {
	Name      string    // such as "thr/tcp/64": letters, digits, and / - .
	Pattern   Pattern   //
	Transport Transport //
	Size      int       // octets of each message's body; at least 8, and 24 where a rate is set

	// Peers is how many sockets the many-sided side has: SUBs of a PUB, DEALERs
	// of a ROUTER, pairs of PUSH and PULL. Zero means 1.
	Peers int
	// Conns is how many connections each socket that connects makes. Zero means 1.
	Conns int
	// Threads is how many threads or goroutines send: each has its share of the
	// sockets. Zero means 1.
	Threads int
	// Reactors is how many I/O threads each process may have: a system's own
	// default if zero.
	Reactors int
	// Window is how many requests of a DEALER may be unanswered. Zero means 1.
	Window int
	// Topics is how many topics each SUB subscribes to, of which each message
	// has one. Zero subscribes to everything.
	Topics int
	// Gap is the rest between a reply and the next request.
	Gap time.Duration
	// Rate, in requests a second, makes an open loop. Zero is a closed loop. Of
	// Multicast it is messages a second.
	Rate int
	// Cast is what only Multicast has.
	Cast Cast `json:"cast,omitzero"`

	// Warmup is not measured, Duration is.
	Warmup, Duration time.Duration
	// Settle is how long connections rest before their memory is measured.
	Settle time.Duration

	// Pairs, if not zero, is the most runs that each system makes: for what takes
	// long, or is of a curve rather than of a point.
	Pairs int
	// Calls has system calls counted too.
	Calls bool

	// Also names, for the report, what the workload is of: a plot and its axis.
	Plot string
	X    float64
}

const (
	defaultWarmup   = 80 * time.Millisecond
	defaultDuration = 300 * time.Millisecond
)

// Normal returns w with its zero values made good.
func (w Workload) Normal() Workload {
	for _, n := range []*int{&w.Peers, &w.Conns, &w.Threads, &w.Window} {
		*n = max(*n, 1)
	}
	if w.Warmup == 0 {
		w.Warmup = defaultWarmup
	}
	if w.Duration == 0 {
		w.Duration = defaultDuration
	}
	if w.Pattern == Multicast {
		w.Cast = w.normalCast()
	}
	return w
}

// Check returns what is wrong with w, which must be Normal.
func (w Workload) Check() error {
	var wrong []error
	complain := func(format string, args ...any) {
		wrong = append(wrong, fmt.Errorf("workload %q: "+format, append([]any{w.Name}, args...)...))
	}
	if w.Name == "" || strings.Trim(w.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-.") != "" {
		complain("a name has letters, digits and / - . only, and at least one")
	}
	switch w.Pattern {
	case PushPull, PubSub, ReqRep, DealerRouter, Proxy, Connect:
	case Multicast:
		if err := w.checkCast(); err != nil {
			complain("%w", err)
		}
	default:
		complain("no pattern %q", w.Pattern)
	}
	switch w.Transport {
	case TCP, IPC, Inproc, EPGM, PGM:
	default:
		complain("no transport %q", w.Transport)
	}
	if w.Transport == Inproc && (w.Pattern == Proxy || w.Pattern == Connect) {
		complain("%s is for processes, and inproc has but one", w.Pattern)
	}
	if least := w.Stamp().Least(w.Timed() || w.Pattern == Multicast); w.Size < least || w.Size > maxSize {
		complain("size %d is not from %d to %d octets", w.Size, least, maxSize)
	}
	if s := w.Stamp(); w.Size == s.Prefix+endSize {
		complain("size %d is that of the end of a stream", w.Size)
	}
	if w.Rate < 0 || w.Gap < 0 || w.Topics < 0 || w.Reactors < 0 {
		complain("rate, gap, topics and reactors are not negative")
	}
	if w.Rate > 0 && w.Gap > 0 {
		complain("a rate and a gap exclude each other")
	}
	if (w.Rate > 0 && w.Pattern != Multicast || w.Gap > 0) && !w.Timed() {
		complain("only round trips have a rate or a gap, and multicast a rate")
	}
	if (w.Pattern == Multicast) != (w.Transport == EPGM || w.Transport == PGM) {
		complain("multicast goes over pgm or epgm, and nothing else does")
	}
	if w.Topics > maxTopics {
		complain("%d topics, more than %d", w.Topics, maxTopics)
	}
	return errors.Join(wrong...)
}

const (
	maxSize   = 16 << 20
	maxTopics = 1_000_000
)

// OneWay reports whether latencies are of messages one way: by the clock that all
// processes of a machine share.
func (w Workload) OneWay() bool { return w.Pattern == Multicast && w.Cast.Test == CastLatency }

// Timed reports whether round trips are timed one by one: with many sockets or
// many requests at a time they are counted.
func (w Workload) Timed() bool {
	return w.Pattern == ReqRep || w.Pattern == DealerRouter && w.Peers == 1 && w.Window == 1
}

// Stamp is how the workload's messages are stamped.
func (w Workload) Stamp() Stamp {
	s := Stamp{Size: w.Size}
	if w.Topics > 0 {
		s.Prefix = topicSize
	}
	return s
}

// HWM is the high-water mark of each side of each connection: what ZeroMQ has
// by default, or as many messages as are 64 MiB. Multicast has the latter only:
// what waits for a repair, or comes while the program does not run, is more than
// that.
func (w Workload) HWM() int {
	most := max(16, 64<<20/w.Size)
	if w.Pattern == Multicast && !w.Cast.Defaults {
		return most
	}
	return min(1000, most)
}
