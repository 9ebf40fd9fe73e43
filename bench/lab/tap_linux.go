package lab

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

const tunDevice = "/dev/net/tun"

// openTap makes the interface e0 in a namespace, whose cable ends at the
// descriptor: it reads and writes one Ethernet frame at a time and does not
// wait. The interface goes with the descriptor.
func openTap(n *namespace) (fd int, err error) {
	fd = -1
	err = n.inside(func() error {
		// The namespace is that of the thread which opens, not of who attaches.
		if fd, err = openTun(); err != nil {
			return err
		}
		request, err := unix.NewIfreq(interfaceName)
		if err != nil {
			return err
		}
		// Without IFF_VNET_HDR the kernel cuts what is offloaded into frames and
		// computes their checksums before we see them.
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
			return fmt.Errorf("a TAP device: %w", err)
		}
		return nil
	})
	if err != nil && fd >= 0 {
		unix.Close(fd)
		fd = -1
	}
	return fd, err
}

// openTun opens the device that TAPs are made with, or says how to get it.
func openTun() (int, error) {
	fd, err := unix.Open(tunDevice, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	switch {
	case err == nil:
		return fd, nil
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO):
		return -1, fmt.Errorf("%s: %w: load the module with modprobe tun; in a container pass the device in, or mknod %s c 10 200",
			tunDevice, err, tunDevice)
	case errors.Is(err, fs.ErrPermission):
		return -1, fmt.Errorf("%s: %w: run as root, or have root chmod 666 %s; a container must allow the device c 10:200",
			tunDevice, err, tunDevice)
	}
	return -1, fmt.Errorf("%s: %w", tunDevice, err)
}
