// Package reactor is where everything that waits waits: for octets, for room to
// write some, for connections, for a time. It owns the kernel's side of the
// program, and is the only package that makes system calls.
//
//	Group    the reactors of a process, by default one for each processor
//	Reactor  one event loop: operations, timers, and tasks from other goroutines
//	Op       an operation in flight, embedded in whoever asked for it
//	driver   io_uring, epoll, or a simulated Network: the same contract (driver.go)
//
// A connection belongs to one reactor for life, its home. What happens to it
// there happens on one thread, one thing at a time, so its owner needs no lock
// for it: a Handler, Task or Timer runs to its end before the next begins.
//
// One turn of the loop is: run what was posted, fire timers, wait, complete.
// What handlers submit goes out in one batch with the next wait.
//
//	       any goroutine                    the reactor's thread
//	Post ──▶ mailbox ─┐         ┌─▶ Task.Run, Timer.Fire, Handler.Complete
//	                  ├─ turn ──┤                   │ Submit, StartTimer
//	bell (if asleep) ─┘         └─ driver.wait ◀────┘
//	TryRead, TryWrite ─────────────▶ the socket itself
//
// A goroutine that finds a connection idle may read and write it directly
// (TryRead, TryWrite) as long as no operation of that direction is in flight.
// It saves the way through the reactor, which costs more than the system call.
//
// Datagrams, many of which are read and written by one system call, go past the
// drivers: OpReadable and OpWritable say when, a DatagramReader and a
// DatagramWriter do it (Reactor.Datagram).
//
// A reactor sleeps by the runtime's poller (see parking) unless it is locked to
// a thread. Sleeping and waking dominate everything else, so an idle reactor stays awake
// for a moment if lately something used to happen within it (Config.Spin), a
// reactor that is awake is never woken, and wake-ups coalesce.
//
// After set-up nothing here allocates: not submitting, completing, posting,
// starting timers, reading or writing.
//
// # Limits
//
// At most Config.MaxOps operations (DefaultMaxOps, 1,048,576) are in flight on
// one reactor; what is submitted beyond completes with -ENOBUFS. The table grows
// with use and does not shrink. An operation on a descriptor of 1,048,576 or
// more completes with -EBADF. An Op or TryWrite gathers at most MaxGather
// slices. A DatagramReader or DatagramWriter takes at most MaxDatagrams messages
// at a time. A listener that finds no free descriptor reports -EMFILE and tries
// again after 100 ms.
//
// # Limitations
//
//   - Kernel drivers exist for Linux. Elsewhere the package builds with the
//     simulated Network only.
//   - Connecting to a Unix socket whose backlog is full completes with -EAGAIN
//     on epoll; io_uring waits for room.
//   - A listener's Unix socket file stays behind when it is closed, as with
//     libzmq. The next to listen there takes it over.
//   - Two processes that take over the same dead socket file at the same moment
//     are kept apart by a lock on its directory. Where the directory cannot be
//     opened for reading there is no lock.
//   - A simulated Network has no datagrams.
//   - The card's timestamps need a card that was told to take them (hwstamp_ctl).
//   - A DatagramWriter that found that a route cannot segment sends one by one on
//     all routes from then on.
package reactor
