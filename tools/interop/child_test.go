package interop

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Numbers from zmq.h: they are part of libzmq's ABI.
const (
	zmqIdentity          = 5
	zmqSubscribe         = 6
	zmqUnsubscribe       = 7
	zmqEvents            = 15
	zmqLinger            = 17
	zmqReconnectIvl      = 18
	zmqMaxMsgSize        = 22
	zmqSndHWM            = 23
	zmqRcvHWM            = 24
	zmqSndTimeo          = 28
	zmqRouterMandatory   = 33
	zmqXPubVerbose       = 40
	zmqIPv6              = 42
	zmqPlainServer       = 44
	zmqPlainUsername     = 45
	zmqPlainPassword     = 46
	zmqCurveServer       = 47
	zmqCurveSecretKey    = 49
	zmqProbeRouter       = 51
	zmqReqCorrelate      = 52
	zmqReqRelaxed        = 53
	zmqRouterHandover    = 56
	zmqXPubWelcome       = 72
	zmqHeartbeatIvl      = 75
	zmqHeartbeatTimeout  = 77
	eventDisconnected    = 0x0200
	eventHandshakeFailed = 0x0800 | 0x2000 | 0x4000
)

// A child is a process that does what it is told with libzmq, by C or Python.
type child struct {
	t       *testing.T
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *os.File
	lines   *bufio.Reader
	said    bytes.Buffer // on standard error
	version string
	mu      sync.Mutex // held from a command to its answer
	reaped  bool
}

// startC starts a child on the C side, for the length of the test.
func startC(t *testing.T) *child {
	t.Helper()
	need(t, peerError)
	return startChild(t, peerPath)
}

func startPython(t *testing.T) *child {
	t.Helper()
	need(t, pyError)
	return startChild(t, python, "testdata/peer.py")
}

func startChild(t *testing.T, name string, args ...string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command(name, args...)}
	c.cmd.Env = append(os.Environ(), "TMPDIR="+scratch) // where ipc://* leaves its directories
	theirs, ours := pipe(t)
	out, back := pipe(t)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = theirs, back, &c.said
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	back.Close()
	c.in, c.out, c.lines = ours, out, bufio.NewReaderSize(out, 1<<16)
	t.Cleanup(func() { c.kill() })
	version, err := c.answer()
	if err != nil {
		t.Fatal(err)
	}
	c.version = version
	return c
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

// kill ends the child as a crash would, and returns when it is gone.
func (c *child) kill() {
	if c.reaped {
		return
	}
	c.reaped = true
	c.cmd.Process.Kill()
	c.cmd.Wait()
	c.in.Close()
	c.out.Close()
}

// tell sends a command. Its answer must be read before the next.
func (c *child) tell(format string, args ...any) error {
	_, err := fmt.Fprintln(c.in, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	return err
}

// A childError is what a child answered instead of ok.
type childError struct{ name, detail string }

func (e *childError) Error() string { return e.name + ": " + e.detail }

func (c *child) answer() (string, error) {
	c.out.SetReadDeadline(time.Now().Add(15 * patience)) // a child limits its waits itself, message by message
	line, err := c.lines.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("the child does not answer: %w; it said: %q", err, c.stderr(err))
	}
	verdict, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	if verdict == "ok" {
		return rest, nil
	}
	name, detail, _ := strings.Cut(rest, " ")
	return "", &childError{name, detail}
}

// stderr is safe to read only when the child's end of it is closed.
func (c *child) stderr(err error) string {
	if !errors.Is(err, io.EOF) || c.reaped {
		return ""
	}
	c.kill()
	return c.said.String()
}

// do tells the child something and returns the answer.
func (c *child) do(format string, args ...any) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.tell(format, args...); err != nil {
		return "", err
	}
	return c.answer()
}

// must is do for what has to work.
func (c *child) must(format string, args ...any) string {
	c.t.Helper()
	answer, err := c.do(format, args...)
	if err != nil {
		c.t.Fatalf("child %.60s: %v", fmt.Sprintf(format, args...), err)
	}
	return answer
}

// begin is do whose answer is read later.
func (c *child) begin(format string, args ...any) *call {
	c.t.Helper()
	c.mu.Lock()
	what := fmt.Sprintf("child "+format, args...)
	err := c.tell(format, args...)
	return &call{c.t, what, func() error {
		defer c.mu.Unlock()
		if err != nil {
			return err
		}
		_, err := c.answer()
		return err
	}}
}

// A childSock is a socket in a child.
type childSock struct {
	*child
	h int
}

func (c *child) open(t *testing.T, typ string, o opts) sock {
	t.Helper()
	return c.socket(t, typ, o)
}

func (c *child) socket(t *testing.T, typ string, o opts) *childSock {
	t.Helper()
	h, err := strconv.Atoi(c.must("socket %s", typ))
	if err != nil {
		t.Fatal(err)
	}
	s := &childSock{c, h}
	s.set(zmqSndTimeo, int(patience/time.Millisecond))
	s.set(zmqLinger, int(o.linger/time.Millisecond))
	if o.identity != "" {
		s.setOctets(zmqIdentity, o.identity)
	}
	if o.hwm > 0 || o.unlimited {
		s.set(zmqSndHWM, o.hwm)
		s.set(zmqRcvHWM, o.hwm)
	}
	if o.heartbeat > 0 {
		s.set(zmqHeartbeatIvl, int(o.heartbeat/time.Millisecond))
		s.set(zmqHeartbeatTimeout, int(o.silence/time.Millisecond))
	}
	if o.quick {
		s.set(zmqReconnectIvl, 10)
	}
	if o.welcome != "" && typ == "XPUB" {
		s.setOctets(zmqXPubWelcome, o.welcome)
	}
	if o.maxSize > 0 {
		s.set(zmqMaxMsgSize, int(o.maxSize))
	}
	for option, on := range map[int]bool{
		zmqProbeRouter: o.probe, zmqRouterMandatory: o.mandatory, zmqRouterHandover: o.handover, zmqXPubVerbose: o.verbose && typ == "XPUB",
		zmqReqCorrelate: o.correlate, zmqReqRelaxed: o.relaxed, zmqIPv6: o.ipv6,
	} {
		if on {
			s.set(option, 1)
		}
	}
	return s
}

func (s *childSock) set(option, value int) {
	s.t.Helper()
	s.must("set %d %d %d", s.h, option, value)
}

func (s *childSock) setOctets(option int, value string) {
	s.t.Helper()
	s.must("set %d %d x:%x", s.h, option, value)
}

func (s *childSock) bind(endpoint string) string {
	s.t.Helper()
	return s.must("bind %d %s", s.h, endpoint)
}

func (s *childSock) connect(endpoint string) {
	s.t.Helper()
	s.must("connect %d %s", s.h, endpoint)
}

func (s *childSock) disconnect(endpoint string) {
	s.t.Helper()
	s.must("disconnect %d %s", s.h, endpoint)
}

func (s *childSock) unbind(endpoint string) {
	s.t.Helper()
	s.must("unbind %d %s", s.h, endpoint)
}

func (s *childSock) subscribe(topic string) {
	s.t.Helper()
	s.setOctets(zmqSubscribe, topic)
}

func (s *childSock) unsubscribe(topic string) {
	s.t.Helper()
	s.setOctets(zmqUnsubscribe, topic)
}

func (s *childSock) close() {
	s.t.Helper()
	s.must("close %d", s.h)
}

// pump makes the socket take notice of what happened to it.
func (s *childSock) pump() { s.events() }

// events says what the socket can do now, as bits of zmq_poll's.
func (s *childSock) events() int {
	s.t.Helper()
	answer := s.must("get %d %d", s.h, zmqEvents)
	events, err := strconv.Atoi(answer)
	if err != nil {
		s.t.Fatalf("events: %v", err)
	}
	return events
}

func (s *childSock) send(msg ...part) {
	s.t.Helper()
	s.must("send %d %s", s.h, tokens(msg))
}

// try sends without waiting, and returns the name of the error.
func (s *childSock) try(msg ...part) string {
	s.t.Helper()
	_, err := s.do("try %d %s", s.h, tokens(msg))
	var refused *childError
	if errors.As(err, &refused) {
		return refused.name
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return ""
}

func (s *childSock) recv() []got {
	s.t.Helper()
	return s.parse(s.must("recv %d %d", s.h, patience/time.Millisecond))
}

func (s *childSock) poll(wait time.Duration) ([]got, bool) {
	s.t.Helper()
	answer, err := s.do("recv %d %d", s.h, wait/time.Millisecond)
	var refused *childError
	if errors.As(err, &refused) && refused.name == "EAGAIN" {
		return nil, false
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return s.parse(answer), true
}

// parse reads "N LENGTH:CRC32:HEX ...".
func (s *childSock) parse(answer string) []got {
	s.t.Helper()
	words := strings.Split(answer, " ")
	msg := make([]got, 0, len(words)-1)
	for _, w := range words[1:] {
		var g got
		fields := strings.Split(w, ":")
		size, err1 := strconv.Atoi(fields[0])
		sum, err2 := strconv.ParseUint(fields[1], 16, 32)
		shown, err3 := hex.DecodeString(fields[2])
		if err := errors.Join(err1, err2, err3); err != nil {
			s.t.Fatalf("child answered %q: %v", answer, err)
		}
		g.size, g.sum, g.shown = size, uint32(sum), shown
		msg = append(msg, g)
	}
	if strconv.Itoa(len(msg)) != words[0] {
		s.t.Fatalf("child answered %q", answer)
	}
	return msg
}

func (s *childSock) stream(sh shape, prefix ...part) *call {
	return s.begin("stream %d %v %s", s.h, sh, tokens(prefix))
}

func (s *childSock) drain(sh shape, skip int) *call {
	return s.begin("drain %d %v %d %d", s.h, sh, skip, patience/time.Millisecond)
}

func (s *childSock) ask(sh shape, skip, window int, prefix ...part) *call {
	return s.begin("ask %d %v %d %d %d %s", s.h, sh, skip, patience/time.Millisecond, window, tokens(prefix))
}

func (s *childSock) echo(count int) *call {
	return s.begin("echo %d %d %d", s.h, count, patience/time.Millisecond)
}

// monitor lets event be called.
func (s *childSock) monitor() {
	s.t.Helper()
	s.must("monitor %d", s.h)
}

// event waits for a monitor event of those in mask.
func (s *childSock) event(mask int) string {
	s.t.Helper()
	return s.must("event %d %d %d", s.h, mask, patience/time.Millisecond)
}
