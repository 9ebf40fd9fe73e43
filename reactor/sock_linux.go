package reactor

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket makes an unconnected socket to connect to the given address.
func (kernelSockets) socket(to Addr, opts *SockOpts) (FD, error) {
	family, _, err := sockaddr(to)
	if err != nil {
		return NoFD, err
	}
	fd, err := newSocket(family)
	if err != nil {
		return NoFD, err
	}
	if err := setUpConnecting(fd, family, opts); err != nil {
		unix.Close(fd)
		return NoFD, err
	}
	return FD(fd), nil
}

func newSocket(family int) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	return fd, nil
}

// setUpConnecting sets what must be set before connect(2): a buffer size, for
// one, decides the window scale that a TCP handshake offers.
func setUpConnecting(fd, family int, opts *SockOpts) error {
	if err := setOptions(fd, family, opts); err != nil {
		return err
	}
	if opts.Source.IsZero() {
		return nil
	}
	_, source, err := sockaddr(opts.Source)
	if err != nil {
		return err
	}
	if opts.Source.Network == TCP {
		err = setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		if err == nil && opts.Source.IP.Port() == 0 {
			// The port is then chosen by connect, which may give the same one
			// to connections that go to different places.
			err = setInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		}
		if err != nil {
			return err
		}
	}
	return os.NewSyscallError("bind", unix.Bind(fd, source))
}

// listen makes a listening socket.
func (kernelSockets) listen(at Addr, opts *SockOpts) (FD, Addr, error) {
	family, address, err := sockaddr(at)
	if err != nil {
		return NoFD, Addr{}, err
	}
	fd, err := newSocket(family)
	if err != nil {
		return NoFD, Addr{}, err
	}
	err = setUpListening(fd, family, address, opts)
	var bound Addr
	if err == nil {
		bound, err = kernelSockets{}.localAddr(FD(fd))
	}
	if err != nil {
		unix.Close(fd)
		return NoFD, Addr{}, err
	}
	return FD(fd), bound, nil
}

// setUpListening sets options, binds and listens. What TCP options are set here
// an accepted connection starts with, before accepted gets to see it.
func setUpListening(fd, family int, address unix.Sockaddr, opts *SockOpts) error {
	if err := setOptions(fd, family, opts); err != nil {
		return err
	}
	if family == unix.AF_UNIX {
		return listenUnix(fd, address.(*unix.SockaddrUnix), opts.backlog())
	}
	err := setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err == nil && family == unix.AF_INET6 {
		only := 0
		if opts.IPv6Only {
			only = 1
		}
		err = setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only)
	}
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, address); err != nil {
		return os.NewSyscallError("bind", err)
	}
	return os.NewSyscallError("listen", unix.Listen(fd, opts.backlog()))
}

// accepted sets the options of a connection that was accepted. One over TCP has
// them from its listener, which was set up with the same.
func (kernelSockets) accepted(fd FD, opts *SockOpts) (Addr, error) {
	var raw unix.RawSockaddrAny
	if errno := peerName(fd, &raw); errno != 0 {
		return Addr{}, os.NewSyscallError("getpeername", errno)
	}
	if peer, ok := ipAddr(&raw); ok {
		return peer, setPriority(int(fd), opts) // but for this
	}
	peer, err := unix.Getpeername(int(fd))
	if err != nil {
		return Addr{}, os.NewSyscallError("getpeername", err)
	}
	return toAddr(peer), setOptions(int(fd), unix.AF_UNIX, opts)
}

// peerName is getpeername(2). That of package unix asks for the protocol too.
func peerName(fd FD, raw *unix.RawSockaddrAny) syscall.Errno {
	size := uint32(unix.SizeofSockaddrAny)
	_, _, errno := unix.RawSyscall(unix.SYS_GETPEERNAME, uintptr(fd), uintptr(unsafe.Pointer(raw)), uintptr(unsafe.Pointer(&size)))
	return errno
}

// ipAddr is toAddr of an IP address as the kernel writes it.
func ipAddr(raw *unix.RawSockaddrAny) (Addr, bool) {
	switch raw.Addr.Family {
	case unix.AF_INET:
		a := (*unix.RawSockaddrInet4)(unsafe.Pointer(raw))
		return toAddr(&unix.SockaddrInet4{Port: networkOrder(a.Port), Addr: a.Addr}), true
	case unix.AF_INET6:
		a := (*unix.RawSockaddrInet6)(unsafe.Pointer(raw))
		return toAddr(&unix.SockaddrInet6{Port: networkOrder(a.Port), Addr: a.Addr, ZoneId: a.Scope_id}), true
	}
	return Addr{}, false
}

// networkOrder is a port that the kernel wrote.
func networkOrder(port uint16) int {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], port)
	return int(binary.BigEndian.Uint16(b[:]))
}

func (kernelSockets) localAddr(fd FD) (Addr, error) {
	local, err := unix.Getsockname(int(fd))
	if err != nil {
		return Addr{}, os.NewSyscallError("getsockname", err)
	}
	return toAddr(local), nil
}

// setOptions applies what opts asks for to a socket of any kind.
func setOptions(fd, family int, opts *SockOpts) error {
	if opts.SendBuf > 0 {
		if err := setInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, opts.SendBuf); err != nil {
			return err
		}
	}
	if opts.RecvBuf > 0 {
		if err := setInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, opts.RecvBuf); err != nil {
			return err
		}
	}
	if family != unix.AF_UNIX {
		if err := setIP(fd, family, opts); err != nil {
			return err
		}
	}
	return setPriority(fd, opts) // after IP_TOS, which sets it too
}

func setPriority(fd int, opts *SockOpts) error {
	if opts.Priority == 0 {
		return nil
	}
	return setInt(fd, unix.SOL_SOCKET, unix.SO_PRIORITY, opts.Priority)
}

// setIP applies what is for TCP over IP only.
func setIP(fd, family int, opts *SockOpts) error {
	if opts.Device != "" {
		if err := unix.BindToDevice(fd, opts.Device); err != nil {
			return os.NewSyscallError("setsockopt SO_BINDTODEVICE", err)
		}
	}
	if err := setTOS(fd, family, opts.TOS); err != nil {
		return err
	}
	return setTCP(fd, opts)
}

func setTOS(fd, family, tos int) error {
	if tos == 0 {
		return nil
	}
	if family == unix.AF_INET6 {
		if err := setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, tos); err != nil {
			return err
		}
	}
	// An IPv6 socket needs it too: it may carry IPv4.
	return setInt(fd, unix.IPPROTO_IP, unix.IP_TOS, tos)
}

func setTCP(fd int, opts *SockOpts) error {
	if err := setInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	if ms := opts.MaxRetransmit.Milliseconds(); ms > 0 {
		if err := setInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(ms)); err != nil {
			return err
		}
	}
	alive := &opts.KeepAlive
	if !alive.Enable {
		return nil
	}
	if err := setInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1); err != nil {
		return err
	}
	for _, o := range [...]struct{ name, value int }{
		{unix.TCP_KEEPIDLE, seconds(alive.Idle)},
		{unix.TCP_KEEPINTVL, seconds(alive.Interval)},
		{unix.TCP_KEEPCNT, alive.Count},
	} {
		if o.value > 0 {
			if err := setInt(fd, unix.IPPROTO_TCP, o.name, o.value); err != nil {
				return err
			}
		}
	}
	return nil
}

// seconds rounds d up, so that something positive does not become the default.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

func setInt(fd, level, name, value int) error {
	err := unix.SetsockoptInt(fd, level, name, value)
	if err != nil {
		return os.NewSyscallError("setsockopt "+strconv.Itoa(level)+":"+strconv.Itoa(name), err)
	}
	return nil
}

// sockaddr is a as the kernel wants it, and the family of sockets it is for.
func sockaddr(a Addr) (family int, address unix.Sockaddr, err error) {
	if errno := a.check(); errno != 0 {
		return 0, nil, errno
	}
	if a.Network == Unix {
		return unix.AF_UNIX, &unix.SockaddrUnix{Name: a.Path}, nil
	}
	ip, port := a.IP.Addr().Unmap(), int(a.IP.Port())
	if ip.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: port, Addr: ip.As4()}, nil
	}
	zone, err := zoneNumber(ip.Zone())
	return unix.AF_INET6, &unix.SockaddrInet6{Port: port, Addr: ip.As16(), ZoneId: zone}, err
}

// zoneNumber is the index of the interface that an IPv6 zone names.
func zoneNumber(zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n), nil
	}
	nic, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, os.NewSyscallError("zone "+zone, syscall.ENODEV)
	}
	return uint32(nic.Index), nil
}

// toAddr is the reverse of sockaddr. A peer that reached an IPv6 socket over
// IPv4 has its IPv4 address.
func toAddr(address unix.Sockaddr) Addr {
	switch s := address.(type) {
	case *unix.SockaddrInet4:
		return Addr{Network: TCP, IP: netip.AddrPortFrom(netip.AddrFrom4(s.Addr), uint16(s.Port))}
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(s.Addr).Unmap()
		if s.ZoneId != 0 {
			ip = ip.WithZone(zoneName(s.ZoneId))
		}
		return Addr{Network: TCP, IP: netip.AddrPortFrom(ip, uint16(s.Port))}
	case *unix.SockaddrUnix:
		if s.Name == "@" { // no name at all: x/sys takes the kernel's word for an abstract one
			return Addr{Network: Unix}
		}
		return Addr{Network: Unix, Path: s.Name}
	default:
		return Addr{}
	}
}

func zoneName(index uint32) string {
	if nic, err := net.InterfaceByIndex(int(index)); err == nil {
		return nic.Name
	}
	return strconv.FormatUint(uint64(index), 10)
}
