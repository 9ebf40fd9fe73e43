// Command zperf compares messaging systems on this machine.
//
//	zperf run       run the workloads, and write what came out
//	zperf list      print the workloads and the systems
//	zperf soak      run at saturation for long, with peers that come and go
//	zperf report    make the reports again from results that were kept
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/bench/ours"
	"github.com/zeroring/zeroring/bench/raw"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == childCommand {
		child(os.Args[2], os.Args[3:])
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal finds the default, which kills
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "zperf: %v\n", err)
		os.Exit(1)
	}
}

// childCommand makes this program one process of a workload. It is not for
// people.
const childCommand = "child"

func child(system string, args []string) {
	drivers := map[string]bench.Driver{"zeroring": &ours.Driver{}, "raw": &raw.Driver{}, "raw-gso": &raw.Driver{Segments: true}}
	d, ok := drivers[system]
	if !ok {
		fmt.Printf("error no system %q\n", system)
		os.Exit(1)
	}
	if err := bench.Serve(d, args, os.Stdin, os.Stdout); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, args []string, out, errs io.Writer) error {
	root := &cobra.Command{
		Use:           "zperf",
		Short:         "Compare messaging systems on this machine",
		SilenceErrors: true, // printed by main, once and without the usage
		SilenceUsage:  true,
	}
	root.SetOut(out)
	root.SetErr(errs)
	root.AddCommand(runCommand(), listCommand(), soakCommand(), reportCommand())
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// choice is which workloads and systems there are to be.
type choice struct {
	only, systems string
}

func (c *choice) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.only, "only", "", "a regular expression that names of workloads match")
	cmd.Flags().StringVar(&c.systems, "systems", "", "names of systems, separated by commas (default all)")
}

// find returns what was chosen. Programs are built in dir.
func (c *choice) find(dir string) ([]bench.Workload, []*bench.System, error) {
	workloads, err := bench.Only(bench.Standard(), c.only)
	if err != nil {
		return nil, nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	p := bench.Programs{Self: []string{self, childCommand}, Peers: "bench/peers", Dir: dir}
	systems, err := bench.Find(p.Systems(), c.systems)
	return workloads, systems, err
}

func listCommand() *cobra.Command {
	var c choice
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Print the workloads and the systems",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			workloads, systems, err := c.find("")
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			for _, w := range workloads {
				_, _ = fmt.Fprintf(out, "%s\n", w.Name)
			}
			_, err = fmt.Fprintln(out)
			for _, s := range systems {
				_, _ = fmt.Fprintf(out, "%s\n", s.Name)
			}
			return err
		},
	}
	c.flags(cmd)
	return cmd
}

var errFailed = errors.New("some of zeroring's results are FAIL")
