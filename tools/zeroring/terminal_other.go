//go:build !linux

package main

import (
	"errors"
	"os"
)

// terminalSize knows no terminals: only Linux has sockets to show yet.
func terminalSize(*os.File) (columns, rows int, ok bool) { return 0, 0, false }

func rawKeys(*os.File) (undo func(), err error) { return nil, errors.ErrUnsupported }
