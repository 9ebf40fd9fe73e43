package perf

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/zeroring/zeroring/socket"
)

// pair runs a local and a remote program and returns what they printed. The
// remote one starts when it is known where the local one listens.
func pair(t *testing.T, local, remote *Program, endpoint string, localArgs, remoteArgs []string) (localOut, remoteOut string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var lout, rout bytes.Buffer
	bound := make(chan string, 1)
	ended := make(chan error, 1)
	go func() {
		err := local.Run(ctx, append([]string{endpoint}, localArgs...), &lout, func(at string) { bound <- at })
		if err != nil {
			cancel() // the remote one may be waiting for it
		}
		ended <- err
	}()
	var remoteErr error
	select {
	case at := <-bound:
		remoteErr = remote.Run(ctx, append([]string{at}, remoteArgs...), &rout, nil)
	case err := <-ended:
		t.Fatalf("%s: %v", local.Name, err)
	}
	if err := <-ended; err != nil || remoteErr != nil {
		t.Fatalf("%s: %v, %s: %v", local.Name, err, remote.Name, remoteErr)
	}
	return lout.String(), rout.String()
}

// matches checks the whole output against libzmq's format strings: %d is a
// number and %.3f one with three decimals.
func matches(t *testing.T, out, format string) {
	t.Helper()
	p := regexp.QuoteMeta(format)
	p = strings.ReplaceAll(p, "%d", `[1-9][0-9]*`)
	p = strings.ReplaceAll(p, `%\.3f`, `[0-9]+\.[0-9]{3}`)
	if !regexp.MustCompile("^" + p + "$").MatchString(out) {
		t.Errorf("printed\n%s\nnot\n%s", out, format)
	}
}

const (
	thrFormat = "message size: 64 [B]\nmessage count: 2000\nmean throughput: %d [msg/s]\nmean throughput: %.3f [Mb/s]\n"
	latFormat = "message size: 64 [B]\nroundtrip count: 300\naverage latency: %.3f [us]\n"
)

func endpoints(t *testing.T) map[string]string {
	return map[string]string{"tcp": "tcp://127.0.0.1:*", "ipc": "ipc://" + filepath.Join(t.TempDir(), "perf")}
}

func TestThroughput(t *testing.T) {
	for name, endpoint := range endpoints(t) {
		t.Run(name, func(t *testing.T) {
			local, remote := pair(t, LocalThr, RemoteThr, endpoint, []string{"64", "2000"}, []string{"64", "2000", "0"})
			matches(t, local, thrFormat)
			if remote != "" {
				t.Errorf("remote_thr printed %q", remote)
			}
		})
	}
}

func TestLatency(t *testing.T) {
	for name, endpoint := range endpoints(t) {
		t.Run(name, func(t *testing.T) {
			local, remote := pair(t, LocalLat, RemoteLat, endpoint, []string{"64", "300"}, []string{"64", "300"})
			matches(t, remote, latFormat)
			if local != "" {
				t.Errorf("local_lat printed %q", local)
			}
		})
	}
}

func TestInproc(t *testing.T) {
	for _, c := range []struct {
		p      *Program
		args   []string
		format string
	}{
		{InprocThr, []string{"64", "2000"}, thrFormat},
		{InprocLat, []string{"64", "300"}, latFormat},
		{InprocThr, []string{"0", "1"}, "message size: 0 [B]\nmessage count: 1\nmean throughput: %d [msg/s]\nmean throughput: 0.000 [Mb/s]\n"},
	} {
		var out bytes.Buffer
		if err := c.p.Run(context.Background(), c.args, &out, nil); err != nil {
			t.Fatalf("%s: %v", c.p.Name, err)
		}
		matches(t, out.String(), c.format)
	}
}

// The two lines of throughput are one figure: the second is the first in
// megabits.
func TestMegabits(t *testing.T) {
	var out bytes.Buffer
	if err := InprocThr.Run(context.Background(), []string{"125", "1000"}, &out, nil); err != nil {
		t.Fatal(err)
	}
	numbers := regexp.MustCompile(`mean throughput: ([0-9.]+)`).FindAllStringSubmatch(out.String(), -1)
	messages, _ := strconv.ParseFloat(numbers[0][1], 64)
	megabits, _ := strconv.ParseFloat(numbers[1][1], 64)
	if messages == 0 || megabits != messages/1000 {
		t.Errorf("%v messages of 125 octets a second and %v megabits", messages, megabits)
	}
}

// A message of another size than asked for ends the receiver, as it does with
// libzmq's programs: even the last of those that it was told to take.
func TestWrongSize(t *testing.T) {
	for _, c := range []struct {
		local *Program
		good  int // messages in front of the wrong one
		peer  func(*socket.Options) (sender, error)
	}{
		{LocalThr, 0, func(o *socket.Options) (sender, error) { return socket.NewPush(o) }},
		{LocalThr, 9, func(o *socket.Options) (sender, error) { return socket.NewPush(o) }},
		{LocalLat, 0, func(o *socket.Options) (sender, error) { return socket.NewReq(o) }},
	} {
		t.Run(c.local.Name, func(t *testing.T) {
			e, err := socket.NewEngine(nil)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			peer, err := c.peer(&socket.Options{Engine: e, Linger: socket.NoLinger})
			if err != nil {
				t.Fatal(err)
			}
			err = c.local.Run(context.Background(), []string{"tcp://127.0.0.1:*", "64", "10"}, new(bytes.Buffer), func(at string) {
				if err := peer.Connect(at); err != nil {
					t.Error(err)
				}
				for range c.good {
					if err := peer.SendBytes(context.Background(), make([]byte, 64)); err != nil {
						t.Error(err)
					}
				}
				if err := peer.SendBytes(context.Background(), make([]byte, 63)); err != nil {
					t.Error(err)
				}
			})
			if !errors.Is(err, errSize) {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

// Latency is of one way, of which a round trip has two.
func TestLatencyIsOneWay(t *testing.T) {
	var out bytes.Buffer
	r := run{count: 5, out: &out}
	r.printLatency(1234)
	if got := out.String(); got != "average latency: 123.400 [us]\n" {
		t.Error(got)
	}
}

type sender interface {
	Connect(endpoint string) error
	SendBytes(ctx context.Context, body []byte) error
}

func TestArguments(t *testing.T) {
	for _, c := range []struct {
		p    *Program
		args string
		says string
	}{
		{LocalThr, "", "wrong arguments"},
		{LocalThr, "tcp://127.0.0.1:* 64", "wrong arguments"},
		{LocalThr, "tcp://127.0.0.1:* 64 10 0 0", "wrong arguments"},
		{LocalThr, "tcp://127.0.0.1:* 64 10 1", "CURVE is not supported"},
		{LocalLat, "tcp://127.0.0.1:* 64 10 0", "wrong arguments"},
		{LocalLat, "tcp://127.0.0.1:* -1 10", `message size "-1"`},
		{LocalLat, "tcp://127.0.0.1:* 1073741825 10", `message size "1073741825"`},
		{RemoteLat, "tcp://127.0.0.1:1 64 0", `count "0"`},
		{RemoteThr, "tcp://127.0.0.1:1 64 ten", `count "ten"`},
		{InprocThr, "64", "wrong arguments"},
		{InprocLat, "inproc://x 64 10", "wrong arguments"},
		{LocalThr, "carrier://pigeon 64 10", `bind "carrier://pigeon"`},
		{RemoteThr, "tcp://nowhere 64 10", `connect "tcp://nowhere"`},
		{LocalLat, "nothing 64 10", `bind "nothing"`},
		{RemoteLat, "nothing 64 10", `connect "nothing"`},
	} {
		err := c.p.Run(context.Background(), strings.Fields(c.args), new(bytes.Buffer), nil)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %s: %v, not %q", c.p.Name, c.args, err, c.says)
		}
		var at *socket.EndpointError
		if !errors.As(err, &at) && !errors.Is(err, errUsage) {
			t.Errorf("%s %s: %T is neither of the arguments nor of the endpoint", c.p.Name, c.args, err)
		}
	}
}

// A program that is told to stop does, wherever it is.
func TestCancel(t *testing.T) {
	for _, p := range []*Program{LocalThr, LocalLat} {
		ctx, cancel := context.WithCancel(context.Background())
		err := p.Run(ctx, []string{"tcp://127.0.0.1:*", "64", "10"}, new(bytes.Buffer), func(string) { cancel() })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
	for _, p := range []*Program{RemoteThr, RemoteLat} {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		// Nobody is there, and 2000 messages are more than a queue takes.
		err := p.Run(ctx, []string{"ipc://" + filepath.Join(t.TempDir(), "nobody"), "64", "2000"}, new(bytes.Buffer), nil)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}
