//go:build !linux

package main

import (
	"errors"
	"net"
	"net/netip"
)

func openGroup(netip.AddrPort) (multicast, unicast *net.UDPConn, err error) {
	return nil, nil, errors.New("PGM is captured on Linux only")
}
