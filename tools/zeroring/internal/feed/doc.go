// Package feed fans a market-data feed out from one publisher to many
// subscribers, measures what arrives, and shows it.
//
//	source ──▶ publisher ──PUB══SUB──▶ subscriber ─┐
//	(file or     stamps,     tcp, ipc, subscriber ─┼▶ meter ──▶ view, report
//	 generator)  numbers     inproc,   subscriber ─┘
//	                         epgm
//
// A run is one or more phases. Each replays the input at a pace of its own,
// over sockets of its own, and gives one result. The run that is asked for
// nothing in particular has two: a paced one, in which latencies mean
// something, and one flat out, in which rates do.
//
// # Messages
//
// A message has three frames:
//
//	topic   8 octets: the symbol, padded with spaces; "*" for the whole market
//	header  8 octets: sequence number of this topic, from 1
//	        8 octets: when it was sent, in nanoseconds since 1970
//	body    one ITCH message
//
// All topics have one length, so a subscription to "ABC" padded is to ABC and
// not to ABCD as well. Integers are big-endian. Topics that start with "!" are
// the publisher's own: it repeats them until every subscriber has seen one, to
// know when all have joined and when all have everything.
//
// # Loss
//
// A subscriber knows for each topic which number comes next. A jump is a gap,
// and what it skips was dropped. What was dropped at the very end no later
// number shows; the subscriber learns the last numbers from the publisher,
// whose process it shares, when the phase is over.
//
// # Multicast
//
// By epgm and pgm each subscriber is a receiver with an engine, and so a descriptor, of
// its own. Besides its numbers it has what the socket says: packets that were repaired,
// and packets that are lost for good, by events and by Message.Missed. A number that is
// skipped with no such word since the message of the same topic before is unreported,
// which would be a bug.
//
// Publisher and subscribers may also be in different processes. The publisher calls for
// a while before it begins, and in the end says the last numbers of all topics in the
// body of its own topic. Who joins late takes the first number of each topic for granted.
//
// # Limitations
//
//   - Publisher and subscribers are in one process and share its processors, unless they
//     are apart. The figures are of the whole, not of a publisher that has a machine to
//     itself.
//   - Latencies between machines are as good as their clocks agree.
//   - Latency is from the moment a message was sent. In a paced phase the
//     publisher may itself be behind its schedule; that is reported apart.
package feed
