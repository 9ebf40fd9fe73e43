package lab

import (
	"fmt"
	"time"
)

// Faults is what happens to frames on their way to one host. Chances are in per
// cent. The zero value delivers everything at once.
//
// A frame is first lost or not, then doubled or not; then each copy by itself
// is corrupted, waits its turn on a link of limited rate, and is delayed. Faults
// befall traffic only: ARP, IGMP and ICMPv6 always pass.
type Faults struct {
	// Loss is the chance that a frame is lost, each independent of the others.
	Loss float64
	// BurstEnter is the chance that a burst of losses begins with a frame.
	BurstEnter float64
	// BurstLength is how many frames a burst takes on average, at least 1; see
	// Gilbert, "Capacity of a Burst-Noise Channel". Of all frames
	// BurstLength/(BurstLength+100/BurstEnter) are lost.
	BurstLength float64
	// Duplicate is the chance that a frame arrives twice.
	Duplicate float64
	// Corrupt is the chance that one bit of what IP or UDP carries is flipped.
	// Where there is a UDP checksum the kernel drops such a frame.
	Corrupt float64
	// Mend corrects the UDP checksum of corrupt frames, so that they get past the
	// kernel and only PGM's own checksum stands in their way.
	Mend bool
	// Reorder is the chance that a frame is overtaken by those that come within
	// ReorderDelay after it.
	Reorder float64
	// ReorderDelay is for how long; 0 means 200 µs.
	ReorderDelay time.Duration
	// Delay is how long every frame takes.
	Delay time.Duration
	// Jitter is the longest that is added to Delay, uniformly. More than the
	// time between frames reorders them.
	Jitter time.Duration
	// Rate is the link's, in bits a second of whole frames; 0 means no limit.
	Rate int64
	// Bucket is how many octets may come at once before Rate applies.
	Bucket int
	// Queue is how long a frame may wait for its turn on the link; one that would
	// wait longer is dropped. 0 means 20 ms.
	Queue time.Duration
	// Shared makes losses and bursts those of all hosts whose Faults are shared
	// and have the same chances: what is lost on a common path.
	Shared bool
	// Only chooses the frames that these Faults are for; nil means all.
	Only Filter
}

const (
	defaultReorderDelay = 200 * time.Microsecond
	defaultQueue        = 20 * time.Millisecond
	// maxDelay bounds what is added up for one frame.
	maxDelay = time.Hour
)

// check says what is wrong with f, by the names that ParseFaults knows.
func (f *Faults) check() error {
	for _, c := range []struct {
		name    string
		percent float64
	}{
		{"loss", f.Loss}, {"burst", f.BurstEnter}, {"dup", f.Duplicate}, {"corrupt", f.Corrupt}, {"reorder", f.Reorder},
	} {
		if !(c.percent >= 0 && c.percent <= 100) { // so that NaN is wrong too
			return fmt.Errorf("%s=%v is not a chance from 0 to 100 per cent", c.name, c.percent)
		}
	}
	if f.BurstEnter > 0 && !(f.BurstLength >= 1 && f.BurstLength <= 1e9) {
		return fmt.Errorf("burst=%v:%v: a burst is of 1 to 1e9 frames", f.BurstEnter, f.BurstLength)
	}
	for _, d := range []struct {
		name string
		time time.Duration
	}{
		{"rdelay", f.ReorderDelay}, {"delay", f.Delay}, {"jitter", f.Jitter}, {"queue", f.Queue},
	} {
		if d.time < 0 || d.time > maxDelay {
			return fmt.Errorf("%s=%v is not a time from 0 to %v", d.name, d.time, maxDelay)
		}
	}
	const lowest, highest = 1000, 1e12
	if f.Rate != 0 && (f.Rate < lowest || f.Rate > highest) {
		return fmt.Errorf("rate=%dbit is not from 1kbit to 1000gbit", f.Rate)
	}
	if f.Bucket < 0 || f.Bucket > 1<<30 {
		return fmt.Errorf("bucket=%d is not from 0 to 1 GiB", f.Bucket)
	}
	return nil
}
