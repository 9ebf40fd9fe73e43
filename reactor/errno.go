package reactor

import (
	"errors"
	"syscall"
)

// ErrAgain is what TryRead and TryWrite return when the operation would have
// to wait. It is one value, so that it costs nothing on the message path.
var ErrAgain = errors.New("reactor: the operation would block")

// What the reactor itself completes operations with, as ErrnoError returns it.
var (
	ErrNoBufs   error = syscall.ENOBUFS   // no buffer, or no slot for the operation: submit again
	ErrCanceled error = syscall.ECANCELED // Cancel or Group.Close ended it
)

// ErrnoError turns an Op's Result into an error: nil if it is not negative,
// else the syscall.Errno, so that errors.Is(err, syscall.ECONNREFUSED) holds.
// It does not allocate: the runtime keeps the boxed forms of small integers.
func ErrnoError(result int32) error {
	if result >= 0 {
		return nil
	}
	return syscall.Errno(-result)
}

// HungUp reports whether err, with which a write failed, says that the peer is
// gone. What it sent before can still be read, and then the end of the stream.
func HungUp(err error) bool { return err == syscall.EPIPE || err == syscall.ECONNRESET }

// errnoResult is the reverse: what an Op that failed with e completes with.
func errnoResult(e syscall.Errno) int32 { return -int32(e) }

// canceled is the result of what Cancel and Group.Close end.
const canceled = -int32(syscall.ECANCELED)
