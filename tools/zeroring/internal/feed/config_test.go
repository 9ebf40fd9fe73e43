package feed

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zeroring/zeroring/tools/itch"
)

func stocks(symbols ...string) (all []itch.Stock) {
	for _, s := range symbols {
		stock, err := itch.ParseStock(s)
		if err != nil {
			panic(err)
		}
		all = append(all, stock)
	}
	return all
}

// good returns a Config that check accepts.
func good() Config {
	return Config{Subscribers: 4, HWM: 1000, Transport: "tcp", Duration: time.Second}
}

func TestConfigCheck(t *testing.T) {
	cfg := good()
	if err := cfg.check(); err != nil {
		t.Fatal(err)
	}
	for says, spoil := range map[string]func(*Config){
		"--subscribers 0":    func(c *Config) { c.Subscribers = 0 },
		"--subscribers 1001": func(c *Config) { c.Subscribers = 1001 },
		"--slow -1":          func(c *Config) { c.Slow = -1 },
		"--slow 5":           func(c *Config) { c.Slow = 5 },
		"--hwm 0":            func(c *Config) { c.HWM = 0 },
		"--laps -1":          func(c *Config) { c.Laps = -1 },
		"--duration 0s":      func(c *Config) { c.Duration = 0 },
		"--duration 25h0m0s": func(c *Config) { c.Duration = 25 * time.Hour },
		`--transport "udp"`:  func(c *Config) { c.Transport = "udp" },
		`--transport ""`:     func(c *Config) { c.Transport = "" },
	} {
		cfg := good()
		spoil(&cfg)
		if err := cfg.check(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, not %q", err, says)
		}
	}
}

func TestPhases(t *testing.T) {
	for _, c := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) {}, "paced: 100,000 msg/s, 500ms, 1 laps, waits false; flat out: flat out, 500ms, 0 laps, waits true; "},
		{func(c *Config) { c.Laps = 3 }, "paced: 100,000 msg/s, 500ms, 3 laps, waits false; flat out: flat out, 500ms, 3 laps, waits true; "},
		{func(c *Config) { c.Slow = 1 }, "paced: 100,000 msg/s, 500ms, 1 laps, waits false; flat out: flat out, 500ms, 0 laps, waits false; "},
		{func(c *Config) { c.Rate = "max" }, "flat out: flat out, 1s, 0 laps, waits true; "},
		{func(c *Config) { c.Rate, c.Drop = "max", true }, "flat out: flat out, 1s, 0 laps, waits false; "},
		{func(c *Config) { c.Rate, c.Laps = "10", 2 }, "paced: 10x the recorded pace, 1s, 2 laps, waits false; "},
	} {
		cfg := good()
		c.change(&cfg)
		got, err := cfg.phases()
		says := ""
		for _, p := range got {
			says += fmt.Sprintf("%s: %v, %v, %d laps, waits %v; ", p.name, p.pace, p.time, p.laps, p.wait)
		}
		if err != nil || says != c.want {
			t.Errorf("%s %v, not %s", says, err, c.want)
		}
	}
	cfg := good()
	cfg.Rate = "soon"
	if _, err := cfg.phases(); err == nil || !strings.Contains(err.Error(), `"soon"`) {
		t.Error(err)
	}
}

func TestChoose(t *testing.T) {
	all := stocks("AAA", "BBB", "CCC")
	for _, c := range []struct {
		symbols []string
		want    []itch.Stock
		says    string
	}{
		{nil, all, ""},
		{[]string{"CCC", "AAA"}, stocks("CCC", "AAA"), ""},
		{[]string{" ccc ", "CCC"}, stocks("CCC"), ""},
		{[]string{"CCC", "DDD"}, nil, "DDD is not among the 3 stocks"},
		{[]string{"NINELONGS"}, nil, `symbol "NINELONGS" has 9 characters`},
		{[]string{""}, nil, "has 0 characters"},
	} {
		cfg := Config{Symbols: c.symbols}
		got, err := cfg.choose(all)
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), "--symbols: ") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%q: %v", c.symbols, err)
			}
			continue
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, %v", c.symbols, got, err)
		}
	}
}

func TestSpread(t *testing.T) {
	all := stocks("A", "B", "C", "D", "E", "F", "G", "H", "I", "J")
	got := spread(all, true, 8)
	says := ""
	for _, c := range got {
		says += c.String() + " "
		if !slices.IsSortedFunc(dedup(c.stocks), func(a, b itch.Stock) int { return strings.Compare(a.String(), b.String()) }) ||
			len(dedup(c.stocks)) != len(c.stocks) {
			t.Errorf("a stock is chosen twice: %v", c.stocks)
		}
	}
	if says != "all 5 2 1 all 5 2 1 " {
		t.Errorf("they take %s", says)
	}
	if slices.Equal(got[1].stocks, got[5].stocks) {
		t.Error("two halves are the same half")
	}

	// With symbols named, nobody takes more than these.
	for _, c := range spread(stocks("X"), false, 6) {
		if c.all || len(c.stocks) != 1 || c.stocks[0] != stocks("X")[0] {
			t.Errorf("%+v", c)
		}
	}
	// A file without a directory has no stocks to choose from.
	for i, c := range spread(nil, true, 4) {
		if c.all != (i == 0) || len(c.stocks) != 0 {
			t.Errorf("subscriber %d of nothing: %+v", i, c)
		}
	}
}

func dedup(s []itch.Stock) []itch.Stock {
	s = slices.Clone(s)
	slices.SortFunc(s, func(a, b itch.Stock) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(s)
}
