package multicast

import (
	"fmt"
	"testing"

	"github.com/zeroring/zeroring/bench/lab"
)

// A maker is whose sender or receiver something is.
type maker string

const (
	ours    maker = "ours"
	libzmq  maker = "libzmq"
	openPGM maker = "OpenPGM"
)

// A row of the matrix is who talks to whom.
type row struct {
	name    string
	sources []maker
	subs    []maker
}

var rows = []row{
	{"libzmq to ours", []maker{libzmq}, []maker{ours}},
	{"ours to libzmq", []maker{ours}, []maker{libzmq}},
	{"ours to ours", []maker{ours}, []maker{ours}},
	{"libzmq to both", []maker{libzmq}, []maker{ours, libzmq, ours}},
	{"both to both", []maker{ours, libzmq}, []maker{ours, libzmq}},
	{"OpenPGM to ours", []maker{openPGM}, []maker{ours}},
	{"ours to OpenPGM", []maker{ours}, []maker{openPGM}},
}

// Faults of the matrix, on the way to each receiver and, for their NAKs, to each
// source.
var matrixFaults = []struct{ name, faults string }{
	{"no loss", ""},
	{"1 %", "loss=1"},
	{"5 %", "loss=5"},
	{"burst", "burst=0.2:20"},
	{"reorder", "reorder=5,rdelay=300us"},
}

// Sizes of the matrix: some half a second each.
var matrixSizes = []struct {
	name string
	plan plan
}{
	{"64", plan{sizes: []int{64}, count: 2000, parts: 1, rate: 5000}},
	{"256", plan{sizes: []int{256}, count: 2000, parts: 1, rate: 5000}},
	{"1 KiB", plan{sizes: []int{1024}, count: 1000, parts: 1, rate: 2500}},
	{"64 KiB", plan{sizes: []int{1 << 16}, count: 40, parts: 1, rate: 100}},
	{"1 MiB", plan{sizes: []int{1 << 20}, count: 4, parts: 1, rate: 8}},
	{"multipart", plan{sizes: []int{700, 32, 3000}, count: 300, parts: 5, rate: 800}},
}

// A cell is one combination. Its number is its place among all of them.
type cell struct {
	transport   string
	row         int
	fault, size int
}

func (c cell) String() string {
	return fmt.Sprintf("%s/%s/%s/%s", c.transport, rows[c.row].name, matrixFaults[c.fault].name, matrixSizes[c.size].name)
}

var transports = []string{"epgm", "pgm"}

// chosenCells are so chosen that each value of each column meets each value of each
// other at least once: rows and sizes in all combinations, and their sum says the
// fault, by 5, and the transport, by 2.
func chosenCells() (cells []cell) {
	for r := range rows {
		for s := range matrixSizes {
			cells = append(cells, cell{transports[(r+s)%2], r, (r + s) % len(matrixFaults), s})
		}
	}
	return cells
}

// TestMatrixIsCovered checks what chosenCells promises.
func TestMatrixIsCovered(t *testing.T) {
	met := make(map[string]bool)
	for _, c := range chosenCells() {
		columns := []string{c.transport, rows[c.row].name, matrixFaults[c.fault].name, matrixSizes[c.size].name}
		for i, a := range columns {
			for k, b := range columns {
				met[fmt.Sprint(i, a, k, b)] = true
			}
		}
	}
	T, R, F, S := len(transports), len(rows), len(matrixFaults), len(matrixSizes)
	if want := T + R + F + S + 2*(T*R+T*F+T*S+R*F+R*S+F*S); len(met) != want {
		t.Errorf("%d pairs of values meet, not %d", len(met), want)
	}
}

func TestMatrix(t *testing.T) {
	needPeers(t)
	for i, c := range chosenCells() {
		// Not by the sum of row and size, which is the transport's.
		backend, ok := mine(c.row/2 + c.size/2)
		if !ok || testing.Short() && i%3 != 0 {
			continue
		}
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			c.run(t, backend, uint64(i+1))
		})
	}
}

// run runs the cell.
func (c cell) run(t *testing.T, backend string, seed uint64) {
	r := rows[c.row]
	f, err := lab.ParseFaults(matrixFaults[c.fault].faults)
	if err != nil {
		t.Fatal(err)
	}
	l := lab.Start(t, lab.Config{Hosts: len(r.sources) + len(r.subs), Seed: seed})
	n := net{transport: c.transport, backend: backend}
	t.Logf("backend %s", backend)
	p := matrixSizes[c.size].plan
	var receivers []receiver
	for i, whose := range r.subs {
		receivers = append(receivers, n.receive(t, l.Host(len(r.sources)+i+1), whose, listening{count: p.count, sources: len(r.sources)}))
	}
	var senders []sender
	for i, whose := range r.sources {
		p.source = i + 1
		senders = append(senders, n.send(t, l.Host(i+1), whose, p))
	}
	// From here on ours miss nothing: sources without OPT_SYN, which are all but ours,
	// begin where they are first heard, and say by SPMs that it is at the beginning.
	for _, rx := range receivers {
		if s, ok := rx.(*ourSub); ok && !await(func() bool { return s.sources() == len(r.sources) }) {
			t.Fatalf("not all sources were heard: %s", s.heard())
		}
	}
	if err := l.SetAll(f); err != nil {
		t.Fatal(err)
	}
	for _, s := range senders {
		s.begin()
	}
	for _, s := range senders {
		s.sent(p.count)
	}
	if f.BurstEnter > 0 {
		// A burst is of so many frames, and few come now that could end it.
		if err := l.SetAll(); err != nil {
			t.Fatal(err)
		}
	}
	for i, rx := range receivers {
		c.judge(t, i, rx, p)
	}
	c.checkFaults(t, l)
	for _, s := range senders {
		s.stop()
	}
}

// judge checks what the receiver in place i of the row has received. Ours must have
// all, as each source here could repair everything. libzmq's and OpenPGM's must have
// all where nothing is lost. Otherwise what they give up for good is their right:
// they do so for reasons that the source cannot help. What they deliver must be
// sound nevertheless, but for parts of libzmq's: it has one pipe for all sources of
// an endpoint and puts the parts of their messages into it as they come
// (pgm_receiver.cpp, in_event), so that those of two messages mix.
func (c cell) judge(t *testing.T, i int, rx receiver, p plan) {
	t.Helper()
	r := rows[c.row]
	got := rx.report()
	lossless := matrixFaults[c.fault].faults == ""
	mixes := r.subs[i] == libzmq && p.parts > 1 && len(r.sources) > 1
	for source := 1; source <= len(r.sources); source++ {
		y := got.sources[source]
		t.Logf("%s of %s: %d of %d, %d torn, p50 %.0f µs, p99 %.0f µs, max %.0f µs, %s", r.subs[i], r.sources[source-1],
			y.received, p.count, y.torn, y.p50, y.p99, y.slowest, got.end)
		switch {
		case (r.subs[i] == ours || lossless) && !mixes:
			if y.counts() != whole(p.count) {
				t.Errorf("%s of %s: %+v, want %+v", r.subs[i], r.sources[source-1], y, whole(p.count))
				if s, ok := rx.(*ourSub); ok {
					t.Error(s.heard())
				}
			}
		case y.corrupt != 0 || y.duplicate != 0 || y.late != 0 || y.torn != 0 && !mixes:
			t.Errorf("%s of %s: %+v", r.subs[i], r.sources[source-1], y)
		case y.received == 0:
			t.Errorf("%s has nothing of %s", r.subs[i], r.sources[source-1])
		}
	}
}

// checkFaults checks that the cell's faults came to pass.
func (c cell) checkFaults(t *testing.T, l *lab.Lab) {
	t.Helper()
	var sum uint64
	for _, h := range l.Hosts() {
		s, err := l.Stats(h.Number())
		if err != nil {
			t.Fatal(err)
		}
		if s.Missed+s.Overflow+s.Refused > 0 {
			t.Errorf("host %d: the laboratory itself lost frames: %+v", h.Number(), s)
		}
		sum += s.Lost + s.Bursts + s.Reordered
	}
	// Bursts are so rare that there may be none among so few frames.
	f := matrixFaults[c.fault]
	if f.faults == "" && sum > 0 || f.faults != "" && f.name != "burst" && sum == 0 {
		t.Errorf("%d frames were done harm", sum)
	}
	t.Logf("%d frames were done harm", sum)
}
