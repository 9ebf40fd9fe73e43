package main

import (
	"context"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// openGroup returns a socket that hears what is sent to the group on loopback,
// and one that hears what is sent to the source itself and sends to the group.
func openGroup(group netip.AddrPort) (multicast, unicast *net.UDPConn, err error) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return nil, nil, err
	}
	member := unix.IPMreqn{Multiaddr: group.Addr().As4(), Ifindex: int32(lo.Index)}
	open := func(at netip.AddrPort, set func(fd int) error) (*net.UDPConn, error) {
		config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
			controlErr := c.Control(func(fd uintptr) {
				// What libzmq sets, and the only thing: without it one could not
				// have the port beside it.
				if err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err == nil {
					err = set(int(fd))
				}
			})
			if err == nil {
				err = controlErr
			}
			return err
		}}
		conn, err := config.ListenPacket(context.Background(), "udp4", at.String())
		if err != nil {
			return nil, err
		}
		return conn.(*net.UDPConn), nil
	}
	multicast, err = open(group, func(fd int) error {
		return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &member)
	})
	if err != nil {
		return nil, nil, err
	}
	unicast, err = open(netip.AddrPortFrom(loopback, group.Port()), func(fd int) error {
		return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(lo.Index)})
	})
	if err != nil {
		multicast.Close()
		return nil, nil, err
	}
	return multicast, unicast, nil
}
