package report

import (
	"bytes"
	"fmt"
	"html"
	"html/template"
	"image/color"
	"regexp"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Plots are as wide as a phone, so that on one their text is as large as the
// page's small print, and larger wherever there is room.
const (
	plotWidth  = vg.Length(360)
	plotHeight = vg.Length(230)
	textSize   = vg.Length(11.5)
)

// inks are the fonts of plots. Their metrics are those of Arial and Helvetica,
// which most browsers have; see the page's style.
func inks(size vg.Length, heavy bool) font.Font {
	f := font.From(plot.DefaultFont, size)
	f.Variant = "Sans"
	if heavy {
		f.Weight = 3 // WeightBold of golang.org/x/image/font
	}
	return f
}

// newPlot is one in the page's style, without a background.
func newPlot() *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.LineStyle = draw.LineStyle{Color: faint, Width: 0.75}
		a.Tick.LineStyle = a.LineStyle
		a.Tick.Length = 4
		a.Tick.Label.Color = ink
		a.Tick.Label.Font = inks(textSize, false)
		a.Padding = 4
	}
	return p
}

// newGrid goes below all else.
func newGrid() *plotter.Grid {
	g := plotter.NewGrid()
	g.Horizontal = draw.LineStyle{Color: grid, Width: 0.75}
	g.Vertical = g.Horizontal
	return g
}

// labelled draws a plot above what its horizontal axis is of. A plot's own label
// would make room for itself as if it were at the end of a logarithmic axis, as it
// makes none for the label of the last tick, whose other half is left room for.
func labelled(p *plot.Plot, text string) func(draw.Canvas) {
	return func(c draw.Canvas) {
		above := draw.Crop(c, 0, -lastLabel, labelHeight, 0)
		data := p.DataCanvas(above)
		c.FillText(textStyle(ink, false, draw.XCenter), vg.Point{X: data.Center().X, Y: c.Min.Y + 4}, text)
		p.Draw(above)
	}
}

const (
	labelHeight = vg.Length(16)
	lastLabel   = vg.Length(12) // half of its width
)

// textStyle is of text that we place ourselves.
func textStyle(c color.Color, heavy bool, align draw.XAlignment) draw.TextStyle {
	return draw.TextStyle{Color: c, Font: inks(textSize, heavy), XAlign: align, Handler: plot.DefaultTextHandler}
}

// preamble is what a file of its own has before its picture.
var preamble = regexp.MustCompile(`(?s)^.*?<svg[^>]*>`)

// fontStyle is said once, by the page's style.
var fontStyle = strings.NewReplacer("font-family:Liberation Sans;font-variant:normal;", "", "font-weight:normal;", "", "font-style:normal;", "")

// render draws a picture as part of a page. The label is for those who do not
// see it; without one it is an ornament.
func render(w, h vg.Length, label string, paint func(draw.Canvas)) template.HTML {
	canvas := vgsvg.New(w, h)
	paint(draw.New(canvas))
	var buf bytes.Buffer
	if _, err := canvas.WriteTo(&buf); err != nil {
		panic("report: " + err.Error()) // a buffer takes all
	}
	role := `aria-hidden="true"`
	if label != "" {
		role = fmt.Sprintf(`role="img" aria-label="%s"`, html.EscapeString(label))
	}
	// Colours are replaced in the picture, and not in the label.
	picture := variables.Replace(fontStyle.Replace(preamble.ReplaceAllString(buf.String(), "")))
	return template.HTML(fmt.Sprintf(`<svg viewBox="0 0 %g %g" %s>`, w.Points(), h.Points(), role) + picture)
}
