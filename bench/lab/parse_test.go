package lab

import (
	"strings"
	"testing"
	"time"
)

func TestParseFaults(t *testing.T) {
	for _, tt := range []struct {
		list string
		want Faults
	}{
		{"", Faults{}},
		{"  ", Faults{}},
		{"loss=1", Faults{Loss: 1}},
		{"loss=1, dup=2.5", Faults{Loss: 1, Duplicate: 2.5}},
		{
			"loss=1,burst=0.2:20,dup=1,reorder=2,rdelay=300us,delay=1ms,jitter=100us,corrupt=0.1,rate=50mbit",
			Faults{
				Loss: 1, BurstEnter: 0.2, BurstLength: 20, Duplicate: 1, Reorder: 2, ReorderDelay: 300 * time.Microsecond,
				Delay: time.Millisecond, Jitter: 100 * time.Microsecond, Corrupt: 0.1, Rate: 50e6,
			},
		},
		{"shared,mend,rate=1.5gbit,bucket=16384,queue=5ms", Faults{Shared: true, Mend: true, Rate: 1.5e9, Bucket: 16384, Queue: 5 * time.Millisecond}},
		{"rate=9600bit", Faults{Rate: 9600}},
		{"rate=64kbit", Faults{Rate: 64e3}},
	} {
		got, err := ParseFaults(tt.list)
		if err != nil {
			t.Errorf("%q: %v", tt.list, err)
			continue
		}
		got.Only = nil
		if !sameFaults(got, tt.want) {
			t.Errorf("%q: %+v, want %+v", tt.list, got, tt.want)
		}
	}
}

// sameFaults compares all but the filters, which cannot be compared.
func sameFaults(a, b Faults) bool {
	return a.Loss == b.Loss && a.BurstEnter == b.BurstEnter && a.BurstLength == b.BurstLength && a.Duplicate == b.Duplicate &&
		a.Corrupt == b.Corrupt && a.Mend == b.Mend && a.Reorder == b.Reorder && a.ReorderDelay == b.ReorderDelay &&
		a.Delay == b.Delay && a.Jitter == b.Jitter && a.Rate == b.Rate && a.Bucket == b.Bucket && a.Queue == b.Queue &&
		a.Shared == b.Shared
}

// Errors quote what was wrong.
func TestParseFaultsErrors(t *testing.T) {
	for list, want := range map[string]string{
		"los=1":            `no fault is called "los"`,
		"loss":             "loss has no value",
		"loss=":            "loss has no value",
		"loss=x":           `"x" is no number of per cent`,
		"loss=101":         "loss=101 is not a chance",
		"loss=-1":          "loss=-1 is not a chance",
		"loss=NaN":         "loss=NaN is not a chance",
		"dup=200":          "dup=200 is not a chance",
		"loss=1,loss=2":    "loss is there twice",
		"loss=1,":          "an empty entry",
		"loss=1,,dup=1":    "an empty entry",
		"burst=1":          "a burst has a chance and a length",
		"burst=1:x":        `"x" is no number of frames`,
		"burst=y:2":        `"y" is no number of per cent`,
		"burst=1:0.5":      "a burst is of 1 to 1e9 frames",
		"delay=1":          "missing unit",
		"delay=-1ms":       "delay=-1ms is not a time",
		"jitter=2h":        "jitter=2h0m0s is not a time",
		"rate=50":          "has none of the units",
		"rate=50mb":        "has none of the units",
		"rate=xmbit":       `"xmbit" is no rate`,
		"rate=0mbit":       `"0mbit" is no rate`,
		"rate=-1mbit":      `"-1mbit" is no rate`,
		"rate=10bit":       "is not from 1kbit",
		"rate=2000gbit":    `"2000gbit" is no rate`,
		"bucket=-1":        "bucket=-1 is not",
		"bucket=many":      `bucket=many`,
		"shared=1":         "shared takes no value",
		"only=ncf+odat":    `"odat" is no type of PGM packet`,
		"only=":            "only has no value",
		"queue=1ms,rate=z": `"z" has none`,
	} {
		f, err := ParseFaults(list)
		if err == nil {
			t.Errorf("%q: %+v, want an error", list, f)
			continue
		}
		if text := err.Error(); !strings.Contains(text, want) || !strings.Contains(text, list) || !strings.HasPrefix(text, "lab: ") {
			t.Errorf("%q: %q, want it to say %q", list, text, want)
		}
	}
}

func TestParseFaultsOnly(t *testing.T) {
	f, err := ParseFaults("loss=100,only=ncf+RDATA")
	if err != nil {
		t.Fatal(err)
	}
	for typ, want := range map[byte]bool{0xa: true, 0x5: true, 0x4: false, 0x8: false, 0x0: false} {
		if got := f.Only(testFrame(t, "udp4", pgmPacket(typ))); got != want {
			t.Errorf("type %#x: %v, want %v", typ, got, want)
		}
	}
}

func FuzzParseFaults(f *testing.F) {
	f.Add("loss=1,burst=0.2:20,dup=1,reorder=2,rdelay=300us,delay=1ms,jitter=100us,corrupt=0.1,rate=50mbit")
	f.Add("shared,mend,only=spm+nak,bucket=1,queue=1s")
	f.Fuzz(func(t *testing.T, list string) {
		faults, err := ParseFaults(list)
		if err != nil {
			return
		}
		m := newModel(faults, 1, 1)
		for now := range time.Duration(100) {
			if got := m.fate(now, testSize, draw{}); got.copies < 0 || got.copies > 2 || got.copies > 0 && got.copy[0].at < now {
				t.Fatalf("%q: %+v at %v", list, got, now)
			}
		}
	})
}
