package zmtp

import (
	"errors"
	"math"
	"time"
)

const (
	defaultMaxMessage = 1 << 30
	minMaxWhole       = 64 << 20
)

// A Config says what a connection announces and insists on. Many engines may
// share one; none of them changes it, and nor may anybody else.
type Config struct {
	// SocketType is this side's, as on the wire: "REQ", "XPUB".
	SocketType string

	// Identity is the routing id a REQ, DEALER or ROUTER announces: at most
	// 255 octets, the first of them not zero. Empty means none.
	Identity []byte

	// AsServer says that this side bound and the peer connected. Exactly one
	// side of a connection may be the server: it lets the other go first in the
	// handshake, and so can still refuse it.
	AsServer bool

	// Mechanism is how the connection is secured. Zero is Null.
	Mechanism Mechanism

	// MaxMessage is the most octets one frame of a message may have, as
	// libzmq's ZMQ_MAXMSGSIZE. Zero means 1 GiB.
	MaxMessage int64

	// MaxWhole is the most octets a message may have with all its frames and
	// their headers. Zero means twice MaxMessage, but at least 64 MiB.
	MaxWhole int64

	// Metadata is announced after Socket-Type and Identity. "Metadata names
	// starting with "X-" SHALL be reserved for application use."
	Metadata []Property

	// Accept reports whether a peer of this socket type is welcome. Nil means
	// that every one is. A peer that does not tell its type is not asked about.
	Accept func(peerType string) bool

	// Handshake is how long greeting and handshake may take together. Zero
	// means for ever.
	Handshake time.Duration

	// HeartbeatEvery is how long the peer may be silent before it gets a PING,
	// if it speaks ZMTP 3.1 or later. Zero means never.
	HeartbeatEvery time.Duration

	// HeartbeatTimeout is how long it may be silent after that before the
	// connection counts as dead. Zero means HeartbeatEvery.
	HeartbeatTimeout time.Duration

	// HeartbeatTTL tells the peer to give up the connection when it hears
	// nothing for that long: at most 6553.5 s, in tenths of a second. With it,
	// a PING is sent every HeartbeatEvery, silent or not. Zero means none.
	HeartbeatTTL time.Duration
}

// Check reports the first thing wrong with cfg.
func (cfg *Config) Check() error {
	switch {
	case cfg.SocketType == "" || len(cfg.SocketType) > maxName:
		return errors.New("zmtp: no socket type")
	case len(cfg.Identity) > maxIdentity:
		return errors.New("zmtp: identity is longer than 255 octets")
	case len(cfg.Identity) > 0 && cfg.Identity[0] == 0:
		return errors.New("zmtp: identity starts with a zero octet")
	case int(cfg.Mechanism) >= len(mechanismNames):
		return errors.New("zmtp: unknown mechanism")
	case cfg.MaxMessage < 0 || cfg.MaxWhole < 0:
		return errors.New("zmtp: negative size limit")
	case cfg.Handshake < 0 || cfg.HeartbeatEvery < 0 || cfg.HeartbeatTimeout < 0 || cfg.HeartbeatTTL < 0:
		return errors.New("zmtp: negative duration")
	case cfg.HeartbeatTTL > MaxTTL:
		return errors.New("zmtp: heartbeat TTL is longer than 6553.5 s")
	}
	return cfg.checkMetadata()
}

func (cfg *Config) checkMetadata() error {
	for i := range cfg.Metadata {
		name := cfg.Metadata[i].Name
		if name == "" || len(name) > maxName {
			return errors.New("zmtp: metadata name must have 1 to 255 octets")
		}
		if foldsTo([]byte(name), PropertySocketType) || foldsTo([]byte(name), PropertyIdentity) {
			return errors.New("zmtp: metadata may not redefine " + name)
		}
		for j := range len(name) {
			if !isNameChar(name[j]) {
				return errors.New("zmtp: metadata name " + printable([]byte(name)) + " has a character that ZMTP does not allow")
			}
		}
	}
	if len(cfg.Metadata) > maxProperties-2 || len(readyPrefix)+metadataSize(cfg) > MaxCommand {
		return errors.New("zmtp: too much metadata")
	}
	return nil
}

// isNameChar reports whether c may be in a property's name.
//
//	name-char = ALPHA | DIGIT | "-" | "_" | "." | "+"
//
// https://rfc.zeromq.org/spec/37/#the-null-security-mechanism
func isNameChar(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c == '-' || c == '_' || c == '.' || c == '+'
}

// limits returns the two size limits as ints that may be added without
// overflow.
func (cfg *Config) limits() (frame, whole int) {
	const top = math.MaxInt / 4
	frame64, whole64 := cfg.MaxMessage, cfg.MaxWhole
	if frame64 == 0 {
		frame64 = defaultMaxMessage
	}
	if whole64 == 0 {
		whole64 = max(2*min(frame64, math.MaxInt64/2), minMaxWhole)
	}
	return int(min(frame64, top)), int(min(whole64, top))
}
