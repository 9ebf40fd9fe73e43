// Package bench compares messaging systems: the same work, done by each in
// turn on the same machine in the same run, and checked message by message.
//
// A [Workload] says what is to be done, as plain data. A [System] is a program
// that can do it: this library on one of its backends, libzmq through a program
// in C, or another library. A [Rig] has a System do a Workload once and returns
// a [Result]. [Run] has many do many, in alternating pairs, so that whatever the
// machine does meanwhile happens to all of them, and [Compare] makes ratios of
// what came out.
//
// # Roles
//
// A Workload is done by processes, one for each role, or by one process where
// the transport is inproc. A process is told its [Job] by arguments of the form
// key=value and answers with lines of the form "key value": the protocol is
// described at [Job], and is the same for programs in any language. Those in Go
// implement a [Driver] and call [Main].
//
//	send    ─▶ recv        PUSH to PULL, PUB to SUB
//	ask     ◀▶ echo        REQ and REP, DEALER and ROUTER
//	send    ─▶ proxy ─▶ recv
//	connect ─▶ gather      connections rather than messages
//	send    ─▶ recv, recv  multicast: each on a host of its own
//	send    ─▶ watch       multicast, packet by packet
//
// # What is measured, and how
//
// Throughput is closed loop: senders send as fast as they can, and receivers
// count what arrives in a window that starts after the warm-up. Latency is of
// round trips. It is closed loop when no rate is given, with or without a gap
// between a reply and the next request; with a rate it is open loop: requests
// have intended times on a fixed schedule, are sent late rather than left out,
// and latency counts from the intended time, so that a stall is seen by all
// requests that it delays (coordinated omission).
//
// Each message carries a sequence number and a checksum, and is checked when it
// arrives; see [Stamp]. Lost, repeated, reordered or corrupt messages, and a
// rate that was missed, make the result a failure, however fast it was.
//
// Processor time, allocations and pauses of the collector are of the window,
// for each process. Resident memory is the most there was.
//
// # Multicast
//
// Hosts are network namespaces, which package lab joins by the kernel's bridge or
// by a switch that loses packets; see [Cast]. It takes root, and elsewhere those
// workloads are reported as missing.
//
// Latency is one way: from when a message was to be sent, by the clock that all
// processes of a machine share. How much came is of the slowest receiver. What is
// lost for good is a figure and not a failure, as it is what some of the tests are
// about; but what comes twice, out of order or corrupt is one. Throughput is of a
// source that nobody slows down, and may be more than receivers can take, so beside
// it is the highest rate at which none of them loses anything (multicast/max).
//
// Over the bridge a large datagram crosses in one piece where both sides use GSO
// and GRO, which no network card does so well: zeroring-nooffload does without.
//
// # What the numbers are for
//
// They compare systems on one machine. Both sides of a connection share its
// processors, so what one side burns the other lacks, as on a loaded server and
// unlike two machines with a network between them.
package bench
