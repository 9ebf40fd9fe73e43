// Command remote_thr is libzmq's perf/remote_thr on this library: it connects a
// PUSH and sends messages.
package main

import "github.com/zeroring/zeroring/tools/perf/internal/perf"

func main() { perf.Main(perf.RemoteThr) }
