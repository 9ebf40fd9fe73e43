package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// terminalSize returns how large the terminal is that f is, or 0 by 0 if it
// does not know.
func terminalSize(f *os.File) (columns, rows int, ok bool) {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0, false
	}
	return int(size.Col), int(size.Row), true
}
