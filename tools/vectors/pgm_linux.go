package main

import (
	"errors"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// openGroup returns a socket that hears what is sent to the group on loopback,
// and one that hears what is sent to the source itself and sends to the group.
func openGroup(group netip.AddrPort) (multicast, unicast *net.UDPConn, err error) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return nil, nil, err
	}
	multicast, err = openUDP(group, func(fd int) error {
		return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP,
			&unix.IPMreqn{Multiaddr: group.Addr().As4(), Ifindex: int32(lo.Index)})
	})
	if err != nil {
		return nil, nil, err
	}
	unicast, err = openUDP(netip.AddrPortFrom(loopback, group.Port()), func(fd int) error {
		return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(lo.Index)})
	})
	if err != nil {
		multicast.Close()
		return nil, nil, err
	}
	return multicast, unicast, nil
}

// openUDP binds a socket to that very address. Package net would bind one for a
// group to all addresses, and half of what libzmq is sent would come to us.
func openUDP(at netip.AddrPort, set func(fd int) error) (*net.UDPConn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), at.String())
	defer f.Close() // FilePacketConn has its own
	err = errors.Join(
		// What libzmq sets, and the only thing: without it one could not have the
		// port beside it.
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1),
		set(fd),
		unix.Bind(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}),
	)
	if err != nil {
		return nil, err
	}
	conn, err := net.FilePacketConn(f)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}
