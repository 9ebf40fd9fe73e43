package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// A watchSocket receives what goes to a group, one packet at a time, with the
// time at which the kernel had it.
type watchSocket struct{ fd int }

const (
	watchBuffer  = 64 << 20 // octets; only root gets more than net.core.rmem_max
	watchTimeout = 20       // milliseconds
)

func openWatch(group netip.Addr, port uint16, at netip.Addr) (*watchSocket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, watchBuffer),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: watchTimeout * 1000}),
		unix.Bind(fd, &unix.SockaddrInet4{Port: int(port), Addr: group.As4()}),
		unix.SetsockoptIPMreq(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreq{Multiaddr: group.As4(), Interface: at.As4()}),
	)
	w := &watchSocket{fd}
	if err != nil {
		w.close()
		return nil, fmt.Errorf("to watch %v: %w", group, err)
	}
	return w, nil
}

func (w *watchSocket) close() { _ = unix.Close(w.fd) }

// until returns what comes until the monotonic clock is at ns.
func (w *watchSocket) until(ns int64) (seen []sighting, err error) {
	var body [1 << 16]byte
	var control [64]byte
	for monotonic() < ns {
		n, c, _, _, err := unix.Recvmsg(w.fd, body[:], control[:], 0)
		if err == unix.EAGAIN || err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		at, err := timestamp(control[:c])
		if err != nil {
			return nil, err
		}
		seen = append(seen, sighting{at, n})
	}
	return seen, nil
}

// timestamp finds SCM_TIMESTAMPNS.
func timestamp(control []byte) (int64, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0, err
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			return int64(binary.NativeEndian.Uint64(m.Data))*1e9 + int64(binary.NativeEndian.Uint64(m.Data[8:])), nil
		}
	}
	return 0, errors.New("a packet has no time")
}
