// Command remote_lat is libzmq's perf/remote_lat on this library: it connects a
// REQ, sends round trips and prints the average latency of one way.
package main

import "github.com/zeroring/zeroring/tools/perf/internal/perf"

func main() { perf.Main(perf.RemoteLat) }
