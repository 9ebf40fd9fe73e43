package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/bench/report"
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
	found, runErr := suite.Run(ctx)
	if found == nil {
		return runErr
	}
	found.Command = strings.Join(os.Args, " ")
	return errors.Join(runErr, write(found, o.out, progress), failed(found))
}

// write writes all there is to read of r into the folder.
func write(r *bench.Report, dir string, progress io.Writer) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var errs []error
	for _, file := range []struct {
		name  string
		write func(io.Writer, *bench.Report) error
	}{
		{"results.json", report.JSON}, {"report.html", report.HTML}, {"bench.txt", report.Bench},
		{"ratios.md", report.Markdown},
	} {
		var text bytes.Buffer
		err := file.write(&text, r)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, file.name), text.Bytes(), 0o644)
		}
		errs = append(errs, err)
	}
	hgrm := filepath.Join(dir, "hgrm")
	err := os.MkdirAll(hgrm, 0o755)
	if err == nil {
		err = report.HGRM(hgrm, r)
	}
	errs = append(errs, err)
	_, err = fmt.Fprintf(progress, "wrote %s\n", filepath.Join(dir, "report.html"))
	return errors.Join(append(errs, err)...)
}

// failed is an error if zeroring has failed at something. Where others have, the
// report says so.
func failed(r *bench.Report) error {
	for _, result := range r.Results {
		if result.Fail != "" && strings.HasPrefix(result.System, "zeroring") {
			return errFailed
		}
	}
	return nil
}

func reportCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "report results.json",
		Short: "Make the reports again from results that were kept",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			r, err := report.Read(f)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if out == "" {
				out = filepath.Dir(args[0])
			}
			return write(r, out, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "the folder to write into (default the one that the results are in)")
	return cmd
}
