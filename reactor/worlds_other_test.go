//go:build !linux

package reactor

import "testing"

func openFDs(*testing.T) int { return 0 }

func peek(FD) bool { panic("reactor: no kernel sockets on this system") }
