// Package peertest is what each peer's driver has to pass.
package peertest

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zeroring/zeroring/bench"
)

const (
	messages   = 1000
	roundTrips = 100
	size       = 64
	patience   = 30 * time.Second
)

// Job is a job for both sides.
func Job(p bench.Pattern, t bench.Transport) bench.Job {
	return bench.Job{Pattern: p, Transport: t, Size: size, Sockets: 1, Streams: 1, HWM: 100, Window: 1}
}

// TCP is where to bind.
const TCP = "tcp://127.0.0.1:*"

// pair opens two links and connects the one that does not bind. What they
// still do after the test's patience ends with an error.
func pair(t *testing.T, d bench.Driver, j bench.Job, at string, binds, connects bench.Kind) (bound, connected bench.Link) {
	t.Helper()
	bound, connected = open(t, d, j, binds), open(t, d, j, connects)
	late := time.AfterFunc(patience, func() {
		t.Error("nothing happens any more")
		_, _ = bound.Close(), connected.Close()
	})
	t.Cleanup(func() { late.Stop() })
	if connects == bench.Subscriber {
		check(t, connected.Subscribe(nil))
	}
	at, err := bound.Bind(at)
	check(t, err)
	check(t, connected.Connect(at))
	return bound, connected
}

func open(t *testing.T, d bench.Driver, j bench.Job, k bench.Kind) bench.Link {
	t.Helper()
	l, err := d.Open(k, j)
	check(t, err)
	return l
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// PushPull sends messages one way.
func PushPull(t *testing.T, d bench.Driver, transport bench.Transport, at string) {
	pull, push := pair(t, d, Job(bench.PushPull, transport), at, bench.Puller, bench.Pusher)
	stream(t, push, pull, transport)
}

// PubSub does so once the publisher knows its subscriber.
func PubSub(t *testing.T, d bench.Driver, transport bench.Transport, at string) {
	pub, sub := pair(t, d, Job(bench.PubSub, transport), at, bench.Publisher, bench.Subscriber)
	check(t, pub.Await(1))
	stream(t, pub, sub, transport)
}

// stream sends far more messages than may be in flight and expects all of them
// in order, although the sender closes as soon as it is done. In one process,
// however, links end together.
func stream(t *testing.T, from, to bench.Link, transport bench.Transport) {
	s := bench.Stamp{Size: size}
	sent := make(chan error, 1)
	go func() {
		body := s.New()
		for seq := range uint64(messages) {
			s.Put(body, seq, 0)
			if err := from.Send(body); err != nil {
				sent <- err
				return
			}
		}
		if err := from.Send(s.End(nil, messages)); err != nil {
			sent <- err
			return
		}
		if transport != bench.Inproc {
			sent <- from.Close()
		}
		close(sent)
	}()
	c := bench.NewChecker(s)
	for seq := range uint64(messages) {
		body, err := to.Recv()
		check(t, err)
		_, err = c.Seq(body, seq, true)
		check(t, err)
	}
	body, err := to.Recv()
	check(t, err)
	if n, ok := c.IsEnd(body); !ok || n != messages {
		t.Fatalf("received %q instead of the stream's end", body)
	}
	check(t, <-sent)
	if transport == bench.Inproc {
		check(t, from.Close())
	}
	check(t, to.Close())
	check(t, from.Close())
}

// RoundTrips asks and expects the same back, and then that closing ends Echo.
func RoundTrips(t *testing.T, d bench.Driver, pattern bench.Pattern, transport bench.Transport, at string) {
	answers, asks := bench.Replier, bench.Requester
	if pattern == bench.DealerRouter {
		answers, asks = bench.Router, bench.Dealer
	}
	bound, connected := pair(t, d, Job(pattern, transport), at, answers, asks)
	var echoing sync.WaitGroup
	echoing.Go(func() {
		for bound.Echo() == nil {
		}
	})
	for i := range roundTrips {
		body := fmt.Appendf(nil, "request %d", i)
		check(t, connected.Send(body))
		reply, err := connected.Recv()
		check(t, err)
		if !bytes.Equal(reply, body) {
			t.Fatalf("received %q instead of %q", reply, body)
		}
	}
	check(t, bound.Close())
	echoing.Wait()
	check(t, connected.Close())
	check(t, connected.Close())
}

// CloseEndsRecv closes a link whose Recv waits, or is about to.
func CloseEndsRecv(t *testing.T, d bench.Driver) {
	l := open(t, d, Job(bench.PushPull, bench.TCP), bench.Puller)
	_, err := l.Bind(TCP)
	check(t, err)
	ended := make(chan error, 1)
	go func() {
		_, err := l.Recv()
		ended <- err
	}()
	check(t, l.Close())
	if err := <-ended; err == nil {
		t.Error("Recv received something from nobody")
	}
}

// NotSupported expects an error that says so.
func NotSupported(t *testing.T, d bench.Driver, k bench.Kind, j bench.Job) {
	t.Helper()
	if _, err := d.Open(k, j); err == nil || !strings.HasPrefix(err.Error(), "not supported: ") {
		t.Errorf("Open says %v", err)
	}
}

// Proxy forwards messages in a process's role, and is stopped.
func Proxy(t *testing.T, d bench.Driver) {
	j := Job(bench.Proxy, bench.TCP)
	j.Role = bench.RoleProxy
	front, back := open(t, d, j, bench.Puller), open(t, d, j, bench.Pusher)
	in, err := front.Bind(TCP)
	check(t, err)
	out, err := back.Bind(TCP)
	check(t, err)
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() { stopped <- d.(bench.Proxier).Proxy(front, back, stop) }()
	j.Role = bench.RoleRecv
	pull := open(t, d, j, bench.Puller)
	check(t, pull.Connect(out))
	j.Role = bench.RoleSend
	push := open(t, d, j, bench.Pusher)
	check(t, push.Connect(in))
	stream(t, push, pull, bench.TCP)
	close(stop)
	check(t, <-stopped)
	for _, l := range []io.Closer{front, back} {
		check(t, l.Close())
	}
}

// Everywhere tests streams, and round trips of each of patterns, over each
// transport, with a driver of its own for each.
func Everywhere(t *testing.T, newDriver func() bench.Driver, patterns ...bench.Pattern) {
	for transport, at := range map[bench.Transport]string{
		bench.TCP: TCP, bench.IPC: "ipc://" + t.TempDir() + "/s", bench.Inproc: "inproc://s",
	} {
		t.Run(string(transport), func(t *testing.T) {
			PushPull(t, newDriver(), transport, at)
			PubSub(t, newDriver(), transport, at)
			for _, pattern := range patterns {
				RoundTrips(t, newDriver(), pattern, transport, at)
			}
		})
	}
}
