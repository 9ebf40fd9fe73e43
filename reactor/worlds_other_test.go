//go:build !linux

package reactor

import "testing"

func openFDs(*testing.T) map[string]string { return nil }

func peek(FD) bool { panic("reactor: no kernel sockets on this system") }

func stuck(FD) bool { panic("reactor: no kernel sockets on this system") }
