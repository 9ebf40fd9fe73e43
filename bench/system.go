package bench

import (
	"context"
	"fmt"
	"strings"
)

// A System is what is measured: a program that does a [Job].
type System struct {
	Name string
	// Program is the command; the job's arguments go behind it.
	Program []string
	// Receiver, of multicast, is the command of receivers, if Program is a
	// source's only. Watcher is that of who looks at packets.
	Receiver, Watcher []string
	// Env is added to the environment.
	Env []string
	// BusyPoll and NoOffload are passed on to its jobs.
	BusyPoll, NoOffload bool
	// Build makes the program if that is needed, and returns its command. An
	// error says why the system is absent. Nil where Program is there already.
	Build func(ctx context.Context) ([]string, error)
	// BuildReceiver does so for Receiver.
	BuildReceiver func(ctx context.Context) ([]string, error)
	// Runs is how often it does a workload of this kind, if at all, where others
	// do it pairs times.
	Runs func(w Workload, pairs int) int
	// Cannot says why it cannot do a workload, or nothing. It fails there by
	// itself too; this keeps what is known to be missing from looking like a
	// fault.
	Cannot func(w Workload) string
}

// runs is how often s does w.
func (s *System) runs(w Workload, pairs int) int {
	if s.Cannot != nil && s.Cannot(w) != "" {
		return 0
	}
	if s.Runs == nil {
		return pairs
	}
	return s.Runs(w, pairs)
}

// Find returns the systems whose names are given, separated by commas, or all
// of them.
func Find(all []*System, names string) ([]*System, error) {
	if names == "" {
		return all, nil
	}
	var found []*System
	for name := range strings.SplitSeq(names, ",") {
		n := len(found)
		for _, s := range all {
			if s.Name == strings.TrimSpace(name) {
				found = append(found, s)
			}
		}
		if len(found) == n {
			return nil, fmt.Errorf("no system %q", name)
		}
	}
	return found, nil
}
