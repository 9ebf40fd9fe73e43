package reactor

import (
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// datagram makes a datagram socket.
func (kernelSockets) datagram(opts *DatagramOpts) (FD, DatagramInfo, error) {
	local, err := opts.local()
	if err != nil {
		return NoFD, DatagramInfo{}, err
	}
	family, address, err := sockaddr(Addr{Network: TCP, IP: local})
	if err != nil {
		return NoFD, DatagramInfo{}, err
	}
	kind := unix.SOCK_DGRAM
	if opts.Protocol != 0 {
		kind = unix.SOCK_RAW
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, opts.Protocol)
	if err != nil {
		return NoFD, DatagramInfo{}, os.NewSyscallError("socket", err)
	}
	s := datagramSetup{fd: fd, opts: opts, ipv6: family == unix.AF_INET6}
	if err := s.run(address); err != nil {
		unix.Close(fd)
		return NoFD, DatagramInfo{}, err
	}
	return FD(fd), s.info, nil
}

// local is the address to bind, in the one form that is used, after a look at
// what belongs together.
func (o *DatagramOpts) local() (netip.AddrPort, error) {
	ip, group, port := o.Local.Addr().Unmap(), o.Group.Unmap(), o.Local.Port()
	wrong := ""
	switch {
	case !ip.IsValid():
		wrong = "local address"
	case group.IsValid() && (!group.IsMulticast() || group.Is4() != ip.Is4()):
		wrong = "group"
	case o.Interface < 0 || o.Interface > 1<<31-1:
		wrong = "interface"
	case o.Protocol < 0 || o.Protocol > 255:
		wrong = "protocol"
	}
	for _, source := range o.Sources {
		if !source.IsValid() || source.Unmap().Is4() != ip.Is4() || !group.IsValid() {
			wrong = "source"
		}
	}
	if wrong != "" {
		return netip.AddrPort{}, os.NewSyscallError("datagram "+wrong, syscall.EINVAL)
	}
	if o.Protocol != 0 {
		port = 0
	}
	if o.Interface != 0 && ip.Zone() == "" &&
		(ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() || ip.IsInterfaceLocalMulticast()) && ip.Is6() {
		ip = ip.WithZone(strconv.Itoa(o.Interface))
	}
	return netip.AddrPortFrom(ip, port), nil
}

// A datagramSetup sets up a socket. The first error ends it.
type datagramSetup struct {
	fd   int
	opts *DatagramOpts
	ipv6 bool
	info DatagramInfo
	err  error
}

func (s *datagramSetup) run(address unix.Sockaddr) error {
	s.setSocket()
	if s.ipv6 {
		s.setIPv6()
	} else {
		s.setIPv4()
	}
	if s.opts.Protocol == 0 {
		s.info.GSO = unix.SetsockoptInt(s.fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 0) == nil
		s.info.GRO = !s.opts.Whole && unix.SetsockoptInt(s.fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil
	}
	s.note("bind", func() error { return unix.Bind(s.fd, address) })
	s.join()
	s.learn()
	return s.err
}

// note does something, unless something failed before.
func (s *datagramSetup) note(what string, f func() error) {
	if s.err == nil {
		s.err = os.NewSyscallError(what, f())
	}
}

func (s *datagramSetup) set(name string, level, option, value int) {
	s.note("setsockopt "+name, func() error { return unix.SetsockoptInt(s.fd, level, option, value) })
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// setSocket sets what does not depend on the protocol.
func (s *datagramSetup) setSocket() {
	if s.opts.Share {
		s.set("SO_REUSEADDR", unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		s.set("SO_REUSEPORT", unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}
	if device := s.opts.Device; device != "" {
		s.note("setsockopt SO_BINDTODEVICE", func() error { return unix.BindToDevice(s.fd, device) })
	}
	if size := s.opts.SendBuf; size > 0 {
		s.set("SO_SNDBUF", unix.SOL_SOCKET, unix.SO_SNDBUF, size)
	}
	if size := s.opts.RecvBuf; size > 0 && unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
		s.set("SO_RCVBUF", unix.SOL_SOCKET, unix.SO_RCVBUF, size)
	}
	if s.opts.Timestamps {
		s.set("SO_TIMESTAMPING", unix.SOL_SOCKET, unix.SO_TIMESTAMPING,
			unix.SOF_TIMESTAMPING_RX_SOFTWARE|unix.SOF_TIMESTAMPING_SOFTWARE|
				unix.SOF_TIMESTAMPING_RX_HARDWARE|unix.SOF_TIMESTAMPING_RAW_HARDWARE)
	}
	s.set("SO_RXQ_OVFL", unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
}

func (s *datagramSetup) setIPv4() {
	const level = unix.IPPROTO_IP
	s.set("IP_PKTINFO", level, unix.IP_PKTINFO, 1)
	s.set("IP_MULTICAST_TTL", level, unix.IP_MULTICAST_TTL, s.hops())
	s.set("IP_MULTICAST_LOOP", level, unix.IP_MULTICAST_LOOP, number(s.opts.Loop))
	if s.opts.TOS != 0 {
		s.set("IP_TOS", level, unix.IP_TOS, s.opts.TOS)
	}
	// Otherwise a socket gets what any other on this system has joined.
	s.set("IP_MULTICAST_ALL", level, unix.IP_MULTICAST_ALL, 0)
	if s.opts.Interface != 0 {
		by := unix.IPMreqn{Ifindex: int32(s.opts.Interface)}
		s.note("setsockopt IP_MULTICAST_IF", func() error {
			return unix.SetsockoptIPMreqn(s.fd, level, unix.IP_MULTICAST_IF, &by)
		})
	}
}

func (s *datagramSetup) setIPv6() {
	const level = unix.IPPROTO_IPV6
	if s.opts.Protocol == 0 { // a raw socket has no IPv4 anyway
		s.set("IPV6_V6ONLY", level, unix.IPV6_V6ONLY, 1)
	}
	s.set("IPV6_RECVPKTINFO", level, unix.IPV6_RECVPKTINFO, 1)
	s.set("IPV6_MULTICAST_HOPS", level, unix.IPV6_MULTICAST_HOPS, s.hops())
	s.set("IPV6_MULTICAST_LOOP", level, unix.IPV6_MULTICAST_LOOP, number(s.opts.Loop))
	if s.opts.TOS != 0 {
		s.set("IPV6_TCLASS", level, unix.IPV6_TCLASS, s.opts.TOS)
	}
	// Raw sockets get that even when they are bound to a unicast address.
	s.set("IPV6_MULTICAST_ALL", level, unix.IPV6_MULTICAST_ALL, 0)
	if s.opts.Interface != 0 {
		s.set("IPV6_MULTICAST_IF", level, unix.IPV6_MULTICAST_IF, s.opts.Interface)
	}
}

func (s *datagramSetup) hops() int {
	switch {
	case s.opts.Hops < 0:
		return 0
	case s.opts.Hops == 0:
		return 1
	}
	return s.opts.Hops
}

// groupReq is struct group_source_req, of which struct group_req is the front.
type groupReq struct {
	index         uint32
	group, source sockaddrStorage
}

// sockaddrStorage is struct sockaddr_storage, which is aligned like a pointer.
type sockaddrStorage [128 / unsafe.Sizeof(uintptr(0))]uintptr

func (s *datagramSetup) join() {
	if !s.opts.Group.IsValid() {
		return
	}
	level := unix.IPPROTO_IP
	if s.ipv6 {
		level = unix.IPPROTO_IPV6
	}
	req := groupReq{index: uint32(s.opts.Interface), group: storage(s.opts.Group)}
	if len(s.opts.Sources) == 0 {
		s.setGroup("MCAST_JOIN_GROUP", level, unix.MCAST_JOIN_GROUP, &req, unsafe.Offsetof(req.source))
	}
	for _, source := range s.opts.Sources {
		req.source = storage(source)
		s.setGroup("MCAST_JOIN_SOURCE_GROUP", level, unix.MCAST_JOIN_SOURCE_GROUP, &req, unsafe.Sizeof(req))
	}
}

// setGroup sets an option to the first size octets of req.
func (s *datagramSetup) setGroup(name string, level, option int, req *groupReq, size uintptr) {
	s.note("setsockopt "+name, func() error {
		return unix.SetsockoptString(s.fd, level, option, unsafe.String((*byte)(unsafe.Pointer(req)), size))
	})
}

// storage is ip as a socket address.
func storage(ip netip.Addr) (to sockaddrStorage) {
	putAddr((*unix.RawSockaddrInet6)(unsafe.Pointer(&to)), netip.AddrPortFrom(ip.Unmap(), 0), 0)
	return to
}

// learn asks what became of it all. The kernel's sizes are twice what was asked
// for, since it counts its own bookkeeping.
func (s *datagramSetup) learn() {
	ask := func(name string, option int) (size int) {
		s.note("getsockopt "+name, func() (err error) {
			size, err = unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, option)
			return err
		})
		return size / 2
	}
	s.info.SendBuf, s.info.RecvBuf = ask("SO_SNDBUF", unix.SO_SNDBUF), ask("SO_RCVBUF", unix.SO_RCVBUF)
	s.note("getsockname", func() error {
		var name unix.RawSockaddrInet6 // an IPv4 one is shorter
		size := uint32(unix.SizeofSockaddrInet6)
		_, _, errno := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(s.fd),
			uintptr(unsafe.Pointer(&name)), uintptr(unsafe.Pointer(&size)))
		if errno != 0 {
			return errno
		}
		s.info.Local = new(zoneCache).addr(&name)
		return nil
	})
	if s.opts.Protocol != 0 {
		s.info.Local = netip.AddrPortFrom(s.info.Local.Addr(), 0) // it has the protocol there
	}
}
