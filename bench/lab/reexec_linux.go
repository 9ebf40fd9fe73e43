package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// insideUser is set in the environment of a program that Reexec has started.
const insideUser = "ZERORING_LAB_USER_NAMESPACE"

// Reexec lets a program that is not root make laboratories, where the kernel
// allows it: it runs the program again, as root of a user namespace and in a
// network namespace of its own, and exits as that one does. It returns nil if
// there is no need, and in the program that it runs again. Call it first in
// main or in TestMain.
//
// The program has no network then but for its laboratories and lo. For Switch it
// must be allowed to open /dev/net/tun, which Missing checks.
func Reexec() error {
	if os.Getenv(insideUser) != "" {
		return arrive()
	}
	err := Missing(Bridge)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return reexec()
}

// arrive is the rest of Reexec in the program that it has started.
func arrive() error {
	if err := Missing(Bridge); err != nil {
		return fmt.Errorf("%w (as root of a user namespace, which a security module may deny everything: "+
			"see kernel.apparmor_restrict_unprivileged_userns)", err)
	}
	path, err := ipPath()
	if err != nil {
		return err
	}
	if out, err := exec.Command(path, "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("lab: ip link set lo up: %w: %s", err, out)
	}
	return nil
}

// reexec runs the program again in new namespaces. It returns only if that
// cannot be done.
func reexec() error {
	// The program is to die with this thread, which is to live as long as this
	// process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), insideUser+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   unix.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("lab: a user namespace: %w: run as root, or allow it by the sysctls user.max_user_namespaces "+
			"and, where it exists, kernel.unprivileged_userns_clone", err)
	}
	// The terminal sends its signals to both; the other decides.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, unix.SIGTERM, unix.SIGHUP)
	go func() {
		for sig := range signals {
			if sig != os.Interrupt {
				_ = cmd.Process.Signal(sig)
			}
		}
	}()
	_ = cmd.Wait() // its exit code says it
	code := cmd.ProcessState.ExitCode()
	if code < 0 {
		code = 1 // it was killed
	}
	os.Exit(code)
	return nil
}
