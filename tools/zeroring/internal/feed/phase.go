package feed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/zeroring/zeroring/socket"
)

// Patience with what should take no time at all.
const (
	joinPatience = 15 * time.Second
	endPatience  = 10 * time.Second
)

// An arena is one phase's sockets.
type arena struct {
	pub     *publisher
	subs    []*subscriber
	engines []*socket.Engine // the subscribers' own, of multicast
	joined  *gate
	ended   *gate
	running sync.WaitGroup
	stop    context.CancelFunc
	tidy    func() // removes what the endpoint left

	only string        // a side that is alone here
	wait time.Duration // for receivers elsewhere, before the first message
	done <-chan struct{}
}

// build binds a publisher, connects the subscribers and waits until each gets
// what it subscribed to: nothing that is published afterwards is missed for
// having come too early.
func build(ctx context.Context, cfg *Config, engine *socket.Engine, src source, choices []choice, p phase) (a *arena, err error) {
	a = &arena{joined: newGate(len(choices)), ended: newGate(len(choices)), stop: func() {}, tidy: func() {}, only: cfg.Multicast.Only, wait: cfg.Multicast.Wait, done: cfg.Multicast.Done}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	a.pub = newPublisher(nil, src, p.pace)
	if cfg.Relaxed {
		a.pub.spin = 0
	}
	endpoint, err := a.endpoint(cfg)
	if err != nil {
		return a, err
	}
	if a.only != Subscribe {
		a.pub.topics = src.Topics()
		if a.pub.pub, err = socket.NewPub(cfg.pubOptions(engine, p.wait)); err != nil {
			return a, err
		}
		if endpoint, err = a.pub.pub.Bind(endpoint); err != nil {
			return a, err
		}
	}
	for i, c := range choices {
		if err := a.subscribe(cfg, engine, c, i < cfg.Slow, endpoint, p); err != nil {
			return a, err
		}
	}
	return a, a.join(ctx)
}

// subscribe adds a subscriber. By multicast it has an engine of its own, so that it
// hears by a descriptor of its own, as it would in a process of its own: endpoints of
// one engine share theirs.
func (a *arena) subscribe(cfg *Config, engine *socket.Engine, c choice, slow bool, endpoint string, p phase) (err error) {
	if cfg.multicast() {
		if engine, err = newEngine(cfg, 1); err != nil {
			return err
		}
		a.engines = append(a.engines, engine)
	}
	sub, err := socket.NewSub(cfg.subOptions(engine, p))
	if err != nil {
		return err
	}
	s := newSubscriber(sub, c, a.joined, a.ended)
	s.slow, s.multicast, s.stamped, s.apart = slow, cfg.multicast(), cfg.Multicast.Timestamps, a.only == Subscribe
	a.subs = append(a.subs, s)
	return errors.Join(s.subscribe(), sub.Connect(endpoint))
}

// endpoint makes up where to meet.
func (a *arena) endpoint(cfg *Config) (string, error) {
	switch cfg.Transport {
	case "epgm", "pgm":
		return cfg.Multicast.Endpoint, nil
	case "ipc":
		dir, err := os.MkdirTemp("", "zeroring-feed-")
		if err != nil {
			return "", err
		}
		a.tidy = func() { os.RemoveAll(dir) }
		return "ipc://" + filepath.Join(dir, "feed"), nil
	case "inproc":
		return "inproc://feed", nil
	default:
		return "tcp://127.0.0.1:*", nil
	}
}

// join starts the subscribers and waits until all hear the publisher.
func (a *arena) join(ctx context.Context) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx)) // an interrupted run is still counted to its end
	a.stop = stop
	peers := len(a.subs)
	for _, s := range a.subs {
		a.running.Go(func() { s.run(running) })
		if s.multicast {
			a.running.Go(s.watch(running))
			peers = 0 // a source knows no receivers
		}
	}
	if a.only != Both {
		return a.joinApart(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, joinPatience, errors.New("not all subscribers joined"))
	defer cancel()
	if err := a.pub.pub.WaitPeers(ctx, peers); err != nil {
		return fmt.Errorf("%w: %w", err, context.Cause(ctx))
	}
	if err := a.pub.announce(ctx, joinTopic, a.joined); err != nil {
		return fmt.Errorf("%w: %w", err, context.Cause(ctx))
	}
	return nil
}

// finish waits until the subscribers have all that is on its way, and settles
// their accounts. If they do not, what is missing counts as dropped.
func (a *arena) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	for _, s := range a.subs {
		s.hurry.Store(true) // queues may be long, and who is slow was seen
	}
	if a.only == Both {
		_ = a.pub.announce(ctx, endTopic, a.ended)
	} else {
		a.partApart(ctx)
	}
	for _, s := range a.subs {
		s.listen()
	}
	a.pub.sent = a.pub.sending()
	a.close()
	for _, s := range a.subs {
		if s.apart {
			s.settle(s.last.seq, &s.last.topics)
		} else {
			s.settle(a.pub.seq, &a.pub.topics)
		}
	}
}

// close ends everything that build started. It may be called twice.
func (a *arena) close() {
	a.stop()
	a.running.Wait()
	for _, s := range a.subs {
		s.sub.Close()
	}
	for _, e := range a.engines {
		e.Close()
	}
	if a.pub != nil && a.pub.pub != nil {
		a.pub.pub.Close()
	}
	a.tidy()
}

// publish runs the phase's replay and calls look every interval meanwhile.
func (a *arena) publish(ctx context.Context, p phase, interval time.Duration, look func()) error {
	ctx, cancel := context.WithTimeout(ctx, p.time)
	defer cancel()
	over := make(chan error, 1)
	go func() { over <- a.replay(ctx, p.laps) }()
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for {
		select {
		case err := <-over:
			return err
		case <-ticks.C:
			look()
		}
	}
}

// run runs one phase and returns its result, which is of what happened even if
// there is an error.
func (p phase) run(ctx context.Context, f *feed) (*Phase, error) {
	a, err := build(ctx, f.cfg, f.engine, f.src, f.choices, p)
	if err != nil {
		return nil, err
	}
	defer a.close()
	m := newMeter(a)
	err = a.publish(ctx, p, f.interval, func() { f.show.live(p, a, m.tick()) })
	window := m.stop()
	a.finish(context.WithoutCancel(ctx))
	return m.result(p, window), err
}
