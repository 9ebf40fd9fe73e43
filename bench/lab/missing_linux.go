package lab

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Missing returns nil if a laboratory with that fabric can be made here, or an
// error that says what is missing and how to get it.
func Missing(f Fabric) error {
	if _, err := ipPath(); err != nil {
		return err
	}
	n, err := newNamespace()
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("lab: %w: run as root (CAP_SYS_ADMIN and CAP_NET_ADMIN), or begin with lab.Reexec", err)
	case errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("lab: %w: the kernel is built without CONFIG_NET_NS", err)
	case err != nil:
		return fmt.Errorf("lab: %w", err)
	}
	n.close()
	if f == Bridge {
		return nil
	}
	fd, err := openTun()
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	unix.Close(fd)
	return nil
}
