// Command gozeromq does the benchmark's jobs with github.com/go-zeromq/zmq4.
package main

import (
	"context"
	"io"
	"log"

	"github.com/go-zeromq/zmq4"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/bench/peers/internal/peer"
)

func main() { bench.Main(driver{}) }

type driver struct{}

// A publisher is an XPUB, for what its subscribers acknowledge.
var sockets = map[bench.Kind]func(context.Context, ...zmq4.Option) zmq4.Socket{
	bench.Pusher: zmq4.NewPush, bench.Puller: zmq4.NewPull,
	bench.Publisher: zmq4.NewXPub, bench.Subscriber: zmq4.NewSub,
	bench.Requester: zmq4.NewReq, bench.Replier: zmq4.NewRep,
	bench.Dealer: zmq4.NewDealer, bench.Router: zmq4.NewRouter,
}

func (driver) About(j bench.Job) bench.About {
	settings := []string{
		"SendMulti, which writes a message by one system call where Send takes two for each frame",
		"no high-water marks: it has none but of PUB, which drops",
	}
	switch j.Pattern {
	case bench.PubSub:
		settings = append(settings, acknowledgements(j))
	case bench.Proxy:
		settings = append(settings, "zmq4.Proxy")
	}
	return bench.About{
		Version: peer.Version("github.com/go-zeromq/zmq4"), Backend: peer.Netpoller, Settings: settings,
	}
}

// longest is how many octets a frame of inproc may have. The header of a longer
// one has 9 octets, of which the reader takes 2 and loses the rest.
const longest = 255

// widest is how many requests may be unanswered by inproc. Its connections hold
// 8 writes, or 4 messages, and its readers 10 messages: beyond, who asks and who
// answers would both wait for the other to read.
const widest = 16

// Open refuses what the library would get wrong.
func (driver) Open(k bench.Kind, j bench.Job) (bench.Link, error) {
	if j.Conns > 1 {
		return nil, peer.NotSupported("several connections of a socket: each gets all that is sent")
	}
	if j.Transport == bench.Inproc && j.Size > longest {
		return nil, peer.NotSupported("more than %d octets by inproc", longest)
	}
	if j.Transport == bench.Inproc && j.Window > widest {
		return nil, peer.NotSupported("more than %d unanswered requests by inproc", widest)
	}
	l := &link{
		kind:   k,
		socket: sockets[k](context.Background(), zmq4.WithLogger(log.New(io.Discard, "", 0))),
		stamp:  j.Stamp(),
		bound:  bound(j),
		copies: k == bench.Publisher || j.Transport == bench.Inproc,
	}
	if k == bench.Publisher {
		l.ledger = newLedger()
		go l.listen()
	}
	return l, nil
}

// Proxy is zmq4.Proxy. It ends when front is closed.
func (driver) Proxy(front, back bench.Link, stop <-chan struct{}) error {
	f, b := front.(*link), back.(*link)
	proxy := zmq4.NewProxy(context.Background(), f.socket, b.socket, nil)
	closed := make(chan error, 1)
	go func() {
		<-stop
		proxy.Kill()
		closed <- f.Close()
	}()
	if err := proxy.Run(); err != nil {
		return err
	}
	return <-closed
}
