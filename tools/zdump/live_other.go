//go:build !linux

package main

import (
	"context"
	"errors"
)

// listen is there for Linux only.
func listen(context.Context, string, func(capture) error) error {
	return errors.New("--live: only Linux has what it needs")
}
