package transcript

import (
	"fmt"
	"strings"
	"time"

	"github.com/zeroring/zeroring/zmtp"
)

// Encode returns the octets that a peer of ZMTP 3.minor sends for what a "<" or
// ">" step says. It does so with the codec under test: a vector is worth
// something because libzmq either sent the same octets or understood them.
func Encode(s *Step, minor int) ([]byte, error) {
	verb := s.Verb[2:]
	values := append(s.Values(), nil) // a missing value is an empty one
	switch verb {
	case "greeting":
		return greeting(minor), nil
	case "ready":
		return ready(s.Args), nil
	case "subscribe":
		return zmtp.AppendSubscribe(nil, values[0], minor), nil
	case "cancel":
		return zmtp.AppendCancel(nil, values[0], minor), nil
	case "message":
		return message(s.Values()), nil
	case "ping":
		text, _ := s.Arg("ttl")
		ttl, err := time.ParseDuration(text)
		return zmtp.AppendPing(nil, ttl, values[0]), err
	case "pong":
		return zmtp.AppendPong(nil, values[0]), nil
	case "error":
		return zmtp.AppendError(nil, string(values[0])), nil
	}
	return nil, fmt.Errorf("cannot say %s", verb)
}

// greeting is the greeting of an engine, with another minor version if need be.
func greeting(minor int) []byte {
	e := zmtp.NewEngine(&zmtp.Config{SocketType: "PAIR"}, time.Time{})
	b := append([]byte(nil), e.Output()...)
	b[11] = byte(minor)
	return b
}

func ready(properties []Arg) []byte {
	body := []byte("\x05READY")
	for _, p := range properties {
		body = zmtp.AppendProperty(body, p.Name, []byte(p.Value))
	}
	return zmtp.AppendFrame(nil, zmtp.FlagCommand, body)
}

func message(frames [][]byte) (b []byte) {
	for i, frame := range frames {
		flags := zmtp.FlagMore
		if i == len(frames)-1 {
			flags = 0
		}
		b = zmtp.AppendFrame(b, flags, frame)
	}
	return b
}

// Mark reports which side a step belongs to: '<', '>', '=', or 0 for none.
func (s *Step) Mark() byte {
	if len(s.Verb) > 2 && strings.IndexByte("<>=", s.Verb[0]) >= 0 {
		return s.Verb[0]
	}
	return 0
}
