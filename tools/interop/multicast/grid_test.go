package multicast

import (
	"flag"
	"fmt"
	"regexp"
	"testing"
	"time"
)

var (
	grid      = flag.Bool("grid", false, "run the long grid, which tests alone do not")
	gridSeeds = flag.Int("seeds", 5, "of the grid: how many seeds each cell is run with")
	gridFirst = flag.Uint64("seed", 1, "of the grid: the first of them")
	gridTimes = flag.Int("times", 5, "of the grid: how many times longer than in the tests a cell of the loss matrix is")
	gridCells = flag.String("cells", ".", "of the grid: run the cells that match this regular expression only")
)

// TestGrid runs every cell of both matrices by more seeds, on each backend, and the cases
// that are compared with the simulator, and prints a line for each:
//
//	make pgm-grid GRIDSEEDS=100 CELLS='loss/burst'
func TestGrid(t *testing.T) {
	if !*grid {
		return
	}
	only, err := regexp.Compile(*gridCells)
	if err != nil {
		t.Fatal(err)
	}
	start, passed, failed := time.Now(), 0, 0
	one := func(name string, run func(t *testing.T) string) {
		if !only.MatchString(name) {
			return
		}
		var line string
		ok := t.Run(name, func(t *testing.T) { line = run(t) })
		word := "ok  "
		if ok {
			passed++
		} else {
			failed++
			word = "FAIL"
		}
		fmt.Println(word, name, line)
	}
	simulated := sharedCases(t)
	for seed := *gridFirst; seed < *gridFirst+uint64(*gridSeeds); seed++ {
		for _, backend := range workingBackends() {
			for _, c := range lossCells() {
				c = c.filled()
				c.count *= *gridTimes
				one(fmt.Sprintf("loss/%s/%s/seed %d:", c.name, backend, seed), func(t *testing.T) string { return c.run(t, backend, seed).String() })
			}
			for _, c := range simulated {
				one(fmt.Sprintf("simulated/RTT %v/%s/seed %d:", 2*c.Delay, backend, seed), func(t *testing.T) string { return c.check(t, backend, seed, *gridTimes*sharedSeconds) })
			}
			for _, c := range allCells() {
				one(fmt.Sprintf("interop/%v/%s/seed %d:", c, backend, seed), func(t *testing.T) string { c.run(t, backend, seed); return "" })
			}
		}
	}
	fmt.Printf("%d cells passed, %d failed, in %v\n", passed, failed, time.Since(start).Round(time.Second))
}

// allCells are all combinations of the interop matrix.
func allCells() (cells []cell) {
	for _, transport := range transports {
		for r := range rows {
			for f := range matrixFaults {
				for s := range matrixSizes {
					cells = append(cells, cell{transport, r, f, s})
				}
			}
		}
	}
	return cells
}
