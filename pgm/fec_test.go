package pgm

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/reedsolomon"
)

// encoded returns parity packet index of the data packets.
func encoded(data [][]byte, index int) []byte {
	k := len(data)
	c, f, out := newInterpolation(k), make([]uint8, k), make([]byte, len(data[0]))
	for i := range k {
		c.add(i)
	}
	c.weigh()
	c.factors(f, k+index)
	for i, d := range data {
		addTimes(f[i], d, out)
	}
	return out
}

// TestParityVectors: parity is, octet by octet, what OpenPGM computes.
func TestParityVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors/parity.txt")
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[int]int{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var k, index int
		var want []byte
		if _, err := fmt.Sscanf(line, "%d %d %x", &k, &index, &want); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		data := make([][]byte, k)
		for i := range data {
			data[i] = make([]byte, len(want))
			for j := range data[i] {
				data[i][j] = byte(31*i + 7*j + 1)
			}
		}
		if got := encoded(data, index); !bytes.Equal(got, want) {
			t.Errorf("k %d, packet %d: %x, want %s", k, index, got, hex.EncodeToString(want))
		}
		sizes[k]++
	}
	if len(sizes) != 7 {
		t.Errorf("vectors for %v", sizes)
	}
}

// generator returns the rows of the generator matrix that make parity, as
// RFC 3208 and its references have it: V · V[0..k)⁻¹ with V[r][c] = α^(c(r−1)).
func generator(k, parity int) [][]byte {
	v := make([][]byte, k+parity)
	for r := range v {
		v[r] = make([]byte, 2*k)
		for c := range k {
			if r == 0 {
				v[r][c] = byte(min(max(1-c, 0), 1))
			} else {
				v[r][c] = gf.exp[c*(r-1)%255]
			}
		}
		if r < k {
			v[r][k+r] = 1
		}
	}
	for c := range k { // Gauss and Jordan, on [V | 1]
		pivot := c
		for v[pivot][c] == 0 {
			pivot++
		}
		v[c], v[pivot] = v[pivot], v[c]
		inverse := gf.exp[255-int(gf.log[v[c][c]])]
		for j := range v[c] {
			v[c][j] = gf.mul(v[c][j], inverse)
		}
		for r := range k {
			if factor := v[r][c]; r != c && factor != 0 {
				addTimes(factor, v[c], v[r])
			}
		}
	}
	rows := make([][]byte, parity)
	for r := range rows {
		rows[r] = make([]byte, k)
		for c := range k {
			addTimes(v[k+r][c], v[c][k:], rows[r])
		}
	}
	return rows
}

// TestParityMatrix: interpolation is the code of the generator matrix, which
// another implementation encodes with, and decodes.
func TestParityMatrix(t *testing.T) {
	dice := rand.New(rand.NewPCG(*simSeed, 3))
	for _, test := range []struct{ k, parity int }{{2, 2}, {8, 1}, {8, 8}, {32, 4}, {64, 191}, {128, 127}} {
		code, err := reedsolomon.New(test.k, test.parity, reedsolomon.WithCustomMatrix(generator(test.k, test.parity)),
			reedsolomon.WithMaxGoroutines(1))
		if err != nil {
			t.Fatal(err)
		}
		shards := make([][]byte, test.k+test.parity)
		for i := range shards {
			shards[i] = make([]byte, 100)
			for j := range shards[i] {
				shards[i][j] = byte(dice.Uint32())
			}
		}
		if err := code.Encode(shards); err != nil {
			t.Fatal(err)
		}
		for i := range test.parity {
			if got := encoded(shards[:test.k], i); !bytes.Equal(got, shards[test.k+i]) {
				t.Fatalf("%+v: parity packet %d differs", test, i)
			}
		}
		// Any k of them make the others.
		for range 20 {
			order := dice.Perm(len(shards))
			c, f := newInterpolation(test.k), make([]uint8, test.k)
			for _, i := range order[:test.k] {
				c.add(i)
			}
			c.weigh()
			for _, i := range order[test.k:] {
				c.factors(f, i)
				out := make([]byte, 100)
				for j, known := range order[:test.k] {
					addTimes(f[j], shards[known], out)
				}
				if !bytes.Equal(out, shards[i]) {
					t.Fatalf("seed %d, %+v: packet %d not decoded", *simSeed, test, i)
				}
			}
		}
	}
}

// TestParityGoroutines: what multiplies starts none.
func TestParityGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	in, out := make([]byte, 1<<20), make([]byte, 1<<20)
	for i := range 100 {
		addTimes(uint8(i+1), in, out)
		if n := runtime.NumGoroutine(); n > before {
			t.Fatalf("%d goroutines, and %d before", n, before)
		}
	}
}

// paritySource returns a source that sends without limit.
func paritySource(c FECConfig, now time.Time) *Source {
	return NewSource(SourceConfig{TSI: testTSI, NLA: simNLA, Group: simGroup, FEC: c}, now)
}

// TestParityAllocates: neither a source nor a receiver allocates for parity, sent
// or decoded.
func TestParityAllocates(t *testing.T) {
	for _, c := range []FECConfig{{Group: 8, Proactive: 1}, {Group: 8, Proactive: 2, OnDemand: true}, {Group: 64, OnDemand: true}} {
		now := time.Unix(1e9, 0)
		source := paritySource(c, now)
		r := NewReceiver(ReceiverConfig{TSI: testTSI, Source: simNLA, Group: simGroup, Dice: func() float64 { return 0.5 }}, now)
		up, down := make([]byte, maxNAKSize), make([]byte, 2000)
		n := 0
		one := func() {
			now = now.Add(50 * time.Microsecond)
			source.Commit(now, copy(source.Reserve()[:1000-n%7], down))
			for {
				packet, _ := source.Next(now, down)
				if packet == nil {
					break
				}
				h, body, _ := ConsumeHeader(packet)
				if n++; n%11 == 5 && h.Type == TypeODATA {
					continue
				}
				if err := r.Handle(now, &h, body); err != nil {
					t.Fatal(err)
				}
				for r.Next().Kind != 0 {
				}
			}
			for {
				packet, _, _ := r.Output(now, up)
				if packet == nil {
					break
				}
				h, body, _ := ConsumeHeader(packet)
				if err := source.Handle(now, &h, body); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 30_000 {
			one()
		}
		if n := testing.AllocsPerRun(5000, one); n != 0 {
			t.Errorf("%+v: %v allocations a packet", c, n)
		}
		if s := r.Stats(); s.Decoded < 1000 || s.Lost > 0 || s.ParityErrors > 0 {
			t.Errorf("%+v: %+v", c, s)
		}
		r.rxw.check()
		r.fec.check(r.rxw)
	}
}

// BenchmarkEncode: parity for one data packet, with all that the packet needs to
// be sent. An operation is one data packet.
func BenchmarkEncode(b *testing.B) {
	for _, c := range []FECConfig{{Group: 8, Proactive: 1}, {Group: 8, Proactive: 2}, {Group: 32, Proactive: 4}, {Group: 128, Proactive: 8}} {
		b.Run(fmt.Sprintf("(%d,%d)", c.Group, c.Proactive), func(b *testing.B) {
			now := time.Unix(1e9, 0)
			s := paritySource(c, now)
			buf := make([]byte, 2000)
			for range c.Group {
				s.Commit(now, len(s.Reserve()[:1380]))
				for packet, _ := s.Next(now, buf); packet != nil; packet, _ = s.Next(now, buf) {
				}
			}
			if s.stats.Parity == 0 {
				b.Fatal("no parity")
			}
			b.SetBytes(1380)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if n%c.Group == 0 {
					for i := range c.Proactive {
						s.appendParity(buf[:0], TypeODATA, 0, i)
					}
				}
			}
		})
	}
}

// BenchmarkDecode: one packet of a group of eight.
func BenchmarkDecode(b *testing.B) {
	now := time.Unix(1e9, 0)
	s := paritySource(FECConfig{Group: 8, Proactive: 1}, now)
	r := NewReceiver(ReceiverConfig{TSI: testTSI, Source: simNLA, Group: simGroup, Dice: func() float64 { return 0.5 }}, now)
	buf := make([]byte, 2000)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		for i := 0; i < 8; {
			s.Commit(now, len(s.Reserve()[:1380]))
			for packet, _ := s.Next(now, buf); packet != nil; packet, _ = s.Next(now, buf) {
				h, body, _ := ConsumeHeader(packet)
				if h.Type == TypeODATA && h.Options&BitParity == 0 {
					i++
				}
				if h.Type == TypeODATA && h.Options&BitParity == 0 && i == 3 {
					continue
				}
				if h.Options&BitParity != 0 {
					b.StartTimer()
				}
				_ = r.Handle(now, &h, body)
				b.StopTimer()
				for r.Next().Kind != 0 {
				}
			}
		}
		b.StartTimer()
	}
	if r.Stats().Decoded == 0 {
		b.Fatal("nothing decoded")
	}
}
