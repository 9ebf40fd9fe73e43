// Package soak runs sockets at saturation for long, with peers that come and
// go, and looks at what must not happen meanwhile: messages that are lost,
// repeated, reordered or corrupt, and memory, goroutines or descriptors that
// become more and more.
//
//	PUSH, many, each for a while      ─▶ PULL, one for all
//	PUB, one, waits for its slowest   ─▶ SUB, many, each for a while
//	REQ, many, each for a while       ◀▶ ROUTER, one for all
//
// All are in one process, over tcp and ipc.
package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/socket"
)

// Options says how long and with how many. All are needed but Least and
// Progress.
type Options struct {
	For time.Duration
	// Least is how many messages of each kind there have to be: if there are not,
	// the soak goes on, for a minute at most, and then fails.
	Least    uint64
	Peers    int // of each kind and transport that come and go
	Seed     uint64
	Progress io.Writer     // told how it goes, if not nil
	Every    time.Duration // how often memory is looked at, and Progress told
}

// A Result is what a soak did.
type Result struct {
	Backend      string
	Took         time.Duration
	Pushed       uint64 // messages that PUSHes sent, and the PULL had
	Streams      uint64 // PUSHes that came, sent all they had, and went
	Published    uint64 // messages that SUBs had
	Subscribers  uint64 // SUBs that came and went
	RoundTrips   uint64
	Clients      uint64 // REQs that came and went
	Samples      []Sample
	FDs          [2]int // open descriptors before the first socket and after the last
	MemoryGrowth float64
}

// A Sample is what the process had at a time.
type Sample struct {
	At         time.Duration
	RSS        int64 // octets
	FDs        int
	Goroutines int
}

// size is that of the messages, with the number of their stream in front.
const size = 64

var stamp = bench.Stamp{Prefix: 8, Size: size}

type soak struct {
	o      Options
	engine *socket.Engine
	dir    string
	ids    atomic.Int64 // of streams
	r      Result
	mu     sync.Mutex // of the result and errs
	errs   []error
	stop   context.CancelFunc // ends all parts
	pushed atomic.Uint64
	heard  atomic.Uint64
	trips  atomic.Uint64
}

// maxFailures is how many errors are kept: one fault can have thousands.
const maxFailures = 10

// Run soaks, and returns an error if anything was not as it should be.
func Run(ctx context.Context, o Options) (*Result, error) {
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	before := openFiles()
	engine, err := socket.NewEngine(&socket.EngineOptions{Seed: o.Seed})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &soak{o: o, engine: engine, dir: dir, stop: cancel}
	s.r.Backend = engine.Backend().Name
	start := time.Now()
	var all sync.WaitGroup
	all.Go(func() { s.watch(ctx, start) })
	for i, transport := range []string{"tcp://127.0.0.1:*", "ipc://" + filepath.Join(dir, "%s")} {
		for j, part := range []func(context.Context, string, *rand.Rand) error{s.pipeline, s.publish, s.serve} {
			at := transport
			if i == 1 {
				at = fmt.Sprintf(transport, []string{"push", "pub", "rep"}[j])
			}
			dice := rand.New(rand.NewPCG(o.Seed, uint64(2*j+i)))
			all.Go(func() { s.note(part(ctx, at, dice)) })
		}
	}
	all.Wait()
	s.note(engine.Close())
	s.r.Took = time.Since(start)
	s.r.Pushed, s.r.Published, s.r.RoundTrips = s.pushed.Load(), s.heard.Load(), s.trips.Load()
	s.r.FDs = [2]int{before, openFiles()}
	if !s.enough() {
		s.note(fmt.Errorf("%d messages pushed, %d published and %d round trips, where each should have been %d",
			s.r.Pushed, s.r.Published, s.r.RoundTrips, s.o.Least))
	}
	s.judge()
	return &s.r, errors.Join(s.errs...)
}

// enough reports whether there was as much as there has to be.
func (s *soak) enough() bool {
	return min(s.pushed.Load(), s.heard.Load(), s.trips.Load()) >= s.o.Least
}

// note keeps an error, and ends the soak.
func (s *soak) note(err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.errs) < maxFailures {
		s.errs = append(s.errs, err)
	}
	s.stop()
}

// heartbeat is short, so that PINGs cross with all that can happen.
const heartbeat = 20 * time.Millisecond

func (s *soak) options() *socket.Options {
	return &socket.Options{Engine: s.engine, HeartbeatInterval: heartbeat}
}

// over reports whether an error is that the time is over.
func over(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, socket.ErrClosed))
}

// comeAndGo has Peers do visit again and again until the time is over.
func (s *soak) comeAndGo(ctx context.Context, dice *rand.Rand, visit func(context.Context, *rand.Rand) error) error {
	errs := make([]error, s.o.Peers)
	var all sync.WaitGroup
	for i := range errs {
		dice := rand.New(rand.NewPCG(dice.Uint64(), dice.Uint64()))
		all.Go(func() {
			for ctx.Err() == nil && errs[i] == nil {
				errs[i] = visit(ctx, dice)
			}
			if errs[i] != nil {
				s.stop()
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

const (
	memorySlack = 16 << 20
	memoryRatio = 1.25
	fdSlack     = 3 // what package os and the collector may have opened since
)

// judge says what is wrong with the samples: memory is compared between the
// second and the last third, for in the first it is still growing to its size.
func (s *soak) judge() {
	n := len(s.r.Samples)
	if n >= 6 {
		middle, last := median(s.r.Samples[n/3:2*n/3]), median(s.r.Samples[2*n/3:])
		s.r.MemoryGrowth = float64(last) / float64(middle)
		if last > int64(float64(middle)*memoryRatio)+memorySlack {
			s.note(fmt.Errorf("resident memory went from %d to %d MiB", middle>>20, last>>20))
		}
	}
	if s.r.FDs[1] > s.r.FDs[0]+fdSlack {
		s.note(fmt.Errorf("%d descriptors are open that were not before", s.r.FDs[1]-s.r.FDs[0]))
	}
}

func median(samples []Sample) int64 {
	var rss []int64
	for _, sample := range samples {
		rss = append(rss, sample.RSS)
	}
	slices.Sort(rss)
	return rss[len(rss)/2]
}
