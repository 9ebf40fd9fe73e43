package bench

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// killTogether makes the end of a command's context end what the command has
// started too.
func killTogether(cmd *exec.Cmd) {
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
}

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// monotonic is the system's monotonic clock, which all processes share.
func monotonic() int64 { return clockStart + int64(time.Since(started)) }

// Go's clock is the kernel's monotonic one. It is read without a system call, which
// package unix makes for it, but shows only what has passed since.
var (
	started    = time.Now()
	clockStart = func() int64 {
		var t unix.Timespec
		if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
			return 0
		}
		return t.Nano() - int64(time.Since(started))
	}()
)

// sleepUntil returns when the monotonic clock has come to ns. Go's own timers
// wait for whole milliseconds in a process that has nothing else to do. And the
// kernel lets threads sleep 50 µs longer than they ask for, unless told otherwise:
// programs in C have said so once, but a goroutine may be on another thread each
// time.
func sleepUntil(ns int64) {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // has no errors
	t := unix.NsecToTimespec(ns)
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &t, nil) == unix.EINTR {
	}
}

// Resident is the resident memory now and the most there was, in KiB.
func Resident() (now, most int64) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	for line := range bytes.Lines(text) {
		_, _ = fmt.Sscanf(string(line), "VmRSS: %d", &now)
		_, _ = fmt.Sscanf(string(line), "VmHWM: %d", &most)
	}
	return now, most
}
