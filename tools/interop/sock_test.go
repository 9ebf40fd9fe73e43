package interop

import (
	"testing"
	"time"
)

// A side makes the sockets of one end of a row: a child process with libzmq in
// it, or zeroring on one of its backends.
type side interface {
	open(t *testing.T, typ string, o opts) sock
}

// opts are the options that rows need, whatever the side calls them.
type opts struct {
	identity  string
	hwm       int  // both ways; 0 is the default
	unlimited bool // no high-water mark
	probe     bool // PROBE_ROUTER
	mandatory bool
	handover  bool
	verbose   bool // XPUB_VERBOSE
	correlate bool
	relaxed   bool
	heartbeat time.Duration // interval
	silence   time.Duration // heartbeat timeout
	quick     bool          // reconnects after 10 ms
	linger    time.Duration
	ipv6      bool
	welcome   string
	maxSize   int64
}

// A sock is one socket of a row. Its methods fail the test that opened it if
// they cannot do what they say.
type sock interface {
	bind(endpoint string) string // the endpoint to connect to
	connect(endpoint string)
	disconnect(endpoint string)
	unbind(endpoint string)
	subscribe(topic string)   // of a SUB
	unsubscribe(topic string) // of a SUB
	send(msg ...part)
	recv() []got
	// poll is recv that gives up after wait.
	poll(wait time.Duration) ([]got, bool)
	close()

	// pump lets the socket get on with what it has to do. libzmq's takes notice
	// of a new peer, and sends it its subscriptions, only while the application
	// is in a call on that socket.
	pump()

	// These work in the background until the call they return is waited for.
	// What is one socket's, or one child's, cannot do two at a time, except that
	// zeroring's can.
	stream(sh shape, prefix ...part) *call
	drain(sh shape, skip int) *call
	ask(sh shape, skip, window int, prefix ...part) *call
	echo(count int) *call
}

// A call is something under way.
type call struct {
	t    *testing.T
	what string
	wait func() error
}

// end waits until the call is over, and fails the test if it failed.
func (c *call) end() {
	c.t.Helper()
	if err := c.wait(); err != nil {
		c.t.Fatalf("%s: %v", c.what, err)
	}
}

// expect receives a message and fails the test if it is not want.
func expect(t *testing.T, s sock, want ...part) {
	t.Helper()
	if d := differ(s.recv(), want); d != "" {
		t.Fatalf("received %s", d)
	}
}

// await receives the next message, which must be want, and which from sends of
// its own accord: await sees to it that it gets to doing so.
func await(t *testing.T, s, from sock, want ...part) {
	t.Helper()
	for limit := time.Now().Add(patience); time.Now().Before(limit); {
		from.pump()
		if msg, ok := s.poll(20 * time.Millisecond); ok {
			if d := differ(msg, want); d != "" {
				t.Fatalf("received %s", d)
			}
			return
		}
	}
	t.Fatalf("nothing in %v, want %q", patience, want[0].octets)
}

// awaitFlow returns once what pub publishes under topic reaches sub. A PUB does
// not say when it has learnt of a subscription, so this sends until the first
// message is through, and then drops what else it sent.
func awaitFlow(t *testing.T, pub, sub sock, topic string) {
	t.Helper()
	limit := time.Now().Add(patience)
	for {
		pub.send(lit(topic + "probe"))
		if _, ok := sub.poll(20 * time.Millisecond); ok {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("nothing published under %q arrived", topic)
		}
	}
	pub.send(lit(topic + "fence"))
	for {
		msg := sub.recv()
		switch {
		case differ(msg, lits(topic+"fence")) == "":
			return
		case differ(msg, lits(topic+"probe")) != "":
			t.Fatalf("received %v between probes", msg)
		}
	}
}
