package report

import (
	"fmt"
	"image/color"
	"math"
	"strings"

	"github.com/zeroring/zeroring/bench"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Plots are drawn in these colours, and each then becomes the variable of the
// page's style that is listed with it: so they change with the page from light
// to dark.
var (
	ink   = color.RGBA{0x1f, 0x23, 0x28, 0xff}
	faint = color.RGBA{0x57, 0x60, 0x6a, 0xff}
	grid  = color.RGBA{0xd8, 0xde, 0xe4, 0xff}
	paper = color.RGBA{0xfe, 0xfe, 0xfe, 0xff} // behind the plot
	bad   = color.RGBA{0xb4, 0x23, 0x18, 0xff}

	// ourColours are of one hue, so that this library's lines stand together;
	// theirColours are Okabe and Ito's, which the colour-blind tell apart.
	ourColours   = []color.RGBA{{0x00, 0x5f, 0xa8, 0xff}, {0x45, 0xa9, 0xe0, 0xff}, {0x00, 0x2f, 0x5c, 0xff}, {0x6f, 0x8f, 0xc9, 0xff}}
	theirColours = []color.RGBA{
		{0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x8f, 0x68, 0xff}, {0xc0, 0x5c, 0x97, 0xff}, {0xb8, 0x86, 0x00, 0xff}, {0x70, 0x70, 0x70, 0xff},
		{0x7d, 0x5f, 0xc4, 0xff},
	}

	variables = func() *strings.Replacer {
		var pairs []string
		add := func(c color.RGBA, name string) {
			pairs = append(pairs, fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B), "var(--"+name+")")
		}
		add(ink, "ink")
		add(faint, "faint")
		add(grid, "grid")
		add(paper, "card")
		add(bad, "bad")
		for i, c := range ourColours {
			add(c, fmt.Sprintf("z%d", i))
		}
		for i, c := range theirColours {
			add(c, fmt.Sprintf("o%d", i))
		}
		return strings.NewReplacer(pairs...)
	}()
)

// A look is how one system is drawn, everywhere.
type look struct {
	name   string // as people say it
	colour color.RGBA
	glyph  draw.GlyphDrawer
	width  vg.Length // of its lines
}

// looks gives each system its look, the baseline always the same.
func looks(r *bench.Report) map[string]look {
	all := make(map[string]look)
	ourGlyphs := []draw.GlyphDrawer{draw.CircleGlyph{}, ngon{4, math.Pi / 4}, ngon{4, 0}, ngon{3, math.Pi / 2}}
	theirGlyphs := []draw.GlyphDrawer{ngon{3, math.Pi / 2}, ngon{3, -math.Pi / 2}, ngon{4, 0}, ngon{5, math.Pi / 2}, ngon{6, 0}, ngon{4, math.Pi / 4}}
	mine, theirs := 0, 1
	for _, s := range r.Systems {
		l := look{name: display(s.Name), width: 1.4}
		switch {
		case s.Name == r.Baseline:
			l.colour, l.glyph = theirColours[0], theirGlyphs[0]
		case strings.HasPrefix(s.Name, "zeroring"):
			i := mine % len(ourColours)
			l.colour, l.glyph, l.width = ourColours[i], ourGlyphs[i], 2.4
			mine++
		default:
			i := 1 + (theirs-1)%(len(theirColours)-1)
			l.colour, l.glyph = theirColours[i], theirGlyphs[i]
			theirs++
		}
		all[s.Name] = l
	}
	return all
}

// An ngon is a filled regular polygon, with a corner at turn.
type ngon struct {
	corners int
	turn    float64
}

func (n ngon) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	var path vg.Path
	for i := range n.corners {
		sin, cos := math.Sincos(n.turn + 2*math.Pi*float64(i)/float64(n.corners))
		// A little larger than a circle would be, to look as large.
		p := at.Add(vg.Point{X: style.Radius * vg.Length(cos), Y: style.Radius * vg.Length(sin)}.Scale(1.2))
		if i == 0 {
			path.Move(p)
		} else {
			path.Line(p)
		}
	}
	path.Close()
	c.SetColor(style.Color)
	c.Fill(path)
}
