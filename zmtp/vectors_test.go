package zmtp_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zeroring/zeroring/tools/vectors/transcript"
	"github.com/zeroring/zeroring/zmtp"
)

// The vectors are conversations with a real libzmq, so that we do not agree with
// ourselves only. TestVectors reads them: what libzmq sent must be read as what
// its application did. TestVectorsWritten writes them: what its application did
// must be written as libzmq wrote it.

// A vector is one transcript, with what the tests need of it.
type vector struct {
	name  string
	steps []transcript.Step
	types [2]string // of libzmq's socket, and of its peer
	minor [2]int    // what each of them announces
}

const libzmq, peer = 0, 1

func vectors(t *testing.T) []vector {
	t.Helper()
	paths, err := filepath.Glob("testdata/vectors/*.txt")
	if err != nil || len(paths) < 25 {
		t.Fatalf("%d vectors, %v", len(paths), err)
	}
	var all []vector
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		v := vector{name: strings.TrimSuffix(filepath.Base(path), ".txt"), minor: [2]int{1, 1}}
		if v.steps, err = transcript.Parse(string(text)); err != nil {
			t.Fatal(path, err)
		}
		for i := range v.steps {
			switch s := &v.steps[i]; s.Verb {
			case "socket":
				v.types[libzmq] = string(s.Values()[0])
			case "peer":
				v.types[peer] = string(s.Values()[0])
				v.minor[peer], _ = strconv.Atoi(strings.TrimPrefix(string(s.Values()[1]), "3."))
			}
		}
		all = append(all, v)
	}
	return all
}

// octets returns what one side sent, in all, by its mark.
func (v *vector) octets(mark byte) (b []byte) {
	for i := range v.steps {
		if v.steps[i].Mark() == mark {
			b = append(b, v.steps[i].Wire...)
		}
	}
	return b
}

// did returns what the steps with a mark say that the application did or saw,
// as read lists events. Subscriptions reach a peer of ZMTP 3.0 as messages.
func (v *vector) did(mark byte, minor int) (events []string) {
	for i := range v.steps {
		s := &v.steps[i]
		if s.Mark() != mark {
			continue
		}
		switch verb := s.Verb[2:]; verb {
		case "ready":
			socketType, _ := s.Arg("Socket-Type")
			events = append(events, "ready "+socketType)
		case "message":
			events = append(events, "message"+transcript.Message(s.Values()))
		case "error":
			events = append(events, fmt.Sprintf("error %s", s.Values()[0]))
		case "subscribe", "cancel":
			if first := map[string]string{"subscribe": "\x01", "cancel": "\x00"}[verb]; minor == 0 {
				events = append(events, "message"+transcript.Message([][]byte{[]byte(first + string(s.Values()[0]))}))
			} else {
				events = append(events, verb+transcript.Message(s.Values()))
			}
		}
	}
	return events
}

// read is what an engine of that type makes of octets, and what it replies after
// its own READY. They are delivered in reads of so many octets.
func read(socketType string, wire []byte, size int) (events []string, replies []byte) {
	now := time.Unix(1, 0)
	e := zmtp.NewEngine(&zmtp.Config{SocketType: socketType}, now)
	from, to := 0, 0
	for {
		ev, err := e.Consume(now, bytes.Clone(wire[from:to]), 1)
		if refused, ok := err.(*zmtp.RefusedError); ok {
			return append(events, "error "+refused.Reason), replies
		}
		if err != nil {
			return append(events, "broken: "+err.Error()), replies
		}
		body := wire[from : from+ev.N]
		from += ev.N
		switch ev.Kind {
		case zmtp.EventNone:
			if to == len(wire) {
				if from < to {
					events = append(events, fmt.Sprintf("left over: %x", wire[from:]))
				}
				return events, append(replies, e.Output()...)
			}
			to = min(to+size, len(wire))
		case zmtp.EventReady:
			events = append(events, "ready "+e.Peer().SocketType)
			e.Sent(len(e.Output()))
		case zmtp.EventMessages:
			events = append(events, "message"+transcript.Message(bodies(body)))
		case zmtp.EventSubscribe, zmtp.EventCancel:
			events = append(events, ev.Kind.String()+transcript.Message([][]byte{ev.Body}))
		}
	}
}

// bodies are those of a message's frames.
func bodies(b []byte) (all [][]byte) {
	for len(b) > 0 {
		frame, n, err := zmtp.ConsumeFrame(b, len(b))
		if n == 0 || err != nil {
			return append(all, []byte("not a frame"))
		}
		all, b = append(all, frame.Body), b[n:]
	}
	return all
}

// TestVectors has an engine in the place of libzmq's peer.
func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.name, func(t *testing.T) {
			wire := v.octets('>')
			if len(wire) < 64 {
				return // libzmq did not even greet
			}
			want := strings.Join(v.did('>', v.minor[peer]), "\n")
			for _, size := range []int{1, 7, len(wire)} {
				if size == 1 && len(wire) > 10_000 {
					continue // every octet of them is like the last
				}
				events, _ := read(v.types[peer], wire, size)
				if got := strings.Join(events, "\n"); got != want {
					t.Errorf("in reads of %d, libzmq sent:\n%s\nand did:\n%s", size, got, want)
				}
			}
			everyPrefix(t, v.types[peer], wire, want)
		})
	}
}

// everyPrefix cuts the connection at every octet: what was read until then must
// be the start of what there was to read.
func everyPrefix(t *testing.T, socketType string, wire []byte, want string) {
	t.Helper()
	for i := range min(len(wire), 2000) {
		events, _ := read(socketType, wire[:i], i+1)
		if n := len(events); n > 0 && strings.HasPrefix(events[n-1], "left over:") {
			events = events[:n-1]
		}
		if got := strings.Join(events, "\n"); !strings.HasPrefix(want+"\n", got) {
			t.Fatalf("of %d octets:\n%s\nwant the start of:\n%s", i, got, want)
		}
	}
}

// TestVectorsAsLibzmq has an engine in the place of libzmq. It must make of the
// peer's octets what libzmq's application saw, and answer PINGs as libzmq did.
func TestVectorsAsLibzmq(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.name, func(t *testing.T) {
			wire := v.octets('<')
			events, replies := read(v.types[libzmq], wire, len(wire))
			if v.name == "mechanism" {
				if len(events) != 1 || !strings.Contains(events[0], "mechanism PLAIN") {
					t.Errorf("got %q", events)
				}
				return
			}
			if v.name == "refused" {
				if len(events) != 1 || events[0] != "error Incompatible socket type" {
					t.Errorf("got %q", events)
				}
				return
			}
			got := strings.Join(seen(v.types[libzmq], events), "\n")
			if want := strings.Join(v.did('=', 1), "\n"); got != want {
				t.Errorf("the engine sees:\n%s\nand libzmq's application saw:\n%s", got, want)
			}
			var pongs []byte
			for i := range v.steps {
				if v.steps[i].Verb == "> pong" {
					pongs = append(pongs, v.steps[i].Wire...)
				}
			}
			if !bytes.Equal(replies, pongs) {
				t.Errorf("the engine replies %x, and libzmq replied %x", replies, pongs)
			}
		})
	}
}

// seen turns events into what an application sees of them on a socket of that
// type.
func seen(socketType string, events []string) (messages []string) {
	for _, event := range events {
		switch {
		case strings.HasPrefix(event, "ready "):
			continue
		case socketType == "PUB" || socketType == "SUB":
			continue // filters that are not the engine's
		case socketType == "XPUB":
			event = strings.Replace(event, `subscribe "`, `message "\x01`, 1)
			event = strings.Replace(event, `cancel "`, `message "\x00`, 1)
			if step, _ := transcript.ParseStep("= " + event); strings.Contains(event, "*") {
				event = "message" + transcript.Message(step.Values())
			}
		case socketType == "REQ" || socketType == "REP":
			event = strings.Replace(event, ` ""`, "", 1)
		case socketType == "ROUTER":
			event = strings.Replace(event, "message", `message "worker-1"`, 1)
		}
		messages = append(messages, event)
	}
	return messages
}

// TestVectorsWritten has our codec write what libzmq wrote. The signature's
// padding is the one octet of difference: "In this case the peer SHOULD set the
// padding field to binary zeros", and libzmq cares for ZMTP 1.0.
func TestVectorsWritten(t *testing.T) {
	steps := 0
	for _, v := range vectors(t) {
		for i := range v.steps {
			s := &v.steps[i]
			if mark := s.Mark(); mark != '<' && mark != '>' || strings.HasSuffix(s.Verb, " octets") {
				continue
			}
			to := peer
			if s.Mark() == '<' {
				to = libzmq
			}
			minor := v.minor[to]
			if strings.HasSuffix(s.Verb, " greeting") || s.Mark() == '<' {
				minor = v.minor[1-to] // the form is the sender's own choice in these
			}
			got, err := transcript.Encode(s, minor)
			if err != nil {
				t.Fatal(v.name, err)
			}
			want := bytes.Clone(s.Wire)
			if strings.HasSuffix(s.Verb, " greeting") {
				copy(want[1:9], got[1:9])
			}
			if _, bug := s.Arg("bug"); bug {
				want[0] |= byte(zmtp.FlagLong)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: %s\nis written %x\nand libzmq has %x", v.name, s.Text, got, want)
			}
			steps++
		}
	}
	if steps < 150 {
		t.Errorf("only %d steps", steps)
	}
}

// TestVectorsReady has the engine announce itself as libzmq does, for each type
// of socket and with what options can add.
func TestVectorsReady(t *testing.T) {
	types := make(map[string]bool)
	for _, v := range vectors(t) {
		for i := range v.steps {
			if s := &v.steps[i]; s.Verb == "> ready" {
				if got := ownReady(t, s.Args); !bytes.Equal(got, s.Wire) {
					t.Errorf("%s: ours is %x, libzmq's %x", v.name, got, s.Wire)
				}
				types[v.types[libzmq]] = true
			}
		}
	}
	if len(types) != 11 {
		t.Errorf("vectors have %d types of sockets, not 11: %v", len(types), types)
	}
}

// ownReady is the READY of an engine that was configured with those properties.
func ownReady(t *testing.T, properties []transcript.Arg) []byte {
	cfg := new(zmtp.Config)
	for _, p := range properties {
		switch p.Name {
		case zmtp.PropertySocketType:
			cfg.SocketType = p.Value
		case zmtp.PropertyIdentity:
			cfg.Identity = []byte(p.Value)
		default:
			cfg.Metadata = append(cfg.Metadata, zmtp.Property{Name: p.Name, Value: []byte(p.Value)})
		}
	}
	e := zmtp.NewEngine(cfg, time.Unix(1, 0))
	greeting := bytes.Clone(e.Output())
	e.Sent(len(greeting))
	if _, err := e.Consume(time.Unix(1, 0), greeting, 1); err != nil {
		t.Fatal(err)
	}
	return e.Output()
}
