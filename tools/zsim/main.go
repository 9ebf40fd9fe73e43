// Command zsim runs whole sockets on a simulated network, with faults decided
// by a seed, and checks after every turn that what ZeroMQ promises holds. The
// same seed does the same: a failure is printed as the command that repeats it.
//
//	zsim                 run seeds for ever, starting with one drawn at random
//	zsim -seeds 2000     run seeds 1 to 2000
//	zsim -seed 17 -v     run one, and tell what it does
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
)

func main() {
	seed := flag.Uint64("seed", 0, "run this seed alone")
	seeds := flag.Uint64("seeds", 0, "run this many seeds, from 1; 0 runs for ever")
	verbose := flag.Bool("v", false, "tell what each seed does")
	flag.Parse()
	if flag.NArg() > 0 {
		// Flags behind it would be ignored, and it would run for ever.
		fmt.Fprintf(os.Stderr, "zsim: unknown argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	first, last := uint64(1), *seeds
	switch {
	case *seed != 0:
		first, last = *seed, *seed
	case *seeds == 0:
		first, last = rand.Uint64()>>1, 0
	}
	passed, turns := 0, 0
	for s := first; last == 0 || s <= last; s++ {
		w := newWorld(s)
		err := w.run()
		if *verbose {
			fmt.Printf("seed %d: %s, %d turns, %d messages sent, %d received, digest %016x\n",
				s, w.plan, w.turns, w.sent, w.received, w.net.Digest())
		}
		turns += w.turns
		if err != nil {
			fmt.Printf("seed %d (%s): turn %d: %v\nrepeat with: go run ./tools/zsim -seed %d -v\n1 failed after %d passed\n",
				s, w.plan, w.turns, err, s, passed)
			os.Exit(1)
		}
		passed++
		if last == 0 && passed%1000 == 0 {
			fmt.Printf("%d seeds, %d turns, no failure\n", passed, turns)
		}
	}
	fmt.Printf("%d turns in all\n%d passed, 0 failed\n", turns, passed)
}
