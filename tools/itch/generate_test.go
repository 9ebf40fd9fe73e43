package itch

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"
)

// day returns a whole day, framed as a file has it.
func day(t testing.TB, cfg DayConfig) []byte {
	t.Helper()
	g, err := NewGenerator(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var file []byte
	for {
		m, err := g.Next()
		if err == io.EOF {
			return file
		}
		if err != nil {
			t.Fatalf("%+v: %v", cfg, err)
		}
		file = append(file, 0, byte(len(m)))
		file = append(file, m...)
	}
}

// split returns the messages of a file by the simplest means.
func split(file []byte) (all []Raw) {
	for len(file) > 0 {
		n := int(file[0])<<8 | int(file[1])
		all = append(all, Raw(file[2:2+n]))
		file = file[2+n:]
	}
	return all
}

// judge runs messages through a Checker to the end of their day.
func judge(all []Raw) (*Checker, error) {
	c := NewChecker()
	for i, m := range all {
		if err := c.Message(m); err != nil {
			return c, fmt.Errorf("message %d: %w", i, err)
		}
	}
	return c, c.Finish()
}

func TestGeneratedDaysArePossible(t *testing.T) {
	days := []DayConfig{
		{},
		{Seed: 1, Symbols: 1, Messages: 1},
		{Seed: 2, Symbols: 1, Messages: 30_000},
		{Seed: 3, Symbols: 2, Messages: 2000},
		{Seed: 4, Symbols: 3000, Messages: 100_000},
		{Seed: 5, Symbols: 40, Messages: 1000},
	}
	for seed := range uint64(20) {
		days = append(days, DayConfig{Seed: 100 + seed, Symbols: 10, Messages: 10_000})
	}
	for _, cfg := range days {
		c, err := judge(split(day(t, cfg)))
		if err != nil {
			t.Fatalf("%+v: %v", cfg, err)
		}
		if c.Books().Totals().Orders == 0 && cfg.Messages > 1 {
			t.Errorf("%+v: not one order", cfg)
		}
	}
}

func TestGeneratorRepeatsItself(t *testing.T) {
	cfg := DayConfig{Seed: 7, Symbols: 50, Messages: 20_000}
	sum := sha256.Sum256(day(t, cfg))
	// This hash changes when the generator does, and then only.
	const want = "434aae9a196161c6c0b68ad799d8868ab0b15c3094ccb16d9816bf8778d6a646"
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("the day of %+v has the hash %s, not %s", cfg, got, want)
	}
	if sum != sha256.Sum256(day(t, cfg)) {
		t.Errorf("two days of %+v differ", cfg)
	}
	cfg.Seed++
	if sum == sha256.Sum256(day(t, cfg)) {
		t.Errorf("seeds %d and %d make the same day", cfg.Seed-1, cfg.Seed)
	}
}

// A day must be worth replaying: all that happens on ordinary days happens, in
// proportions like theirs, in bursts, and with the shares of the flow where
// they belong.
func TestGeneratedDayIsLifelike(t *testing.T) {
	all := split(day(t, DayConfig{Seed: 11}))
	c, err := judge(all)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(all); n < defaultMessages*9/10 || n > defaultMessages*11/10 {
		t.Errorf("%d messages, not about %d", n, defaultMessages)
	}
	for _, typ := range Types() {
		rare := typ == TypeMWCBStatus || typ == TypeDirectListing
		if n := c.Count(typ); (n == 0) != rare {
			t.Errorf("%d messages of type %v", n, typ)
		}
	}
	adds := c.Count(TypeAddOrder) + c.Count(TypeAddOrderMPID)
	within(t, "adds", adds, len(all), 35, 50)
	within(t, "deletes", c.Count(TypeOrderDelete), len(all), 30, 45)
	within(t, "executions", c.Count(TypeOrderExecuted), len(all), 3, 12)
	within(t, "executed shares", int(c.Books().Totals().Executed), int(c.Books().Totals().Added), 3, 20)

	close, first, last := 0, 0, Timestamp(0)
	for _, m := range all {
		if at := m.Time(); at-last < 20_000 {
			close++
		}
		if at := m.Time(); at > Clock(9, 30, 0) && at < Clock(10, 0, 0) {
			first++
		}
		last = m.Time()
	}
	within(t, "messages within 20 microseconds of another", close, len(all), 80, 100)
	within(t, "messages in the first half hour", first, len(all), 20, 30)
}

func within(t *testing.T, what string, n, of, low, high int) {
	t.Helper()
	if percent := 100 * n / of; percent < low || percent > high {
		t.Errorf("%s are %d of %d, %d %%, not %d to %d %%", what, n, of, percent, low, high)
	}
}

func TestSymbolsAreTheDirectory(t *testing.T) {
	cfg := DayConfig{Seed: 5, Symbols: 120, Messages: 1000}
	g, err := NewGenerator(cfg)
	if err != nil {
		t.Fatal(err)
	}
	symbols := g.Symbols()
	seen := 0
	for _, m := range split(day(t, cfg)) {
		if m.Type() != TypeStockDirectory {
			continue
		}
		stock, _ := m.Stock()
		if symbols[m.Locate()-1] != stock {
			t.Errorf("locate %d is %v in the directory and %v in Symbols", m.Locate(), stock, symbols[m.Locate()-1])
		}
		if _, err := ParseStock(stock.String()); err != nil {
			t.Error(err)
		}
		seen++
	}
	if seen != cfg.Symbols || len(symbols) != cfg.Symbols {
		t.Errorf("%d symbols in the directory and %d in Symbols, not %d", seen, len(symbols), cfg.Symbols)
	}
}

func TestImpossibleDayConfigs(t *testing.T) {
	for _, cfg := range []DayConfig{{Symbols: -1}, {Symbols: 20_001}, {Messages: -1}, {Messages: 1_000_000_001}} {
		_, err := NewGenerator(cfg)
		if err == nil || !strings.Contains(err.Error(), "possible") {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

func TestGeneratorEndsForGood(t *testing.T) {
	g, err := NewGenerator(DayConfig{Symbols: 1, Messages: 1})
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = g.Next()
	}
	if _, again := g.Next(); err != io.EOF || again != io.EOF {
		t.Errorf("the end is %v and then %v", err, again)
	}
}

func TestDice(t *testing.T) {
	// The first numbers of splitmix64 with seed 1234567, as published.
	d := dice{1234567}
	for i, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423} {
		if got := d.next(); got != want {
			t.Errorf("number %d is %d, not %d", i, got, want)
		}
	}
	low, high := uint64(9), uint64(0)
	for range 1000 {
		n := d.between(3, 5)
		low, high = min(low, n), max(high, n)
	}
	if low != 3 || high != 5 {
		t.Errorf("between(3, 5) threw %d to %d", low, high)
	}
}

func BenchmarkGenerator(b *testing.B) {
	for b.Loop() {
		file := day(b, DayConfig{})
		b.SetBytes(int64(len(file)))
	}
}
