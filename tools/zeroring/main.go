// Command zeroring does with the library what one does from a terminal.
//
//	zeroring feed       fan a market-data feed out to many subscribers
//	zeroring multicast  do so by multicast over a network that loses packets
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	if !run(ctx, os.Args[1:], os.Stdout, os.Stderr) {
		os.Exit(1)
	}
}

// untilSignal returns a context that ends when somebody wants the program to. A
// second signal finds the default, which kills.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// run runs one command line and reports whether it went well. What went wrong
// is on errs, in one line.
func run(ctx context.Context, args []string, out, errs io.Writer) bool {
	root := &cobra.Command{
		Use:           "zeroring",
		Short:         "ZeroMQ from a terminal",
		SilenceErrors: true, // printed below, once and without the usage
		SilenceUsage:  true,
	}
	root.SetOut(out)
	root.SetErr(errs)
	root.AddCommand(feedCommand(), multicastCommand())
	root.SetArgs(dashed(root.Commands(), args))
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(errs, "zeroring: %v\n", err)
		return false
	}
	return true
}

// dashed gives flags that are written with one dash, as Go's own commands have
// them, their second. There are no groups of one-letter flags to mistake them
// for.
func dashed(commands []*cobra.Command, args []string) []string {
	args = slices.Clone(args)
	for i, arg := range args {
		name, one := strings.CutPrefix(arg, "-")
		name, _, _ = strings.Cut(name, "=")
		if one && len(name) > 1 && slices.ContainsFunc(commands, func(c *cobra.Command) bool { return c.Flags().Lookup(name) != nil }) {
			args[i] = "-" + arg
		}
	}
	return args
}
