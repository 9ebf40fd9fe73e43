// Command zdump prints PGM packets, one a line.
//
//	zdump FILE.pcap           what tcpdump -w or Wireshark captured; - is standard input
//	zdump -x FILE.pcap        with the ZMTP 1.0 frames that libzmq puts inside
//	zdump --live lo           what passes an interface now; needs root
//
// It finds PGM in IP, whose protocol number is 113, and PGM in UDP, which libzmq
// calls epgm.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if !run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr) {
		os.Exit(1)
	}
}

// settings are what the command line says.
type settings struct {
	ports []uint // UDP ports to look at; none: whatever is PGM beyond doubt
	zmtp  bool
	json  bool
	live  string // interface
}

// run runs one command line and reports whether it went well. What went wrong is
// on errs, in one line.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) bool {
	var s settings
	command := &cobra.Command{
		Use:           "zdump [flags] FILE.pcap | zdump [flags] --live INTERFACE",
		Short:         "Print PGM and EPGM packets, one a line",
		Args:          cobra.MaximumNArgs(1),
		SilenceErrors: true, // printed below, once and without the usage
		SilenceUsage:  true,
		RunE: func(_ *cobra.Command, args []string) error {
			return s.dump(ctx, args, in, out)
		},
	}
	flags := command.Flags()
	flags.UintSliceVar(&s.ports, "port", nil, "UDP `ports` that carry PGM (default: 5555, and datagrams to any other that are PGM with a right checksum)")
	flags.BoolVarP(&s.zmtp, "zmtp", "x", false, "print the ZMTP 1.0 frames inside")
	flags.BoolVar(&s.json, "json", false, "print one JSON object a line")
	flags.StringVar(&s.live, "live", "", "listen on a network `interface` instead of reading a file (Linux, root)")
	command.SetOut(out)
	command.SetErr(errs)
	command.SetArgs(args)
	if err := command.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(errs, "zdump: %v\n", err)
		return false
	}
	return true
}

// dump prints what there is in the one place that the command line names.
func (s *settings) dump(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	if (s.live != "") == (len(args) == 1) {
		return errors.New("name one file, or an interface with --live")
	}
	for _, port := range s.ports {
		if port == 0 || port > 0xffff {
			return fmt.Errorf("--port %d: a port is 1 to 65535", port)
		}
	}
	w := bufio.NewWriter(out)
	d := &dumper{settings: *s, out: w, streams: make(map[session]*stream)}
	if s.live != "" {
		err := listen(ctx, s.live, func(c capture) error {
			if err := d.packet(c); err != nil {
				return err
			}
			return w.Flush() // people watch
		})
		return errors.Join(err, d.finish(), w.Flush())
	}
	if name := args[0]; name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	err := d.file(ctx, in)
	if err != nil {
		err = fmt.Errorf("%s: %w", args[0], err)
	}
	return errors.Join(err, d.finish(), w.Flush())
}

// file prints a whole capture.
func (d *dumper) file(ctx context.Context, in io.Reader) error {
	r, err := newReader(in)
	if err != nil {
		return err
	}
	for {
		c, err := r.next()
		if err == io.EOF || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if err := d.packet(c); err != nil {
			return err
		}
	}
}
