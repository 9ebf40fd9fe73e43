package pgm

// An SQN is a sequence number. "PGM uses a circular sequence number space from 0
// through ((2**32) - 1)", so the operators < and > say nothing about two of
// them: this file is the only one that compares them.
//
// Order is that of serial numbers (https://www.rfc-editor.org/rfc/rfc1982): two
// numbers are compared by the shorter way round. Numbers exactly half the space
// apart have no order, and each is Before the other; whoever takes numbers from
// the network bounds their distance with Sub first.
//
// https://www.rfc-editor.org/rfc/rfc3208#section-3.2
type SQN uint32

// Before reports whether s precedes t, which the RFC calls "less" or "older".
func (s SQN) Before(t SQN) bool { return int32(s-t) < 0 }

// Add returns the number n places after s, or before it if n is negative.
func (s SQN) Add(n int32) SQN { return s + SQN(n) }

// Sub returns how many places s is after t: negative if it is before.
func (s SQN) Sub(t SQN) int32 { return int32(s - t) }
