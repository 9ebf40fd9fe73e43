// Command local_lat is libzmq's perf/local_lat on this library: it binds a
// REP and sends back what it receives.
package main

import "github.com/zeroring/zeroring/tools/perf/internal/perf"

func main() { perf.Main(perf.LocalLat) }
