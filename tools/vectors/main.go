// Vectors captures what a real libzmq puts on the wire, for zmtp's tests:
//
//	go run ./tools/vectors zmtp/testdata/vectors/*.txt
//
// Each file is a transcript (see package transcript): a script to follow, and
// what came of it the last time. Vectors follows the script again, with a socket
// of the libzmq that pyzmq finds on one side of a loopback connection and plain
// octets on the other, and rewrites the file.
//
// PGM needs no script, only a file to write:
//
//	go run ./tools/vectors -pgm pgm/testdata/vectors/epgm.txt
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/zeroring/zeroring/tools/vectors/transcript"
)

func main() {
	capturesPGM := flag.Bool("pgm", false, "capture PGM instead of following scripts")
	flag.Parse()
	interpreter, err := python()
	for _, path := range flag.Args() {
		switch {
		case err != nil:
		case *capturesPGM:
			err = writePGM(interpreter, path)
		default:
			err = rewrite(interpreter, path)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vectors:", err)
		os.Exit(1)
	}
}

func rewrite(interpreter, path string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := capture(interpreter, string(old))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

func writePGM(interpreter, path string) error {
	text, err := capturePGM(interpreter)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// capture follows the script in text and returns it with what libzmq did.
func capture(interpreter, text string) (string, error) {
	steps, err := transcript.Parse(text)
	if err != nil {
		return "", err
	}
	d, err := startDriver(interpreter)
	if err != nil {
		return "", err
	}
	p := &player{driver: d}
	err = p.play(steps)
	p.close()
	if closeErr := d.close(); err == nil {
		err = closeErr
	}
	return transcript.Format(steps), err
}
