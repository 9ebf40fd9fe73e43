//go:build !linux

package raw

import (
	"errors"

	"github.com/zeroring/zeroring/bench"
)

func newCastLink(bench.Kind, bench.Job, bool) (bench.Link, error) {
	return nil, errors.New("not supported: multicast is measured on Linux only")
}
