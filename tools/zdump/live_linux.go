package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/zeroring/zeroring/pgm"
	"golang.org/x/sys/unix"
)

// listen hands on what passes an interface, until ctx ends.
func listen(ctx context.Context, name string, each func(capture) error) error {
	iface, err := net.InterfaceByName(name)
	if err != nil {
		return fmt.Errorf("--live %s: no such network interface", name)
	}
	fd, err := openPacket(iface.Index)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("--live %s: only root, or who has CAP_NET_RAW, may listen on an interface", name)
	}
	if err != nil {
		return fmt.Errorf("--live %s: %w", name, err)
	}
	defer unix.Close(fd)
	if err := hear(ctx, fd, iface.Flags&net.FlagLoopback != 0, each); err != nil {
		return fmt.Errorf("--live %s: %w", name, err)
	}
	if stats, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil && stats.Drops > 0 {
		return fmt.Errorf("--live %s: the kernel dropped %d packets that came too fast", name, stats.Drops)
	}
	return nil
}

// hear hands on what arrives on a packet socket, until ctx ends.
func hear(ctx context.Context, fd int, loops bool, each func(capture) error) error {
	buf := make([]byte, 1<<17)
	for ctx.Err() == nil {
		n, _, _, from, err := unix.RecvmsgBuffers(fd, [][]byte{buf}, nil, unix.MSG_TRUNC)
		switch {
		case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return err
		}
		// What loops back is seen twice, going out and coming in.
		const outgoing = 4 // PACKET_OUTGOING
		if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype == outgoing && loops {
			continue
		}
		size := min(n, len(buf))
		if err := each(capture{at: time.Now(), link: linkRaw, octets: buf[:size], cut: n - size}); err != nil {
			return err
		}
	}
	return nil
}

// filter lets through UDP and PGM in IPv4, and all of IPv6, whose extension headers
// are not for it. Without one the rest of the traffic would crowd them out.
var filter = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 0},
	{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0xf0},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0x60, Jt: 5},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0x40, Jf: 3},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 9}, // protocol
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: protocolUDP, Jt: 2},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: pgm.Protocol, Jt: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 18},
}

// openPacket returns a socket that receives what passes an interface, from the
// network layer on.
func openPacket(index int) (fd int, err error) {
	const all = unix.ETH_P_ALL>>8 | unix.ETH_P_ALL&0xff<<8 // in network order
	if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, err
	}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	if err == nil {
		const octets = 16 << 20 // a burst of 10,000 full packets
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, octets)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index})
	}
	if err == nil {
		// So that groups are heard that nobody here has joined.
		err = unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP,
			&unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_ALLMULTI})
	}
	if err == nil {
		// How long it takes to notice that ctx has ended.
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000})
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
