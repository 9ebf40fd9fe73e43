package feed

import "time"

// started joins the wall clock and the monotonic one: stamps are comparable
// with other machines' and never jump.
var started = time.Now()

// now returns the time in nanoseconds since 1970.
func now() int64 { return started.UnixNano() + int64(time.Since(started)) }
