package zmtp

// A Mechanism is how a connection is secured.
type Mechanism uint8

// Null is the mechanism that secures nothing.
const Null Mechanism = 0

var mechanismNames = [...]string{Null: "NULL"}

// String returns the name the greeting carries.
func (m Mechanism) String() string { return mechanismNames[m] }

// mechanism is one side of a security handshake. It speaks in whole command
// frames, and is done when handle returns a peer.
//
// "Each security mechanism defines a protocol consisting of zero or more
// commands sent by either peer to the other until the handshaking is complete
// or either of the peers refuses to continue, and closes the connection."
// https://rfc.zeromq.org/spec/37/#authentication-and-confidentiality
type mechanism interface {
	// begin appends to out what this side says without being asked, once the
	// peer's greeting is known.
	begin(out []byte) []byte

	// handle takes the peer's next command, which it does not keep, and appends
	// its answer to out. It returns the peer once both sides are satisfied. An
	// error is final; out may hold a last word to the peer even then.
	handle(out []byte, name, data []byte) ([]byte, *Peer, error)
}

// newMechanism returns this side's part of the handshake.
func (cfg *Config) newMechanism() mechanism {
	return &null{cfg: cfg}
}
