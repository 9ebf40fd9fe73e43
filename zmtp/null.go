package zmtp

// null is the NULL mechanism: each side sends READY with its metadata.
//
//	null = ready *message | error
//
// https://rfc.zeromq.org/spec/37/#the-null-security-mechanism
type null struct {
	cfg   *Config
	ready bool // our READY is in the output
}

func (m *null) begin(out []byte) []byte {
	// "To complete a NULL security handshake, the client SHALL send a READY
	// command and then wait for a READY command in reply. […] If there is no
	// error, [the server] MUST send a READY command in reply."
	//
	// A server that waits can still answer with ERROR. There is no deadlock:
	// ZMTP 3.0 peers and libzmq send theirs at once on either side.
	if m.cfg.AsServer {
		return out
	}
	m.ready = true
	return appendReady(out, m.cfg)
}

func (m *null) handle(out []byte, name, data []byte) ([]byte, *Peer, error) {
	switch string(name) {
	case "READY":
		return m.handleReady(out, data)
	case "ERROR":
		return out, nil, consumeError(data)
	}
	return out, nil, errUnexpected
}

func (m *null) handleReady(out, metadata []byte) ([]byte, *Peer, error) {
	peer, err := consumeMetadata(metadata)
	if err != nil {
		return out, nil, err
	}
	if err := m.cfg.accept(peer); err != nil {
		// "When a peer validates the socket type, it SHOULD handle errors by
		// returning an ERROR command, and then disconnecting the peer."
		// https://rfc.zeromq.org/spec/37/#the-socket-type-property
		return AppendError(out, "Incompatible socket type"), nil, err
	}
	if !m.ready {
		out = appendReady(out, m.cfg)
	}
	return out, peer, nil
}

// appendReady appends the READY command.
//
//	ready = command-size %d5 "READY" metadata
func appendReady(b []byte, cfg *Config) []byte {
	return appendMetadata(appendCommandHeader(b, readyPrefix, metadataSize(cfg)), cfg)
}
