package lossy

import (
	"fmt"
	"time"

	"github.com/zeroring/zeroring/tools/zeroring/internal/feed"
)

// Config says what to run. Its zero is not of use: the command's flags have the
// defaults.
type Config struct {
	Receivers int
	Faults    string // the script
	Seed      uint64 // of the faults, and of the day if that is made up
	Rate      string // as feed.ParsePace reads it
	Duration  time.Duration
	Mbit      int // the source's limit, in Mbit/s
	FEC       string
	Budget    time.Duration // after which receivers give up what they miss; 0 for never

	File    string // ITCH file; empty for a generated day
	Backend string

	// Program is what to run in the hosts, with the arguments of `zeroring` behind it:
	// this very program.
	Program []string
}

// MaxReceivers is how many receivers there may be: each is a process.
const MaxReceivers = 20

// DefaultFaults is the demonstration.
const DefaultFaults = "5s:loss=1;10s:loss=5;15s:loss=0"

// endpoint is where they meet. The hosts have a network of their own, so it may be the
// same in every run.
const endpoint = "epgm://e0;239.192.1.1:5555"

// check refuses what cannot be run, naming the flag.
func (cfg *Config) check() error {
	switch {
	case cfg.Receivers < 1 || cfg.Receivers > MaxReceivers:
		return fmt.Errorf("--receivers %d is not between 1 and %d", cfg.Receivers, MaxReceivers)
	case cfg.Duration <= 0 || cfg.Duration > feed.MaxDuration:
		return fmt.Errorf("--duration %v is not between 0 and %v", cfg.Duration, feed.MaxDuration)
	}
	if _, err := feed.ParsePace(cfg.Rate); err != nil {
		return fmt.Errorf("--rate: %w", err)
	}
	return nil
}

// publisherArgs are the arguments of the process that publishes.
func (cfg *Config) publisherArgs() []string {
	args := []string{
		"feed", "--reports", "--relaxed", "--endpoint", endpoint, "--only", feed.Publish, "--wait", "300ms", "--laps", "0",
		"--rate", cfg.Rate, "--duration", cfg.Duration.String(), "--seed", fmt.Sprint(cfg.Seed), "--mbit", fmt.Sprint(cfg.Mbit),
		"--fec", cfg.FEC, "--backend", cfg.Backend,
	}
	if cfg.File != "" {
		args = append(args, "--file", cfg.File)
	}
	return args
}

// receiverArgs are the arguments of a process that receives.
func (cfg *Config) receiverArgs() []string {
	return []string{
		"feed", "--reports", "--endpoint", endpoint, "--only", feed.Subscribe, "--subscribers", "1",
		"--budget", cfg.Budget.String(), "--backend", cfg.Backend,
	}
}
