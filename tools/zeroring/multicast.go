package main

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/zeroring/zeroring/bench/lab"
	"github.com/zeroring/zeroring/tools/zeroring/internal/lossy"
)

const multicastLong = `Fan a market-data feed out by EPGM multicast over a network that loses packets,
and show what each receiver got, what it asked for again, what it gave up, and
the latencies that came of it.

The network is made for the run, of network namespaces and a switch in this
process, so it takes root, or a kernel that lets everybody make user namespaces.
The publisher and each receiver are processes of their own. All of it goes when
the run ends, however it ends.

--faults says what the switch does and when. A step has a time, for one receiver
behind an @ a number, and faults: loss=PERCENT, burst=PERCENT:LENGTH, dup=,
reorder=, corrupt=PERCENT, delay=, jitter=TIME, rate=100mbit; they replace those
before. Or it is an outage=TIME.

On a terminal keys do it too: 1 to 9 choose a receiver and a all of them, + and -
change the loss, b begins and ends bursts of losses, o cuts off for 200 ms, and q
quits. What --faults has in store is then forgotten.`

const multicastExample = `  zeroring multicast
  zeroring multicast --duration 1h --faults ''
  zeroring multicast --faults '2s:loss=2;5s@1:outage=300ms;8s:burst=0.2:50'
  zeroring multicast --fec 16:2 --json | jq '.receivers[].multicast'`

func multicastCommand() *cobra.Command {
	var cfg lossy.Config
	var asJSON bool
	c := &cobra.Command{
		Use:     "multicast",
		Short:   "Fan a market-data feed out by multicast over a network that loses packets",
		Long:    multicastLong,
		Example: multicastExample,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := lab.Reexec(); err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			cfg.Program = []string{self}
			out := lossy.Output{To: c.OutOrStdout(), Screen: screenOf(c.OutOrStdout()), JSON: asJSON}
			if out.Screen != nil && !asJSON {
				keys, restore := keysOf(c.Context(), c.InOrStdin())
				defer restore()
				out.Keys = keys
			}
			return lossy.Run(c.Context(), &cfg, out)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.IntVar(&cfg.Receivers, "receivers", 3, "how many receivers")
	f.StringVar(&cfg.Faults, "faults", lossy.DefaultFaults, "what the switch does, and when: see above")
	f.Uint64Var(&cfg.Seed, "seed", 1, "seed of the faults, and of the generated day")
	f.StringVar(&cfg.Rate, "rate", "20k/s", `messages a second, "max", or a multiple of the recorded pace`)
	f.DurationVar(&cfg.Duration, "duration", 20*time.Second, "how long to publish")
	f.IntVar(&cfg.Mbit, "mbit", 100, "what the source may send, in Mbit/s")
	f.StringVar(&cfg.FEC, "fec", "", "parity, as in 16:2 for two packets after each sixteen,\nof which receivers repair what they miss without asking")
	f.DurationVar(&cfg.Budget, "budget", 0, "after how long receivers give up what they miss\n(default never, while it can be repaired)")
	f.StringVar(&cfg.File, "file", "", "`file` of ITCH 5.0 messages, .gz or not (default a generated day)")
	f.StringVar(&cfg.Backend, "backend", "", "epoll, uring, or prefer-uring for io_uring where it works\n(default what ZERORING_BACKEND says, or epoll)")
	f.BoolVar(&asJSON, "json", false, "print one JSON object at the end, and nothing else")
	return c
}

// keysOf has a terminal hand over keys as they are typed, and does not show them. The
// function that it returns undoes that, and may be called again; so does ctx's end. What
// is no terminal has no keys.
func keysOf(ctx context.Context, in io.Reader) (keys <-chan byte, restore func()) {
	f, ok := in.(*os.File)
	if !ok {
		return nil, func() {}
	}
	undo, err := rawKeys(f)
	if err != nil {
		return nil, func() {}
	}
	context.AfterFunc(ctx, undo) // a second Ctrl-C ends the program on the spot
	typed := make(chan byte)
	go func() {
		var b [1]byte
		for {
			if n, err := f.Read(b[:]); n == 0 || err != nil {
				return
			}
			select {
			case typed <- b[0]:
			case <-ctx.Done():
				return
			}
		}
	}()
	return typed, undo
}
