package feed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zeroring/zeroring/tools/itch"
)

// patience is how long a test waits for what must happen soon.
const patience = 20 * time.Second

// ample is longer than any run here takes: they end with their input.
const ample = 10 * time.Minute

// expected counts, without the publisher's help, what each choice has of a day.
func expected(t *testing.T, day []byte, choices []choice) (all int64, each []int64) {
	t.Helper()
	names := map[uint16]itch.Stock{0: marketTopic}
	byTopic := map[itch.Stock]int64{}
	for r := itch.NewReader(bytes.NewReader(day)); ; all++ {
		m, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if d, _ := itch.Decode(m); m.Type() == itch.TypeStockDirectory {
			names[m.Locate()] = d.(*itch.StockDirectory).Stock
		}
		byTopic[names[m.Locate()]]++
	}
	for _, c := range choices {
		n := byTopic[marketTopic]
		for _, s := range c.stocks {
			n += byTopic[s]
		}
		if c.all {
			n = all
		}
		each = append(each, n)
	}
	return all, each
}

// runJSON runs cfg and returns what it printed.
func runJSON(t *testing.T, cfg *Config) *Result {
	t.Helper()
	var out bytes.Buffer
	if err := Run(context.Background(), cfg, Output{To: &out, JSON: true}); err != nil {
		t.Fatal(err)
	}
	var r Result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	return &r
}

// Everyone gets all of what they chose, on every transport, paced and flat out,
// twice over.
func TestNothingIsLost(t *testing.T) {
	day := file(t, smallDay)
	for _, transport := range []string{"tcp", "ipc", "inproc"} {
		t.Run(transport, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			before := runtime.NumGoroutine()
			cfg := smallDay
			cfg.Transport, cfg.Subscribers, cfg.HWM, cfg.Duration, cfg.Laps = transport, 5, 100_000, ample, 2
			r := runJSON(t, &cfg)
			if r.Transport != transport || r.Backend.Name == "" || r.Backend.Reason == "" || r.Interrupted || len(r.Phases) != 2 {
				t.Errorf("%+v", r)
			}
			src, err := open(&cfg)
			if err != nil {
				t.Fatal(err)
			}
			all, each := expected(t, day, spread(src.Symbols(), true, cfg.Subscribers))
			for _, p := range r.Phases {
				checkLossless(t, p, 2*all, each, 2)
			}
			if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
			settled(t, before)
		})
	}
}

// A file that starts in the middle of a day has orders of stocks that it names
// only later. Who subscribed to a stock gets these too, and misses nothing.
func TestMiddleOfADay(t *testing.T) {
	var day []byte
	for range 5 {
		day = itch.AppendFrame(day, &itch.OrderDelete{Header: itch.Header{Locate: 7}})
	}
	day = itch.AppendFrame(day, &itch.AddOrder{Header: itch.Header{Locate: 7}, Stock: stocks("ABC")[0]})
	cfg := good()
	cfg.File, cfg.Symbols, cfg.Rate, cfg.Duration, cfg.Laps = saved(t, "afternoon", day), []string{"ABC"}, "max", ample, 2
	checkLossless(t, runJSON(t, &cfg).Phases[0], 12, []int64{6, 6, 6, 6}, 2)
}

// settled waits until no more goroutines run than before, and those that the
// library keeps for its lifetime.
func settled(t *testing.T, before int) {
	t.Helper()
	const kept = 4 // the worker pool that name resolution shares, once made
	for limit := time.Now().Add(patience); time.Now().Before(limit); <-time.After(time.Millisecond) {
		if runtime.NumGoroutine() <= before+kept {
			return
		}
	}
	t.Errorf("%d goroutines are left of %d", runtime.NumGoroutine()-before, before)
}

func checkLossless(t *testing.T, p *Phase, published int64, each []int64, laps int64) {
	t.Helper()
	if p.Published != published || p.Dropped != 0 || p.Gaps != 0 || p.Wrong != 0 {
		t.Errorf("%s: %d published, not %d; %d dropped in %d gaps, %d wrong", p.Name, p.Published, published, p.Dropped, p.Gaps, p.Wrong)
	}
	sum := int64(0)
	for i, s := range p.Each {
		sum += s.Messages
		if want := laps * each[i]; s.Messages != want || s.Dropped != 0 || s.Error != "" {
			t.Errorf("%s: subscriber %d of %s symbols got %d, not %d: %+v", p.Name, i, s.Symbols, s.Messages, want, s)
		}
		if l := s.Latency; l.P50 <= 0 || l.P50 > l.P99 || l.P99 > l.P999 || l.P999 > l.Max {
			t.Errorf("%s: subscriber %d has the latencies %+v", p.Name, i, l)
		}
	}
	if sum != p.Delivered || len(p.Each) != len(each) {
		t.Errorf("%s: %d subscribers got %d in all, and %d were delivered", p.Name, len(p.Each), sum, p.Delivered)
	}
	if p.Seconds <= 0 || p.PublishedPerSecond <= 0 || p.OctetsPerSecond <= p.PublishedPerSecond {
		t.Errorf("%s: %v s, %v messages and %v octets a second", p.Name, p.Seconds, p.PublishedPerSecond, p.OctetsPerSecond)
	}
}

// A slow subscriber loses messages, and the account is exact all the same: what
// it got and what it lost is what was published. The others lose nothing.
func TestLossIsAccountedFor(t *testing.T) {
	for _, transport := range []string{"tcp", "inproc"} {
		t.Run(transport, func(t *testing.T) {
			cfg := Config{
				Seed: 1, Stocks: 5, Size: 300_000, Rate: "max", Laps: 1, Duration: ample,
				Transport: transport, Subscribers: 1, Slow: 1, HWM: 100,
			}
			p := runJSON(t, &cfg).Phases[0]
			s := p.Each[0]
			if p.Waits || !s.Slow || s.Dropped == 0 || s.Gaps == 0 || s.Dropped != p.Dropped || s.Wrong != 0 {
				t.Errorf("a slow subscriber: %+v", s)
			}
			if s.Messages+s.Dropped != p.Published || s.Messages == 0 {
				t.Errorf("got %d and lost %d of %d", s.Messages, s.Dropped, p.Published)
			}
		})
	}
}

// Only the symbols asked for are taken, by all.
func TestSymbols(t *testing.T) {
	day := file(t, smallDay)
	path := saved(t, "day.gz", packed(t, day))
	src, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	two := src.Symbols()[3:5]
	cfg := Config{
		File: path, Symbols: []string{two[0].String(), strings.ToLower(two[1].String())}, Rate: "max", Laps: 1, Duration: ample,
		Transport: "inproc", Subscribers: 3, HWM: 100_000,
	}
	r := runJSON(t, &cfg)
	all, each := expected(t, day, spread(two, false, 3))
	checkLossless(t, r.Phases[0], all, each, 1)
	if r.Input != path || r.Phases[0].Each[0].Symbols != "2" {
		t.Errorf("%s, %+v", r.Input, r.Phases[0].Each[0])
	}
}

// Time ends a run whose input has no end. It may be over before the machine finds
// time for a first message.
func TestDurationEndsTheRun(t *testing.T) {
	cfg := smallDay
	cfg.Rate, cfg.Laps, cfg.Duration = "20k/s", 0, 50*time.Millisecond
	cfg.Transport, cfg.Subscribers, cfg.HWM = "inproc", 2, 100_000
	p := runJSON(t, &cfg).Phases[0]
	if p.Seconds < 0.05 || p.Dropped != 0 || p.Published > 0 && p.Late.Max == 0 {
		t.Errorf("%+v", p)
	}
}

// An interrupted run shows what it has and is no error.
func TestInterrupt(t *testing.T) {
	cfg := smallDay
	cfg.Rate, cfg.Duration, cfg.Transport, cfg.Subscribers, cfg.HWM = "1000/s", ample, "inproc", 2, 100_000
	ctx, cancel := context.WithCancel(context.Background())
	var out bytes.Buffer
	err := Run(ctx, &cfg, Output{To: writerFunc(func(b []byte) (int, error) {
		cancel() // at the first line
		return out.Write(b)
	})})
	// The line of the first second may come a little later.
	if got := out.String(); err != nil || !regexp.MustCompile(`(?m)^paced \d+s: `).MatchString(got) || !strings.HasSuffix(got, "\ninterrupted\n") {
		t.Errorf("%v after\n%s", err, got)
	}

	out.Reset()
	err = Run(ctx, &cfg, Output{To: &out, Screen: terminal(80, 24)})
	if err != nil || !strings.HasSuffix(out.String(), "interrupted before anything was published\n") {
		t.Errorf("%v after\n%s", err, out.String())
	}
}

// broken is a source that fails after some messages.
type broken struct {
	source
	left int
	err  error
}

func (b *broken) Next() (itch.Raw, error) {
	if b.left--; b.left < 0 {
		return nil, b.err
	}
	return b.source.Next()
}

// Input that turns bad in the middle ends the phase with an error, and what was
// published until then is in the result.
func TestBrokenInput(t *testing.T) {
	cfg := smallDay
	cfg.Transport, cfg.Subscribers, cfg.HWM, cfg.Duration, cfg.Laps = "inproc", 2, 100_000, ample, 1
	f, err := start(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	f.show, f.interval = newDisplay(Output{To: io.Discard}, someResult, nil)
	damage := errors.New("at octet 77: damage")
	f.src = &broken{source: f.src, left: 500, err: damage}
	phases, err := cfg.phases()
	if err != nil {
		t.Fatal(err)
	}
	var r Result
	if err := f.run(context.Background(), phases, &r); !errors.Is(err, damage) {
		t.Errorf("the run ended with %v", err)
	}
	if len(r.Phases) != 1 || r.Phases[0].Published != 500 || r.Phases[0].Each[0].Messages != 500 {
		t.Errorf("%d phases: %+v", len(r.Phases), r.Phases[0])
	}
}

// What cannot be run is refused before anything starts, with a reason.
func TestRunRefuses(t *testing.T) {
	for says, change := range map[string]func(*Config){
		"--endpoint":       func(c *Config) { c.Multicast.Endpoint = "epgm://127.0.0.1;239.192.1.1:5555" },
		"--transport":      func(c *Config) { c.Transport = "carrier pigeon" },
		"--rate":           func(c *Config) { c.Rate = "ludicrous" },
		"--symbols":        func(c *Config) { c.Symbols = []string{"NOSUCH"} },
		"20001 symbols":    func(c *Config) { c.Stocks = 20_001 },
		`backend "kqueue"`: func(c *Config) { c.Backend = "kqueue" },
		"no/such/file":     func(c *Config) { c.File = "no/such/file" },
	} {
		cfg := smallDay
		cfg.Transport, cfg.Subscribers, cfg.HWM, cfg.Duration = "tcp", 1, 1000, time.Second
		change(&cfg)
		var out bytes.Buffer
		err := Run(context.Background(), &cfg, Output{To: &out})
		if err == nil || !strings.Contains(err.Error(), says) || out.Len() > 0 {
			t.Errorf("%s: %v, and it printed %q", says, err, out.String())
		}
	}
}
