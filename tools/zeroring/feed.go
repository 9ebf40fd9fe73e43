package main

import (
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/zeroring/zeroring/tools/zeroring/internal/feed"
)

const feedLong = `Fan a market-data feed out from one publisher to many subscribers, and show
what arrives: rates, latency from the publisher's stamp, and what was lost.

The input is a file of NASDAQ TotalView-ITCH 5.0 messages, each behind its
length in two octets, compressed by gzip or not; or else a day that is made up,
the same for the same --seed. Each message goes out under its symbol, and with
its number, by which subscribers see what they lost. Every fourth subscriber
takes the whole feed, the others a half, a quarter and a tenth of the symbols.
By multicast each gets every packet, and asks for those that it misses.

Without --rate the run has two halves: one at a moderate pace, which measures
latency, and one flat out, which measures throughput and repeats the input
until its time is up. Multicast has a limit of its own instead (--mbit), so its
second half has the pace of the first, and receivers with buffers in the kernel
so small that packets are lost.`

const feedExample = `  zeroring feed
  zeroring feed --transport inproc --rate max
  zeroring feed --file 01302019.NASDAQ_ITCH50.gz --rate 10 --symbols AAPL,MSFT
  zeroring feed --subscribers 50 --slow 2 --rate 200k/s --duration 30s
  zeroring feed --transport epgm
  zeroring feed --endpoint 'epgm://eth0;239.192.1.1:5555' --only subscribe
  zeroring feed --json --duration 4s | jq '.phases[].latency'`

func feedCommand() *cobra.Command {
	var cfg feed.Config
	var asJSON, reports bool
	c := &cobra.Command{
		Use:     "feed",
		Short:   "Fan a market-data feed out to many subscribers, and show what arrives",
		Long:    feedLong,
		Example: feedExample,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			out := c.OutOrStdout()
			if reports {
				cfg.Multicast.Done = parted(c.InOrStdin())
			}
			return feed.Run(c.Context(), &cfg, feed.Output{To: out, Screen: screenOf(out), JSON: asJSON, Reports: reports})
		},
	}
	c.PreRun = func(c *cobra.Command, _ []string) { suit(&cfg, c.Flags().Changed) }
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&cfg.File, "file", "", "`file` of ITCH 5.0 messages, .gz or not (default a generated day)")
	f.Uint64Var(&cfg.Seed, "seed", 1, "seed of the generated day")
	f.IntVar(&cfg.Size, "size", 500_000, "about how many `messages` the generated day has")
	f.IntVar(&cfg.Stocks, "stocks", 300, "how many stocks the generated day has")
	f.StringSliceVar(&cfg.Symbols, "symbols", nil, "the `stocks` that subscribers choose from, with commas (default all)")
	f.IntVar(&cfg.Subscribers, "subscribers", 8, "how many subscribers; 4 with multicast, unless it is given")
	f.IntVar(&cfg.Slow, "slow", 0, "how many of them take 50 µs over each message, and lose some")
	f.StringVar(&cfg.Rate, "rate", "", `"max", a multiple of the recorded pace like "1" or "10",
or messages a second like "50000/s" (default 100k/s, then max;
with multicast 50k/s, then the same with small buffers)`)
	f.DurationVar(&cfg.Duration, "duration", 10*time.Second, "when to end at the latest")
	f.IntVar(&cfg.Laps, "laps", 0, `how often to replay the input, in each half of the run; 0 is
once in the paced half, and else until the time is up
(default 0, but 1 with --rate)`)
	f.StringVar(&cfg.Transport, "transport", "tcp", "tcp, ipc, inproc, or multicast: epgm, or pgm, which has no UDP\nin it and takes the capability CAP_NET_RAW")
	f.StringVar(&cfg.Multicast.Endpoint, "endpoint", "", "of multicast: interface, group and port as in\n'epgm://eth0;239.192.1.1:5555' (default those of a run on loopback)")
	f.StringVar(&cfg.Multicast.Only, "only", "", "of multicast: be one `side`, publish or subscribe;\nthe other is elsewhere, at the same --endpoint")
	f.DurationVar(&cfg.Multicast.Wait, "wait", time.Second, "of multicast: how long a publisher alone calls for receivers\nbefore it begins")
	f.IntVar(&cfg.Multicast.Mbit, "mbit", 100, "of multicast: what the source may send, in Mbit/s")
	f.IntVar(&cfg.Multicast.RecvBuf, "recvbuf", 0, "of multicast: each receiver's buffer in the kernel, in `octets`: a small\none loses packets, which are then repaired (default the library's)")
	f.StringVar(&cfg.Multicast.FEC, "fec", "", "of multicast: parity, as in 16:2 for two packets after each sixteen,\nof which receivers repair what they miss without asking")
	f.DurationVar(&cfg.Multicast.Budget, "budget", 0, "of multicast: after how long receivers give up what they miss\n(default never, while it can be repaired)")
	f.BoolVar(&cfg.Multicast.Timestamps, "timestamps", false, "of multicast: tell the latency until packets arrived at the kernel, too")
	f.StringVar(&cfg.Backend, "backend", "", "epoll, uring, or prefer-uring for io_uring where it works\n(default what ZERORING_BACKEND says, or epoll)")
	f.IntVar(&cfg.HWM, "hwm", 20_000, "high-water mark of each side, in `messages`")
	f.BoolVar(&cfg.Drop, "drop", false, "when flat out, drop what a subscriber has no room for, as --slow does,\ninstead of waiting for the slowest")
	f.BoolVar(&asJSON, "json", false, "print one JSON object at the end, and nothing else")
	f.BoolVar(&reports, "reports", false, "print reports for the program that started this one")
	f.BoolVar(&cfg.Relaxed, "relaxed", false, "let the publisher sleep where it would spin")
	for _, own := range []string{"reports", "relaxed"} {
		_ = f.MarkHidden(own) // there: never an error. They are for zeroring multicast
	}
	return c
}

// suit chooses what suits the other flags for those that were not given.
func suit(cfg *feed.Config, given func(flag string) bool) {
	if !given("transport") && strings.Contains(cfg.Multicast.Endpoint, "://") {
		cfg.Transport, _, _ = strings.Cut(cfg.Multicast.Endpoint, "://")
	}
	if cfg.Rate != "" && !given("laps") {
		cfg.Laps = 1
	}
	multicast := cfg.Transport == "epgm" || cfg.Transport == "pgm"
	if multicast && !given("subscribers") {
		cfg.Subscribers = 4 // each is a receiver, with a reactor of its own
	}
	if multicast && !given("relaxed") {
		cfg.Relaxed = true // a reactor for each leaves no processor to spin on
	}
	if cfg.Multicast.Only == feed.Subscribe && !given("duration") {
		cfg.Duration = feed.MaxDuration // until the publisher says that it is over
	}
}

// parted returns a channel that is closed when in ends, by which the program that reads
// the reports says that it has all of them, or is no more.
func parted(in io.Reader) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, in)
		close(done)
	}()
	return done
}

// screenOf returns a function that says how large the terminal is that out
// writes to, or nil if it is none that can redraw lines. People resize terminals.
func screenOf(out io.Writer) func() (columns, rows int) {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return nil
	}
	if _, _, ok := terminalSize(f); !ok {
		return nil
	}
	return func() (columns, rows int) {
		columns, rows, _ = terminalSize(f)
		return columns, rows
	}
}
