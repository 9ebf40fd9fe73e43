package socket

import (
	"fmt"
	"net"
	"net/netip"
)

// A place is an interface and our address there.
type place struct {
	nic  int
	addr netip.Addr
}

// place finds the interface that l names, or that the system uses for its group.
// A name is taken for an interface's, never for a host's.
func (l *line) place() (place, error) {
	if l.nic == "" || l.nic == "*" {
		return l.defaultPlace()
	}
	if addr, err := netip.ParseAddr(l.nic); err == nil {
		return placeOf(addr)
	}
	nic, err := net.InterfaceByName(l.nic)
	if err != nil {
		return place{}, fmt.Errorf("interface %q: %w", l.nic, err)
	}
	addr, err := l.addressAt(nic)
	return place{nic.Index, addr}, err
}

// addressAt returns our address at nic: of IPv6 a link-local one if the group is.
func (l *line) addressAt(nic *net.Interface) (found netip.Addr, err error) {
	addrs, err := nic.Addrs()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("interface %q: %w", nic.Name, err)
	}
	local := l.group.IsLinkLocalMulticast() || l.group.IsInterfaceLocalMulticast()
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || p.Addr().Is4() != l.group.Is4() {
			continue
		}
		if !found.IsValid() || p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() == local {
			found = p.Addr()
		}
	}
	if !found.IsValid() {
		return netip.Addr{}, fmt.Errorf("interface %q has no address of the group's family", nic.Name)
	}
	return found, nil
}

// placeOf finds the interface that has the address.
func placeOf(addr netip.Addr) (place, error) {
	nics, err := net.Interfaces()
	if err != nil {
		return place{}, err
	}
	for _, nic := range nics {
		addrs, err := nic.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr() == addr.WithZone("") {
				return place{nic.Index, p.Addr()}, nil
			}
			if p, err := netip.ParsePrefix(a.String()); err == nil && addr.IsLoopback() && p.Addr().IsLoopback() && p.Contains(addr) {
				return place{nic.Index, addr}, nil // all of 127.0.0.0/8
			}
		}
	}
	return place{}, fmt.Errorf("no interface has the address %v", addr)
}

// defaultPlace asks the system for its way to the group.
func (l *line) defaultPlace() (place, error) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(l.group, l.port))) // sends nothing
	if err != nil {
		return place{}, fmt.Errorf("no interface given, and no way to %v: %w", l.group, err)
	}
	defer c.Close()
	return placeOf(c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap())
}
