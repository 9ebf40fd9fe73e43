package lab_test

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/zeroring/zeroring/bench/lab"
)

const seed = 7

// A wire is a source on host 1 and receivers on all others, over a Switch.
type wire struct {
	*testing.T
	lab    *lab.Lab
	source *net.UDPConn
	conns  []*net.UDPConn // of host 2 first
}

func startWire(t *testing.T, c lab.Config) *wire {
	t.Helper()
	c.Seed = seed
	l := start(t, c)
	w := &wire{T: t, lab: l, source: speak(t, l.Host(1), group4)}
	for _, h := range l.Hosts()[1:] {
		w.conns = append(w.conns, listen(t, h, group4))
	}
	return w
}

func (w *wire) faults(host int, rules ...lab.Faults) {
	w.Helper()
	if err := w.lab.SetFaults(host, rules...); err != nil {
		w.Fatal(err)
	}
}

func (w *wire) stats(host int) lab.Stats {
	w.Helper()
	s, err := w.lab.Stats(host)
	if err != nil {
		w.Fatal(err)
	}
	return s
}

// send sends each text, and returns when the switch has dealt with it.
func (w *wire) send(texts ...string) {
	w.Helper()
	before := w.stats(1).Sent
	for _, text := range texts {
		send(w.T, w.source, text)
	}
	eventually(w.T, func() string {
		if n := w.stats(1).Sent - before; n != uint64(len(texts)) {
			return fmt.Sprintf("the switch has seen %d frames of %d", n, len(texts))
		}
		return ""
	})
}

// end ends all faults, and returns what each receiver got until then, but for
// what is delayed.
func (w *wire) end() (got [][]string) {
	w.Helper()
	if err := w.lab.SetAll(); err != nil {
		w.Fatal(err)
	}
	w.send("end")
	for _, c := range w.conns {
		var list []string
		for {
			text, _ := receive(w.T, c)
			if text == "end" {
				break
			}
			list = append(list, text)
		}
		got = append(got, list)
	}
	return got
}

func numbers(n int) (list []string) {
	for i := range n {
		list = append(list, strconv.Itoa(i))
	}
	return list
}

// Faults begin and end while the network runs, at one host and not at another,
// and what is lost is what the model says for the seed.
func TestLoss(t *testing.T) {
	const n = 500
	w := startWire(t, lab.Config{Hosts: 3})
	w.send(numbers(n)...)
	for i, got := range w.end() {
		if !slices.Equal(got, numbers(n)) {
			t.Fatalf("without faults host %d received %q", i+2, got)
		}
	}
	for _, f := range []lab.Faults{
		{Loss: 30}, {Loss: 100}, {BurstEnter: 5, BurstLength: 10}, {Loss: 5, Duplicate: 20},
	} {
		w.faults(2, f)
		w.send(numbers(n)...)
		got := w.end()
		if !slices.Equal(got[1], numbers(n)) {
			t.Errorf("%+v at host 2: host 3 received %q", f, got[1])
		}
		var want []string
		lost, doubled := lab.Lost(f, seed, 2, n)
		for i, text := range numbers(n) {
			if !lost[i] {
				want = append(want, text)
			}
			if doubled[i] {
				want = append(want, text)
			}
		}
		if !slices.Equal(got[0], want) {
			t.Errorf("%+v: host 2 received %q, want %q", f, got[0], want)
		}
	}
	s := w.stats(2)
	if s.Lost == 0 || s.Bursts == 0 || s.Duplicated == 0 || s.Refused+s.Overflow+s.Missed+s.Dark != 0 {
		t.Errorf("host 2: %+v", s)
	}
	// Five rounds, each with its end.
	if all := s.Delivered - s.Duplicated + s.Lost + s.Bursts; all != 5*(n+1) {
		t.Errorf("host 2: %+v add up to %d frames, want %d", s, all, 5*(n+1))
	}
	if s := w.stats(1); s.Sent != 5*(n+1) || s.Delivered != 0 {
		t.Errorf("host 1: %+v", s)
	}
}

// Shared losses are the same at both hosts, others are not.
func TestSharedLoss(t *testing.T) {
	for _, shared := range []bool{true, false} {
		w := startWire(t, lab.Config{Hosts: 3})
		if err := w.lab.SetAll(lab.Faults{Loss: 20, Shared: shared}); err != nil {
			t.Fatal(err)
		}
		w.send(numbers(300)...)
		got := w.end()
		if len(got[0]) == 300 || slices.Equal(got[0], got[1]) != shared {
			t.Errorf("shared %v: %q and %q", shared, got[0], got[1])
		}
	}
}

// A rule is for what its filter chooses, and the first that fits counts.
func TestOnly(t *testing.T) {
	w := startWire(t, lab.Config{Hosts: 2})
	packet := func(typ byte, n int) string {
		b := make([]byte, 20)
		b[4], b[16] = typ, byte(n)
		return string(b)
	}
	const odata, rdata, ncf = 4, 5, 10
	var all, want []string
	for i := range 20 {
		all = append(all, packet(odata, i), packet(ncf, i), packet(rdata, i))
		want = append(want, packet(odata, i), packet(rdata, i), packet(rdata, i))
	}
	w.faults(2, lab.Faults{Loss: 100, Only: lab.PGM(ncf)}, lab.Faults{Duplicate: 100, Only: lab.PGM(rdata, ncf)})
	w.send(all...)
	if got := w.end()[0]; !slices.Equal(got, want) {
		t.Errorf("received %q, want %q", got, want)
	}
	w.faults(2, lab.Faults{Loss: 100, Only: lab.From(2)})
	w.send(all...)
	if got := w.end()[0]; !slices.Equal(got, all) {
		t.Errorf("received %q, want %q", got, all)
	}
}

// Delayed frames come late, in order but for those that are to be overtaken,
// and all of them.
func TestDelay(t *testing.T) {
	const delay = 20 * time.Millisecond
	w := startWire(t, lab.Config{Hosts: 3})
	w.faults(2, lab.Faults{Delay: delay})
	w.faults(3, lab.Faults{Delay: delay, Reorder: 20, ReorderDelay: delay})
	sent := time.Now()
	w.send(numbers(200)...)
	for i := range 200 {
		expect(t, w.conns[0], strconv.Itoa(i))
		if i == 0 && time.Since(sent) < delay {
			t.Errorf("the first frame came after %v", time.Since(sent))
		}
	}
	var got []string
	for range 200 {
		text, _ := receive(t, w.conns[1])
		got = append(got, text)
	}
	if slices.Equal(got, numbers(200)) {
		t.Error("nothing was reordered")
	}
	slices.SortFunc(got, func(a, b string) int { x, _ := strconv.Atoi(a); y, _ := strconv.Atoi(b); return x - y })
	if !slices.Equal(got, numbers(200)) {
		t.Errorf("received %q", got)
	}
	// A frame is counted as delivered when it has been.
	eventually(t, func() string {
		if s := w.stats(3); s.Delayed != 200 || s.Reordered == 0 || s.Delivered != 200 {
			return fmt.Sprintf("%+v", s)
		}
		return ""
	})
}

// What finds no room among the delayed is dropped and counted. Close does not
// wait for what has found room.
func TestBacklog(t *testing.T) {
	w := startWire(t, lab.Config{Hosts: 3, Backlog: 10})
	w.faults(2, lab.Faults{Delay: time.Hour, Duplicate: 100})
	w.faults(3, lab.Faults{Delay: time.Hour, Only: lab.From(2)})
	w.send(numbers(30)...)
	if s := w.stats(2); s.Overflow != 50 || s.Delayed != 10 || s.Delivered != 0 {
		t.Errorf("%+v", s)
	}
	if s := w.stats(3); s.Overflow+s.Delayed != 0 || s.Delivered != 30 {
		t.Errorf("%+v", s)
	}
}

// A corrupt datagram does not get past the UDP checksum unless it is mended.
func TestCorruption(t *testing.T) {
	w := startWire(t, lab.Config{Hosts: 3})
	w.faults(2, lab.Faults{Corrupt: 100})
	w.faults(3, lab.Faults{Corrupt: 100, Mend: true})
	w.send(numbers(50)...)
	got := w.end()
	if len(got[0]) != 0 {
		t.Errorf("past the checksum came %q", got[0])
	}
	if len(got[1]) != 50 {
		t.Fatalf("mended came %q", got[1])
	}
	for i, text := range got[1] {
		if text == strconv.Itoa(i) {
			t.Errorf("%q is whole", text)
		}
	}
}

// A slow link lets through what fits into its queue.
func TestSlowLink(t *testing.T) {
	const frames = 200
	w := startWire(t, lab.Config{Hosts: 2})
	// A frame of 2 + 42 octets takes 35.2 ms, so that three are sent or wait.
	w.faults(2, lab.Faults{Rate: 10_000, Queue: 80 * time.Millisecond})
	var texts []string
	for i := range frames {
		texts = append(texts, string([]byte{'a' + byte(i%26), 'x'}))
	}
	sent := time.Now()
	w.send(texts...)
	s := w.stats(2)
	expect(t, w.conns[0], texts[0])
	expect(t, w.conns[0], texts[1])
	if late := time.Since(sent); late < 70*time.Millisecond {
		t.Errorf("two frames took %v", late)
	}
	if s.Limited == 0 || s.Delayed < 3 || s.Limited+s.Delayed != frames {
		t.Errorf("%+v", s)
	}
}

// A host that is cut off neither hears nor is heard, over either fabric.
func TestBlackout(t *testing.T) {
	for _, f := range fabrics {
		t.Run(f.String(), func(t *testing.T) {
			l := start(t, lab.Config{Hosts: 3, Fabric: f})
			two, three := listen(t, l.Host(2), group4), listen(t, l.Host(3), group4)
			one, back := speak(t, l.Host(1), group4), speak(t, l.Host(2), group4)
			cut := func(on bool) {
				if err := l.Blackout(2, on); err != nil {
					t.Fatal(err)
				}
			}
			send(t, one, "before")
			expect(t, two, "before")
			expect(t, three, "before")
			cut(true)
			send(t, back, "unheard")
			expect(t, two, "unheard") // but by itself
			send(t, one, "meanwhile")
			expect(t, three, "meanwhile")
			eventually(t, func() string {
				if s, err := l.Stats(2); err != nil || f == lab.Switch && s.Dark != 2 {
					return fmt.Sprintf("%+v %v", s, err)
				}
				return ""
			})
			cut(false)
			send(t, one, "after")
			expect(t, two, "after")
			expect(t, three, "after")
		})
	}
}
