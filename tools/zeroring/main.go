// Command zeroring does with the library what one does from a terminal.
//
//	zeroring feed    fan a market-data feed out to many subscribers
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	// A second interrupt finds the default, which kills.
	context.AfterFunc(ctx, stop)
	if !run(ctx, os.Args[1:], os.Stdout, os.Stderr) {
		os.Exit(1)
	}
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
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	root.AddCommand(feedCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(errs, "zeroring: %v\n", err)
		return false
	}
	return true
}
