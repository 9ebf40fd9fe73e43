package soak

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/socket"
)

// stream is the number of the stream that a message is of, which is in front.
func stream(body []byte) (int, error) {
	if len(body) < stamp.Prefix {
		return 0, fmt.Errorf("%w: %d octets", bench.ErrCorrupt, len(body))
	}
	return strconv.Atoi(string(body[:stamp.Prefix]))
}

// pipeline has PUSHes that come and go, and a PULL that has to have all of
// each.
func (s *soak) pipeline(ctx context.Context, at string, dice *rand.Rand) (err error) {
	pull, err := socket.NewPull(s.options())
	if err != nil {
		return err
	}
	at, err = pull.Bind(at)
	if err != nil {
		return errors.Join(err, pull.Close())
	}
	var all sync.WaitGroup
	var pulling error
	all.Go(func() { pulling = s.pull(at, pull) })
	var streams atomic.Uint64
	err = s.comeAndGo(ctx, dice, func(_ context.Context, dice *rand.Rand) error {
		streams.Add(1)
		return s.push(at, dice)
	})
	// The PULL is told how many it has to have, which may overtake the last of
	// them.
	last, openErr := socket.NewPush(s.options())
	if openErr == nil {
		total := stamp.End(nil, streams.Load())
		bench.PutTopic(total, allStreams)
		err = errors.Join(err, last.Connect(at), last.SendBytes(context.Background(), total), last.Close())
	}
	all.Wait()
	return errors.Join(err, openErr, pulling, pull.Close())
}

// allStreams is the stream of one message that says how many streams there
// were.
const allStreams = 99_999_999

// patience is how long what was sent may take to arrive in the end.
const patience = 30 * time.Second

// push is one visit: a stream of some length, and its end.
func (s *soak) push(at string, dice *rand.Rand) error {
	push, err := socket.NewPush(&socket.Options{Engine: s.engine, Linger: -1, HeartbeatInterval: heartbeat})
	if err != nil {
		return err
	}
	if err := push.Connect(at); err != nil {
		return errors.Join(err, push.Close())
	}
	id := int(s.ids.Add(1)) % allStreams
	count := uint64(1 + dice.IntN(200_000))
	body, end := stamp.New(), stamp.End(nil, count)
	bench.PutTopic(body, id)
	bench.PutTopic(end, id)
	for seq := range count {
		stamp.Put(body, seq, 0)
		if err := push.SendBytes(context.Background(), body); err != nil {
			return errors.Join(fmt.Errorf("stream %d: %w", id, err), push.Close())
		}
	}
	err = push.SendBytes(context.Background(), end)
	s.pushed.Add(count)
	return errors.Join(err, push.Close())
}

// pull receives streams until it has all.
func (s *soak) pull(at string, pull *socket.Pull) error {
	open := make(map[int]uint64) // the next number of each stream
	c := bench.NewChecker(stamp)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended, total := uint64(0), uint64(math.MaxUint64)
	for ended < total {
		m, err := pull.Recv(ctx)
		if err != nil {
			return fmt.Errorf("%s: %d of %d streams ended, and %d others only began: %w", at, ended, total, len(open), err)
		}
		body := m.Frame(0)
		id, err := stream(body)
		if err != nil {
			return err
		}
		n, end := c.IsEnd(body)
		switch {
		case end && id == allStreams:
			total = n
			defer time.AfterFunc(patience, cancel).Stop()
		case end:
			if n != open[id] {
				return fmt.Errorf("stream %d: %d of %d messages came", id, open[id], n)
			}
			delete(open, id)
			ended++
		default:
			if _, err := c.Seq(body, open[id], true); err != nil {
				return fmt.Errorf("stream %d: %w", id, err)
			}
			open[id]++
		}
		m.Release()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.r.Streams += ended
	return nil
}

// publish has a PUB that waits for its slowest subscriber, and SUBs that come
// and go and miss nothing meanwhile.
func (s *soak) publish(ctx context.Context, at string, dice *rand.Rand) error {
	pub, err := socket.NewPub(&socket.Options{Engine: s.engine, XPubNoDrop: true, Linger: socket.NoLinger})
	if err != nil {
		return err
	}
	at, err = pub.Bind(at)
	if err != nil {
		return errors.Join(err, pub.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	var publishing error
	all.Go(func() {
		defer cancel()
		body := stamp.New()
		bench.PutTopic(body, 0)
		// A call that need not wait, as with no subscriber, does not look at ctx.
		for seq := uint64(0); ctx.Err() == nil; seq++ {
			stamp.Put(body, seq, 0)
			if err := pub.SendBytes(ctx, body); err != nil {
				if !over(ctx, err) {
					publishing = fmt.Errorf("publishing %d: %w", seq, err)
				}
				return
			}
		}
	})
	err = s.comeAndGo(ctx, dice, func(ctx context.Context, dice *rand.Rand) error { return s.subscribe(ctx, at, dice) })
	cancel()
	all.Wait()
	return errors.Join(err, publishing, pub.Close())
}

// subscribe is one visit.
func (s *soak) subscribe(ctx context.Context, at string, dice *rand.Rand) error {
	sub, err := socket.NewSub(s.options())
	if err != nil {
		return err
	}
	if err := errors.Join(sub.Subscribe(nil), sub.Connect(at)); err != nil {
		return errors.Join(err, sub.Close())
	}
	c := bench.NewChecker(stamp)
	var next uint64
	count := uint64(1 + dice.IntN(100_000))
	for got := range count {
		m, err := sub.Recv(ctx)
		if over(ctx, err) {
			break
		}
		if err != nil {
			return errors.Join(err, sub.Close())
		}
		seq, err := c.Seq(m.Frame(0), next, got > 0)
		if err != nil {
			return errors.Join(fmt.Errorf("a subscriber: %w", err), sub.Close())
		}
		m.Release()
		next = seq + 1
		s.heard.Add(1)
	}
	s.mu.Lock()
	s.r.Subscribers++
	s.mu.Unlock()
	return sub.Close()
}

// serve has a ROUTER, and REQs that come and go and have an answer to each
// question.
func (s *soak) serve(ctx context.Context, at string, dice *rand.Rand) error {
	router, err := socket.NewRouter(s.options())
	if err != nil {
		return err
	}
	at, err = router.Bind(at)
	if err != nil {
		return errors.Join(err, router.Close())
	}
	serving := make(chan error, 1)
	go func() {
		for m, err := range router.Messages(context.Background()) {
			if err == nil {
				err = router.Send(context.Background(), m)
			}
			if err != nil {
				serving <- err
				return
			}
		}
		serving <- nil
	}()
	err = s.comeAndGo(ctx, dice, func(ctx context.Context, dice *rand.Rand) error { return s.ask(ctx, at, dice) })
	err = errors.Join(err, router.Close())
	if served := <-serving; served != nil && !errors.Is(served, socket.ErrClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// ask is one visit.
func (s *soak) ask(ctx context.Context, at string, dice *rand.Rand) error {
	req, err := socket.NewReq(s.options())
	if err != nil {
		return err
	}
	if err := req.Connect(at); err != nil {
		return errors.Join(err, req.Close())
	}
	body, c := stamp.New(), bench.NewChecker(stamp)
	for seq := range uint64(1 + dice.IntN(5000)) {
		stamp.Put(body, seq, 0)
		m, err := roundTrip(ctx, req, body)
		if over(ctx, err) {
			break
		}
		if err == nil {
			_, err = c.Seq(m.Frame(0), seq, true)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("a client: %w", err), req.Close())
		}
		m.Release()
		s.trips.Add(1)
	}
	s.mu.Lock()
	s.r.Clients++
	s.mu.Unlock()
	return req.Close()
}

func roundTrip(ctx context.Context, req *socket.Req, body []byte) (*socket.Message, error) {
	if err := req.SendBytes(ctx, body); err != nil {
		return nil, err
	}
	return req.Recv(ctx)
}

// extension is how much longer a soak goes on for the least there has to be.
const extension = time.Minute

// watch takes samples, and ends the soak when its time is over.
func (s *soak) watch(ctx context.Context, start time.Time) {
	tick := time.NewTicker(s.o.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if past := time.Since(start) - s.o.For; past > extension || past >= 0 && s.enough() {
			s.stop()
			return
		}
		now, _ := bench.Resident()
		sample := Sample{
			At: time.Since(start), RSS: now << 10, FDs: openFiles(), Goroutines: runtime.NumGoroutine(),
		}
		s.mu.Lock()
		s.r.Samples = append(s.r.Samples, sample)
		s.mu.Unlock()
		if s.o.Progress != nil {
			// Nobody is the worse for progress that cannot be shown.
			_, _ = fmt.Fprintf(s.o.Progress, "%6s  %4d MiB  %4d descriptors  %4d goroutines  %d pushed, %d published, %d round trips\n",
				sample.At.Round(time.Second), sample.RSS>>20, sample.FDs, sample.Goroutines,
				s.pushed.Load(), s.heard.Load(), s.trips.Load())
		}
	}
}

// openFiles is how many descriptors this process has, or 0 where it cannot
// tell.
func openFiles() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}
