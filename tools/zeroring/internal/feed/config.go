package feed

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zeroring/zeroring/tools/itch"
	"github.com/zeroring/zeroring/tools/zeroring/internal/term"
)

// Config says what to run. Its zero is not of use: the command's flags have the
// defaults.
type Config struct {
	File   string // ITCH file; empty for a generated day
	Seed   uint64 // of the generated day
	Stocks int    // how many stocks the generated day has
	Size   int    // about how many messages it has

	Symbols     []string // what subscribers choose from; empty for all
	Subscribers int
	Slow        int // how many of them are slow

	Transport string // "tcp", "ipc", "inproc", "epgm" or "pgm"
	Backend   string // "uring", "epoll" or empty for the best there is
	HWM       int    // high-water mark of both sides, in messages
	Drop      bool   // drop for slow subscribers even when flat out

	Multicast Multicast // epgm and pgm only

	// Relaxed lets the publisher sleep where it would spin, for the sake of others on
	// the machine. Messages then go a little late, some together.
	Relaxed bool

	// Rate is the pace of the only phase. Empty gives two: the paced one and
	// the one flat out.
	Rate     string
	Duration time.Duration // of the whole run
	Laps     int           // how often the input is replayed in a phase; 0 for until its time is up
}

// MaxDuration is the longest that a run may take.
const MaxDuration = 24 * time.Hour

// maxSubscribers bounds subscribers. Each is a goroutine and a connection.
const maxSubscribers = 1000

// defaultPace is that of the paced phase: lively, and far from what is possible.
var defaultPace = Pace{PerSecond: 100_000}

// A phase is one replay of the input.
type phase struct {
	name string
	pace Pace
	time time.Duration // when it ends, whatever is left
	laps int           // how often the input is replayed; 0 for until the time is up
	wait bool          // wait for slow subscribers, and drop nothing

	recvBuf int // of multicast: each receiver's in the kernel; 0 for the library's
}

// title says what the phase is about: its pace, unless there is more to it.
func (p *phase) title() string {
	switch p.name {
	case "paced", "flat out":
		return p.pace.String()
	}
	return p.name
}

// phases returns what cfg asks for.
func (cfg *Config) phases() ([]phase, error) {
	if cfg.multicast() {
		return cfg.multicastPhases()
	}
	wait := !cfg.Drop && cfg.Slow == 0
	if cfg.Rate != "" {
		pace, err := ParsePace(cfg.Rate)
		if err != nil {
			return nil, err
		}
		p := phase{"paced", pace, cfg.Duration, cfg.Laps, false, 0}
		if pace.FlatOut() {
			p.name, p.wait = "flat out", wait
		}
		return []phase{p}, nil
	}
	return []phase{
		{"paced", defaultPace, cfg.Duration / 2, max(cfg.Laps, 1), false, 0},
		{"flat out", Pace{}, cfg.Duration / 2, cfg.Laps, wait, 0},
	}, nil
}

// check refuses what cannot be run, naming the flag.
func (cfg *Config) check() error {
	for _, c := range []struct {
		flag           string
		value, low, up int64
	}{
		{"--subscribers", int64(cfg.Subscribers), 1, maxSubscribers},
		{"--slow", int64(cfg.Slow), 0, int64(cfg.Subscribers)},
		{"--hwm", int64(cfg.HWM), 1, 100_000_000},
		{"--laps", int64(cfg.Laps), 0, 1_000_000},
	} {
		if c.value < c.low || c.value > c.up {
			return fmt.Errorf("%s %d is not between %d and %d", c.flag, c.value, c.low, c.up)
		}
	}
	if cfg.Duration <= 0 || cfg.Duration > MaxDuration {
		return fmt.Errorf("--duration %v is not between 0 and %v", cfg.Duration, MaxDuration)
	}
	switch cfg.Transport {
	case "tcp", "ipc", "inproc", "epgm", "pgm":
	default:
		return fmt.Errorf("--transport %q is none of tcp, ipc, inproc, epgm and pgm", cfg.Transport)
	}
	return cfg.checkMulticast()
}

// choose returns the stocks that subscribers choose from: all there are, or
// those of --symbols, each of which must exist.
func (cfg *Config) choose(all []itch.Stock) ([]itch.Stock, error) {
	if len(cfg.Symbols) == 0 {
		return all, nil
	}
	var chosen []itch.Stock
	for _, symbol := range cfg.Symbols {
		s, err := parseSymbol(symbol)
		switch {
		case err != nil:
			return nil, err
		case !slices.Contains(all, s):
			return nil, fmt.Errorf("--symbols: %v is not among the %d stocks of the input", s, len(all))
		case !slices.Contains(chosen, s):
			chosen = append(chosen, s)
		}
	}
	return chosen, nil
}

// parseSymbol reads one of --symbols.
func parseSymbol(symbol string) (itch.Stock, error) {
	s, err := itch.ParseStock(strings.ToUpper(strings.TrimSpace(symbol)))
	if err != nil {
		return s, fmt.Errorf("--symbols: %w", err)
	}
	return s, nil
}

// A choice is what one subscriber takes.
type choice struct {
	all    bool
	stocks []itch.Stock // if not all
}

// String says how many symbols the choice has.
func (c choice) String() string {
	if c.all {
		return "all"
	}
	return term.Group(int64(len(c.stocks)))
}

// spread gives each of n subscribers its choice. As among real ones, some take
// the whole feed, and most a part of it, which overlaps with others'.
func spread(stocks []itch.Stock, everything bool, n int) []choice {
	choices := make([]choice, n)
	for i := range choices {
		parts := []int{1, 2, 4, 10}[i%4]
		if parts == 1 && everything {
			choices[i].all = true
			continue
		}
		count := max(len(stocks)/parts, 1)
		first := i * len(stocks) / n
		for k := range min(count, len(stocks)) {
			choices[i].stocks = append(choices[i].stocks, stocks[(first+k)%len(stocks)])
		}
	}
	return choices
}
