// Package itch speaks NASDAQ TotalView-ITCH 5.0, the feed of every order and
// trade of a market day: its messages, files of them, the order books they
// build, and a generator of days that never happened but could have.
//
//	Reader ──Raw──▶ Decode ──Message──▶ Books       a file, understood
//	Generator ──Raw──▶ AppendFrame ──▶ a file       a day, made up
//	Raw ──▶ Checker                                 is this a possible day?
//
// All integers are unsigned and big-endian. Every message starts alike:
//
//	 0        1        3        5            11
//	+--------+--------+--------+------------+----------
//	| type 1 | locate | track  | time 6     | ...
//	+--------+--------+--------+------------+----------
//
// The locate code stands for the stock during one day; messages that change an
// order carry it in place of the symbol. The time is in nanoseconds since
// midnight, New York.
//
// A file is messages one after the other, each behind its length in two octets.
// That is how the public samples are kept, and how SoupBinTCP's file format
// puts it; a length of zero ends the session.
//
// The specification: https://www.nasdaqtrader.com/content/technicalsupport/specifications/dataproducts/NQTVITCHSpecification.pdf
//
// # Limitations
//
//   - Only the 5.0 message set, with the direct listing message of 2023. A type
//     added later is an error, not a message to be skipped: in a file it is far
//     more often the sign of lost framing.
//   - Checker judges generated days. A real one also has crossed books around
//     halts and auctions, which it would refuse.
package itch
