package zmtp

import (
	"fmt"
	"strconv"
	"strings"
)

// Everything in this file is for people: tests, dumps and log lines.

var eventNames = [...]string{
	EventNone:      "none",
	EventHandled:   "handled",
	EventReady:     "ready",
	EventMessages:  "messages",
	EventSubscribe: "subscribe",
	EventCancel:    "cancel",
}

// String returns the kind in lower case.
func (k EventKind) String() string { return eventNames[k] }

// String returns the kind and what the fields hold that go with it.
func (ev Event) String() string {
	s := ev.Kind.String()
	switch ev.Kind {
	case EventNone:
		s += fmt.Sprintf(" need=%d", ev.Need)
	case EventMessages:
		s += fmt.Sprintf(" %d", ev.Messages)
	case EventSubscribe, EventCancel:
		s += " " + strconv.Quote(string(ev.Body))
	}
	return s + fmt.Sprintf(" n=%d", ev.N)
}

// String returns the flags that are set, joined by "|", or "last" if none is.
func (f Flags) String() string {
	var names []string
	for i, name := range [...]string{"MORE", "LONG", "COMMAND"} {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if f&^flagsKnown != 0 {
		names = append(names, fmt.Sprintf("%#x", uint8(f&^flagsKnown)))
	}
	if names == nil {
		return "last"
	}
	return strings.Join(names, "|")
}

// String returns a message frame as its size and the start of its body, and a
// command with its arguments.
func (f Frame) String() string {
	if f.Flags&FlagCommand != 0 {
		return commandString(f.Body)
	}
	what := "last"
	if f.Flags&FlagMore != 0 {
		what = "more"
	}
	return fmt.Sprintf("%s %d %s", what, len(f.Body), quote(f.Body))
}

// quote quotes the start of b.
func quote(b []byte) string {
	const most = 40
	if len(b) <= most {
		return strconv.Quote(string(b))
	}
	return strconv.Quote(string(b[:most])) + "…"
}

func commandString(body []byte) string {
	name, data, err := ConsumeCommand(body)
	if err != nil {
		return "malformed command " + quote(body)
	}
	s := printable(name)
	switch s {
	case "READY":
		return s + metadataString(data)
	case "PING":
		if ttl, context, err := consumePing(data); err == nil {
			return fmt.Sprintf("%s ttl=%v %s", s, ttl, quote(context))
		}
	case "ERROR":
		if refused, ok := consumeError(data).(*RefusedError); ok {
			return s + " " + strconv.Quote(refused.Reason)
		}
	}
	return s + " " + quote(data)
}

// metadataString returns each property after a space.
func metadataString(b []byte) string {
	var s strings.Builder
	for len(b) > 0 {
		name, value, n, err := ConsumeProperty(b)
		if err != nil {
			return s.String() + " malformed " + quote(b)
		}
		fmt.Fprintf(&s, " %s=%s", printable(name), quote(value))
		b = b[n:]
	}
	return s.String()
}

// String returns the version and all the properties.
func (p *Peer) String() string {
	s := fmt.Sprintf("ZMTP 3.%d %s=%q %s=%q", p.Minor, PropertySocketType, p.SocketType, PropertyIdentity, p.Identity)
	for i := range p.Properties {
		s += fmt.Sprintf(" %s=%q", printable([]byte(p.Properties[i].Name)), p.Properties[i].Value)
	}
	return s
}
