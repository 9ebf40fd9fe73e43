package main

import (
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/bench/peers/internal/peer"
)

// A link has a subject, which its endpoint ends with: nats://127.0.0.1:4222/s1.
// Topics are subjects below it, and so is where subscribers say hello.
type link struct {
	driver  *driver
	kind    bench.Kind
	job     bench.Job
	stamp   bench.Stamp
	bound   bool
	conns   []*nats.Conn
	next    int // of conns to send by, by the goroutine that sends
	subject string
	topics  []string          // that a subscriber asked for
	below   map[string]string // of a publisher: each topic's subject
	inbox   string            // where one who asks is answered

	in     chan *nats.Msg // what was received, and nil to wake who waits for it
	credit *credit        // of one who sends one way
	once   sync.Once      // of Close

	mu  sync.Mutex
	err error // why nothing comes any more

	_ [128]byte // another link may be another processor's
}

func (l *link) Bind(string) (string, error) {
	url, subject, err := l.driver.start(l.job)
	if err != nil {
		return "", err
	}
	l.bound = true // and the server stays until release
	endpoint := url + "/" + subject
	if l.job.Role == bench.RoleProxy {
		return endpoint, nil
	}
	return endpoint, l.Connect(endpoint)
}

func (l *link) Connect(endpoint string) error {
	slash := strings.LastIndexByte(endpoint, '/')
	l.subject = endpoint[slash+1:]
	options := []nats.Option{
		nats.NoReconnect(), nats.SkipSubjectValidation(), nats.Timeout(startTime),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { l.fail(err) }),
		nats.ClosedHandler(func(*nats.Conn) { l.fail(peer.ErrClosed) }),
	}
	// Without tcp a round trip takes a quarter less, but streams take more.
	if l.kind == bench.Replier || l.kind == bench.Router {
		options = append(options, nats.InProcessServer(l.driver.server))
	}
	nc, err := nats.Connect(endpoint[:slash], options...)
	if err != nil {
		return err
	}
	l.conns = append(l.conns, nc)
	if err := l.enlist(nc); err != nil {
		return err
	}
	return nc.FlushTimeout(startTime) // the server knows the subscriptions
}

// enlist makes a connection's subscriptions.
func (l *link) enlist(nc *nats.Conn) (err error) {
	switch l.kind {
	case bench.Pusher:
		if len(l.conns) == 1 {
			return l.credit.listen(nc)
		}
	case bench.Publisher:
		_, err = nc.Subscribe(l.subject+".hello", func(m *nats.Msg) {
			n, err := strconv.Atoi(string(m.Data))
			if err != nil {
				l.fail(err)
			}
			l.credit.hello(n)
		})
		if err == nil {
			err = l.credit.listen(nc)
		}
	case bench.Puller, bench.Replier, bench.Router:
		_, err = nc.ChanSubscribe(l.subject, l.in)
	case bench.Requester, bench.Dealer:
		if len(l.conns) == 1 {
			l.inbox = nc.NewInbox()
			_, err = nc.ChanSubscribe(l.inbox, l.in)
		}
	case bench.Subscriber:
		for _, topic := range l.topics {
			if _, err := nc.ChanSubscribe(l.subject+topic, l.in); err != nil {
				return err
			}
		}
		// By the same connection, so that it comes after the subscriptions.
		err = nc.Publish(l.subject+".hello", strconv.AppendInt(nil, int64(len(l.topics)), 10))
	}
	return err
}

// fail makes Recv return an error, and a Send that waits for answers too.
func (l *link) fail(err error) {
	if l.credit != nil {
		l.credit.close()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
		l.wake()
	}
}

func (l *link) wake() {
	select {
	case l.in <- nil:
	default:
		go func() { l.in <- nil }()
	}
}

// Subscribe is called before Connect. No topic is the link's own subject.
func (l *link) Subscribe(topic []byte) error {
	if len(topic) > 0 {
		l.topics = append(l.topics, "."+string(topic))
	} else {
		l.topics = append(l.topics, "")
	}
	return nil
}

func (l *link) Await(n int) error {
	if l.kind != bench.Publisher {
		return peer.NotSupported("waiting for the peers of one who does not publish")
	}
	return l.credit.await(n)
}

func (l *link) Send(body []byte) error {
	nc := l.conns[l.next]
	if l.next++; l.next == len(l.conns) {
		l.next = 0
	}
	subject, reply := l.subject, l.inbox
	if l.credit != nil {
		_, end := l.stamp.IsEnd(body)
		var err error
		if reply, err = l.credit.reply(end); err != nil {
			return err
		}
		if l.job.Topics > 0 {
			subject = l.topic(body)
		}
	}
	if reply == "" {
		return nc.Publish(subject, body)
	}
	return nc.PublishRequest(subject, reply, body)
}

// topic is the subject of the topic that body begins with.
func (l *link) topic(body []byte) string {
	topic := body[:l.stamp.Prefix]
	subject, ok := l.below[string(topic)]
	if !ok {
		if l.below == nil {
			l.below = make(map[string]string, l.job.Topics)
		}
		subject = l.subject + "." + string(topic)
		l.below[string(topic)] = subject
	}
	return subject
}

func (l *link) recv() (*nats.Msg, error) {
	m := <-l.in
	if m == nil {
		l.wake() // whoever comes next
		l.mu.Lock()
		defer l.mu.Unlock()
		return nil, l.err
	}
	return m, nil
}

// Recv answers what asks for it, now that there is room for another message.
func (l *link) Recv() ([]byte, error) {
	m, err := l.recv()
	if err != nil {
		return nil, err
	}
	if m.Reply != "" {
		if err := l.conns[0].Publish(m.Reply, nil); err != nil {
			return nil, err
		}
	}
	return m.Data, nil
}

func (l *link) Echo() error {
	m, err := l.recv()
	if err != nil {
		return err
	}
	return l.conns[0].Publish(m.Reply, m.Data)
}

// Close waits until what was sent is received. A server goes with the last link
// that bound, and what it had queued with it.
func (l *link) Close() error {
	l.once.Do(func() {
		if l.credit != nil {
			l.credit.drain()
		}
		l.fail(peer.ErrClosed)
		for _, nc := range l.conns {
			// The server may have gone first.
			_ = nc.FlushTimeout(peer.Linger)
			nc.Close()
		}
		if l.bound {
			l.driver.release()
		}
	})
	return nil
}
