package reactor

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// backendVariable is the environment variable that chooses the driver where
// Config.Backend is Auto.
const backendVariable = "ZERORING_BACKEND"

// uringFeatures is what a uringDriver makes use of if it may.
type uringFeatures struct {
	submitAll       bool // one SQE that is refused does not stop the batch behind it
	pollMultishot   bool // the bell need not be armed again after each ring
	cqeSkip         bool // no CQE for a cancel that worked
	pollFirst       bool // a receive does not try before it waits
	bufRing         bool // idle connections hold no buffer
	acceptMultishot bool // one SQE accepts for ever
	deferTaskrun    bool // see useDeferTaskrun
}

// useDeferTaskrun says whether the deferred mode is used where the kernel has it.
// It ties the ring to a thread, and from a thread of its own the reactor can only
// hand work to others: waking a goroutine means waking another thread. That
// makes a round trip several times slower and a fan-out no faster.
const useDeferTaskrun = false

// setupFlags is how to set up a ring for f.
func (f uringFeatures) setupFlags() (flags uint32) {
	if f.submitAll {
		flags |= setupSubmitAll
	}
	if f.deferTaskrun {
		flags |= setupSingleIssuer | setupDeferTaskrun
	}
	return flags
}

// A support says whether this machine has a feature.
type support uint8

const (
	supportUnknown support = iota // not asked, as io_uring does not work at all
	supportNo
	supportYes
)

func (s support) String() string { return [...]string{"unknown", "no", "yes"}[s] }

// A feature is something that newer kernels have and that we can do without.
type feature struct {
	name  string
	since string // the kernel that brings it, though distributions patch theirs
	field func(f *uringFeatures) *bool

	support support
	err     error // why not
}

// uringFeatureList returns all features that the driver uses where it can.
func uringFeatureList() []feature {
	list := []feature{
		{name: "multishot poll", since: "5.13", field: func(f *uringFeatures) *bool { return &f.pollMultishot }},
		{name: "skipped completions", since: "5.17", field: func(f *uringFeatures) *bool { return &f.cqeSkip }},
		{name: "submit all", since: "5.18", field: func(f *uringFeatures) *bool { return &f.submitAll }},
		{name: "poll first", since: "5.19", field: func(f *uringFeatures) *bool { return &f.pollFirst }},
		{name: "buffer ring", since: "5.19", field: func(f *uringFeatures) *bool { return &f.bufRing }},
		{name: "multishot accept", since: "5.19", field: func(f *uringFeatures) *bool { return &f.acceptMultishot }},
	}
	if useDeferTaskrun {
		list = append(list, feature{
			name: "deferred task work", since: "6.1", field: func(f *uringFeatures) *bool { return &f.deferTaskrun },
		})
	}
	return list
}

// A uringProbe is what this machine's io_uring can do.
type uringProbe struct {
	err      error // why it cannot be used; nil if it can
	features uringFeatures
	list     []feature
}

// probeOnce probes at the first call. What a kernel can do does not change;
// what a sandbox forbids may, but only until the program works.
var probeOnce = sync.OnceValue(func() *uringProbe { return probeUring(tryUring) })

// probeUring finds out by try, which reports whether a driver works that uses
// just the given features.
//
// It asks for everything at once first, which is what a recent kernel has. On
// others it starts from nothing and adds one feature after the other.
func probeUring(try func(uringFeatures) error) *uringProbe {
	p := &uringProbe{list: uringFeatureList()}
	all := uringFeatures{}
	for i := range p.list {
		*p.list[i].field(&all) = true
	}
	if try(all) == nil {
		p.features = all
		for i := range p.list {
			p.list[i].support = supportYes
		}
		return p
	}
	if err := try(uringFeatures{}); err != nil {
		p.err = diagnose(err)
		return p
	}
	for i := range p.list {
		f := &p.list[i]
		with := p.features
		*f.field(&with) = true
		if f.err = try(with); f.err != nil {
			f.support = supportNo
			continue
		}
		f.support = supportYes
		p.features = with
	}
	return p
}

// backend describes the driver that the probe stands for.
func (p *uringProbe) backend() Backend {
	b := Backend{Name: "io_uring", Reason: "it works on Linux " + kernelRelease()}
	for _, f := range p.list {
		if f.support == supportYes {
			b.Features = append(b.Features, f.name)
		} else {
			b.Reason += fmt.Sprintf("; no %s (Linux %s): %v", f.name, f.since, f.err)
		}
	}
	return b
}

// whyEpoll is what the bench suite says. The two are level where few connections
// have much to say and at fan-out, io_uring makes connections faster, and epoll
// wakes up sooner and hears many connections with less work: without
// DEFER_TASKRUN, which ties a reactor to a thread, each arrival interrupts the
// thread that submitted the receive.
const whyEpoll = "it is the default, measured to be level with io_uring or ahead in most work"

// chooseBackend says which driver to use, why, and how to make one.
func chooseBackend(cfg *Config) (Backend, func() (driver, error), error) {
	kind, by, err := askedBackend(cfg.Backend, os.Getenv(backendVariable))
	if err != nil {
		return Backend{}, nil, err
	}
	openEpoll := func() (driver, error) { return newEpollDriver(cfg) }
	switch kind {
	case Auto:
		return Backend{Name: "epoll", Reason: whyEpoll}, openEpoll, nil
	case Epoll:
		return Backend{Name: "epoll", Reason: by + " asks for it"}, openEpoll, nil
	}
	probe := probeOnce()
	switch {
	case probe.err == nil:
		return probe.backend(), func() (driver, error) { return newUringDriver(cfg) }, nil
	case kind == Uring:
		return Backend{}, nil, fmt.Errorf("reactor: %s asks for io_uring, which does not work: %w", by, probe.err)
	default:
		return Backend{Name: "epoll", Reason: "io_uring does not work: " + probe.err.Error()}, openEpoll, nil
	}
}

// fallBack says what to use instead of failed, which worked when it was probed
// but of which a Group could not get as many as it wanted: rings need locked
// memory, of which a user may have very little. It returns no way to open a
// driver if there is no choice.
func fallBack(cfg *Config, failed Backend, err error) (Backend, func() (driver, error)) {
	kind, _, _ := askedBackend(cfg.Backend, os.Getenv(backendVariable))
	if kind != PreferUring || failed.Name != "io_uring" {
		return Backend{}, nil
	}
	reason := "io_uring works, but not for this many reactors: " + err.Error()
	return Backend{Name: "epoll", Reason: reason}, func() (driver, error) { return newEpollDriver(cfg) }
}

// askedBackend is which driver was asked for, and by what. A Config that
// decides goes before the environment.
func askedBackend(kind Kind, env string) (asked Kind, by string, err error) {
	switch {
	case kind != Auto:
		return kind, "Config.Backend", nil
	case env == "" || env == "auto":
		return Auto, "", nil
	case env == "uring" || env == "io_uring":
		return Uring, backendVariable, nil
	case env == "prefer-uring":
		return PreferUring, backendVariable, nil
	case env == "epoll":
		return Epoll, backendVariable, nil
	default:
		return Auto, "", fmt.Errorf("reactor: %s is %q, want uring, prefer-uring, epoll or auto", backendVariable, env)
	}
}

// diagnose adds to an error of io_uring what makes it understandable.
func diagnose(err error) error {
	hint := ""
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		hint = "a seccomp filter or other security policy denies it"
		if v := readWord("/proc/sys/kernel/io_uring_disabled"); v == "1" || v == "2" {
			hint = "the sysctl kernel.io_uring_disabled is " + v
		}
	case errors.Is(err, unix.ENOSYS):
		hint = "Linux " + kernelRelease() + " was built without it, or a seccomp filter or sandbox hides it"
	case errors.Is(err, unix.ENOMEM):
		hint = "memory is short"
		var limit unix.Rlimit
		if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) == nil && limit.Cur != unix.RLIM_INFINITY {
			hint = fmt.Sprintf("memory is short, or RLIMIT_MEMLOCK of %d octets too low", limit.Cur)
		}
	case errors.Is(err, unix.EINVAL):
		hint = "Linux " + kernelRelease() + " is too old"
	default:
		return err
	}
	return fmt.Errorf("%w (%s)", err, hint)
}

// readWord returns what a small file says, "" if there is none.
func readWord(path string) string {
	b, _ := os.ReadFile(path)
	return strings.TrimSpace(string(b))
}

func kernelRelease() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return "of unknown release"
	}
	return unix.ByteSliceToString(name.Release[:])
}

// trialLimit is how long a trial may take. It takes a millisecond.
const trialLimit = 2 * time.Second

// errSilent is the verdict on a ring that takes operations and never completes
// them.
var errSilent = fmt.Errorf("io_uring did not complete an operation within %v", trialLimit)
