package zmtp

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A side is an engine with an owner who does what owners must, and writes down
// what happened.
type side struct {
	t     testing.TB
	e     *Engine
	now   time.Time
	most  int      // messages to take at once
	in    []byte   // arrived and not consumed
	log   []string // events; EventHandled is left out, since it says nothing
	err   error
	calls int // of Consume
}

func newSide(t testing.TB, cfg *Config) *side {
	now := time.Unix(1, 0)
	return &side{t: t, e: NewEngine(cfg, now), now: now, most: 1000}
}

// gets delivers octets. The owner's buffer is a new one each time and the old one
// is overwritten, so an engine that kept a piece of it is found out.
func (s *side) gets(b []byte) *side {
	s.t.Helper()
	s.in = append(bytes.Clone(s.in), b...)
	for s.err == nil {
		var ev Event
		s.calls++
		ev, s.err = s.e.Consume(s.now, s.in, s.most)
		s.check(ev)
		if s.err != nil {
			s.log = append(s.log, "error: "+s.err.Error())
			return s
		}
		s.note(ev)
		for i := range s.in[:ev.N] {
			s.in[i] = 0xaa
		}
		s.in = s.in[ev.N:]
		if ev.Kind == EventNone {
			return s
		}
	}
	return s
}

// check asserts what must hold of every event, and of the engine after it.
func (s *side) check(ev Event) {
	s.t.Helper()
	e := s.e
	switch {
	case ev.N < 0 || ev.N > len(s.in):
		s.t.Fatalf("%v consumes more than the %d octets there are", ev, len(s.in))
	case ev.Messages > s.most || (ev.Messages > 0) != (ev.Kind == EventMessages):
		s.t.Fatalf("%v, with %d messages asked for", ev, s.most)
	case s.err == nil && ev.Kind == EventNone && ev.Need <= len(s.in) && s.most > 0:
		s.t.Fatalf("%v needs no more than the %d octets there are", ev, len(s.in))
	case e.inside < 0 || e.inside > e.walked || s.err == nil && e.walked > len(s.in)-ev.N-e.skip:
		s.t.Fatalf("after %v of %d octets: walked %d, of which commands %d, to skip %d", ev, len(s.in), e.walked, e.inside, e.skip)
	case (e.peer != nil) != (e.state == stateTraffic) && e.state != stateFailed:
		s.t.Fatalf("state %d with peer %v", e.state, e.peer)
	case ev.Kind == EventReady && !e.Ready():
		s.t.Fatal("ready and not ready")
	}
}

// note appends to the log what ev says, with messages written out.
func (s *side) note(ev Event) {
	s.t.Helper()
	switch ev.Kind {
	case EventNone, EventHandled:
	case EventReady:
		s.log = append(s.log, "ready: "+s.e.Peer().SocketType)
	case EventMessages:
		s.noteMessages(s.in[:ev.N], ev.Messages)
	default:
		s.log = append(s.log, fmt.Sprintf("%v %q", ev.Kind, ev.Body))
	}
}

func (s *side) noteMessages(b []byte, messages int) {
	s.t.Helper()
	var frames []string
	for n := 0; len(b) > 0; b = b[n:] {
		var frame Frame
		var err error
		frame, n, err = ConsumeFrame(b, len(b))
		if err != nil || n == 0 || frame.Flags&FlagCommand != 0 {
			s.t.Fatalf("a run of messages has in it %x, %v", b, err)
		}
		frames = append(frames, quote(frame.Body))
		if frame.Flags&FlagMore == 0 {
			s.log = append(s.log, "message "+strings.Join(frames, " "))
			frames = nil
			messages--
		}
	}
	if frames != nil || messages != 0 {
		s.t.Fatalf("a run of messages ends with %q over and %d missing", frames, messages)
	}
}

// sends takes what the engine has to send.
func (s *side) sends() []byte {
	b := bytes.Clone(s.e.Output())
	s.e.Sent(len(b))
	return b
}

// wait lets time pass, without a Tick.
func (s *side) wait(d time.Duration) *side {
	s.now = s.now.Add(d)
	return s
}

// tick tells the engine the time and returns how long until the next deadline, -1
// for none.
func (s *side) tick() time.Duration {
	s.t.Helper()
	next, err := s.e.Tick(s.now)
	if err != nil {
		s.err = err
		return -1
	}
	if next.IsZero() {
		return -1
	}
	return next.Sub(s.now)
}

func (s *side) wantLog(want ...string) *side {
	s.t.Helper()
	if got, want := strings.Join(s.log, "\n"), strings.Join(want, "\n"); got != want {
		s.t.Fatalf("events:\n%s\nwant:\n%s", got, want)
	}
	s.log = nil
	return s
}

// frames is the readable form of whole frames.
func frames(b []byte) string {
	var all []string
	for len(b) > 0 {
		frame, n, err := ConsumeFrame(b, len(b))
		if n == 0 || err != nil {
			return strings.Join(all, ", ") + fmt.Sprintf(" and %x, %v", b, err)
		}
		all = append(all, frame.String())
		b = b[n:]
	}
	return strings.Join(all, ", ")
}

// converse delivers what two sides have to send until neither has anything.
func converse(a, b *side) {
	for len(a.e.Output())+len(b.e.Output()) > 0 && a.err == nil && b.err == nil {
		toB, toA := a.sends(), b.sends()
		a.gets(toA)
		b.gets(toB)
	}
}

// peerGreeting is what a libzmq peer sends, with the given minor version.
func peerGreeting(minor byte) []byte {
	g := appendGreeting(nil, "NULL", false)
	g[minorAt] = minor
	g[signatureSize-2] = 1 // libzmq pads with the size of its identity and 1
	return g
}

func peerReady(socketType string) []byte {
	return appendReady(nil, &Config{SocketType: socketType})
}

// newReadySide returns a side past its handshake with a peer of type PAIR and
// that minor version, with its output sent.
func newReadySide(t testing.TB, cfg *Config, minor byte) *side {
	t.Helper()
	s := newSide(t, cfg)
	s.gets(peerGreeting(minor)).gets(peerReady("PAIR")).wantLog("ready: PAIR")
	s.sends()
	return s
}

func newReadyEngine(t testing.TB, cfg *Config, minor byte) *Engine {
	return newReadySide(t, cfg, minor).e
}

// message is a message of these frames.
func message(bodies ...string) (b []byte) {
	for i, body := range bodies {
		flags := FlagMore
		if i == len(bodies)-1 {
			flags = 0
		}
		b = AppendFrame(b, flags, []byte(body))
	}
	return b
}

// command is a command frame with that name.
func command(name string, data ...any) []byte {
	return AppendFrame(nil, FlagCommand, octets(len(name), name, octets(data...)))
}
