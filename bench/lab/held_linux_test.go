package lab_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// held is the goroutines and the descriptors of this process.
func held() (h struct{ goroutines, descriptors int }) {
	open, _ := os.ReadDir("/proc/self/fd")
	h.goroutines, h.descriptors = runtime.NumGoroutine(), len(open)
	return h
}

// checkHeld fails the test if more is held than before, once what was told to
// end has had the time to.
func checkHeld(t *testing.T, before struct{ goroutines, descriptors int }) {
	eventually(t, func() string {
		now := held()
		if now.goroutines <= before.goroutines && now.descriptors <= before.descriptors {
			return ""
		}
		stacks := make([]byte, 1<<20)
		return fmt.Sprintf("%+v are held, and were %+v\n%s", now, before, stacks[:runtime.Stack(stacks, true)])
	})
}

// eventually waits until nothing is wrong any more.
func eventually(t *testing.T, wrong func() string) {
	t.Helper()
	limit := time.After(patience)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		complaint := wrong()
		if complaint == "" {
			return
		}
		select {
		case <-look.C:
		case <-limit:
			t.Errorf("still after %v: %s", patience, complaint)
			return
		}
	}
}

// users lists who is in a network namespace or has it open, by its number.
func users(t *testing.T, namespace string) (list []string) {
	t.Helper()
	processes, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		if p.Name()[0] < '0' || p.Name()[0] > '9' {
			continue
		}
		base := "/proc/" + p.Name()
		for _, dir := range []string{base + "/task", base + "/fd"} {
			entries, _ := os.ReadDir(dir) // the process may have ended
			for _, e := range entries {
				link := dir + "/" + e.Name()
				if strings.HasSuffix(dir, "task") {
					link += "/ns/net"
				}
				if to, _ := os.Readlink(link); to == namespace {
					list = append(list, link)
				}
			}
		}
	}
	return list
}
