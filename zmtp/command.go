package zmtp

import (
	"encoding/binary"
	"time"
)

// Limits on commands, in the handshake and after it.
const (
	// MaxCommand is the most octets the body of a command may have. A peer that
	// claims more is cut off at the frame header. It bounds what a connection
	// can hold before it has shown who it is.
	MaxCommand = 64 << 10

	// MaxTopic is the most octets a subscription may have, so that it fits a
	// SUBSCRIBE command.
	MaxTopic = MaxCommand - len(subscribePrefix)

	// MaxTTL is the longest that a PING can carry: "the maximum TTL is 6553.5
	// seconds".
	MaxTTL = 0xffff * ttlUnit

	maxPingContext = 16
	ttlUnit        = 100 * time.Millisecond
)

// A command's body starts with the size of its name, and the name.
const (
	readyPrefix     = "\x05READY"
	errorPrefix     = "\x05ERROR"
	pingPrefix      = "\x04PING"
	pongPrefix      = "\x04PONG"
	subscribePrefix = "\x09SUBSCRIBE"
	cancelPrefix    = "\x06CANCEL"
)

// ConsumeCommand splits the body of a command frame into name and data, which
// alias it. https://rfc.zeromq.org/spec/37/#formal-grammar:
//
//	command-body = command-name command-data
//	command-name = short-size 1*255command-name-char
//
// (The RFC's prose speaks of a null octet between the two; neither its grammar
// nor any implementation has one.)
func ConsumeCommand(body []byte) (name, data []byte, err error) {
	if len(body) == 0 || body[0] == 0 || len(body) < 1+int(body[0]) {
		return nil, nil, errBadCommand
	}
	end := 1 + int(body[0])
	return body[1:end:end], body[end:], nil
}

// appendCommandHeader appends the front of a command frame, up to where size
// octets of data follow.
func appendCommandHeader(b []byte, prefix string, size int) []byte {
	b = AppendFrameHeader(b, FrameHeader{FlagCommand, len(prefix) + size})
	return append(b, prefix...)
}

// AppendSubscribe appends to b the frame that subscribes to topic, in the form
// that a peer of ZMTP 3.minor understands: a command since 3.1, and before it a
// message of one octet and the topic (https://rfc.zeromq.org/spec/29/).
func AppendSubscribe(b, topic []byte, minor int) []byte {
	// "To create a subscription, the SUB or XSUB peer SHALL send a SUBSCRIBE
	// command". https://rfc.zeromq.org/spec/37/#the-publish-subscribe-pattern
	return appendTopic(b, subscribePrefix, 1, topic, minor)
}

// AppendCancel appends to b the frame that undoes one AppendSubscribe.
func AppendCancel(b, topic []byte, minor int) []byte {
	// "To cancel a subscription, the SUB or XSUB peer SHALL send a CANCEL
	// command". https://rfc.zeromq.org/spec/37/#the-publish-subscribe-pattern
	return appendTopic(b, cancelPrefix, 0, topic, minor)
}

func appendTopic(b []byte, prefix string, first byte, topic []byte, minor int) []byte {
	if minor >= 1 {
		b = appendCommandHeader(b, prefix, len(topic))
	} else {
		// libzmq forgets FlagLong here if the topic has 255 octets
		// (v2_encoder.cpp), and its peer loses the frame boundary.
		b = AppendFrameHeader(b, FrameHeader{0, 1 + len(topic)})
		b = append(b, first)
	}
	return append(b, topic...)
}

// AppendPing appends a PING command to b. ttl is rounded up to the tenth of a
// second that the wire counts in, and context echoed by the peer's PONG.
//
//	ping = command-size %d4 "PING" ping-ttl ping-context
//
// https://rfc.zeromq.org/spec/37/#connection-heartbeating
func AppendPing(b []byte, ttl time.Duration, context []byte) []byte {
	context = context[:min(len(context), maxPingContext)]
	b = appendCommandHeader(b, pingPrefix, 2+len(context))
	// Rounded up: down, as libzmq does, would turn a short TTL into none.
	b = binary.BigEndian.AppendUint16(b, uint16((min(ttl, MaxTTL)+ttlUnit-1)/ttlUnit))
	return append(b, context...)
}

// consumePing parses the data of a PING command.
func consumePing(data []byte) (ttl time.Duration, context []byte, err error) {
	if len(data) < 2 {
		// libzmq reads past the end here.
		return 0, nil, errBadPing
	}
	// A duration holds any TTL; libzmq's milliseconds in 16 bits do not
	// (zmtp_engine.cpp, process_heartbeat_message).
	ttl = time.Duration(binary.BigEndian.Uint16(data)) * ttlUnit
	// "which may be empty and MUST not exceed 16 octets". libzmq echoes the
	// first 16 of a longer one, and so do we.
	context = data[2:min(len(data), 2+maxPingContext)]
	return ttl, context, nil
}

// AppendPong appends to b the PONG command that answers a PING with context.
//
// "When a peer receives a PING command it SHALL respond with a PONG command
// that echoes the ping-context".
// https://rfc.zeromq.org/spec/37/#connection-heartbeating
func AppendPong(b, context []byte) []byte {
	context = context[:min(len(context), maxPingContext)]
	b = appendCommandHeader(b, pongPrefix, len(context))
	return append(b, context...)
}

// AppendError appends an ERROR command to b. A reason longer than 255 octets is
// cut.
//
//	error = command-size %d5 "ERROR" error-reason
//	error-reason = short-size 0*255VCHAR
//
// https://rfc.zeromq.org/spec/37/#the-null-security-mechanism
func AppendError(b []byte, reason string) []byte {
	reason = reason[:min(len(reason), 0xff)]
	b = appendCommandHeader(b, errorPrefix, 1+len(reason))
	b = append(b, byte(len(reason)))
	return append(b, reason...)
}

// consumeError parses the data of an ERROR command into the error to return.
func consumeError(data []byte) error {
	if len(data) == 0 || len(data)-1 < int(data[0]) {
		return errBadError
	}
	return &RefusedError{printable(data[1 : 1+int(data[0])])}
}
