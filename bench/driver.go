package bench

import "time"

// A Driver opens sockets of one system, in a process that [Main] runs.
type Driver interface {
	// About says which version this is, what its I/O runs on if that may vary,
	// and how it was configured for a job.
	About(j Job) About
	// Open returns a socket.
	Open(k Kind, j Job) (Link, error)
}

// A Proxier is a Driver that can forward messages from a PULL to a PUSH.
type Proxier interface {
	// Proxy forwards until stop is closed. Both links are of this Driver.
	Proxy(front, back Link, stop <-chan struct{}) error
}

// About describes what a Driver drives.
type About struct {
	Version  string
	Backend  string
	Settings []string
}

// A Kind is a type of socket by what it does here.
type Kind uint8

// The kinds of sockets, and what ZeroMQ calls them.
const (
	Pusher    Kind = iota // PUSH
	Puller                // PULL
	Publisher             // PUB or XPUB; waits for its slowest subscriber
	Subscriber
	Requester // REQ
	Replier   // REP
	Dealer    // DEALER
	Router    // ROUTER
)

// A Link is a socket. Send and Recv may be called by two goroutines at a time,
// one each.
type Link interface {
	// Bind binds an endpoint, in which * stands for what may be chosen, and
	// returns it without.
	Bind(endpoint string) (string, error)
	// Connect connects; it need not wait for the connection.
	Connect(endpoint string) error
	// Subscribe asks for the messages that begin with topic.
	Subscribe(topic []byte) error
	// Await waits until there are n subscriptions, at a publisher, or n peers.
	// A system that cannot tell waits for as long as it takes as a rule.
	Await(n int) error
	// Send sends a copy of body. A topic that body begins with has been put
	// where the pattern has topics.
	Send(body []byte) error
	// Recv returns the next message's body, which is good until the next call of
	// Recv, Echo or Close.
	Recv() ([]byte, error)
	// Echo receives a message and sends it back where it came from.
	Echo() error
	// Close sends what is queued and closes. It ends calls that wait, and may be
	// called again.
	Close() error
}

// sides are the kinds of a pattern's two ends: who sends first, and the other.
func (p Pattern) sides() (first, second Kind) {
	switch p {
	case PubSub:
		return Publisher, Subscriber
	case ReqRep:
		return Requester, Replier
	case DealerRouter:
		return Dealer, Router
	default:
		return Pusher, Puller
	}
}

// Pause is for drivers that have to ask again and again whether all peers are
// there.
func Pause() { time.Sleep(time.Millisecond) }
