package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zeroring/zeroring/bench"
)

type runOptions struct {
	choice
	pairs    int
	out      string
	baseline string
	syscalls bool
}

func runCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the workloads, and write what came out",
		Long: `Run the workloads by each system in turn, and write into a folder:

  results.json   everything
  report.html    the report, for a browser, a phone or a printer
  bench.txt      Go benchmark format, for benchstat
  ratios.md      the table of ratios
  hgrm/          latency percentiles, for HdrHistogram's plotter

What was measured when it is interrupted is written all the same.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), cmd.ErrOrStderr()) },
	}
	o.flags(cmd)
	cmd.Flags().IntVar(&o.pairs, "pairs", 5, "how often each system does each workload, in turns")
	cmd.Flags().StringVar(&o.out, "out", "bin/bench", "the folder to write into")
	cmd.Flags().StringVar(&o.baseline, "baseline", "libzmq", "the system that ratios are to")
	cmd.Flags().BoolVar(&o.syscalls, "syscalls", true, "count system calls too, in a run of their own, where perf can")
	return cmd
}

func (o *runOptions) run(ctx context.Context, progress io.Writer) error {
	if o.pairs < 1 {
		return fmt.Errorf("%d pairs: at least 1 is needed", o.pairs)
	}
	dir, err := os.MkdirTemp("", "zperf")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	workloads, systems, err := o.find(dir)
	if err != nil {
		return err
	}
	suite := &bench.Suite{
		Systems: systems, Workloads: workloads, Baseline: o.baseline, Pairs: o.pairs, Progress: progress,
	}
	if o.syscalls {
		if suite.Wrap, err = bench.CountSyscalls(ctx); err != nil {
			_, _ = fmt.Fprintf(progress, "system calls are not counted: %v\n", err)
		}
	}
	report, runErr := suite.Run(ctx)
	if report == nil {
		return runErr
	}
	report.Command = strings.Join(os.Args, " ")
	return errors.Join(runErr, o.write(report, progress), failed(report))
}

func (o *runOptions) write(r *bench.Report, progress io.Writer) error {
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.out, "results.json"), text, 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintf(progress, "wrote %s\n", o.out)
	return err
}

func failed(r *bench.Report) error {
	for _, result := range r.Results {
		if result.Fail != "" {
			return errFailed
		}
	}
	return nil
}
