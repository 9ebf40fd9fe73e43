// Package peer has what the programs of all peers need.
package peer

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// ErrClosed is what calls of a link return that was closed meanwhile.
var ErrClosed = errors.New("closed")

// Netpoller is the backend of all that is pure Go.
const Netpoller = "the Go runtime's poller (epoll)"

// Linger is how long closing waits for what is queued. Peers that are alive
// need far less.
const Linger = 10 * time.Second

// NotSupported is an error about what a library cannot do.
func NotSupported(format string, args ...any) error {
	return fmt.Errorf("not supported: "+format, args...)
}

// Version is a module's path and version in this program.
func Version(module string) string {
	version := "unknown"
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, m := range b.Deps {
			if m.Path == module {
				version = m.Version
			}
		}
	}
	return module + " " + version
}
