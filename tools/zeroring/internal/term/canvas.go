// Package term writes figures as people read them, and redraws a view in a terminal.
package term

import (
	"fmt"
	"io"
	"strings"
)

// Views are made for a screen of Columns by Rows. A smaller one gets as much of it as
// it has room for: a line that wraps, or scrolls out of reach, could not be drawn over.
const (
	Columns = 80
	Rows    = 24
)

// A Canvas redraws one view in place.
type Canvas struct {
	To   io.Writer
	Size func() (columns, rows int) // 0 for what is not known

	drawn int // lines drawn last time, which the cursor is below
}

// Room is how much of the screen there is to draw in, without its last column and the
// row of the cursor.
func (c *Canvas) Room() (width, height int) {
	w, h := c.Size()
	if w <= 0 || w > Columns {
		w = Columns
	}
	if h <= 0 {
		h = Rows
	}
	return max(w-1, 1), max(h-1, 1)
}

// Draw replaces what was drawn before.
func (c *Canvas) Draw(view []string) {
	width, height := c.Room()
	view = view[:min(len(view), height)]
	var b strings.Builder
	if up := min(c.drawn, height); up > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", up)
	}
	for _, line := range view {
		b.WriteString("\r\x1b[2K" + strings.TrimRight(Fit(line, width), " ") + "\n")
	}
	b.WriteString("\x1b[J") // what a longer view left below
	c.drawn = len(view)
	io.WriteString(c.To, b.String())
}
