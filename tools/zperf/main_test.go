package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The test binary is the program of the systems too, as zperf is.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == childCommand {
		child(os.Args[2], os.Args[3:])
	}
	os.Exit(m.Run())
}

func zperf(t *testing.T, args ...string) (out, errs string, err error) {
	t.Helper()
	var o, e bytes.Buffer
	err = run(t.Context(), args, &o, &e)
	return o.String(), e.String(), err
}

// A run leaves all that it promises, and the reports can be made again.
func TestRun(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere there is no network to measure")
	}
	dir := t.TempDir()
	_, errs, err := zperf(t, "run", "--only", "^(thr|lat/reqrep)/inproc(/64)?$", "--systems", "zeroring-epoll,raw",
		"--baseline", "raw", "--pairs", "1", "--syscalls=false", "--out", dir)
	if err != nil {
		t.Fatalf("%v\n%s", err, errs)
	}
	for _, want := range []string{"4 runs of 2 workloads", "left  thr/inproc/64 zeroring-epoll", "100%"} {
		if !strings.Contains(errs, want) {
			t.Errorf("progress does not say %q:\n%s", want, errs)
		}
	}
	again := t.TempDir()
	if _, errs, err := zperf(t, "report", filepath.Join(dir, "results.json"), "--out", again); err != nil {
		t.Fatalf("%v\n%s", err, errs)
	}
	for _, name := range []string{"results.json", "report.html", "bench.txt", "ratios.md"} {
		first, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		second, err := os.ReadFile(filepath.Join(again, name))
		if err != nil {
			t.Fatal(err)
		}
		if len(first) == 0 || !bytes.Equal(first, second) {
			t.Errorf("%s has %d octets, and made again %d", name, len(first), len(second))
		}
	}
	if files, err := filepath.Glob(filepath.Join(dir, "hgrm", "*.hgrm")); err != nil || len(files) == 0 {
		t.Errorf("no percentiles: %v, %v", files, err)
	}
}

func TestList(t *testing.T) {
	out, _, err := zperf(t, "list", "--only", "fanout/64/")
	if err != nil || !strings.Contains(out, "fanout/64/2000\n") || strings.Contains(out, "thr/") || !strings.Contains(out, "libzmq\n") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestSoak(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere there is no network to soak in")
	}
	out, errs, err := zperf(t, "soak", "--for", "200ms", "--peers", "2")
	if err != nil || !strings.Contains(out, "descriptors") || !strings.Contains(errs, "MiB") {
		t.Errorf("%v: %s\n%s", err, out, errs)
	}
}

// What is wrong with a command line is named.
func TestMistakes(t *testing.T) {
	for want, args := range map[string][]string{
		`no workload's name matches "nothing"`: {"run", "--only", "nothing"},
		`missing closing )`:                    {"run", "--only", "("},
		`no system "redis"`:                    {"run", "--systems", "redis"},
		"0 pairs: at least 1":                  {"run", "--pairs", "0"},
		"no such file":                         {"report", "there/is/none"},
		"unknown command":                      {"fly"},
		"unknown flag: --colour":               {"run", "--colour"},
	} {
		if _, _, err := zperf(t, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// An interrupted run still leaves what it has.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	err := run(ctx, []string{"run", "--only", "thr/inproc/64", "--systems", "raw", "--syscalls=false", "--out", dir}, &out, &out)
	if err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("it ended with %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "results.json")); err != nil {
		t.Error(err)
	}
}
