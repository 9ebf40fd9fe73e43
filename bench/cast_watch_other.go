//go:build !linux

package bench

import (
	"errors"
	"net/netip"
)

type watchSocket struct{}

func openWatch(netip.Addr, uint16, netip.Addr) (*watchSocket, error) {
	return nil, errors.New("only Linux has network namespaces")
}

func (*watchSocket) close()                          {}
func (*watchSocket) until(int64) ([]sighting, error) { return nil, nil }
