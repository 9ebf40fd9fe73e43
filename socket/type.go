package socket

import (
	"fmt"
	"slices"
)

// A Type is one of the eleven types of socket. The zero Type is none of them.
type Type uint8

// The types, by the pattern they belong to.
const (
	TypeReq    Type = iota + 1 // request-reply, https://rfc.zeromq.org/spec/28/
	TypeRep                    //
	TypeDealer                 //
	TypeRouter                 //
	TypePub                    // publish-subscribe, https://rfc.zeromq.org/spec/29/
	TypeSub                    //
	TypeXPub                   //
	TypeXSub                   //
	TypePush                   // pipeline, https://rfc.zeromq.org/spec/30/
	TypePull                   //
	TypePair                   // exclusive pair, https://rfc.zeromq.org/spec/31/
	endOfTypes
)

// types holds, by Type, the name on the wire and the types of peer allowed.
//
// Which may talk to which is in https://rfc.zeromq.org/spec/37/#the-null-security-mechanism
// and in libzmq's mechanism_t::check_socket_type. They agree.
var types = [endOfTypes]struct {
	name  string
	peers []string
}{
	TypeReq:    {"REQ", []string{"REP", "ROUTER"}},
	TypeRep:    {"REP", []string{"REQ", "DEALER"}},
	TypeDealer: {"DEALER", []string{"REP", "DEALER", "ROUTER"}},
	TypeRouter: {"ROUTER", []string{"REQ", "DEALER", "ROUTER"}},
	TypePub:    {"PUB", []string{"SUB", "XSUB"}},
	TypeSub:    {"SUB", []string{"PUB", "XPUB"}},
	TypeXPub:   {"XPUB", []string{"SUB", "XSUB"}},
	TypeXSub:   {"XSUB", []string{"PUB", "XPUB"}},
	TypePush:   {"PUSH", []string{"PULL"}},
	TypePull:   {"PULL", []string{"PUSH"}},
	TypePair:   {"PAIR", []string{"PAIR"}},
}

// valid reports whether t is one of the eleven.
func (t Type) valid() bool { return t > 0 && t < endOfTypes }

// String returns the type's name as it stands on the wire: "REQ".
func (t Type) String() string {
	if !t.valid() {
		return fmt.Sprintf("Type(%d)", uint8(t))
	}
	return types[t].name
}

// compatible reports whether a peer that says it is of type peer may talk to a
// socket of type t. Names are compared with their case, as libzmq does.
func (t Type) compatible(peer string) bool {
	return t.valid() && slices.Contains(types[t].peers, peer)
}

// sends and receives report what a user of such a socket may do.
func (t Type) sends() bool    { return t != TypePull && t != TypeSub }
func (t Type) receives() bool { return t != TypePush && t != TypePub }
