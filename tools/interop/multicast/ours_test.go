package multicast

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zeroring/zeroring/bench/lab"
	"github.com/zeroring/zeroring/pgm"
	"github.com/zeroring/zeroring/socket"
)

// A sender is a peer in C or ours. A row of the matrix does not see which.
type sender interface {
	begin()
	sent(count int) // returns when it has sent all
	stop()
}

// A receiver is a peer in C or ours.
type receiver interface {
	stop()
	report() report
}

// A plan is what a sender sends.
type plan struct {
	source, count int
	sizes         []int // of parts; messages take turns
	parts, rate   int   // rate: messages a second, 0 as fast as can be
}

// args are the plan in a C peer's words.
func (p plan) args() []string {
	sizes := strings.Trim(strings.ReplaceAll(fmt.Sprint(p.sizes), " ", ","), "[]")
	return []string{fmt.Sprint("source=", p.source), fmt.Sprint("count=", p.count), "size=" + sizes,
		fmt.Sprint("parts=", p.parts), fmt.Sprint("rate=", p.rate)}
}

// now is the clock of stamps, which all processes of a machine share.
func now() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // never fails
	return ts.Nano()
}

// forced is the backend that the environment asks for, or "". The command that
// tests each backend sets it.
var forced = os.Getenv("ZERORING_BACKEND")

// mine reports whether cell number i is to run, and on which backend. A cell is run
// on one of them: what the other does differently has tests of its own. Where one
// does not work the other has all cells.
func mine(i int) (backend string, ok bool) {
	backends := workingBackends()
	backend = backends[i%len(backends)]
	return backend, forced == "" || forced == backend || !slices.Contains(backends, forced)
}

// workingBackends are those that work here, found out once.
var workingBackends = sync.OnceValue(func() (names []string) {
	for _, backend := range []string{"epoll", "uring"} {
		if e, err := socket.NewEngine(&socket.EngineOptions{Backend: backend, Reactors: 1, Logger: quiet}); err == nil {
			_ = e.Close()
			names = append(names, backend)
		}
	}
	return names
})

var quiet = slog.New(slog.DiscardHandler)

// newEngine starts an engine of one host's. It ends with the test.
func newEngine(t *testing.T, backend string) *socket.Engine {
	t.Helper()
	e, err := socket.NewEngine(&socket.EngineOptions{Backend: backend, Reactors: 1, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("closing the engine: %v", err)
		}
	})
	return e
}

// inside runs f in a host, or here if the host is nil.
func inside(t *testing.T, h *lab.Host, f func() error) {
	t.Helper()
	var err error
	if h == nil {
		err = f()
	} else {
		err = h.Do(f)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// An ourPub sends with zeroring.
type ourPub struct {
	t    *testing.T
	sock *socket.Socket
	plan plan
	done chan error
	last pgm.SourceStats // when it was stopped
}

// startPub opens a PUB that waits where it would drop.
func startPub(t *testing.T, h *lab.Host, engine *socket.Engine, endpoint string, p plan, o socket.MulticastOptions) *ourPub {
	t.Helper()
	sock, err := socket.New(socket.TypeXPub, &socket.Options{Engine: engine, XPubNoDrop: true, Multicast: o})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sock.SetLinger(socket.NoLinger); _ = sock.Close() })
	inside(t, h, func() error { _, err := sock.Bind(endpoint); return err })
	return &ourPub{t: t, sock: sock, plan: p, done: make(chan error, 1)}
}

func (p *ourPub) begin() {
	go func() { p.done <- p.send(p.t.Context(), 0, p.plan.count) }()
}

// send sends messages first up to last.
func (p *ourPub) send(ctx context.Context, first, last int) error {
	plan := &p.plan
	var tick <-chan time.Time
	if plan.rate > 0 {
		t := time.NewTicker(time.Second / time.Duration(plan.rate))
		defer t.Stop()
		tick = t.C
	}
	start := now()
	parts := make([][]byte, plan.parts)
	for i := first; i < last; i++ {
		stamp := now()
		if plan.rate > 0 {
			due := start + int64(float64(i-first)*1e9/float64(plan.rate))
			for stamp < due { // a tick may come late, and then none for each missed
				select {
				case <-tick:
				case <-ctx.Done():
					return ctx.Err()
				}
				stamp = now()
			}
			stamp = due
		}
		for k := range parts {
			one := part{source: uint32(plan.source), sequence: uint64(i), stamp: stamp, number: uint16(k), parts: uint16(plan.parts)}
			parts[k] = one.append(parts[k][:0], plan.sizes[i%len(plan.sizes)])
		}
		if err := p.sock.SendParts(ctx, parts...); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
	}
	return nil
}

func (p *ourPub) sent(int) {
	p.t.Helper()
	select {
	case err := <-p.done:
		if err != nil {
			p.t.Fatalf("our PUB: %v", err)
		}
	case <-time.After(patience):
		p.t.Fatalf("our PUB has not sent all: %+v", p.source())
	}
}

// source is what the PUB has counted.
func (p *ourPub) source() pgm.SourceStats { return *p.sock.Stats().Peers[0].Multicast.Source }

func (p *ourPub) stop() {
	p.last = p.source()
	_ = p.sock.Close()
}

// An ourSub receives with zeroring, and counts as the C peers do.
type ourSub struct {
	t       *testing.T
	sock    *socket.Socket
	want    int // messages of each source
	cancel  context.CancelFunc
	idle    time.Duration // 0 waits on
	tallies map[int]*ourTally
	end     chan string   // why it ended
	missed  int           // packets, by Message.Missed. The receiving goroutine's until end
	marks   chan struct{} // closed when mark messages have come
	mark    int

	got      atomic.Int64 // messages of all sources
	begun    atomic.Int64 // the number of the first
	pausing  pause        // what the user of the SUB does instead of receiving
	unmarked int          // messages behind missing ones whose Missed says another number
	inOrder  bool         // that this is to be so
}

// An ourTally is a tally in the making.
type ourTally struct {
	tally
	seen      []bool
	latencies []float64
	repairs   []float64 // latencies of what came behind later ones
}

// A pause is a receiver's user who does not read for a while after each message of
// a run.
type pause struct {
	first, messages int
	length          time.Duration
}

func (p pause) after(sequence int) {
	if p.messages > 0 && sequence >= p.first && sequence < p.first+p.messages {
		<-time.After(p.length)
	}
}

// A listening says what an ourSub is to do.
type listening struct {
	count, sources int
	idle           time.Duration
	hwm            int
	mark           int // see ourSub.reached
	pausing        pause
	recvBuf        int
	options        socket.MulticastOptions
}

// startSub opens a SUB and has it receive.
func startSub(t *testing.T, h *lab.Host, engine *socket.Engine, endpoint string, l listening) *ourSub {
	t.Helper()
	sock, err := socket.New(socket.TypeSub, &socket.Options{Engine: engine, RecvHWM: l.hwm, RecvBuf: l.recvBuf, Multicast: l.options})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sock.Close() })
	if err := sock.Subscribe(nil); err != nil {
		t.Fatal(err)
	}
	inside(t, h, func() error { return sock.Connect(endpoint) })
	ctx, cancel := context.WithCancel(t.Context())
	s := &ourSub{t: t, sock: sock, want: l.count, cancel: cancel, idle: l.idle, tallies: make(map[int]*ourTally), end: make(chan string, 1), mark: l.mark, marks: make(chan struct{}),
		pausing: l.pausing, inOrder: !l.options.ArrivalOrder}
	go s.receive(ctx, max(l.sources, 1))
	return s
}

func (s *ourSub) receive(ctx context.Context, sources int) {
	reason := make(chan string, 1)
	if s.idle > 0 {
		defer time.AfterFunc(patience, s.cancel).Stop()
	}
	var quiet *time.Timer
	for s.complete() < sources {
		m, err := s.sock.Recv(ctx)
		if err != nil {
			select {
			case reason <- "input":
			default:
			}
			break
		}
		if s.idle > 0 && quiet == nil {
			quiet = time.AfterFunc(s.idle, func() { reason <- "idle"; s.cancel() })
			defer quiet.Stop()
		} else if quiet != nil {
			quiet.Reset(s.idle)
		}
		s.take(m)
		m.Release()
	}
	if s.complete() >= sources {
		s.end <- "all"
		return
	}
	s.end <- <-reason
}

// reached waits until listening.mark messages have come.
func (s *ourSub) reached() {
	s.t.Helper()
	select {
	case <-s.marks:
	case <-time.After(patience):
		s.t.Fatalf("our SUB has not got so many messages: %s", s.heard())
	}
}

// await waits until something is so, and reports whether it is before patience ends.
func await(done func() bool) bool {
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	limit := time.After(patience)
	for !done() {
		select {
		case <-look.C:
		case <-limit:
			return false
		}
	}
	return true
}

// complete is how many sources have been received whole.
func (s *ourSub) complete() (n int) {
	for _, y := range s.tallies {
		if y.received == s.want {
			n++
		}
	}
	return n
}

// take counts a message.
func (s *ourSub) take(m *socket.Message) {
	at := now()
	s.missed += m.Missed()
	var first part
	for k := range m.Len() {
		p, err := consumePart(m.Frame(k))
		if err != nil {
			s.of(int(first.source)).corrupt++
			return
		}
		if k == 0 {
			first = p
		}
		if p.source != first.source || p.sequence != first.sequence || int(p.number) != k || int(p.parts) != m.Len() {
			s.of(int(first.source)).torn++
			return
		}
	}
	s.pausing.after(int(first.sequence))
	y := s.of(int(first.source))
	if s.inOrder && y.received > 0 && int(first.sequence)-y.last-1 != m.Missed() {
		s.unmarked++
	}
	if s.got.Add(1) == 1 {
		s.begun.Store(int64(first.sequence))
	}
	if s.mark--; s.mark == 0 {
		close(s.marks)
	}
	y.add(int(first.sequence), float64(at-first.stamp)/1e3)
}

func (s *ourSub) of(source int) *ourTally {
	y := s.tallies[source]
	if y == nil {
		y = &ourTally{tally: tally{first: -1, last: -1}, seen: make([]bool, s.want)}
		s.tallies[source] = y
	}
	return y
}

func (y *ourTally) add(sequence int, latency float64) {
	switch {
	case sequence >= len(y.seen) || y.seen[sequence]:
		y.duplicate++
		return
	case sequence < y.last:
		y.late++
		y.repairs = append(y.repairs, latency)
	}
	if y.received == 0 {
		y.first = sequence
	}
	y.seen[sequence] = true
	y.last = max(y.last, sequence)
	y.received++
	y.latencies = append(y.latencies, latency)
}

// finish fills in what is counted at the end.
func (y *ourTally) finish() tally {
	var ranges []string
	for i := 0; i < len(y.seen); i++ {
		from := i
		for i < len(y.seen) && !y.seen[i] {
			i++
		}
		if i > from {
			y.missing += i - from
			ranges = append(ranges, fmt.Sprintf("%d-%d", from, i-1))
		}
	}
	y.ranges = orDash(strings.Join(ranges, ","))
	sort.Float64s(y.latencies)
	at := func(p float64) float64 {
		if len(y.latencies) == 0 {
			return 0
		}
		return y.latencies[int(p*float64(len(y.latencies)-1))]
	}
	y.p50, y.p90, y.p99, y.p999, y.slowest = at(0.5), at(0.9), at(0.99), at(0.999), at(1)
	return y.tally
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (s *ourSub) stop() { s.cancel() }

func (s *ourSub) report() report {
	s.t.Helper()
	r := report{sources: make(map[int]tally)}
	select {
	case r.end = <-s.end:
	case <-time.After(patience):
		s.cancel()
		<-s.end
		r.end = "patience"
	}
	for source, y := range s.tallies {
		r.sources[source] = y.finish()
	}
	return r
}

// sources is how many sources our SUB has heard.
func (s *ourSub) sources() (n int) {
	for _, p := range s.sock.Stats().Peers {
		if p.Multicast != nil {
			n += len(p.Multicast.Sources)
		}
	}
	return n
}

// heard is what our SUB says of its sources and of what the kernel dropped.
func (s *ourSub) heard() string {
	var b strings.Builder
	for _, p := range s.sock.Stats().Peers {
		if m := p.Multicast; m != nil {
			fmt.Fprintf(&b, "%+v", *m)
		}
	}
	return b.String()
}
