// Package lossy fans a market-data feed out by multicast over a network that loses
// packets, and shows what arrives, what is repaired and what it costs.
//
//	           host 1            switch           host 2, 3, ...
//	zeroring feed --only publish ──▶ faults ──▶ zeroring feed --only subscribe
//	           └────── reports ──▶ Run ◀── reports ──────┘
//
// The hosts are those of package lab: network namespaces of this process. In each is
// one process of the very program that this is, which does what package feed does, and
// prints a feed.Report four times a second. Run starts them, reads what they report,
// and tells the switch which frames to lose: by a script, and by keys.
//
// # Scripts
//
// A script is a list of steps, with semicolons between them:
//
//	5s:loss=1; 10s:loss=5,reorder=2; 12s@2:outage=200ms; 15s:loss=0
//
// A step has the time since the first message; behind an @ the receiver that it is for,
// or none for all; and either faults, as lab.ParseFaults reads them, which replace
// those before, or an outage, in which the receiver is cut off for a while.
//
// # Accounts
//
// Every message has a number, and each receiver knows which one comes next. In the end
// what it got and what it reported as lost must be what was published; else Run returns
// an error.
//
// # Limitations
//
//   - All processes and the switch share the processors of one machine.
//   - Latencies are attributed to the step in which they are reported, which is up to a
//     quarter of a second late.
package lossy
