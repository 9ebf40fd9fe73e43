package reactor

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A kernel with everything is asked once; one that lacks something is asked for
// each feature, and loses only what it lacks.
func TestProbe(t *testing.T) {
	list := uringFeatureList()
	for missing := -1; missing < len(list); missing++ {
		asked := 0
		p := probeUring(func(can uringFeatures) error {
			asked++
			if missing >= 0 && *list[missing].field(&can) {
				return fmt.Errorf("no such thing: %w", unix.EINVAL)
			}
			return nil
		})
		if p.err != nil {
			t.Fatal(p.err)
		}
		if missing < 0 && asked != 1 {
			t.Errorf("asked %d times of a kernel that has everything", asked)
		}
		b := p.backend()
		for i, f := range p.list {
			want := supportYes
			if i == missing {
				want = supportNo
			}
			if f.support != want || *f.field(&p.features) != (want == supportYes) {
				t.Errorf("without %q: %q is %v", list[max(missing, 0)].name, f.name, f.support)
			}
			if slices.Contains(b.Features, f.name) != (want == supportYes) {
				t.Errorf("without %q: features are %v", list[max(missing, 0)].name, b.Features)
			}
		}
		if b.Name != "io_uring" || strings.Contains(b.Reason, b.Name) || strings.Contains(b.Reason, "no such thing") != (missing >= 0) {
			t.Errorf("%+v", b)
		}
	}
}

// Without the ring itself nothing else is known.
func TestProbeNothing(t *testing.T) {
	p := probeUring(func(uringFeatures) error { return fmt.Errorf("io_uring_setup: %w", unix.ENOSYS) })
	if !errors.Is(p.err, unix.ENOSYS) || p.features != (uringFeatures{}) {
		t.Errorf("%v, %+v", p.err, p.features)
	}
	for _, f := range p.list {
		if f.support.String() != "unknown" {
			t.Errorf("%q is %v", f.name, f.support)
		}
	}
}

// Each feature can be had alone, and can be missing alone.
func TestProbeEachFeature(t *testing.T) {
	needUring(t)
	defer watchLeaks(t)()
	probe := probeOnce()
	for _, f := range probe.list {
		if f.support != supportYes {
			t.Logf("%s (Linux %s): %v", f.name, f.since, f.err)
			continue
		}
		alone, without := uringFeatures{}, probe.features
		*f.field(&alone), *f.field(&without) = true, false
		for _, can := range []uringFeatures{alone, without} {
			if err := tryUring(can); err != nil {
				t.Errorf("%s: %+v: %v", f.name, can, err)
			}
		}
	}
}

// A trial notices what does not work, says so, and leaves nothing behind.
func TestTrialFails(t *testing.T) {
	needUring(t)
	for name, c := range map[string]struct {
		spoil func(t *trial)
		want  string
	}{
		"no slots": {func(t *trial) { t.d.table.limit = 0 }, "no buffer space"},
		"one slot": {func(t *trial) { t.d.table.limit = 1 }, "connect: no buffer space"},
		"no time":  {func(t *trial) { t.limit = t.d.now() }, errSilent.Error()},
		"late accept": {func(t *trial) {
			late, _ := unix.Eventfd(0, unix.EFD_CLOEXEC) // stands for a connection
			t.done = append(t.done, completion{op: &Op{Kind: OpAccept}, result: int32(late), more: true})
			t.limit = t.d.now()
		}, errSilent.Error()},
		"a deaf ring": {func(t *trial) { t.d.deaf = errnoResult(unix.EINVAL) }, "polling an eventfd: invalid argument"},
		"a cut bell":  {func(t *trial) { t.d.bell.users.Add(wakeClosed) }, "waking"},
		"mixed buffers": {func(t *trial) {
			for _, b := range t.d.bufs.bufs {
				clear(b.Data) // which may have been right before
			}
			slices.Reverse(t.d.bufs.bufs[:])
		}, "receive: got"},
	} {
		t.Run(name, func(t *testing.T) {
			defer watchLeaks(t)()
			d, err := openUring(uringFeatures{bufRing: probeOnce().features.bufRing}, minSlots)
			if err != nil {
				t.Fatal(err)
			}
			if name == "mixed buffers" && d.bufs == nil {
				lacking(t, "no buffer ring")
			}
			tr := newTrial(d)
			c.spoil(tr)
			if name == "a cut bell" {
				tr.limit = d.now().Add(trialLimit / 20)
			}
			err = tr.run()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			d.bell.users.Store(0)
			tr.limit, d.deaf = d.now().Add(trialLimit), 0
			if err := tr.end(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAskedBackend(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		env  string
		want Kind
		by   string
	}{
		{Auto, "", Auto, ""},
		{Auto, "auto", Auto, ""},
		{Auto, "uring", Uring, backendVariable},
		{Auto, "io_uring", Uring, backendVariable},
		{Auto, "epoll", Epoll, backendVariable},
		{Auto, "prefer-uring", PreferUring, backendVariable},
		{PreferUring, "epoll", PreferUring, "Config.Backend"},
		{Uring, "epoll", Uring, "Config.Backend"},
		{Epoll, "uring", Epoll, "Config.Backend"},
		{Epoll, "nonsense", Epoll, "Config.Backend"},
	} {
		got, by, err := askedBackend(c.kind, c.env)
		if got != c.want || by != c.by || err != nil {
			t.Errorf("Backend %d, %s=%q: %d by %q, %v; want %d by %q",
				c.kind, backendVariable, c.env, got, by, err, c.want, c.by)
		}
	}
	if _, _, err := askedBackend(Auto, "kqueue"); err == nil || !strings.Contains(err.Error(), `"kqueue"`) {
		t.Errorf("an unknown driver: %v", err)
	}
}

// Whoever asks for nothing gets epoll, and is told why.
func TestDefaultBackend(t *testing.T) {
	t.Setenv(backendVariable, "")
	b, open, err := chooseBackend(&Config{})
	if err != nil || b.Name != "epoll" || b.Reason != whyEpoll {
		t.Fatalf("%+v, %v", b, err)
	}
	d, err := open()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := d.(*epollDriver); !ok {
		t.Errorf("got a %T", d)
	}
	if err := d.close(); err != nil {
		t.Error(err)
	}
}

// The environment decides for a Group, and the Group says so.
func TestBackendVariable(t *testing.T) {
	t.Setenv(backendVariable, "epoll")
	var log bytes.Buffer
	g, err := NewGroup(&Config{Reactors: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if b := g.Backend(); b.Name != "epoll" || !strings.Contains(b.Reason, backendVariable) {
		t.Errorf("%+v", b)
	}
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), backendVariable) {
		t.Errorf("logged %q", log.String())
	}
	t.Setenv(backendVariable, "select")
	if _, err := NewGroup(&Config{Reactors: 1}); err == nil {
		t.Error("a driver that does not exist was found")
	}
}

// Only who left the choice to us, and was given io_uring, is given epoll instead.
func TestFallBack(t *testing.T) {
	short := os.NewSyscallError("io_uring_setup", unix.ENOMEM)
	for _, c := range []struct {
		kind   Kind
		env    string
		failed string
		want   string
	}{
		{PreferUring, "", "io_uring", "epoll"},
		{Auto, "prefer-uring", "io_uring", "epoll"},
		{Auto, "", "io_uring", ""},
		{Auto, "uring", "io_uring", ""},
		{Uring, "", "io_uring", ""},
		{Auto, "", "epoll", ""},
		{Auto, "", "sim", ""},
		{Epoll, "", "epoll", ""},
	} {
		t.Setenv(backendVariable, c.env)
		b, open := fallBack(&Config{Backend: c.kind, MaxOps: 7}, Backend{Name: c.failed}, short)
		if b.Name != c.want || (open == nil) != (c.want == "") {
			t.Errorf("Backend %d, %s=%q, %s failed: fell back on %+v", c.kind, backendVariable, c.env, c.failed, b)
		}
		if open == nil {
			continue
		}
		if !strings.Contains(b.Reason, short.Error()) {
			t.Errorf("the reason is %q and not %v", b.Reason, short)
		}
		d, err := open()
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := d.(*epollDriver); !ok || e.table.limit != 7 {
			t.Errorf("got a %T, whose limit is %d", d, d.ops().limit)
		}
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}
}

func TestDiagnose(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		unix.EPERM:  "security policy|sysctl",
		unix.EACCES: "security policy|sysctl",
		unix.ENOSYS: "sandbox",
		unix.ENOMEM: "memory is short",
		unix.EINVAL: "too old",
		unix.EMFILE: "too many open files",
	} {
		err := diagnose(os.NewSyscallError("io_uring_setup", errno))
		found := false
		for _, w := range strings.Split(want, "|") {
			found = found || strings.Contains(err.Error(), w)
		}
		if !errors.Is(err, errno) || !found {
			t.Errorf("%v: %v", errno, err)
		}
	}
}

// sandboxVariable tells a child process of this test which sandbox to close
// around itself.
const sandboxVariable = "ZERORING_TEST_SANDBOX"

// A sandbox is what a child process may not do, and what it then finds.
type sandbox struct {
	call    uintptr       // denied, if not 0
	errno   syscall.Errno // with this
	memlock uint64        // RLIMIT_MEMLOCK, if not 0, of an ordinary user
	count   int           // of reactors, if not 1
	mayWork bool          // io_uring works on kernels that do not count its memory as locked

	backend string // what is chosen
	lacks   string // feature
	reason  string // is part of the reason
}

// guest returns a user whom nobody else is: locked memory is counted by user.
func guest() uint32 { return 1<<20 + uint32(os.Getpid())<<4 + guests.Add(1)%16 }

var guests atomic.Uint32

// sandboxes are those that people meet. Docker's default seccomp profile denies
// all three calls with EPERM, other runtimes with ENOSYS.
var sandboxes = map[string]sandbox{
	"setup-eperm":    {call: unix.SYS_IO_URING_SETUP, errno: unix.EPERM, backend: "epoll", reason: "operation not permitted"},
	"setup-enosys":   {call: unix.SYS_IO_URING_SETUP, errno: unix.ENOSYS, backend: "epoll", reason: "function not implemented"},
	"enter-eperm":    {call: unix.SYS_IO_URING_ENTER, errno: unix.EPERM, backend: "epoll", reason: "io_uring_enter"},
	"enter-enosys":   {call: unix.SYS_IO_URING_ENTER, errno: unix.ENOSYS, backend: "epoll", reason: "io_uring_enter"},
	"register-eperm": {call: unix.SYS_IO_URING_REGISTER, errno: unix.EPERM, backend: "io_uring", lacks: "buffer ring", reason: "no buffer ring (Linux 5.19): io_uring_register"},
	"memlock":        {memlock: 64 << 10, backend: "io_uring", reason: "it works on Linux"},
	"memlock-2":      {memlock: 64 << 10, count: 2, backend: "io_uring", reason: "it works on Linux"},
	"memlock-99":     {memlock: 64 << 10, count: 99, mayWork: true, errno: unix.ENOMEM, backend: "epoll", reason: "RLIMIT_MEMLOCK"},
	"memlock-none":   {memlock: 1, mayWork: true, errno: unix.ENOMEM, backend: "epoll", reason: "RLIMIT_MEMLOCK"},
}

// TestSandbox runs this test binary in each sandbox.
func TestSandbox(t *testing.T) {
	if os.Getenv(sandboxVariable) != "" {
		return // it is such a child
	}
	for name, s := range sandboxes {
		t.Run(name, func(t *testing.T) {
			if s.call != unix.SYS_IO_URING_SETUP {
				needUring(t)
			}
			if s.memlock != 0 && os.Getuid() != 0 {
				lacking(t, "only root can become a user of whom nothing else is counted")
			}
			// The file's own path may not be reachable for another user.
			cmd := exec.Command("/proc/self/exe", "-test.run=^TestSandboxed$", "-test.v")
			cmd.Env = append(os.Environ(), sandboxVariable+"="+name, backendVariable+"=")
			cmd.Dir = "/"
			if s.memlock != 0 {
				id := guest()
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
			}
			out, err := cmd.CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte("--- PASS: TestSandboxed")) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestSandboxed is the child.
func TestSandboxed(t *testing.T) {
	s, ok := sandboxes[os.Getenv(sandboxVariable)]
	if !ok {
		return // not called by TestSandbox
	}
	s.enter(t)
	if s.backend == "io_uring" {
		teardownLimit = patience // what the groups before had locked is there again, in the end
	}
	readWord("/proc/self/status") // opening a first file makes Go's own poller, whose descriptors stay
	t.Run("preferred", func(t *testing.T) {
		h := newRig(t, &Config{Reactors: s.count, Backend: PreferUring}, TCP)
		b := h.g.Backend()
		if s.mayWork && b.Name == "io_uring" {
			t.Logf("this kernel does not count: %+v", b)
		} else if b.Name != s.backend || !strings.Contains(b.Reason, s.reason) {
			t.Errorf("chose %+v, want %s because of %q", b, s.backend, s.reason)
		}
		if s.lacks != "" && (slices.Contains(b.Features, s.lacks) || len(b.Features) == 0) {
			t.Errorf("without %q the features are %v", s.lacks, b.Features)
		}
		testEcho(t, h)
	})
	t.Setenv(backendVariable, "uring")
	for by, kind := range map[string]Kind{"Config.Backend": Uring, backendVariable: Auto} {
		g, err := NewGroup(&Config{Reactors: max(1, s.count), Backend: kind})
		switch {
		case s.backend == "io_uring" && err != nil:
			t.Errorf("io_uring by %s: %v", by, err)
		case err == nil:
			if name := g.Backend().Name; name != "io_uring" {
				t.Errorf("%s is what came of io_uring by %s", name, by)
			}
			if err := g.Close(); err != nil {
				t.Error(err)
			}
		case !errors.Is(err, s.errno) || !strings.Contains(err.Error(), "("):
			t.Errorf("io_uring by %s: %v; want %v and a hint", by, err, s.errno)
		case probeOnce().err != nil && !strings.Contains(err.Error(), by):
			t.Errorf("%v: does not say that %s asked for it", err, by)
		}
	}
}

// enter closes the sandbox around this process.
func (s sandbox) enter(t *testing.T) {
	t.Helper()
	if s.memlock != 0 {
		if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: s.memlock, Max: s.memlock}); err != nil {
			t.Fatal(err)
		}
	}
	if s.call == 0 {
		return
	}
	// if (number == call) return errno; return ALLOW
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 0, Jf: 1, K: uint32(s.call)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(s.errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	// On all threads: which one opens a ring is up to the scheduler.
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		t.Fatal(errno)
	}
}
