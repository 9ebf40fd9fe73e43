package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"github.com/zeroring/zeroring/bench"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A card is a picture and what is said about it.
type card struct {
	Title  string
	About  string
	SVG    template.HTML
	Legend []key
	Notes  []string
	Bars   bool
}

// A key is one line of a legend, which is outside the picture so that it never
// covers a line.
type key struct {
	Mark template.HTML
	Name string
}

// A line is one system's, in a plot.
type line struct {
	look   look
	points plotter.XYs
	// low and high are the ends of the whiskers, of each point; nil for none.
	low, high []float64
	marks     plotter.XYs // where the system's glyph is
}

// Len is how many points there are.
func (l *line) Len() int { return len(l.points) }

// XY is one point.
func (l *line) XY(i int) (x, y float64) { return l.points[i].X, l.points[i].Y }

// YError is how far the whiskers reach below and above.
func (l *line) YError(i int) (below, above float64) {
	return l.low[i] - l.points[i].Y, l.high[i] - l.points[i].Y
}

// add draws a line into a plot.
func (l *line) add(p *plot.Plot) error {
	if l.low != nil {
		whiskers, err := plotter.NewYErrorBars(l)
		if err != nil {
			return err
		}
		whiskers.LineStyle = draw.LineStyle{Color: l.look.colour, Width: 0.9}
		whiskers.CapWidth = 4
		p.Add(whiskers)
	}
	path, err := plotter.NewLine(l.points)
	if err != nil {
		return err
	}
	path.LineStyle = draw.LineStyle{Color: l.look.colour, Width: l.look.width}
	p.Add(path)
	if len(l.marks) == 0 {
		return nil
	}
	marks, err := plotter.NewScatter(l.marks)
	if err != nil {
		return err
	}
	marks.GlyphStyle = l.look.glyphStyle()
	p.Add(marks)
	return nil
}

func (l look) glyphStyle() draw.GlyphStyle {
	return draw.GlyphStyle{Color: l.colour, Radius: 3 + (l.width-1)/3, Shape: l.glyph}
}

// legend has one key for each line.
func legend(looks []look) (keys []key) {
	const w, h = 30, 12
	for _, l := range looks {
		keys = append(keys, key{Name: l.name, Mark: render(w, h, "", func(c draw.Canvas) {
			c.StrokeLine2(draw.LineStyle{Color: l.colour, Width: l.width}, 1, h/2, w-1, h/2)
			c.DrawGlyph(l.glyphStyle(), vg.Point{X: w / 2, Y: h / 2})
		})})
	}
	return keys
}

func legendOf(lines []line) []key {
	var all []look
	for _, l := range lines {
		all = append(all, l.look)
	}
	return legend(all)
}

// A lineChart is a plot of lines.
type lineChart struct {
	title, y, x string
	lines       []line
	notes       []string
	prepare     func(p *plot.Plot) // sets the axes once their ranges are known
}

// card draws the chart; nil if there is nothing in it.
func (c lineChart) card() *card {
	c.lines = slices.DeleteFunc(c.lines, func(l line) bool { return len(l.points) == 0 })
	if len(c.lines) == 0 {
		return nil
	}
	p := newPlot()
	p.Add(newGrid())
	// The last is drawn on top: this library's lines come first in a legend, and
	// last here.
	for _, l := range slices.Backward(c.lines) {
		if err := l.add(p); err != nil {
			return &card{Title: c.title, About: "cannot be drawn: " + err.Error()}
		}
	}
	c.prepare(p)
	return &card{
		Title: c.title, About: c.y, Legend: legendOf(c.lines), Notes: c.notes,
		SVG: render(plotWidth, plotHeight, c.label(), labelled(p, c.x)),
	}
}

// label says the picture in words: where each line starts and ends.
func (c lineChart) label() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, by %s.", c.title, c.y, c.x)
	for _, l := range c.lines {
		first, last := l.points[0], l.points[len(l.points)-1]
		fmt.Fprintf(&b, " %s: from %s at %s to %s at %s.", l.look.name, digits(first.Y), digits(first.X), digits(last.Y), digits(last.X))
	}
	return b.String()
}

// logY makes the vertical axis logarithmic and ends it at ticks.
func logY(p *plot.Plot, u bench.Unit) {
	p.Y.Scale = plot.LogScale{}
	if u == bench.Octets {
		p.Y.Tick.Marker = binaryTicks{}
		p.Y.Min, p.Y.Max = math.Exp2(math.Floor(math.Log2(p.Y.Min))), math.Exp2(math.Ceil(math.Log2(p.Y.Max)))
	} else {
		p.Y.Tick.Marker = logTicks{axisLabel(u)}
		p.Y.Min, p.Y.Max = roundDown(p.Y.Min), roundUp(p.Y.Max)
	}
	if p.Y.Min == p.Y.Max {
		p.Y.Min, p.Y.Max = p.Y.Min/2, p.Y.Max*2
	}
}

// byX plots a metric of a group of workloads against their X.
func (s *subject) byX(g group, metric bench.Metric, title, y string) *card {
	dim := dimensionOf(g.workloads)
	var xs []float64
	chart := lineChart{title: title, y: y, x: dim.name}
	for _, system := range s.systems {
		l := line{look: s.looks[system], low: []float64{}}
		for _, w := range g.workloads {
			f, ok := s.index.figure(w.Name, system, metric.Name)
			if row := s.index.row(w.Name, system); !ok && row != nil && len(row.Fails) > 0 {
				chart.notes = append(chart.notes, fmt.Sprintf("FAIL: %s at %s", display(system), dim.label(w.X)))
			}
			if !ok || f.Value.Median <= 0 {
				continue
			}
			l.points = append(l.points, plotter.XY{X: w.X, Y: f.Value.Median})
			l.high = append(l.high, f.Value.Max)
			l.low = append(l.low, f.Value.Min)
			if f.Value.Min <= 0 {
				l.low[len(l.low)-1] = f.Value.Median // zero has no place on a log scale
			}
			xs = append(xs, w.X)
		}
		l.marks = l.points
		chart.lines = append(chart.lines, l)
	}
	slices.Sort(xs)
	xs = slices.Compact(xs)
	if len(xs) < 2 {
		return nil
	}
	chart.prepare = func(p *plot.Plot) {
		logY(p, metric.Unit)
		log := xs[0] > 0 && xs[len(xs)-1]/xs[0] >= 4
		if log {
			p.X.Scale = plot.LogScale{}
		}
		p.X.Tick.Marker = valueTicks{xs, dim.label, log}
	}
	return chart.card()
}

// percentiles plots how the latencies of one workload are spread.
func (s *subject) percentiles(w bench.Workload) *card {
	chart := lineChart{title: w.Name, y: describe(w), x: "percentile"}
	for _, system := range s.systems {
		row := s.index.row(w.Name, system)
		if row != nil && len(row.Fails) == row.Runs {
			chart.notes = append(chart.notes, "FAIL: "+display(system))
		}
		if row == nil || row.Latencies == nil || row.Latencies.TotalCount() == 0 {
			continue
		}
		chart.lines = append(chart.lines, newTail(s.looks[system], row.Latencies))
	}
	chart.prepare = func(p *plot.Plot) {
		logY(p, bench.Nanosec)
		p.X.Scale = plot.LogScale{}
		p.X.Tick.Marker = fixedTicks{
			{Value: 2, Label: "50"}, {Value: 10, Label: "90"}, {Value: 100, Label: "99"}, {Value: 1e3, Label: "99.9"},
			{Value: 1e4, Label: "99.99"}, {Value: 1e5, Label: "99.999"}, {Value: 1e6, Label: "99.9999"},
		}
	}
	return chart.card()
}

// newTail is a histogram's latency by 1/(1-p), up to the slowest, with a mark at
// each percentile that is on the axis.
func newTail(of look, l *bench.Latencies) line {
	const perDecade, most = 16, 1_000_000
	n := float64(min(l.TotalCount(), most))
	at := func(x float64) plotter.XY {
		return plotter.XY{X: x, Y: float64(max(1, l.ValueAtPercentile(100*(1-1/x))))}
	}
	tail := line{look: of}
	for i := 0; ; i++ {
		x := math.Pow(10, float64(i)/perDecade)
		if x >= n {
			break
		}
		tail.points = append(tail.points, at(x))
	}
	tail.points = append(tail.points, at(n))
	for _, x := range []float64{2, 10, 100, 1e3, 1e4, 1e5, most} {
		if x <= n {
			tail.marks = append(tail.marks, at(x))
		}
	}
	return tail
}
