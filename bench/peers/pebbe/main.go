// Command pebbe does the benchmark's jobs with github.com/pebbe/zmq4, which
// calls libzmq by cgo.
package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/bench/peers/internal/peer"
)

func main() { bench.Main(new(driver)) }

const (
	// patience is how long a call of libzmq may wait before it looks whether the
	// link was closed. A call that need not wait does not read the clock for it.
	patience = 100 * time.Millisecond
	// backlog is for the many that connect at once.
	backlog = 4096
	// defaultSockets is libzmq's own limit, ZMQ_MAX_SOCKETS_DFLT.
	defaultSockets = 1023
)

// A driver has one context for as long as it has links: inproc needs that both
// ends share it, and only its end waits for what is queued.
type driver struct {
	mu         sync.Mutex
	zmq        *zmq4.Context
	links      int   // that are open
	duplicates []int // of the descriptors of links that were closed
}

var types = map[bench.Kind]zmq4.Type{
	bench.Pusher: zmq4.PUSH, bench.Puller: zmq4.PULL,
	bench.Publisher: zmq4.XPUB, bench.Subscriber: zmq4.SUB,
	bench.Requester: zmq4.REQ, bench.Replier: zmq4.REP,
	bench.Dealer: zmq4.DEALER, bench.Router: zmq4.ROUTER,
}

// About tells libzmq's version too.
func (*driver) About(j bench.Job) bench.About {
	major, minor, patch := zmq4.Version()
	threads := "default"
	if j.Reactors > 0 {
		threads = fmt.Sprint(j.Reactors)
	}
	settings := []string{
		"one context, IoThreads " + threads,
		fmt.Sprintf("Sndhwm and Rcvhwm %d, Backlog %d", j.HWM, backlog),
		fmt.Sprintf("Sndtimeo and Rcvtimeo %v, so that closing ends calls", patience),
		"SendBytes and RecvBytes",
	}
	switch j.Pattern {
	case bench.PubSub:
		settings = append(settings, "XpubNodrop and XpubVerbose; Sndhwm 0 of a SUB, for its subscriptions")
	case bench.DealerRouter:
		settings = append(settings, "RouterMandatory")
	case bench.Proxy:
		settings = append(settings, "zmq_proxy")
	}
	if j.Transport == bench.IPC && j.Pattern.Messages() {
		settings = append(settings, "descriptors of senders stay open until all is read, as libzmq would lose the end")
	}
	return bench.About{
		Version:  fmt.Sprintf("%s, libzmq %d.%d.%d", peer.Version("github.com/pebbe/zmq4"), major, minor, patch),
		Backend:  "libzmq's I/O threads (epoll)",
		Settings: settings,
	}
}

// Open refuses what needs two goroutines at one socket of libzmq, which may be
// used by one thread at a time.
func (d *driver) Open(k bench.Kind, j bench.Job) (bench.Link, error) {
	if k == bench.Dealer && j.Rate > 0 {
		return nil, peer.NotSupported("an open loop of a DEALER: it may not send while it waits to receive")
	}
	zmq, err := d.acquire(j)
	if err != nil {
		return nil, err
	}
	s, err := zmq.NewSocket(types[k])
	if err != nil {
		d.release(nil)
		return nil, err
	}
	l := &link{driver: d, kind: k, socket: s}
	if err = configure(s, k, j); err == nil {
		l.watch, err = newWatch(zmq, s, k, j)
	}
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

func (d *driver) acquire(j bench.Job) (*zmq4.Context, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.zmq == nil {
		zmq, err := newContext(j)
		if err != nil {
			return nil, err
		}
		d.zmq = zmq
	}
	d.links++
	return d.zmq, nil
}

// release ends the context with its last link, which waits for what is queued.
func (d *driver) release(duplicates []int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.duplicates = append(d.duplicates, duplicates...)
	if d.links--; d.links > 0 {
		return
	}
	if d.zmq != nil {
		_ = d.zmq.Term()
		d.zmq = nil
	}
	hangUp(d.duplicates)
	d.duplicates = nil
}

func newContext(j bench.Job) (*zmq4.Context, error) {
	zmq, err := zmq4.NewContext()
	if err != nil {
		return nil, err
	}
	if j.Reactors > 0 {
		if err := zmq.SetIoThreads(j.Reactors); err != nil {
			return nil, err
		}
	}
	// Both ends may be here.
	if sockets := 2*j.Sockets + 16; sockets > defaultSockets {
		if err := zmq.SetMaxSockets(sockets); err != nil {
			return nil, err
		}
	}
	return zmq, nil
}

// configure sets what differs from the defaults.
func configure(s *zmq4.Socket, k bench.Kind, j bench.Job) error {
	send := j.HWM
	if k == bench.Subscriber {
		send = 0 // what it sends is subscriptions: beyond the mark they would be lost
	}
	set := []error{
		s.SetSndhwm(send), s.SetRcvhwm(j.HWM), s.SetBacklog(backlog), s.SetSndtimeo(patience), s.SetRcvtimeo(patience),
	}
	// What a SUB has queued is subscriptions, for a publisher that may be gone.
	if k != bench.Subscriber {
		set = append(set, s.SetLinger(peer.Linger))
	}
	switch k {
	case bench.Publisher:
		// Equal subscriptions of many are to be counted, not only the first.
		set = append(set, s.SetXpubNodrop(true), s.SetXpubVerbose(1))
	case bench.Router:
		// Else replies to a peer that is at its mark would be lost.
		set = append(set, s.SetRouterMandatory(1))
	}
	for _, err := range set {
		if err != nil {
			return err
		}
	}
	return nil
}

// Proxy is zmq_proxy, which runs until its context ends. Both links are closed
// then.
func (d *driver) Proxy(front, back bench.Link, stop <-chan struct{}) error {
	d.mu.Lock()
	zmq := d.zmq
	d.zmq = nil // the context ends here, not in release
	d.mu.Unlock()
	ended := make(chan error, 1)
	go func() {
		<-stop
		ended <- zmq.Term()
	}()
	f, b := front.(*link), back.(*link)
	failed := zmq4.Proxy(f.socket, b.socket, nil)
	for _, l := range []*link{f, b} {
		if err := l.Close(); err != nil {
			return err
		}
	}
	select {
	case <-stop:
		return <-ended
	default:
		return failed
	}
}
