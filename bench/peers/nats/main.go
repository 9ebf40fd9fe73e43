// Command nats does the benchmark's jobs with github.com/nats-io/nats.go. A
// server runs in the process that binds, whose links are its clients like those
// of the others.
package main

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/bench/peers/internal/peer"
)

func main() { bench.Main(new(driver)) }

const (
	startTime  = 10 * time.Second
	maxPayload = 64 << 20
	// maxPending is what the server may have queued for a client before it cuts
	// it off. What is in flight is bounded otherwise, far below.
	maxPending = 1 << 30
)

// A driver has a server for as long as links need it.
type driver struct {
	mu       sync.Mutex
	server   *server.Server
	links    int // that use the server
	subjects int // that were given to links
}

func (*driver) About(j bench.Job) bench.About {
	settings := []string{
		"nats-server in the process that binds, without JetStream; clients by tcp, but who answers in-process",
		"ChanSubscribe, SkipSubjectValidation, MaxPending 1 GiB",
	}
	if j.Pattern.Messages() {
		settings = append(settings, fmt.Sprintf(
			"no more than %d messages in flight: every %dth asks for an answer", inFlight(j), each(j)))
	}
	if j.Pattern == bench.Proxy {
		settings = append(settings, "the proxy is the server")
	}
	return bench.About{
		Version:  peer.Version("github.com/nats-io/nats.go") + ", " + peer.Version("github.com/nats-io/nats-server/v2"),
		Backend:  peer.Netpoller,
		Settings: settings,
	}
}

func (d *driver) Open(k bench.Kind, j bench.Job) (bench.Link, error) {
	if j.Transport != bench.TCP {
		return nil, peer.NotSupported("NATS by %s", j.Transport)
	}
	l := &link{driver: d, kind: k, job: j, stamp: j.Stamp(), in: make(chan *nats.Msg, room(k, j))}
	if k == bench.Pusher || k == bench.Publisher {
		l.credit = newCredit(each(j))
	}
	if k == bench.Pusher {
		l.credit.peers = 1
	}
	return l, nil
}

// room is how many messages there may be for a link. A client drops what finds
// no room.
func room(k bench.Kind, j bench.Job) int {
	// Beside them there are ends of streams, and what wakes a waiting Recv.
	const others = 64
	switch {
	case j.Role == bench.RoleGather:
		return j.Streams + others // one message of each
	case k == bench.Puller || k == bench.Subscriber:
		return inFlight(j)*max(1, j.Streams) + others
	case k == bench.Pusher || k == bench.Publisher:
		return others
	default: // the windows of very many, or what piles up while an open loop is late
		return max(1<<17, 64*j.Window)
	}
}

// start starts the server, or returns the one that runs, and a new subject. The
// two ends of a proxy are one subject.
func (d *driver) start(j bench.Job) (url, subject string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server == nil {
		s, err := server.NewServer(&server.Options{
			Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
			MaxPayload: maxPayload, MaxPending: maxPending,
		})
		if err != nil {
			return "", "", err
		}
		s.Start()
		if !s.ReadyForConnections(startTime) {
			s.Shutdown()
			return "", "", errors.New("the server does not start")
		}
		d.server = s
	}
	d.links++
	if j.Role != bench.RoleProxy {
		d.subjects++
	}
	return d.server.ClientURL(), fmt.Sprintf("s%d", d.subjects), nil
}

// release shuts the server down with the last link that bound.
func (d *driver) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.links--; d.links == 0 {
		d.server.Shutdown()
		d.server = nil
	}
}

// Proxy leaves it to the server.
func (d *driver) Proxy(_, _ bench.Link, stop <-chan struct{}) error {
	<-stop
	return nil
}
