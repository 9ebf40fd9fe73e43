package socket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zeroring/zeroring/ring"
	"github.com/zeroring/zeroring/socket"
)

// The tests in api_*_test.go see sockets as their users do. Most run on every
// transport and backend: see everywhere.

// patience is how long a test waits for what must happen. It decides only how
// soon a failure is noticed: no test passes or fails by how long things take.
const patience = 20 * time.Second

// TestMain runs the tests and then looks for goroutines and descriptors that
// they left behind, beyond those of what is never closed: the default engine.
func TestMain(m *testing.M) {
	if spec := os.Getenv(idlersVariable); spec != "" {
		beIdlers(spec)
		return
	}
	if err := warmUp(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	before := takeCensus().withSpares()
	code := m.Run()
	if err := before.compare(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "left behind by the tests:", err)
		code = 1
	}
	os.Exit(code)
}

// warmUp starts what is never stopped: the default engine, the pool that
// resolves names, the poller of package net, which tests use, and what hands out
// signals, which fuzzing wants.
func warmUp() error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	signal.Stop(signals)
	if _, err := socket.DefaultEngine(); err != nil {
		return err
	}
	if err := socket.StartPool(); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	return l.Close()
}

// A census counts what tests could leak.
type census struct{ goroutines, descriptors, buffers int }

func takeCensus() census {
	// Workers of the pool are not leaked: they go when they have been idle for
	// a second.
	all := stacks()
	goroutines := strings.Count(all, "\n\ngoroutine ") + 1 - strings.Count(all, "created by github.com/panjf2000/ants/v2.(*goWorker).run ")
	return census{goroutines, openDescriptors(), ring.LiveBufs()}
}

// withSpares allows for the buffer that each reactor of an engine, one per
// processor, keeps to read into from its first read on. Which of them have read
// by the time of a census is a matter of chance.
func (c census) withSpares() census {
	c.buffers += runtime.GOMAXPROCS(0)
	return c
}

// openDescriptors counts them where the system says which are open.
func openDescriptors() int {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(open)
}

// compare returns an error if there is more of anything than there was. It
// gives those a chance to end that were told to.
func (c census) compare() error {
	var now census
	if poll(func() bool {
		now = takeCensus()
		return now.goroutines <= c.goroutines && now.descriptors <= c.descriptors && now.buffers <= c.buffers
	}) {
		return nil
	}
	err := fmt.Errorf("%+v, were %+v", now, c)
	if now.goroutines > c.goroutines {
		err = fmt.Errorf("%w\n%s", err, stacks())
	}
	return err
}

func stacks() string {
	b := make([]byte, 4<<20)
	return string(b[:runtime.Stack(b, true)])
}

// poll evaluates cond until it is true or patience ends, and reports which.
func poll(cond func() bool) bool {
	for limit := time.Now().Add(patience); time.Now().Before(limit); {
		if cond() {
			return true
		}
		<-time.After(200 * time.Microsecond) // leaves the processors to those it waits for
	}
	return cond()
}

// until waits for cond.
func until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	if !poll(cond) {
		t.Fatalf("not after %v: %s\n%s", patience, what, stacks())
	}
}

// patient returns a context that outlives everything but a hanging test.
func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// quiet is a logger for sockets that are meant to have something to complain of.
var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// seed is what a test draws its dice from: always the same, unless
// ZERORING_SEED says another.
func seed(t testing.TB) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(os.Getenv("ZERORING_SEED"), 10, 64)
	if err != nil {
		n = 1
	}
	t.Logf("ZERORING_SEED=%d", n)
	return n
}

// Transports that a test may run on.
var (
	anyTransport  = []string{"tcp", "ipc", "inproc"}
	wireTransport = []string{"tcp", "ipc"}
)

// backends are those to test: both, unless the environment names one.
func backends() []string {
	if forced := os.Getenv("ZERORING_BACKEND"); forced != "" {
		return []string{forced}
	}
	return []string{"epoll", "uring"}
}

// A bed is where one test runs.
type bed struct {
	backend   string
	transport string
	engine    *socket.Engine
	dir       string // for ipc; short enough for a socket's path
}

// names makes endpoints differ.
var names atomic.Int64

// everywhere runs f as a subtest on each of the transports and backends, with
// an engine of its own, and fails it if it leaves anything behind. Over inproc
// the backend makes no difference, so there it is the first only.
func everywhere(t *testing.T, transports []string, f func(t *testing.T, b *bed)) {
	t.Helper()
	for i, backend := range backends() {
		for _, transport := range transports {
			if transport == "inproc" && i > 0 {
				continue
			}
			t.Run(transport+"/"+backend, func(t *testing.T) { f(t, newBed(t, transport, backend)) })
		}
	}
}

func newBed(t testing.TB, transport, backend string) *bed {
	t.Helper()
	before := takeCensus()
	dir, err := os.MkdirTemp("", "z")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	b := &bed{backend: backend, transport: transport, dir: dir}
	b.engine = newEngine(t, &socket.EngineOptions{Backend: backend})
	t.Cleanup(func() {
		if err := b.engine.Close(); err != nil {
			t.Errorf("closing the engine: %v", err)
		}
		if t.Failed() {
			return // what a failed test leaves behind says nothing
		}
		if err := before.compare(); err != nil {
			t.Errorf("left behind: %v", err)
		}
	})
	return b
}

// newEngine starts an engine, which the caller closes. A backend that this
// machine lacks is a failure where the tests decide what is merged.
func newEngine(t testing.TB, o *socket.EngineOptions) *socket.Engine {
	t.Helper()
	o.Logger = quiet
	e, err := socket.NewEngine(o)
	switch {
	case err == nil:
		return e
	case o.Backend == "uring" && os.Getenv("CI") == "" && os.Getenv("ZERORING_BACKEND") == "":
		t.Skip(err)
	}
	t.Fatal(err)
	return nil
}

// endpoint returns an address that nobody has bound, and that nobody else will:
// over tcp the loopback address is this process's own, and the port is none of
// those that the kernel hands out.
func (b *bed) endpoint(t testing.TB) string {
	t.Helper()
	n := names.Add(1)
	switch b.transport {
	case "ipc":
		return "ipc://" + filepath.Join(b.dir, fmt.Sprint(n))
	case "inproc":
		return fmt.Sprintf("inproc://%d", n)
	}
	pid := os.Getpid()
	return fmt.Sprintf("tcp://127.%d.%d.%d:%d", 1+pid>>16&0x7f, pid>>8&0xff, pid&0xff, 10_000+n%20_000)
}

// wildcard is an endpoint to Bind that is sure to be free.
func (b *bed) wildcard(t testing.TB) string {
	if b.transport == "tcp" {
		return "tcp://127.0.0.1:*"
	}
	return b.endpoint(t)
}

// A change sets an option.
type change = func(*socket.Options)

// open returns a socket of type typ that drops what is unsent at Close, unless
// changes say otherwise. The test closes it at its end.
func (b *bed) open(t testing.TB, typ socket.Type, changes ...change) *socket.Socket {
	t.Helper()
	o := &socket.Options{Engine: b.engine, Linger: socket.NoLinger, ReconnectInterval: time.Millisecond, Logger: quiet}
	for _, set := range changes {
		set(o)
	}
	s, err := socket.New(typ, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeNow(t, s) })
	return s
}

func closeNow(t testing.TB, s *socket.Socket) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.Close() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Close: %v", err)
		}
	case <-time.After(patience):
		t.Errorf("Close of a %v hangs:\n%s", s.Type(), stacks())
	}
}

// bind binds s to a free endpoint.
func (b *bed) bind(t testing.TB, s *socket.Socket) string {
	t.Helper()
	return bindTo(t, s, b.wildcard(t))
}

func bindTo(t testing.TB, s *socket.Socket, endpoint string) string {
	t.Helper()
	resolved, err := s.Bind(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}

func connectTo(t testing.TB, s *socket.Socket, endpoint string) {
	t.Helper()
	if err := s.Connect(endpoint); err != nil {
		t.Fatal(err)
	}
}

// join connects one socket to the other and waits until both know.
func (b *bed) join(t testing.TB, binds, connects *socket.Socket) (endpoint string) {
	t.Helper()
	endpoint = b.bind(t, binds)
	connectTo(t, connects, endpoint)
	waitPeers(t, connects, 1)
	waitPeers(t, binds, 1)
	return endpoint
}

func waitPeers(t testing.TB, s *socket.Socket, n int) {
	t.Helper()
	if err := s.WaitPeers(patient(t), n); err != nil {
		t.Fatalf("%v waiting for %d peers: %v\n%s", s.Type(), n, err, stacks())
	}
}

func subscribe(t testing.TB, s *socket.Socket, topic string) {
	t.Helper()
	if err := s.Subscribe([]byte(topic)); err != nil {
		t.Fatal(err)
	}
}

// send sends a message of the given frames.
func send(t testing.TB, s *socket.Socket, frames ...string) {
	t.Helper()
	if err := s.SendParts(patient(t), parts(frames)...); err != nil {
		t.Fatalf("%v sending %q: %v", s.Type(), frames, err)
	}
}

func parts(frames []string) [][]byte {
	p := make([][]byte, len(frames))
	for i, f := range frames {
		p[i] = []byte(f)
	}
	return p
}

// recv returns the next message's frames.
func recv(t testing.TB, s *socket.Socket) []string {
	t.Helper()
	m, err := s.Recv(patient(t))
	if err != nil {
		t.Fatalf("%v receiving: %v\n%s", s.Type(), err, stacks())
	}
	return unpack(m)
}

// unpack copies m's frames and releases it.
func unpack(m *socket.Message) []string {
	frames := make([]string, m.Len())
	for i := range frames {
		frames[i] = string(m.Frame(i))
	}
	m.Release()
	return frames
}

// want receives a message and compares it.
func want(t testing.TB, s *socket.Socket, frames ...string) {
	t.Helper()
	if got := recv(t, s); strings.Join(got, "|") != strings.Join(frames, "|") || len(got) != len(frames) {
		t.Fatalf("%v received %s, want %s", s.Type(), brief(got), brief(frames))
	}
}

// brief is frames fit for a message.
func brief(frames []string) string {
	s := fmt.Sprintf("%q", frames)
	if len(s) > 200 {
		s = fmt.Sprintf("%s... (%d octets)", s[:200], len(s))
	}
	return s
}

// wantError compares an error with errors.Is.
func wantError(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

// asleep waits until that many goroutines sleep in calls that send, and that
// receive.
func asleep(t testing.TB, s *socket.Socket, sending, receiving int) {
	t.Helper()
	until(t, fmt.Sprintf("%d senders and %d receivers asleep", sending, receiving), func() bool {
		a, b := s.Asleep()
		return a >= sending && b >= receiving
	})
}

// soon returns what comes by c.
func soon[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("not after %v: %s\n%s", patience, what, stacks())
		panic("unreachable")
	}
}
