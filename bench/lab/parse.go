package lab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ParseFaults reads Faults from a list such as
//
//	loss=1,burst=0.2:20,dup=1,reorder=2,rdelay=300us,delay=1ms,jitter=100us,corrupt=0.1,rate=50mbit
//
// Chances are in per cent, and burst has the mean length after a colon; times
// are as time.ParseDuration has them, and rates are in bit, kbit, mbit or gbit a
// second. Besides there are queue=20ms and bucket=16384 for the rate, the words
// shared and mend, and only=ncf+rdata, which takes the names of PGM's types.
// An empty list is no faults.
func ParseFaults(list string) (Faults, error) {
	var f Faults
	var seen []string
	for word := range strings.SplitSeq(list, ",") {
		word = strings.TrimSpace(word)
		if word == "" {
			if strings.TrimSpace(list) == "" {
				break
			}
			return Faults{}, fmt.Errorf("lab: faults %q: an empty entry", list)
		}
		key, value, valued := strings.Cut(word, "=")
		if slices.Contains(seen, key) {
			return Faults{}, fmt.Errorf("lab: faults %q: %s is there twice", list, key)
		}
		seen = append(seen, key)
		if err := f.set(key, value, valued); err != nil {
			return Faults{}, fmt.Errorf("lab: faults %q: %w", list, err)
		}
	}
	if err := f.check(); err != nil {
		return Faults{}, fmt.Errorf("lab: faults %q: %w", list, err)
	}
	return f, nil
}

// set reads one entry.
func (f *Faults) set(key, value string, valued bool) (err error) {
	switch key {
	case "shared", "mend":
		if valued {
			return fmt.Errorf("%s takes no value", key)
		}
	default:
		if !valued || value == "" {
			return fmt.Errorf("%s has no value", key)
		}
	}
	switch key {
	case "loss":
		f.Loss, err = percent(value)
	case "burst":
		err = f.setBurst(value)
	case "dup":
		f.Duplicate, err = percent(value)
	case "corrupt":
		f.Corrupt, err = percent(value)
	case "reorder":
		f.Reorder, err = percent(value)
	case "rdelay":
		f.ReorderDelay, err = time.ParseDuration(value)
	case "delay":
		f.Delay, err = time.ParseDuration(value)
	case "jitter":
		f.Jitter, err = time.ParseDuration(value)
	case "queue":
		f.Queue, err = time.ParseDuration(value)
	case "rate":
		f.Rate, err = bitRate(value)
	case "bucket":
		f.Bucket, err = strconv.Atoi(value)
	case "shared":
		f.Shared = true
	case "mend":
		f.Mend = true
	case "only":
		f.Only, err = parseTypes(value)
	default:
		return fmt.Errorf("no fault is called %q", key)
	}
	if err != nil {
		return fmt.Errorf("%s=%s: %w", key, value, err)
	}
	return nil
}

func percent(value string) (float64, error) {
	x, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no number of per cent", value)
	}
	return x, nil
}

func (f *Faults) setBurst(value string) error {
	enter, length, ok := strings.Cut(value, ":")
	if !ok {
		return fmt.Errorf("a burst has a chance and a length, as in 0.2:20")
	}
	var err error
	if f.BurstEnter, err = percent(enter); err != nil {
		return err
	}
	if f.BurstLength, err = strconv.ParseFloat(length, 64); err != nil {
		return fmt.Errorf("%q is no number of frames", length)
	}
	return nil
}

// bitRate reads a number with a unit of bits a second.
func bitRate(value string) (int64, error) {
	for _, unit := range []struct {
		name string
		bits float64
	}{{"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}, {"bit", 1}} {
		number, ok := strings.CutSuffix(value, unit.name)
		if !ok {
			continue
		}
		x, err := strconv.ParseFloat(number, 64)
		if err != nil || !(x > 0 && x*unit.bits <= 1e12) {
			return 0, fmt.Errorf("%q is no rate", value)
		}
		return int64(x * unit.bits), nil
	}
	return 0, fmt.Errorf("%q has none of the units bit, kbit, mbit, gbit", value)
}

// typeNames are PGM's types as a list of faults has them; RFC 3208, section 8.
var typeNames = map[string]byte{
	"spm": 0x0, "poll": 0x1, "polr": 0x2, "odata": 0x4, "rdata": 0x5, "nak": 0x8, "nnak": 0x9, "ncf": 0xa, "spmr": 0xc, "ack": 0xd,
}

func parseTypes(value string) (Filter, error) {
	var types []byte
	for name := range strings.SplitSeq(value, "+") {
		t, ok := typeNames[strings.ToLower(name)]
		if !ok {
			return nil, fmt.Errorf("%q is no type of PGM packet", name)
		}
		types = append(types, t)
	}
	return PGM(types...), nil
}
