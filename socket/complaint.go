package socket

import (
	"sync"
	"time"
)

// complainEvery is how often the log is told of trouble that comes again and
// again.
const complainEvery = 10 * time.Second

// A complaint is one kind of trouble of one endpoint, which others may cause as
// often as they like. A log is told the first time, and then once in a while.
type complaint struct {
	mu   sync.Mutex
	told time.Time // when a line was last due; zero for never
	left int       // times since, without a line
}

// due reports whether what happened now deserves a line, and how often it has
// happened since the last one.
func (c *complaint) due(now time.Time) (left int, line bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.told.IsZero() && now.Sub(c.told) < complainEvery {
		c.left++
		return 0, false
	}
	left, c.told, c.left = c.left, now, 0
	return left, true
}

// over makes the next time count as the first again.
func (c *complaint) over() {
	c.mu.Lock()
	c.told, c.left = time.Time{}, 0
	c.mu.Unlock()
}
