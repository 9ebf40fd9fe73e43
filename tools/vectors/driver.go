package main

import (
	"bufio"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

//go:embed driver.py
var driverScript string

// A driver is a process that has one libzmq socket and does what it is told.
type driver struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// An order is one thing for the driver to do.
type order struct {
	Verb      string   `json:"verb"`
	Type      string   `json:"type,omitempty"`
	Connect   string   `json:"connect,omitempty"`
	Identity  string   `json:"identity,omitempty"`
	Metadata  string   `json:"metadata,omitempty"`
	Deny      string   `json:"deny,omitempty"`
	Heartbeat int64    `json:"heartbeat,omitempty"` // milliseconds
	TTL       int64    `json:"ttl,omitempty"`       // milliseconds
	Frames    []string `json:"frames,omitempty"`
}

// errNoLibzmq says that there is no libzmq to capture from.
var errNoLibzmq = errors.New("no python3 with pyzmq found (Debian: apt-get install python3-zmq)")

// python is the interpreter that has pyzmq: the distribution's own if another
// one comes first in the path and lacks it.
func python() (string, error) {
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import zmq").Run() == nil {
			return name, nil
		}
	}
	return "", errNoLibzmq
}

func startDriver(interpreter string) (*driver, error) {
	cmd := exec.Command(interpreter, "-c", driverScript)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &driver{cmd, in, bufio.NewReader(out)}, cmd.Start()
}

// close ends the process and waits for it.
func (d *driver) close() error {
	d.in.Close()
	return d.cmd.Wait()
}

// do sends one order and decodes the answer into ok.
func (d *driver) do(o order, ok any) error {
	line, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if _, err := d.in.Write(append(line, '\n')); err != nil {
		return err
	}
	reply, err := d.out.ReadBytes('\n')
	if err != nil {
		return err
	}
	answer := struct {
		OK    any    `json:"ok"`
		Error string `json:"error"`
	}{OK: ok}
	if err := json.Unmarshal(reply, &answer); err != nil {
		return err
	}
	if answer.Error != "" {
		return fmt.Errorf("libzmq: %s: %s", o.Verb, answer.Error)
	}
	return nil
}

func encodeAll(frames [][]byte) []string {
	var s []string
	for _, frame := range frames {
		s = append(s, hex.EncodeToString(frame))
	}
	return s
}

func decodeAll(s []string) ([][]byte, error) {
	var frames [][]byte
	for _, frame := range s {
		b, err := hex.DecodeString(frame)
		if err != nil {
			return nil, err
		}
		frames = append(frames, b)
	}
	return frames, nil
}
