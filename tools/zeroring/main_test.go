package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// beCommand in the environment makes this test binary the command: what runs processes
// of itself runs this.
const beCommand = "ZERORING_TEST_BE_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(beCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// command runs a command line and returns what it printed.
func command(args ...string) (ok bool, out, errs string) {
	var o, e bytes.Buffer
	ok = run(context.Background(), args, &o, &e)
	return ok, o.String(), e.String()
}

// small is a run that ends with its input, after some thousand messages.
var small = []string{"feed", "--size", "2000", "--stocks", "10", "--laps", "1", "--duration", "10m", "--hwm", "100000"}

func TestFeedJSON(t *testing.T) {
	for _, transport := range []string{"tcp", "ipc", "inproc"} {
		ok, out, errs := command(append(small, "--json", "--subscribers", "3", "--transport", transport)...)
		if !ok {
			t.Fatalf("%s: %s", transport, errs)
		}
		var r struct {
			Transport string
			Backend   struct{ Name, Reason string }
			Phases    []struct {
				Name                                string
				Published, Delivered, Dropped, Gaps int64
				Latency                             struct {
					P50  int64 `json:"p50_ns"`
					P999 int64 `json:"p999_ns"`
				}
				Each []struct{ Messages int64 }
			}
		}
		d := json.NewDecoder(strings.NewReader(out))
		if err := d.Decode(&r); err != nil || d.More() {
			t.Fatalf("%s: not one JSON object: %v in %s", transport, err, out)
		}
		if r.Transport != transport || r.Backend.Name == "" || len(r.Phases) != 2 {
			t.Errorf("%s: %+v", transport, r)
		}
		for _, p := range r.Phases {
			if p.Published < 2000 || p.Each[0].Messages != p.Published || len(p.Each) != 3 || p.Delivered <= p.Published {
				t.Errorf("%s, %s: %+v", transport, p.Name, p)
			}
			if p.Dropped != 0 || p.Gaps != 0 || p.Latency.P50 == 0 || p.Latency.P999 < p.Latency.P50 {
				t.Errorf("%s, %s: %+v", transport, p.Name, p)
			}
		}
	}
}

// Multicast counts packets beside, and what it lost it has reported.
func TestFeedMulticast(t *testing.T) {
	ok, out, errs := command(append(small, "--json", "--subscribers", "3", "--transport", "epgm", "--mbit", "1000", "--timestamps")...)
	if !ok {
		t.Fatal(errs)
	}
	var r struct {
		Transport, Endpoint string
		Phases              []struct {
			Name      string
			Published int64
			Source    struct{ Packets int64 }
			Each      []struct {
				Messages, Dropped int64
				Arrival           struct {
					P50 int64 `json:"p50_ns"`
				}
				Multicast struct {
					Packets, NAKs, Unreported int64
					GivenUp                   int64 `json:"given_up"`
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Transport != "epgm" || !strings.HasPrefix(r.Endpoint, "epgm://127.0.0.1;239.19") || len(r.Phases) != 2 {
		t.Fatalf("%v: %s", err, out)
	}
	for _, p := range r.Phases {
		if p.Published < 2000 || len(p.Each) != 3 || p.Source.Packets == 0 {
			t.Fatalf("%s: %+v", p.Name, p)
		}
		all := p.Each[0]
		if all.Messages+all.Dropped != p.Published || all.Dropped > 0 && all.Multicast.GivenUp == 0 {
			t.Errorf("%s: of %d messages the first got and lost %+v", p.Name, p.Published, all)
		}
		for i, s := range p.Each {
			if s.Messages == 0 || s.Multicast.Packets < p.Source.Packets/2 || s.Multicast.Unreported != 0 || s.Arrival.P50 <= 0 {
				t.Errorf("%s: subscriber %d: %+v", p.Name, i, s)
			}
		}
	}
}

// Without a terminal the run prints lines, the last of which are the summary.
func TestFeedText(t *testing.T) {
	ok, out, errs := command(append(small, "--rate", "max", "--transport", "inproc", "--seed", "42")...)
	if !ok || errs != "" {
		t.Fatal(errs)
	}
	for _, has := range []string{"a generated day, seed 42, over inproc to 8 subscribers", "\ndelivered ", "\ndropped                                0\n"} {
		if !strings.Contains(out, has) {
			t.Errorf("lacks %q:\n%s", has, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Errorf("escape sequences, and no terminal:\n%q", out)
	}
}

// With a rate given the input is replayed once, unless told otherwise.
func TestFeedLaps(t *testing.T) {
	published := func(args ...string) int64 {
		t.Helper()
		ok, out, errs := command(append([]string{"feed", "--json", "--size", "500", "--stocks", "2", "--rate", "max", "--duration", "10m", "--transport", "inproc"}, args...)...)
		var r struct{ Phases []struct{ Published int64 } }
		if err := json.Unmarshal([]byte(out), &r); !ok || err != nil || len(r.Phases) != 1 {
			t.Fatalf("%s, %v, %s", errs, err, out)
		}
		return r.Phases[0].Published
	}
	once := published()
	if thrice := published("--laps", "3"); once < 500 || thrice != 3*once {
		t.Errorf("%d messages, and %d in three laps", once, thrice)
	}
}

// Flags may be written as Go's own commands have them.
func TestOneDash(t *testing.T) {
	ok, out, errs := command("feed", "-json", "-size", "500", "-stocks=2", "-rate", "max", "-duration", "10m", "-transport", "inproc")
	var r struct{ Transport string }
	if err := json.Unmarshal([]byte(out), &r); !ok || err != nil || r.Transport != "inproc" {
		t.Errorf("%s, %v, %s", errs, err, out)
	}
	if ok, _, errs := command("feed", "-rate", "-3"); ok || !strings.Contains(errs, `"-3"`) {
		t.Errorf("a value is taken for a flag: %s", errs)
	}
}

// What is wrong with a command line is said in one line that names it.
func TestFeedRefuses(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("Once upon a time"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, says string }{
		{"--transport udp", `--transport "udp"`},
		{"--subscribers 0", "--subscribers 0"},
		{"--subscribers many", `"many"`},
		{"--slow 9", "--slow 9"},
		{"--rate never", `"never"`},
		{"--duration 0s", "--duration 0s"},
		{"--duration soon", `"soon"`},
		{"--size -5", "-5 messages"},
		{"--stocks 30000", "30000 symbols"},
		{"--symbols NOSUCH", "NOSUCH is not among the 300 stocks"},
		{"--backend kqueue", `backend "kqueue"`},
		{"--only publish", "--only"},
		{"--transport epgm --only publish", "--endpoint"},
		{"--transport epgm --mbit -1", "--mbit -1"},
		{"--endpoint epgm://127.0.0.1;nowhere", "nowhere"},
		{"--endpoint nowhere --transport epgm", `"nowhere"`},
		{"--file no/such/file", "no/such/file"},
		{"--file " + text, text + ": at octet 0: wrong message length"},
		{"--colour", "--colour"},
		{"extra", `"extra"`},
	} {
		ok, out, errs := command(append([]string{"feed"}, strings.Fields(c.args)...)...)
		if ok || out != "" || !strings.HasPrefix(errs, "zeroring: ") || !strings.Contains(errs, c.says) || strings.Count(errs, "\n") != 1 {
			t.Errorf("feed %s: %v, %q, %q", c.args, ok, out, errs)
		}
	}
	if ok, _, errs := command("fodder"); ok || !strings.Contains(errs, `"fodder"`) {
		t.Errorf("an unknown verb: %v, %q", ok, errs)
	}
}

// Whoever sends SIGTERM gets what Ctrl-C gets: the summary, and no file left.
func TestSignalsEndTheRun(t *testing.T) {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		ctx, stop := untilSignal(context.Background())
		if err := self.Signal(s); err != nil {
			t.Fatal(s, err)
		}
		<-ctx.Done()
		stop()
	}
}

func TestHelp(t *testing.T) {
	ok, out, errs := command("feed", "--help")
	if !ok || errs != "" {
		t.Fatal(errs)
	}
	for _, has := range []string{"--transport", "--rate", "--slow", "--json", "zeroring feed --file", "--endpoint"} {
		if !strings.Contains(out, has) {
			t.Errorf("the help lacks %q", has)
		}
	}
	for line := range strings.Lines(out) {
		if len([]rune(line)) > 100 {
			t.Errorf("a line of %d columns: %s", len([]rune(line)), line)
		}
	}
}

func TestNoTerminal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, out := range []io.Writer{f, null, new(bytes.Buffer)} {
		if screenOf(out) != nil {
			t.Errorf("%T is a terminal", out)
		}
	}
}
