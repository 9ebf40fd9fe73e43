package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// CountSyscalls returns a Wrap that counts system calls with perf, or an error
// that says why they cannot be counted here.
func CountSyscalls(ctx context.Context) ([]string, error) {
	wrap := []string{"perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-o", "%", "--"}
	f, err := os.CreateTemp("", "perf")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	if err := f.Close(); err != nil {
		return nil, err
	}
	argv := append(wrapped(wrap, f.Name()), "true")
	if out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	_, err = readCount(f.Name())
	return wrap, err
}

// readCount reads the count that perf stat wrote.
func readCount(file string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if count, _, ok := strings.Cut(line, ","); ok && !strings.HasPrefix(line, "#") {
			return strconv.ParseInt(count, 10, 64)
		}
	}
	return 0, fmt.Errorf("perf counted nothing: %s", bytes.TrimSpace(text))
}

// countSyscalls is the system calls of all processes for each message of the
// whole run, with those that set it up.
func (r *run) countSyscalls(to *Result) error {
	var calls, messages int64
	for _, c := range r.children {
		n, err := readCount(r.seen(c.job.Role))
		if err != nil {
			return err
		}
		calls += n
		switch c.job.Role {
		case RoleRecv, RoleBoth, RoleAsk, RoleGather:
			messages += c.answer.numbers["total"]
		}
	}
	if messages > 0 {
		to.Syscalls = float64(calls) / float64(messages)
	}
	return nil
}
