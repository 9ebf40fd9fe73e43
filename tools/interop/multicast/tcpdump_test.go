package multicast

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zeroring/zeroring/bench/lab"
	"github.com/zeroring/zeroring/socket"
)

// A dump is a tcpdump that runs.
type dump struct {
	t     *testing.T
	cmd   *lab.Cmd
	mu    sync.Mutex
	lines []string
	ended chan struct{}
}

// tcpdumpPath finds tcpdump, which may be in root's PATH only.
func tcpdumpPath(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"tcpdump", "/usr/sbin/tcpdump", "/usr/bin/tcpdump"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("there is no tcpdump: install Debian's package of that name")
	}
	t.Skip("there is no tcpdump: install Debian's package of that name")
	return ""
}

// startDump starts tcpdump in a host and returns when it listens.
func startDump(t *testing.T, h *lab.Host, filter ...string) *dump {
	t.Helper()
	path := tcpdumpPath(t)
	args := append([]string{"-i", h.Interface(), "-nn", "-v", "-l", "--immediate-mode", "-B", "16384"}, filter...)
	d := &dump{t: t, cmd: h.Command(t.Context(), path, args...), ended: make(chan struct{})}
	said, err := d.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	for listening := false; !listening; listening = strings.Contains(lines.Text(), "listening on") {
		if !lines.Scan() {
			t.Fatalf("tcpdump ended: %v", d.cmd.Wait())
		}
	}
	go func() {
		defer close(d.ended)
		scan := bufio.NewScanner(out)
		for scan.Scan() {
			d.mu.Lock()
			d.lines = append(d.lines, scan.Text())
			d.mu.Unlock()
		}
	}()
	return d
}

// stop waits until tcpdump has seen what enough says, ends it and returns what it
// wrote.
func (d *dump) stop(enough func(text string) bool) string {
	d.t.Helper()
	text := func() string {
		d.mu.Lock()
		defer d.mu.Unlock()
		return strings.Join(d.lines, "\n")
	}
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for limit := time.After(patience); !enough(text()); {
		select {
		case <-look.C:
		case <-limit:
			d.t.Fatalf("tcpdump has not seen all:\n%.5000s", text())
		}
	}
	_ = d.cmd.Process.Signal(os.Interrupt)
	<-d.ended
	_ = d.cmd.Wait() // that it was interrupted
	return text()
}

// capture returns what tcpdump says, at the source's host, of a source and a receiver
// that lose some of what they send each other.
func capture(t *testing.T, n net, whose maker, options socket.MulticastOptions) string {
	t.Helper()
	l := lab.Start(t, lab.Config{Hosts: 2, Seed: 1})
	filter := []string{"-T", "pgm_zmtp1", "udp", "port", fmt.Sprint(port)}
	switch {
	case n.transport == "pgm":
		filter = []string{"proto", "113"}
	case options.FEC.Group > 0:
		filter[1] = "pgm" // what parity carries is no ZMTP
	}
	d := startDump(t, l.Host(1), filter...)
	p := plan{source: 1, sizes: []int{100, 1400, 5000}, count: 300, parts: 2, rate: 1000}
	rx := n.receive(t, l.Host(2), whose, listening{count: p.count})
	var tx sender
	if whose == ours {
		tx = startPub(t, l.Host(1), newEngine(t, n.backend), n.address(l.Host(1), ours), p, options)
	} else {
		tx = n.send(t, l.Host(1), whose, p)
	}
	if err := l.SetAll(lab.Faults{Loss: 5}); err != nil {
		t.Fatal(err)
	}
	tx.begin()
	tx.sent(p.count)
	rx.report()
	tx.stop()
	return d.stop(func(text string) bool {
		if pub, ok := tx.(*ourPub); ok {
			return strings.Count(text, "ODATA") >= int(pub.last.ODATA) && strings.Contains(text, " FIN")
		}
		return strings.Count(text, "ODATA") > p.count
	})
}

var (
	// complaint has what tcpdump says of packets that it cannot make sense of.
	complaint = regexp.MustCompile(`(?i)\[\||bad|invalid|trunc|unknown|wrong|cksum|undefined`)
	// dumped is a line of octets.
	dumped = regexp.MustCompile(`^\s+0x[0-9a-f]{4}:`)
	// particular is what differs between packets of one kind.
	particular = regexp.MustCompile(`^.*PGM|(seq|trail|lead) \d+|0x[0-9a-f]+`)
	// goesOn is a frame that the next packet continues. Where its length or flags are
	// cut off tcpdump has its mark for it.
	goesOn = regexp.MustCompile(`^\s+frame flags\+body .*\[\|zmtp1\]`)
)

// complaints are those of tcpdump, by what is alike in them.
func complaints(text string) (kinds map[string]int) {
	kinds = make(map[string]int)
	for line := range strings.Lines(text) {
		if !dumped.MatchString(line) && !goesOn.MatchString(line) && complaint.MatchString(line) {
			kinds[strings.TrimSpace(particular.ReplaceAllString(line, ""))]++
		}
	}
	return kinds
}

// TestTcpdump has tcpdump read all that a source and a receiver of ours send. What it
// complains of in libzmq's too is its own fault: 4.99.3 takes the group's address in
// NAKs and NCFs for its kind, and so understands none of them.
func TestTcpdump(t *testing.T) {
	needPeers(t)
	tcpdumpPath(t)
	for i, tt := range []struct {
		name    string
		net     net
		options socket.MulticastOptions
		want    []string
	}{
		{"epgm", net{transport: "epgm"}, socket.MulticastOptions{}, []string{" SPM ", " ODATA ", " RDATA ", " SYN", " FIN", "frame offset"}},
		{"pgm", net{transport: "pgm"}, socket.MulticastOptions{}, []string{" SPM ", " ODATA ", " RDATA ", " SYN", " FIN"}},
		{"epgm over IPv6", net{transport: "epgm", v6: true}, socket.MulticastOptions{}, []string{" SPM ", " ODATA ", " RDATA ", "frame offset"}},
		{"FEC and late join", net{transport: "epgm"}, socket.MulticastOptions{FEC: fec["both"], JoinPackets: 100}, []string{" PARITY", " JOIN "}},
	} {
		backend, ok := mine(i)
		if !ok {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.net.backend = backend
			text := capture(t, tt.net, ours, tt.options)
			got, excused := complaints(text), complaints(capture(t, tt.net, libzmq, tt.options))
			for kind, n := range got {
				if excused[kind] == 0 {
					t.Errorf("tcpdump says %d times, and not of libzmq's: %s", n, kind)
				}
			}
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("tcpdump has not seen%s in\n%.3000s", want, text)
				}
			}
			if packets, read := strings.Count(text, " IP"), strings.Count(text, "PGM, length"); packets != read || packets < 600 {
				t.Errorf("tcpdump has read %d of %d packets", read, packets)
			}
			t.Logf("complaints: %v; of libzmq's: %v", got, excused)
		})
	}
}
