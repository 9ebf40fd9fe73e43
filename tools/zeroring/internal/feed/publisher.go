package feed

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/zeroring/zeroring/socket"
	"github.com/zeroring/zeroring/tools/itch"
)

// A publisher replays a source. The counters may be read by anyone at any time;
// the rest is its goroutine's until the phase is over.
type publisher struct {
	pub    *socket.Pub
	src    source
	pacer  pacer
	spin   int64 // waits shorter than this, in nanoseconds, spin
	topics topics

	seq    []uint64 // last number given, by locate code
	topic  itch.Stock
	header [headerLength]byte
	parts  [3][]byte

	messages atomic.Int64
	octets   atomic.Int64
	market   atomic.Uint64 // time of day in the input
	late     *hdrhistogram.Histogram
	sent     Sending // of multicast, when the phase is over
}

func newPublisher(pub *socket.Pub, src source, pace Pace) *publisher {
	return &publisher{pub: pub, src: src, pacer: pacer{pace: pace}, spin: minSleep, late: newHistogram()}
}

// replay publishes the input laps times, or until ctx ends, which is no error.
func (p *publisher) replay(ctx context.Context, laps int) error {
	start := now()
	for lap := 0; laps == 0 || lap < laps; lap++ {
		if err := p.src.Rewind(); err != nil {
			return err
		}
		err := p.lap(ctx, start)
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lookEvery is how many messages go out between two looks at the context.
// Looking costs as much as sending.
const lookEvery = 64

// lap publishes the input once.
func (p *publisher) lap(ctx context.Context, start int64) error {
	for i := 0; ; i++ {
		if i%lookEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		m, err := p.src.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		at := now()
		if !p.pacer.pace.FlatOut() {
			due := start + p.pacer.next(m.Time())
			if at, err = p.await(ctx, due); err != nil {
				return err
			}
			record1(p.late, at-due)
		}
		if err := p.send(ctx, m, at); err != nil {
			return err
		}
	}
}

// Waits shorter than minSleep spin, unless the publisher is relaxed, since a sleep takes longer than that; and
// none is longer than maxSleep, so that the context is looked at.
const (
	minSleep = int64(100 * time.Microsecond)
	maxSleep = int64(20 * time.Millisecond)
)

// await waits until a message is due and returns the time it is then.
func (p *publisher) await(ctx context.Context, due int64) (int64, error) {
	for {
		at := now()
		switch left := due - at; {
		case left <= 0:
			return at, nil
		case left < p.spin:
			runtime.Gosched()
		default:
			time.Sleep(time.Duration(min(left, maxSleep)))
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
	}
}

// send publishes one message, stamped with the time given.
func (p *publisher) send(ctx context.Context, m itch.Raw, stamp int64) error {
	var err error
	if p.topic, err = p.topics.of(m); err != nil {
		return err
	}
	locate := int(m.Locate())
	for locate >= len(p.seq) {
		p.seq = append(p.seq, 0)
	}
	putHeader(&p.header, p.seq[locate]+1, stamp)
	p.parts = [3][]byte{p.topic[:], p.header[:], m}
	if err = p.pub.SendParts(ctx, p.parts[:]...); err != nil {
		return err
	}
	p.seq[locate]++
	p.messages.Add(1)
	p.octets.Add(int64(len(p.topic) + len(p.header) + len(m)))
	p.market.Store(uint64(m.Time()))
	return nil
}

// announce sends one of the publisher's own topics until all have seen it.
func (p *publisher) announce(ctx context.Context, topic itch.Stock, seen *gate) error {
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		if err := p.pub.SendParts(ctx, topic[:], make([]byte, headerLength), nil); err != nil {
			return err
		}
		select {
		case <-seen.open:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
	}
}

// A gate opens when everyone has passed.
type gate struct {
	missing atomic.Int32
	open    chan struct{}
	first   atomic.Int64 // when somebody passed, or 0
}

func newGate(n int) *gate {
	g := &gate{open: make(chan struct{})}
	g.missing.Store(int32(n))
	return g
}

func (g *gate) pass() {
	g.first.CompareAndSwap(0, now())
	if g.missing.Add(-1) == 0 {
		close(g.open)
	}
}
