package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/zeroring/zeroring/socket"
)

// backends are what each test runs on: both, unless the environment forces one.
func backends() []string {
	if forced := os.Getenv("ZERORING_BACKEND"); forced != "" {
		return []string{forced}
	}
	return []string{"uring", "epoll"}
}

// eachBackend runs f as a subtest for each backend, with an engine on it.
func eachBackend(t *testing.T, f func(t *testing.T, us *zeroring)) {
	for _, backend := range backends() {
		t.Run(backend, func(t *testing.T) { f(t, startZeroring(t, backend)) })
	}
}

// zeroring is our side: an engine.
type zeroring struct{ engine *socket.Engine }

func startZeroring(t *testing.T, backend string) *zeroring {
	t.Helper()
	engine, err := socket.NewEngine(&socket.EngineOptions{Backend: backend, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		need(t, fmt.Errorf("backend %s: %w", backend, err))
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Errorf("closing the engine: %v", err)
		}
	})
	return &zeroring{engine}
}

var typeOf = map[string]socket.Type{
	"PAIR": socket.TypePair, "PUB": socket.TypePub, "SUB": socket.TypeSub, "XPUB": socket.TypeXPub, "XSUB": socket.TypeXSub,
	"REQ": socket.TypeReq, "REP": socket.TypeRep, "DEALER": socket.TypeDealer, "ROUTER": socket.TypeRouter,
	"PUSH": socket.TypePush, "PULL": socket.TypePull,
}

// options says o in zeroring's words.
func (z *zeroring) options(o opts) *socket.Options {
	p := &socket.Options{
		Engine: z.engine, Identity: []byte(o.identity), Linger: socket.NoLinger,
		SendHWM: o.hwm, RecvHWM: o.hwm,
		ProbeRouter: o.probe, RouterMandatory: o.mandatory, RouterHandover: o.handover, XPubVerbose: o.verbose,
		ReqCorrelate: o.correlate, ReqRelaxed: o.relaxed,
		XPubWelcome: []byte(o.welcome), MaxMsgSize: o.maxSize,
		HeartbeatInterval: o.heartbeat, HeartbeatTimeout: o.silence,
	}
	if o.unlimited {
		p.SendHWM, p.RecvHWM = -1, -1
	}
	if o.linger > 0 {
		p.Linger = o.linger
	}
	if o.quick {
		p.ReconnectInterval, p.ReconnectMax = 10*time.Millisecond, 10*time.Millisecond
	}
	return p
}

func (z *zeroring) open(t *testing.T, typ string, o opts) sock {
	t.Helper()
	return z.socket(t, typ, z.options(o))
}

// socket opens a socket that is closed with the test.
func (z *zeroring) socket(t *testing.T, typ string, o *socket.Options) *ourSock {
	t.Helper()
	o.Engine = z.engine
	s, err := socket.New(typeOf[typ], o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &ourSock{t, s}
}

// An ourSock is a socket of zeroring's as rows see it.
type ourSock struct {
	t *testing.T
	*socket.Socket
}

func (s *ourSock) patient() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.t.Context(), patience)
}

func (s *ourSock) check(what string, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("zeroring %s: %v", what, err)
	}
}

func (s *ourSock) bind(endpoint string) string {
	s.t.Helper()
	resolved, err := s.Bind(endpoint)
	s.check("bind", err)
	return resolved
}

func (s *ourSock) connect(endpoint string) {
	s.t.Helper()
	s.check("connect", s.Connect(endpoint))
}

func (s *ourSock) disconnect(endpoint string) {
	s.t.Helper()
	s.check("disconnect", s.Disconnect(endpoint))
}

func (s *ourSock) unbind(endpoint string) {
	s.t.Helper()
	s.check("unbind", s.Unbind(endpoint))
}

func (s *ourSock) subscribe(topic string) {
	s.t.Helper()
	s.check("subscribe", s.Subscribe([]byte(topic)))
}

func (s *ourSock) unsubscribe(topic string) {
	s.t.Helper()
	s.check("unsubscribe", s.Unsubscribe([]byte(topic)))
}

func (s *ourSock) close() {
	s.t.Helper()
	s.check("close", s.Close())
}

func (s *ourSock) pump() {}

// peers waits until n handshakes are done.
func (s *ourSock) peers(n int) {
	s.t.Helper()
	ctx, cancel := s.patient()
	defer cancel()
	s.check("wait for peers", s.WaitPeers(ctx, n))
}

func (s *ourSock) send(msg ...part) {
	s.t.Helper()
	ctx, cancel := s.patient()
	defer cancel()
	s.check("send", s.SendParts(ctx, octetsOf(msg)...))
}

func octetsOf(msg []part) [][]byte {
	frames := make([][]byte, len(msg))
	for i, p := range msg {
		frames[i] = p.octets
	}
	return frames
}

func gotsOf(m *socket.Message) []got {
	msg := make([]got, m.Len())
	for i := range msg {
		msg[i] = gotOf(m.Frame(i))
	}
	return msg
}

func (s *ourSock) recv() []got {
	s.t.Helper()
	msg, ok := s.poll(patience)
	if !ok {
		s.t.Fatalf("zeroring recv: nothing in %v", patience)
	}
	return msg
}

func (s *ourSock) poll(wait time.Duration) ([]got, bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), wait)
	defer cancel()
	m, err := s.Recv(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, false
	}
	s.check("recv", err)
	defer m.Release()
	return gotsOf(m), true
}

// begin runs f in the background. f says of each message that it got further, and
// its context ends when it has not for a while: how long it takes in all depends
// on what else the machine does.
func (s *ourSock) begin(what string, f func(ctx context.Context, further func()) error) *call {
	ctx, cancel := context.WithCancel(s.t.Context())
	limit := time.AfterFunc(patience, cancel)
	result := make(chan error, 1)
	go func() {
		defer cancel()
		defer limit.Stop()
		err := f(ctx, func() { limit.Reset(patience) })
		if err != nil && ctx.Err() != nil {
			err = fmt.Errorf("%w, after %v without a message", err, patience)
		}
		result <- err
	}()
	return &call{s.t, "zeroring " + what, func() error { return <-result }}
}

func (s *ourSock) stream(sh shape, prefix ...part) *call {
	return s.begin(fmt.Sprintf("stream %v", sh), func(ctx context.Context, further func()) error {
		frames := octetsOf(prefix)
		var body [][]byte
		for i := range sh.count {
			body = sh.frames(body, i)
			if err := s.SendParts(ctx, append(frames, body...)...); err != nil {
				return fmt.Errorf("message %d: %w", i, err)
			}
			further()
		}
		return nil
	})
}

// check says how m, without its first skip frames, differs from message i.
func (sh shape) check(want [][]byte, m *socket.Message, i, skip int) ([][]byte, error) {
	want = sh.frames(want, i)
	if m.Len() != skip+len(want) {
		return want, fmt.Errorf("message %d has %d frames, want %d and %d in front", i, m.Len(), len(want), skip)
	}
	for k, w := range want {
		if !bytes.Equal(m.Frame(skip+k), w) {
			return want, fmt.Errorf("message %d frame %d is %.40x, want %.40x", i, k, m.Frame(skip+k), w)
		}
	}
	return want, nil
}

func (s *ourSock) drain(sh shape, skip int) *call {
	return s.begin(fmt.Sprintf("drain %v", sh), func(ctx context.Context, further func()) error {
		var want [][]byte
		batch := make([]*socket.Message, 64)
		for i := 0; i < sh.count; {
			n, err := s.RecvBatch(ctx, batch[:min(len(batch), sh.count-i)])
			if err != nil {
				return fmt.Errorf("received %d: %w", i, err)
			}
			further()
			for _, m := range batch[:n] {
				if want, err = sh.check(want, m, i, skip); err != nil {
					return err
				}
				m.Release()
				i++
			}
		}
		return nil
	})
}

func (s *ourSock) ask(sh shape, skip, window int, prefix ...part) *call {
	return s.begin(fmt.Sprintf("ask %v", sh), func(ctx context.Context, further func()) error {
		frames := octetsOf(prefix)
		var body, want [][]byte
		sent := 0
		for i := range sh.count {
			for ; sent < sh.count && sent-i < window; sent++ {
				body = sh.frames(body, sent)
				if err := s.SendParts(ctx, append(frames, body...)...); err != nil {
					return fmt.Errorf("question %d: %w", sent, err)
				}
			}
			m, err := s.Recv(ctx)
			if err != nil {
				return fmt.Errorf("answer %d: %w", i, err)
			}
			further()
			if want, err = sh.check(want, m, i, skip); err != nil {
				return err
			}
			m.Release()
		}
		return nil
	})
}

func (s *ourSock) echo(count int) *call {
	return s.begin(fmt.Sprintf("echo %d", count), func(ctx context.Context, further func()) error {
		for i := range count {
			m, err := s.Recv(ctx)
			if err == nil {
				err = s.Send(ctx, m)
			}
			if err != nil {
				return fmt.Errorf("echoed %d: %w", i, err)
			}
			further()
		}
		return nil
	})
}
