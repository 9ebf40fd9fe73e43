// Command inproc_thr is libzmq's perf/inproc_thr on this library: messages from
// a PUSH to a PULL in one process.
package main

import "github.com/zeroring/zeroring/tools/perf/internal/perf"

func main() { perf.Main(perf.InprocThr) }
