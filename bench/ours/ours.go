// Package ours is zeroring as a system to be measured: one call for each
// message, as users have it.
package ours

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/socket"
)

// A Driver opens zeroring's sockets. The backend is what ZERORING_BACKEND says.
type Driver struct {
	once   sync.Once
	engine *socket.Engine
	err    error
}

var types = map[bench.Kind]socket.Type{
	bench.Pusher: socket.TypePush, bench.Puller: socket.TypePull,
	bench.Publisher: socket.TypePub, bench.Subscriber: socket.TypeSub,
	bench.Requester: socket.TypeReq, bench.Replier: socket.TypeRep,
	bench.Dealer: socket.TypeDealer, bench.Router: socket.TypeRouter,
}

// start starts the one engine of the process.
func (d *Driver) start(j bench.Job) (*socket.Engine, error) {
	d.once.Do(func() {
		d.engine, d.err = socket.NewEngine(&socket.EngineOptions{
			Reactors: j.Reactors, BusyPoll: j.BusyPoll, Logger: slog.New(slog.DiscardHandler),
		})
	})
	return d.engine, d.err
}

// About says which backend was chosen, and why.
func (d *Driver) About(j bench.Job) bench.About {
	about := bench.About{Version: "zeroring " + version(), Settings: []string{fmt.Sprintf("HWM=%d", j.HWM)}}
	e, err := d.start(j)
	if err != nil {
		return about // Open will tell
	}
	b := e.Backend()
	about.Backend = b.Name + ": " + b.Reason
	if j.BusyPoll {
		about.Settings = append(about.Settings, "BusyPoll")
	}
	if j.NoOffload {
		about.Settings = append(about.Settings, "NoOffload")
	}
	if j.Reactors > 0 {
		about.Settings = append(about.Settings, fmt.Sprintf("Reactors=%d", j.Reactors))
	}
	if j.Pattern == bench.PubSub || j.Pattern == bench.Multicast {
		about.Settings = append(about.Settings, "XPubNoDrop")
	}
	return about
}

// version is the commit that the program was built from.
func version() string {
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range b.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return b.Main.Version
}

// Open returns a socket with the job's high-water marks, and a publisher that
// waits for its slowest subscriber. All else is the default.
func (d *Driver) Open(k bench.Kind, j bench.Job) (bench.Link, error) {
	e, err := d.start(j)
	if err != nil {
		return nil, err
	}
	s, err := socket.New(types[k], &socket.Options{
		Engine: e, SendHWM: j.HWM, RecvHWM: j.HWM, XPubNoDrop: k == bench.Publisher, Linger: -1, Multicast: multicast(j),
	})
	if err != nil {
		return nil, err
	}
	if j.Pattern == bench.Multicast {
		return newCastLink(s, j), nil
	}
	return &link{Socket: s, topics: j.Topics}, nil
}

// Proxy is socket.Proxy.
func (d *Driver) Proxy(front, back bench.Link, stop <-chan struct{}) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-stop
		cancel()
	}()
	return socket.Proxy(ctx, front.(*link).Socket, back.(*link).Socket, nil)
}

type link struct {
	*socket.Socket
	last   *socket.Message // what Recv returned and the caller may look at
	topics int             // that each subscriber asks for, 0 being one for all

	// last changes with each message, and another link, in the same cache line,
	// may be another processor's.
	_ [128]byte
}

var background = context.Background()

func (l *link) Subscribe(topic []byte) error { return l.Socket.Subscribe(topic) }

// Await waits for subscribers, and then for what they subscribe to.
func (l *link) Await(n int) error {
	peers := n / max(1, l.topics)
	if err := l.WaitPeers(background, peers); err != nil {
		return err
	}
	for {
		subscriptions := 0
		for _, p := range l.Stats().Peers {
			subscriptions += p.Subscriptions
		}
		if subscriptions >= n {
			return nil
		}
		bench.Pause()
	}
}

func (l *link) Send(body []byte) error { return l.SendBytes(background, body) }

func (l *link) Recv() ([]byte, error) {
	if l.last != nil {
		l.last.Release()
		l.last = nil
	}
	m, err := l.Socket.Recv(background)
	if err != nil {
		return nil, err
	}
	l.last = m
	return m.Frame(m.Len() - 1), nil
}

func (l *link) Echo() error {
	m, err := l.Socket.Recv(background)
	if err != nil {
		return err
	}
	if err := l.Socket.Send(background, m); err != nil {
		m.Release()
		return err
	}
	return nil
}
