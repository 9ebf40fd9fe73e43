package socket

import (
	"errors"
	"fmt"
)

// Errors that calls return. Test for them with errors.Is.
var (
	// ErrClosed: the socket or its engine was closed, before or during the call.
	ErrClosed = errors.New("socket: closed")

	// ErrWouldBlock: a Try call would have had to wait.
	ErrWouldBlock = errors.New("socket: would block")

	// ErrState: the pattern does not allow the call now, such as a REQ that
	// sends twice without receiving. ZeroMQ calls it EFSM.
	ErrState = errors.New("socket: not allowed in this state")

	// ErrPeerLost: the peer that owed a REQ its reply is gone. The socket is
	// ready for the next request.
	ErrPeerLost = errors.New("socket: peer lost before it replied")

	// ErrNoRoute: a ROUTER with RouterMandatory has no peer of that routing id.
	ErrNoRoute = errors.New("socket: no peer has this routing id")

	// ErrIdentityTaken: another peer of the ROUTER has this routing id.
	ErrIdentityTaken = errors.New("socket: another peer has this routing id")

	// ErrNotSupported: this type of socket does not do that. The error's own words
	// say which type and what.
	ErrNotSupported = errors.New("socket: not supported by this type of socket")

	// ErrNotFound: no such endpoint is bound or connected.
	ErrNotFound = errors.New("socket: endpoint is neither bound nor connected")

	// ErrTooLarge: a message of 4 GiB or more, which no queue can hold, or of more
	// than a million frames, which no peer of ours takes.
	ErrTooLarge = errors.New("socket: message of 4 GiB or more, or of more than a million frames")

	// ErrTopicTooLong: no publisher takes a subscription of more than 65,526
	// octets, which fit a command of 64 KiB.
	ErrTopicTooLong = errors.New("socket: topic is longer than 65526 octets")

	// ErrEmptyMessage: a message needs at least one frame.
	ErrEmptyMessage = errors.New("socket: message without frames")
)

// What is wrong with the state. Each is ErrState.
var (
	errReqFirst = fmt.Errorf("%w: a REQ receives after it has sent", ErrState)
	errReqOwed  = fmt.Errorf("%w: a REQ that waits for a reply receives it before it sends again, unless ReqRelaxed is set", ErrState)
	errRepFirst = fmt.Errorf("%w: a REP sends after it has received", ErrState)
	errRepOwes  = fmt.Errorf("%w: a REP that owes a reply sends it before it receives again", ErrState)
)

// What some types of socket do not do. Each is ErrNotSupported.
var (
	errPullSends    = notSupported(TypePull, "does not send")
	errSubSends     = notSupported(TypeSub, "does not send; it subscribes by Subscribe")
	errPushReceives = notSupported(TypePush, "does not receive")
	errPubReceives  = notSupported(TypePub, "does not receive; an XPUB receives subscriptions")
)

// notSupported returns an error that is ErrNotSupported and says that sockets of
// type t do not do what was asked.
func notSupported(t Type, doesNot string) error {
	article := "a "
	if t == TypeXPub || t == TypeXSub {
		article = "an "
	}
	return unsupported("socket: " + article + t.String() + " " + doesNot)
}

// unsupported is an ErrNotSupported in words of its own.
type unsupported string

func (e unsupported) Error() string { return string(e) }
func (unsupported) Unwrap() error   { return ErrNotSupported }

// What ends a source of multicast, in an Event.
var (
	// ErrSourceSilent: nothing was heard of it for MulticastOptions.SourceTimeout.
	ErrSourceSilent = errors.New("socket: source has fallen silent")

	// ErrSourceReset: it aborted its transport session.
	ErrSourceReset = errors.New("socket: source has aborted its transport session")
)

var errPieces = errors.New("socket: pieces of a message do not fit together")

var errWholeTooLarge = errors.New("socket: message exceeds the size limit")

// errWouldBlock is what a pattern returns for "wait".
var errWouldBlock = ErrWouldBlock

// An EndpointError says what could not be done with which endpoint, and why.
type EndpointError struct {
	Op       string // "bind", "connect", "unbind", "disconnect"
	Endpoint string // as it was given
	Err      error
}

// Error names the operation, the endpoint and the reason.
func (e *EndpointError) Error() string {
	return fmt.Sprintf("socket: %s %q: %v", e.Op, e.Endpoint, e.Err)
}

// Unwrap returns the reason.
func (e *EndpointError) Unwrap() error { return e.Err }

// An OptionError names an option whose value is not allowed.
type OptionError struct {
	Option string // the field of Options
	Reason string
}

// Error names the option and says what is wrong with its value.
func (e *OptionError) Error() string {
	return fmt.Sprintf("socket: option %s: %s", e.Option, e.Reason)
}
