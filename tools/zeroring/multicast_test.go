package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zeroring/zeroring/bench/lab"
)

// needLab skips a test where there can be no laboratory, and fails it where CI=true,
// whose machine is ours.
func needLab(t *testing.T) {
	t.Helper()
	t.Setenv(beCommand, "1")
	err := lab.Missing(lab.Switch)
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("no laboratory here: %v", err)
	default:
		t.Skipf("no laboratory here: %v", err)
	}
}

// settled waits until no more goroutines run than before, and those that the library
// keeps for its lifetime.
func settled(t *testing.T, before int) {
	t.Helper()
	const kept = 4 // the worker pool that name resolution shares, once made
	for limit := time.Now().Add(20 * time.Second); time.Now().Before(limit); <-time.After(time.Millisecond) {
		if runtime.NumGoroutine() <= before+kept {
			return
		}
	}
	t.Errorf("%d goroutines are left of %d", runtime.NumGoroutine()-before, before)
}

// A publisher and receivers in processes of their own, and a network that loses: each
// message is there or was reported as lost.
func TestMulticast(t *testing.T) {
	needLab(t)
	before := runtime.NumGoroutine()
	ok, out, errs := command("multicast", "--json", "--receivers", "2", "--rate", "10k/s", "--duration", "2s",
		"--faults", "250ms@1:loss=5;1s@2:outage=100ms")
	if !ok {
		t.Fatal(errs)
	}
	var r struct {
		Published struct {
			Published int64
			Source    struct{ Repairs, NAKs int64 }
		}
		Receivers []struct {
			FramesLost                 uint64 `json:"frames_lost"`
			Messages, Dropped, Missing int64
			Multicast                  struct{ Packets, Repaired int64 }
			Latency                    struct {
				P50 int64 `json:"p50_ns"`
			}
		}
		Steps []struct {
			Faults  string
			Latency []struct {
				Max int64 `json:"max_ns"`
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || len(r.Receivers) != 2 || len(r.Steps) != 3 {
		t.Fatalf("%v: %s", err, out)
	}
	if r.Published.Published < 10_000 || r.Published.Source.Repairs == 0 {
		t.Errorf("published %+v", r.Published)
	}
	for i, c := range r.Receivers {
		if c.Messages+c.Dropped != r.Published.Published || c.Missing != 0 || c.Latency.P50 <= 0 {
			t.Errorf("receiver %d of %d messages: %+v", i+1, r.Published.Published, c)
		}
		if c.FramesLost == 0 || c.Multicast.Repaired == 0 {
			t.Errorf("receiver %d lost nothing on the way, or repaired nothing: %+v", i+1, c)
		}
	}
	for i, s := range r.Steps {
		if want := []string{"no faults", "1: loss=5", "2: outage=100ms"}[i]; s.Faults != want || len(s.Latency) != 2 || s.Latency[0].Max == 0 {
			t.Errorf("step %d: %+v", i, s)
		}
	}
	settled(t, before)
}

// Ctrl-C ends all processes in good order: the table is of what there was.
func TestMulticastInterrupted(t *testing.T) {
	needLab(t)
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var out, errs bytes.Buffer
	ok := run(ctx, []string{"multicast", "--receivers", "2", "--duration", "10m", "--faults", "0s:loss=2"}, writes(func(b []byte) {
		cancel() // at the first line
		out.Write(b)
	}), &errs)
	for _, has := range []string{`(?m)^1s, loss=2: .* msg/s; 1: .* repaired`, `every receiver got every message, in order`, `\ninterrupted\n$`} {
		if !ok || !regexp.MustCompile(has).MatchString(out.String()) {
			t.Errorf("%v, %q lacks %q:\n%s", ok, errs.String(), has, out.String())
		}
	}
	settled(t, before)
}

type writes func([]byte)

func (w writes) Write(b []byte) (int, error) {
	w(b)
	return len(b), nil
}

// What receivers cannot wait for they give up, and say so: nothing is missing without a
// word.
func TestMulticastGivesUp(t *testing.T) {
	needLab(t)
	ok, out, errs := command("multicast", "--json", "--receivers", "1", "--rate", "10k/s", "--duration", "1500ms",
		"--budget", "1ms", "--faults", "250ms:loss=30")
	var r struct {
		Published struct{ Published int64 }
		Receivers []struct {
			Messages, Dropped, Missing int64
			Multicast                  struct {
				GivenUp int64 `json:"given_up"`
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &r); !ok || err != nil || len(r.Receivers) != 1 {
		t.Fatalf("%v, %s: %s", err, errs, out)
	}
	if c := r.Receivers[0]; c.Messages+c.Dropped != r.Published.Published || c.Dropped == 0 || c.Multicast.GivenUp == 0 || c.Missing != 0 {
		t.Errorf("of %d messages: %+v", r.Published.Published, c)
	}
}

// What is wrong is said in one line, also if it is a child that finds it.
func TestMulticastRefuses(t *testing.T) {
	needLab(t)
	for _, c := range []struct{ args, says string }{
		{"--receivers 0", "--receivers 0"},
		{"--faults 5s", `"5s"`},
		{"--rate never", `"never"`},
		{"--fec 3", `--fec "3"`},
		{"--backend kqueue", `backend "kqueue"`},
		{"--file no/such/file", "publisher: open no/such/file"},
		{"extra", `"extra"`},
	} {
		ok, out, errs := command(append([]string{"multicast"}, strings.Fields(c.args)...)...)
		if ok || out != "" || !strings.HasPrefix(errs, "zeroring: ") || !strings.Contains(errs, c.says) || strings.Count(errs, "\n") != 1 {
			t.Errorf("multicast %s: %v, %q, %q", c.args, ok, out, errs)
		}
	}
}

func TestKeysNeedATerminal(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, in := range []interface{ Read([]byte) (int, error) }{null, new(bytes.Buffer)} {
		keys, restore := keysOf(context.Background(), in)
		restore()
		if keys != nil {
			t.Errorf("%T has keys", in)
		}
	}
}
