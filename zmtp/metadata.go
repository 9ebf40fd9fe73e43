package zmtp

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// The names of the properties that ZMTP defines and libzmq sends.
const (
	PropertySocketType = "Socket-Type"
	PropertyIdentity   = "Identity"
)

const (
	maxName     = 0xff
	maxIdentity = 0xff

	// maxProperties bounds the work a peer can cause with one READY command.
	// More is an error; libzmq sends two and what the application added.
	maxProperties = 128
)

// A Property is one entry of a connection's metadata.
type Property struct {
	Name  string // case does not matter
	Value []byte
}

// A Peer is what the other side of a connection told about itself.
type Peer struct {
	SocketType string     // "" if it did not tell
	Identity   []byte     // its routing id, empty for none
	Minor      int        // it speaks ZMTP 3.Minor; later versions count as 1
	Properties []Property // the others, in the order they came
}

// Property returns the value of the property called name, in any case, and nil
// if the peer did not send it.
func (p *Peer) Property(name string) []byte {
	// "Metadata names SHALL be case-insensitive."
	// https://rfc.zeromq.org/spec/37/#connection-metadata
	// libzmq heeds the case, but sends the canonical one.
	switch {
	case strings.EqualFold(name, PropertySocketType):
		return []byte(p.SocketType)
	case strings.EqualFold(name, PropertyIdentity):
		return p.Identity
	}
	for i := range p.Properties {
		if strings.EqualFold(name, p.Properties[i].Name) {
			return p.Properties[i].Value
		}
	}
	return nil
}

// AppendProperty appends one property to b.
//
//	property = name value
//	name = short-size 1*255name-char
//	value = 4OCTET *OCTET       ; Size in network byte order
//
// https://rfc.zeromq.org/spec/37/#the-null-security-mechanism
func AppendProperty(b []byte, name string, value []byte) []byte {
	b = append(b, byte(len(name)))
	b = append(b, name...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(value)))
	return append(b, value...)
}

// ConsumeProperty parses the property at the start of b, which it aliases, and
// returns how many octets it took. Metadata comes in one command, so octets
// that are missing are malformed and not late.
func ConsumeProperty(b []byte) (name, value []byte, n int, err error) {
	// "Zero-sized names are not valid." libzmq accepts them and sends none.
	if len(b) == 0 || b[0] == 0 || len(b) < 1+int(b[0])+4 {
		return nil, nil, 0, errBadMetadata
	}
	end := 1 + int(b[0])
	name = b[1:end:end]
	size := uint64(binary.BigEndian.Uint32(b[end:]))
	start := end + 4
	if size > uint64(len(b)-start) {
		return nil, nil, 0, errBadMetadata
	}
	n = start + int(size)
	return name, b[start:n:n], n, nil
}

// appendMetadata appends the properties this side announces.
func appendMetadata(b []byte, cfg *Config) []byte {
	b = AppendProperty(b, PropertySocketType, []byte(cfg.SocketType))
	switch cfg.SocketType {
	case "REQ", "DEALER", "ROUTER":
		// "A REQ, DEALER, or ROUTER peer connecting to a ROUTER MAY announce
		// its identity". libzmq does at every connection, even an empty one
		// (mechanism.cpp, add_basic_properties).
		// https://rfc.zeromq.org/spec/37/#the-identity-property
		b = AppendProperty(b, PropertyIdentity, cfg.Identity)
	}
	for i := range cfg.Metadata {
		b = AppendProperty(b, cfg.Metadata[i].Name, cfg.Metadata[i].Value)
	}
	return b
}

// metadataSize is how many octets appendMetadata appends.
func metadataSize(cfg *Config) int {
	n := propertySize(PropertySocketType, len(cfg.SocketType))
	switch cfg.SocketType {
	case "REQ", "DEALER", "ROUTER":
		n += propertySize(PropertyIdentity, len(cfg.Identity))
	}
	for i := range cfg.Metadata {
		n += propertySize(cfg.Metadata[i].Name, len(cfg.Metadata[i].Value))
	}
	return n
}

func propertySize(name string, value int) int { return 1 + len(name) + 4 + value }

// consumeMetadata parses all the properties of a peer. What it keeps of b it
// copies.
func consumeMetadata(b []byte) (*Peer, error) {
	p := new(Peer)
	for count := 0; len(b) > 0; count++ {
		if count == maxProperties {
			return nil, errManyProperties
		}
		name, value, n, err := ConsumeProperty(b)
		if err != nil {
			return nil, err
		}
		if err := p.set(name, value); err != nil {
			return nil, err
		}
		b = b[n:]
	}
	return p, nil
}

// set notes one property. Of two with the same name the last counts, as it does
// for libzmq's routing id (mechanism.cpp, parse_metadata).
func (p *Peer) set(name, value []byte) error {
	switch {
	case foldsTo(name, PropertySocketType):
		p.SocketType = socketType(value)
	case foldsTo(name, PropertyIdentity):
		// "identity = 0*255OCTET. The first octet of the Identity SHALL NOT be
		// zero". https://rfc.zeromq.org/spec/37/#the-identity-property
		// libzmq looks at neither, nor does its setter of the option at the
		// octet: of its users that take random octets for an identity, one in
		// 256 has a zero, and must be let in. It is for a ROUTER to see that no
		// peer takes over an identity that it has made up for another.
		if len(value) > maxIdentity {
			return errBadIdentity
		}
		p.Identity = append([]byte(nil), value...)
	default:
		p.Properties = append(p.Properties, Property{string(name), append([]byte(nil), value...)})
	}
	return nil
}

func foldsTo(b []byte, name string) bool {
	return len(b) == len(name) && strings.EqualFold(string(b), name)
}

// socketTypes are the stable ones of
// https://rfc.zeromq.org/spec/37/#the-socket-type-property.
var socketTypes = [...]string{"REQ", "REP", "DEALER", "ROUTER", "PUB", "XPUB", "SUB", "XSUB", "PUSH", "PULL", "PAIR"}

// socketType is string(b), without allocating for what peers really send.
func socketType(b []byte) string {
	for _, name := range socketTypes {
		if string(b) == name {
			return name
		}
	}
	return string(b)
}

// accept decides whether this side may talk to p.
//
// "The peer SHOULD enforce that the other peer is using a valid socket type."
// https://rfc.zeromq.org/spec/37/#the-socket-type-property
func (cfg *Config) accept(p *Peer) error {
	// "The sender SHOULD specify the Socket-Type": need not. libzmq lets a peer
	// pass that does not (mechanism.cpp, parse_metadata).
	if cfg.Accept == nil || p.SocketType == "" || cfg.Accept(p.SocketType) {
		return nil
	}
	theirs := printable([]byte(p.SocketType[:min(len(p.SocketType), 32)]))
	return fmt.Errorf("%w: %s cannot talk to %s", ErrIncompatible, cfg.SocketType, theirs)
}
