package socket

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/panjf2000/ants/v2"
)

// What blocks runs here, and never on a reactor: resolving names.

// poolSize is how many names may be resolved at a time.
const poolSize = 16

// lookUpTime is how long resolving a name may take.
const lookUpTime = 10 * time.Second

var pool = sync.OnceValues(func() (*ants.Pool, error) {
	return ants.NewPool(poolSize, ants.WithNonblocking(true))
})

// offload runs f on the pool, or returns an error if the pool is full: who
// asks is a reactor, which may not wait, and tries again later.
func offload(f func()) error {
	p, err := pool()
	if err != nil {
		return err
	}
	return p.Submit(f)
}

// lookUpHost returns a name's addresses, those of IPv4 first.
func lookUpHost(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i := range ips {
		ips[i] = ips[i].Unmap()
	}
	slices.SortStableFunc(ips, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	return ips, err
}

// bindAddr returns the address of what Bind was given: any, a literal, an
// interface or a name.
func (s *Socket) bindAddr(host string) (netip.Addr, error) {
	if host == "*" {
		return netip.IPv4Unspecified(), nil
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr, nil
	}
	if addr, err := interfaceAddr(host, false); err == nil {
		return addr, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookUpTime)
	defer cancel()
	ips, err := lookUpHost(ctx, host)
	if err != nil || len(ips) == 0 {
		return netip.Addr{}, fmt.Errorf("%q is no address, interface or known name: %w", host, err)
	}
	return ips[0], nil
}

// sourceAddr returns the address to connect from.
func sourceAddr(host string, v6 bool) (netip.Addr, error) {
	if host == "*" {
		if v6 {
			return netip.IPv6Unspecified(), nil
		}
		return netip.IPv4Unspecified(), nil
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr, nil
	}
	return interfaceAddr(host, v6)
}

// interfaceAddr returns an interface's first address, of IPv6 if v6.
func interfaceAddr(name string, v6 bool) (netip.Addr, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("interface %q: %w", name, err)
	}
	addrs, err := i.Addrs()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("interface %q: %w", name, err)
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is6() == v6 {
			return p.Addr(), nil
		}
	}
	return netip.Addr{}, fmt.Errorf("interface %q has no address of that family", name)
}
