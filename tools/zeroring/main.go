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
