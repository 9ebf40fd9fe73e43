package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/zeroring/zeroring/tools/vectors/transcript"
	"github.com/zeroring/zeroring/zmtp"
)

// patience is how long anything may take that libzmq does at once.
const patience = 5 * time.Second

// A player acts the peer's part of a transcript and gives libzmq its cues.
type player struct {
	driver   *driver
	listener net.Listener // if libzmq connects
	endpoint string       // if libzmq binds
	conn     net.Conn
	minor    int // the ZMTP 3.minor we pretend to speak
}

func (p *player) close() {
	if p.conn != nil {
		p.conn.Close()
	}
	if p.listener != nil {
		p.listener.Close()
	}
}

func (p *player) play(steps []transcript.Step) error {
	for i := range steps {
		if err := p.step(&steps[i]); err != nil {
			return fmt.Errorf("%s: %w", steps[i].Text, err)
		}
	}
	return nil
}

func (p *player) step(s *transcript.Step) error {
	switch {
	case s.Verb == "#":
		return nil
	case s.Verb == "libzmq":
		var version string
		err := p.driver.do(order{Verb: "version"}, &version)
		s.Text = "libzmq " + version
		return err
	case s.Verb == "socket":
		return p.open(s)
	case s.Verb == "peer":
		return p.join(s)
	case strings.HasPrefix(s.Verb, "<"):
		return p.say(s)
	case strings.HasPrefix(s.Verb, ">"):
		return p.hear(s)
	}
	return p.look(s)
}

// open makes libzmq's socket, which binds unless the script says connect.
func (p *player) open(s *transcript.Step) error {
	o := order{Verb: "socket", Type: string(s.Values()[0])}
	o.Identity, _ = s.Arg("identity")
	o.Metadata, _ = s.Arg("metadata")
	o.Deny, _ = s.Arg("deny")
	o.Heartbeat = milliseconds(s, "heartbeat")
	o.TTL = milliseconds(s, "ttl")
	if len(s.Values()) > 1 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		p.listener = listener
		o.Connect = "tcp://" + listener.Addr().String()
	}
	return p.driver.do(o, &p.endpoint)
}

func milliseconds(s *transcript.Step, name string) int64 {
	text, _ := s.Arg(name)
	d, _ := time.ParseDuration(text)
	return d.Milliseconds()
}

// join connects the peer.
func (p *player) join(s *transcript.Step) (err error) {
	version := string(s.Values()[1])
	if p.minor, err = strconv.Atoi(strings.TrimPrefix(version, "3.")); err != nil {
		return err
	}
	if p.listener != nil {
		p.conn, err = p.listener.Accept()
	} else {
		p.conn, err = net.Dial("tcp", strings.TrimPrefix(p.endpoint, "tcp://"))
	}
	return err
}

// say sends the octets of a "<" step.
func (p *player) say(s *transcript.Step) error {
	if s.Verb != "< octets" {
		wire, err := transcript.Encode(s, p.minor)
		if err != nil {
			return err
		}
		s.Wire = wire
	}
	_, err := p.conn.Write(s.Wire)
	return err
}

// hear gives libzmq its cue for a ">" step, if it needs one, and records what it
// sends.
func (p *player) hear(s *transcript.Step) error {
	verb := strings.TrimPrefix(s.Verb, "> ")
	frames := 1
	switch verb {
	case "greeting":
		return p.readOctets(s, 64)
	case "octets":
		n, err := strconv.Atoi(string(s.Values()[0]))
		if err != nil {
			return err
		}
		return p.readOctets(s, n)
	case "message":
		frames = len(s.Values())
		fallthrough
	case "subscribe", "cancel":
		if err := p.cue(verb, s); err != nil {
			return err
		}
	}
	return p.readFrames(s, frames)
}

// cue makes libzmq's application do something. A ROUTER's message needs the
// identity it is sent to, and the first frame that REQ and REP send is their own.
func (p *player) cue(verb string, s *transcript.Step) error {
	frames := s.Values()
	if to, ok := s.Arg("to"); ok {
		frames = append([][]byte{[]byte(to)}, frames...)
	}
	if _, ok := s.Arg("own"); ok {
		frames = frames[1:]
	}
	return p.driver.do(order{Verb: verb, Frames: encodeAll(frames)}, new(string))
}

func (p *player) readOctets(s *transcript.Step, n int) error {
	s.Wire = make([]byte, n)
	p.conn.SetReadDeadline(time.Now().Add(patience))
	_, err := io.ReadFull(p.conn, s.Wire)
	return err
}

// readFrames reads exactly n frames, octet by octet in their headers, so that
// nothing of what follows them is read.
func (p *player) readFrames(s *transcript.Step, n int) error {
	s.Wire = nil
	p.conn.SetReadDeadline(time.Now().Add(patience))
	for range n {
		var frame []byte
		for size := 0; size == 0; {
			octet := make([]byte, 1)
			if _, err := io.ReadFull(p.conn, octet); err != nil {
				return err
			}
			frame = append(frame, octet...)
			h, head, err := zmtp.ConsumeFrameHeader(frame, 1<<30)
			if err != nil {
				return err
			}
			if head > 0 {
				size = head + h.Size
				frame = append(frame, make([]byte, h.Size)...)
				if _, err := io.ReadFull(p.conn, frame[head:]); err != nil {
					return err
				}
			}
		}
		s.Wire = append(s.Wire, frame...)
	}
	return nil
}

// look records what libzmq's application sees, for a "=" step.
func (p *player) look(s *transcript.Step) error {
	switch s.Verb {
	case "= message":
		var text []string
		if err := p.driver.do(order{Verb: "recv"}, &text); err != nil {
			return err
		}
		frames, err := decodeAll(text)
		s.Text = s.Verb + transcript.Message(frames)
		return err
	case "= closed":
		p.conn.SetReadDeadline(time.Now().Add(patience))
		rest, err := io.ReadAll(p.conn)
		if len(rest) > 0 {
			return fmt.Errorf("libzmq sent %x before it closed the connection", rest)
		}
		if errors.As(err, new(net.Error)) && err.(net.Error).Timeout() {
			return err
		}
		return nil // a reset will do as well
	}
	return errors.New("unknown step")
}
