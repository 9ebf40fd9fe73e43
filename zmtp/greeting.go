package zmtp

import "bytes"

// The greeting. https://rfc.zeromq.org/spec/37/#formal-grammar
//
//	 0      1       9      10      11      12          32          33      63
//	+------+-------+------+-------+-------+-----------+-----------+--------+
//	| %xFF | 8 × 0 | %x7F | major | minor | mechanism | as-server | filler |
//	+------+-------+------+-------+-------+-----------+-----------+--------+
const (
	greetingSize  = 64
	signatureSize = 10
	majorAt       = 10
	minorAt       = 11
	mechanismAt   = 12
	mechanismSize = 20
	asServerAt    = 32

	major = 3
	minor = 1
)

// A greeting is what the peer's greeting tells.
type greeting struct {
	minor     uint8 // of major version 3, as far as this package tells minors apart
	mechanism [mechanismSize]byte
}

// appendGreeting appends our greeting, all of it:
//
// "When a peer does not need backwards interoperability, it SHOULD send its
// full greeting immediately upon establishing a new peer connection."
// https://rfc.zeromq.org/spec/37/#backwards-interoperability
//
// libzmq sends its own in up to three steps, each after it has seen more of
// ours; ours waits for nothing, so neither side can wait for the other.
func appendGreeting(b []byte, mechanism string, asServer bool) []byte {
	var g [greetingSize]byte
	// "In this case the peer SHOULD set the padding field to binary zeros."
	// https://rfc.zeromq.org/spec/37/#version-negotiation
	g[0], g[signatureSize-1] = 0xff, 0x7f
	g[majorAt], g[minorAt] = major, minor
	copy(g[mechanismAt:mechanismAt+mechanismSize], mechanism)
	if asServer {
		g[asServerAt] = 1
	}
	return append(b, g[:]...)
}

// consumeGreeting parses the peer's greeting at the start of b. n is zero until
// all of it is there; what no later octet can mend is an error at once.
//
// The padding and the filler are not looked at, nor is as-server, which libzmq
// leaves zero for servers too (zmtp_engine.cpp, receive_greeting_versioned):
//
// "A peer SHALL NOT assign any significance to the padding field and MUST NOT
// validate this nor interpret it in any way whatsoever."
// https://rfc.zeromq.org/spec/37/#version-negotiation
func consumeGreeting(b []byte) (g greeting, n int, err error) {
	// "If this first octet is not %FF, then the other peer is using ZMTP 1.0
	// […] inspect the last octet (the 10th in total). If the least significant
	// bit is 0, then the other peer is using ZMTP 1.0".
	// https://rfc.zeromq.org/spec/37/#detecting-zmtp-10-and-20-peers
	if len(b) > 0 && b[0] != 0xff || len(b) >= signatureSize && b[signatureSize-1]&1 == 0 {
		return greeting{}, 0, errNotZMTP
	}
	// "If the peer version number is 1 or 2, the peer is using ZMTP 2.0", and
	// "If a peer cannot downgrade its protocol to match its peer, it MUST close
	// the connection." libzmq takes 2 for 3.1; no peer is known to send it.
	if len(b) > majorAt && b[majorAt] < major {
		return greeting{}, 0, errZMTP2
	}
	if len(b) < greetingSize {
		return greeting{}, 0, nil
	}
	// "A peer MUST accept higher protocol versions as valid. […] A peer SHALL
	// always use its own protocol (including framing) when talking to an equal
	// or higher protocol peer."
	g.minor = minor
	if b[majorAt] == major {
		g.minor = min(b[minorAt], minor)
	}
	copy(g.mechanism[:], b[mechanismAt:])
	return g, greetingSize, nil
}

// checkMechanism compares the mechanism the peer announced with ours.
//
// "If the mechanism that the peer received does not exactly match the mechanism
// it sent, it MUST close the connection."
// https://rfc.zeromq.org/spec/37/#authentication-and-confidentiality
func (g *greeting) checkMechanism(ours string) error {
	theirs := bytes.TrimRight(g.mechanism[:], "\x00")
	if string(theirs) == ours {
		return nil
	}
	return &ProtocolError{"peer asks for security mechanism " + printable(theirs) + " and this side for " + ours}
}
