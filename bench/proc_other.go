//go:build !linux

package bench

import (
	"os/exec"
	"time"
)

// Elsewhere there is no network to measure. These keep the package building.

var started = time.Now()

func killTogether(*exec.Cmd)       {}
func processorTime() time.Duration { return 0 }
func monotonic() int64             { return int64(time.Since(started)) }
func sleepUntil(ns int64)          { time.Sleep(time.Duration(ns - monotonic())) }

// Resident is the resident memory now and the most there was, in KiB.
func Resident() (now, most int64) { return 0, 0 }
