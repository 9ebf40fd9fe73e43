package zmtp

import "errors"

// A ProtocolError reports that the peer broke ZMTP. It is the peer's fault,
// never ours, and it ends the connection: after it the octets have no frame
// boundary to resume from.
type ProtocolError struct {
	Reason string // lower case, no trailing period, fit for a log line
}

// Error implements error.
func (e *ProtocolError) Error() string { return "zmtp: " + e.Reason }

// Preallocated, so that a hostile peer cannot make us allocate.
var (
	errNotZMTP         = &ProtocolError{"peer speaks ZMTP 1.0 or not ZMTP at all"}
	errZMTP2           = &ProtocolError{"peer speaks ZMTP 2.0 or older, and 3.0 is needed"}
	errV1Empty         = &ProtocolError{"ZMTP 1.0 frame without flags"}
	errMoreOnCommand   = &ProtocolError{"command frame with MORE set"}
	errFrameTooLarge   = &ProtocolError{"frame exceeds the size limit"}
	errMessageTooLarge = &ProtocolError{"message exceeds the size limit"}
	errManyFrames      = &ProtocolError{"message has too many frames"}
	errCommandTooLarge = &ProtocolError{"command exceeds the size limit"}
	errBadCommand      = &ProtocolError{"malformed command"}
	errBadPing         = &ProtocolError{"malformed PING command"}
	errBadError        = &ProtocolError{"malformed ERROR command"}
	errBadMetadata     = &ProtocolError{"malformed metadata"}
	errManyProperties  = &ProtocolError{"too many metadata properties"}
	errBadIdentity     = &ProtocolError{"identity is longer than 255 octets"}
	errUnexpected      = &ProtocolError{"unexpected command in the handshake"}
)

// A RefusedError carries the reason from the peer's ERROR command.
//
// "The peer SHALL treat an incoming ERROR command as fatal, and act by closing
// the connection, and not re-connecting using the same security credentials."
// https://rfc.zeromq.org/spec/37/#error-handling
type RefusedError struct {
	Reason string // printable ASCII, at most 255 octets
}

// Error implements error.
func (e *RefusedError) Error() string { return "zmtp: refused by peer: " + e.Reason }

// What else ends a connection. Test for them with [errors.Is].
var (
	ErrIncompatible     = errors.New("zmtp: incompatible socket types")
	ErrHandshakeTimeout = errors.New("zmtp: handshake took too long")
	ErrHeartbeatTimeout = errors.New("zmtp: nothing heard from the peer for too long")
)

// printable copies what the peer wrote into a form fit for a log line.
func printable(b []byte) string {
	s := make([]byte, len(b))
	for i, c := range b {
		if c < 0x20 || c > 0x7e {
			c = '?'
		}
		s[i] = c
	}
	return string(s)
}
