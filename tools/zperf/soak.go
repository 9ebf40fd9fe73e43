package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/zeroring/zeroring/bench/soak"
)

func soakCommand() *cobra.Command {
	o := soak.Options{}
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "Run at saturation for long, with peers that come and go",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Progress = cmd.ErrOrStderr()
			o.Every = min(10*time.Second, max(o.For/100, time.Millisecond))
			r, err := soak.Run(cmd.Context(), o)
			if r != nil {
				_, _ = fmt.Fprintf(cmd.OutOrStdout(),
					"%s, %s: %d messages of %d PUSHes, %d heard by %d SUBs, %d round trips of %d REQs; memory %.2f times that of the middle third, descriptors %d before and %d after\n",
					r.Backend, r.Took.Round(time.Millisecond), r.Pushed, r.Streams, r.Published, r.Subscribers, r.RoundTrips, r.Clients,
					r.MemoryGrowth, r.FDs[0], r.FDs[1])
			}
			return err
		},
	}
	cmd.Flags().DurationVar(&o.For, "for", 10*time.Minute, "how long")
	cmd.Flags().IntVar(&o.Peers, "peers", 4, "how many of each kind come and go, on each transport")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "for how long each stays")
	return cmd
}
