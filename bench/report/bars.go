package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/zeroring/zeroring/bench"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A bar is one ratio, turned so that more is better.
type bar struct {
	look      look
	ratio     bench.Spread // N is 0 if all runs failed
	low, high float64      // of what is likely
	best      bool
}

// A barRow is one comparison: a bar for each system.
type barRow struct {
	label string
	bars  []bar
}

const (
	barHeight = vg.Length(9)
	barPitch  = vg.Length(13)
	rowGap    = vg.Length(7)
	numbers   = vg.Length(46) // of width, to the right of the bars
	longCard  = 12            // rows of one card; more go into the next
)

// bars is the plotter of some rows, from the top down. Its vertical axis counts
// points.
type bars struct {
	rows   []barRow
	height vg.Length
}

func newBars(rows []barRow) *bars {
	b := &bars{rows: rows}
	for _, row := range rows {
		b.height += row.height()
	}
	return b
}

func (r barRow) has(name string) bool {
	return slices.ContainsFunc(r.bars, func(b bar) bool { return b.look.name == name })
}

func (r barRow) height() vg.Length { return vg.Length(len(r.bars))*barPitch + rowGap }

// DataRange has 1 in it, where the baseline is, and the ends of all whiskers.
func (b *bars) DataRange() (xmin, xmax, ymin, ymax float64) {
	xmin, xmax = 1/1.2, 1.2
	for _, row := range b.rows {
		for _, bar := range row.bars {
			if bar.ratio.N > 0 {
				xmin, xmax = min(xmin, bar.ratio.Min), max(xmax, bar.ratio.Max)
			}
		}
	}
	return xmin / 1.04, xmax * 1.04, 0, b.height.Points()
}

// GlyphBoxes keeps room for the numbers.
func (b *bars) GlyphBoxes(*plot.Plot) []plot.GlyphBox {
	return []plot.GlyphBox{{X: 1, Y: 0.5, Rectangle: vg.Rectangle{Max: vg.Point{X: numbers, Y: 1}}}}
}

// Ticks are the labels of the rows.
func (b *bars) Ticks(_, _ float64) (ticks []plot.Tick) {
	top := b.height
	for _, row := range b.rows {
		ticks = append(ticks, plot.Tick{Value: (top - row.height()/2).Points(), Label: row.label})
		top -= row.height()
	}
	return ticks
}

// Plot draws the bars, the baseline's line over them, and the whiskers and
// numbers over that.
func (b *bars) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	top := b.height
	one := x(1)
	for _, row := range b.rows {
		at := top - rowGap/2 - barPitch/2
		for _, bar := range row.bars {
			bar.plot(c, one, x, y(at.Points()))
			at -= barPitch
		}
		top -= row.height()
		if top > 0 {
			c.StrokeLine2(draw.LineStyle{Color: grid, Width: 0.75}, c.Min.X, y(top.Points()), c.Max.X+numbers, y(top.Points()))
		}
	}
	c.StrokeLine2(draw.LineStyle{Color: ink, Width: 1.5}, one, c.Min.Y, one, c.Max.Y)
}

func (b bar) plot(c draw.Canvas, one vg.Length, x func(float64) vg.Length, y vg.Length) {
	style := textStyle(ink, b.best, draw.XRight)
	style.YAlign = draw.YCenter
	number := vg.Point{X: c.Max.X + numbers - 1, Y: y}
	if b.ratio.N == 0 {
		style.Color, style.Font = bad, inks(textSize, true)
		c.FillText(style, number, "FAIL")
		return
	}
	to := x(b.ratio.Median)
	c.FillPolygon(b.look.colour, []vg.Point{
		{X: one, Y: y - barHeight/2}, {X: to, Y: y - barHeight/2}, {X: to, Y: y + barHeight/2}, {X: one, Y: y + barHeight/2},
	})
	// The whisker is told from the bar below it, whatever their colours.
	for _, whisker := range []draw.LineStyle{{Color: paper, Width: 2.4}, {Color: ink, Width: 1}} {
		c.StrokeLine2(whisker, x(b.ratio.Min), y, x(b.ratio.Max), y)
		for _, end := range []float64{b.low, b.high} {
			c.StrokeLine2(whisker, x(end), y-barHeight/3, x(end), y+barHeight/3)
		}
	}
	c.FillText(style, number, times(b.ratio.Median))
}

// ratioTicks are for an axis of ratios, more of them where it is short.
func ratioTicks(low, high float64) (ticks fixedTicks) {
	var values []float64
	switch span := high / low; {
	case span < 2:
		values = []float64{0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.4, 1.6, 1.8, 2}
	case span < 5:
		values = []float64{0.2, 0.3, 0.4, 0.5, 0.7, 1, 1.5, 2, 3, 4, 5}
	case span < 40:
		values = powers(2)
	case span < 400:
		values = powers(4)
	default:
		values = powers(10)
	}
	for _, v := range values {
		if inside(v, low, high) {
			ticks = append(ticks, plot.Tick{Value: v, Label: short(v, math.Inf(1), decimal) + "×"})
		}
	}
	return ticks
}

func powers(base float64) (values []float64) {
	for e := -12.0; e <= 12; e++ {
		values = append(values, math.Pow(base, e))
	}
	return values
}

// barCard draws some rows.
func (s *subject) barCard(title, about string, rows []barRow, low, high float64) *card {
	b := newBars(rows)
	p := newPlot()
	p.Add(b)
	p.X.Min, p.X.Max = low, high
	p.X.Scale = plot.LogScale{}
	p.X.Tick.Marker = ratioTicks(p.X.Min, p.X.Max)
	p.Y.Tick.Marker = b
	p.Y.Tick.Length = 0
	p.Y.LineStyle.Width = 0
	p.Y.Padding, p.X.Padding = 2, 0
	var used []look
	for _, system := range s.ours {
		l := s.looks[system]
		if slices.ContainsFunc(rows, func(r barRow) bool { return r.has(l.name) }) {
			used = append(used, l)
		}
	}
	return &card{
		Title: title, About: about, Legend: legend(used),
		SVG:  render(plotWidth, b.height+38, barLabel(title, about, rows), labelledOne(p, display(s.report.Baseline))),
		Bars: true,
	}
}

// labelledOne draws bars above a line that says what 1 is, and which side of it
// is better.
func labelledOne(p *plot.Plot, baseline string) func(draw.Canvas) {
	return func(c draw.Canvas) {
		above := draw.Crop(c, 0, 0, labelHeight, 0)
		p.Draw(above)
		data := p.DataCanvas(above)
		one, y := data.X(p.X.Norm(1)), c.Min.Y+4
		style := textStyle(faint, false, draw.XCenter)
		half := style.Width(baseline)/2 + 6
		c.FillText(textStyle(ink, true, draw.XCenter), vg.Point{X: one, Y: y}, baseline)
		c.FillText(textStyle(faint, false, draw.XLeft), vg.Point{X: one + half, Y: y}, "better →")
		if style.Width("← worse") < one-half {
			c.FillText(textStyle(faint, false, draw.XRight), vg.Point{X: one - half, Y: y}, "← worse")
		}
	}
}

// barLabel says the bars in words.
func barLabel(title, about string, rows []barRow) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s, %s.", title, about)
	for _, row := range rows {
		for _, bar := range row.bars {
			fmt.Fprintf(&text, " %s, %s: ", row.label, bar.look.name)
			if bar.ratio.N == 0 {
				text.WriteString("FAIL.")
			} else {
				fmt.Fprintf(&text, "%s (%s).", times(bar.ratio.Median), between(bar.ratio.Min, bar.ratio.Max))
			}
		}
	}
	return text.String()
}

// A compared group has something to draw bars of.
type compared struct {
	group
	about string
	rows  []barRow
}

// glance draws the ratios of all figures of merit. Groups of one family share
// their scale, so that bars of equal length are of equal ratios.
func (s *subject) glance(groups []group) (cards []*card) {
	var families [][]compared
	at := make(map[string]int)
	for _, g := range gathered(groups) {
		c := s.compared(g)
		if len(c.rows) == 0 {
			continue
		}
		name := family(g.workloads[0])
		if g.name == "others" {
			name = ""
		}
		i, ok := at[name]
		if !ok {
			i = len(families)
			at[name] = i
			families = append(families, nil)
		}
		families[i] = append(families[i], c)
	}
	for _, groups := range families {
		var all []barRow
		for _, c := range groups {
			all = append(all, c.rows...)
		}
		low, high, _, _ := newBars(all).DataRange()
		for _, c := range groups {
			title := c.name
			for rows := range slices.Chunk(c.rows, longCard) {
				cards = append(cards, s.barCard(title, c.about, rows, low, high))
				title = c.name + ", continued"
			}
		}
	}
	return cards
}

// gathered puts workloads that are alone in their group into one of a kind.
func gathered(groups []group) (all []group) {
	alone := group{name: "others"}
	for _, g := range groups {
		if len(g.workloads) == 1 {
			alone.workloads = append(alone.workloads, g.workloads...)
		} else {
			all = append(all, g)
		}
	}
	if len(alone.workloads) > 0 {
		all = append(all, alone)
	}
	return all
}

// compared finds the rows of a group.
func (s *subject) compared(g group) compared {
	c := compared{group: g, about: "times as good as " + display(s.report.Baseline)}
	names := make(map[string]bool)
	for _, w := range g.workloads {
		label := strings.TrimPrefix(strings.TrimPrefix(w.Name, g.name), "/")
		if label == "" {
			label = w.Name
		}
		for _, m := range bench.Metrics(w) {
			row := barRow{label: label}
			if m.Merit {
				row.bars = s.barsOf(w, m)
			}
			if len(row.bars) == 0 {
				continue
			}
			if m.Name != bench.MetricRate || w.Pattern == bench.Connect {
				row.label += " " + m.Name
			}
			names[betterName(w, m)] = true
			c.rows = append(c.rows, row)
		}
	}
	if len(names) == 1 {
		for name := range names {
			c.about = name + " " + display(s.report.Baseline)
		}
	}
	return c
}

// betterName says what being better means.
func betterName(w bench.Workload, m bench.Metric) string {
	switch {
	case m.Name == bench.MetricRate:
		return "times the " + rateName(w) + "/s of"
	case m.Unit == bench.Nanosec:
		return "times quicker than"
	case m.Unit != bench.Octets:
		return "times as good as"
	default:
		return "times less memory than"
	}
}

// barsOf has a bar for each of our systems that did a workload.
func (s *subject) barsOf(w bench.Workload, m bench.Metric) (all []bar) {
	best := -1
	for _, system := range s.ours {
		row := s.index.row(w.Name, system)
		if row == nil {
			continue
		}
		b := bar{look: s.looks[system]}
		f, ok := row.Figure(m.Name)
		switch {
		case ok && f.Ratio.N > 0 && f.Ratio.Min > 0:
			b.ratio = turned(m, f.Ratio)
			b.low, b.high = b.ratio.Likely()
			if slices.Contains(s.counted, system) && (best < 0 || b.ratio.Median > all[best].ratio.Median) {
				best = len(all)
			}
		case ok || len(row.Fails) == 0:
			continue // there is nothing to compare with, which is no failure
		}
		all = append(all, b)
	}
	if best >= 0 && len(all) > 1 {
		all[best].best = true
	}
	return all
}

// turned is a spread of ratios by which more is better.
func turned(m bench.Metric, s bench.Spread) bench.Spread {
	if !m.Lower {
		return s
	}
	t := bench.Spread{N: s.N, Median: 1 / s.Median, Min: 1 / s.Max, Max: 1 / s.Min}
	if s.N >= bench.Quartiles {
		t.Q1, t.Q3 = 1/s.Q3, 1/s.Q1
	}
	return t
}
