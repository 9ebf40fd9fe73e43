// Command local_thr is libzmq's perf/local_thr on this library: it binds a
// PULL, receives messages and prints how many a second.
package main

import "github.com/zeroring/zeroring/tools/perf/internal/perf"

func main() { perf.Main(perf.LocalThr) }
