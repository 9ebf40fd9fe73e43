// Command inproc_lat is libzmq's perf/inproc_lat on this library: round trips
// between a REQ and a REP in one process.
package main

import "github.com/zeroring/zeroring/tools/perf/internal/perf"

func main() { perf.Main(perf.InprocLat) }
