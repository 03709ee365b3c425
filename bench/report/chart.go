package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// chart is a plot with lines. Its colours and fonts come from the page's style.
type chart struct {
	title, xTitle string
	// ticks are the marks on the horizontal axis, at xs.
	ticks []mark
	// y writes a value of the vertical axis. yLog: the axis is logarithmic.
	y    func(float64) string
	yLog bool
	// dots: points are marked, with whiskers from the lowest to the highest run. apart: they are not joined, as there is nothing between them.
	dots, apart bool
	series      []series
}

// mark is a label at a place on an axis.
type mark struct {
	at   float64
	text string
}

// series is a line. colour is its number in the page's palette.
type series struct {
	name   string
	colour int
	dashed bool
	points []xy
}

// xy is a point of a line. low and high are its whiskers.
type xy struct{ x, y, low, high float64 }

// The size of a plot and of the room around it, in pixels.
const (
	plotWidth, plotHeight         = 560, 300
	leftRoom, rightRoom           = 64, 16
	topRoom, bottomRoom           = 14, 44
	innerWidth                    = plotWidth - leftRoom - rightRoom
	innerHeight                   = plotHeight - topRoom - bottomRoom
	palette                       = 8
	most                  float64 = 1e300
)

// scale maps values to pixels.
type scale struct {
	lo, hi float64
	log    bool
	from   float64
	length float64
}

func (s scale) at(v float64) float64 {
	lo, hi := s.lo, s.hi
	if s.log {
		lo, hi, v = math.Log10(lo), math.Log10(hi), math.Log10(max(v, s.lo))
	}
	if hi == lo {
		return s.from + s.length/2
	}
	return s.from + (v-lo)/(hi-lo)*s.length
}

// svg draws the chart.
func (c *chart) svg() template.HTML {
	x, y, marks := c.scales()
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, plotWidth, plotHeight, html.EscapeString(c.title))
	for _, v := range marks {
		fmt.Fprintf(&b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, leftRoom, plotWidth-rightRoom, y.at(v), y.at(v))
		fmt.Fprintf(&b, `<text class="tick" x="%d" y="%.1f" text-anchor="end">%s</text>`, leftRoom-8, y.at(v)+4, html.EscapeString(c.y(v)))
	}
	for _, t := range c.ticks {
		fmt.Fprintf(&b, `<line class="notch" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, x.at(t.at), x.at(t.at), topRoom+innerHeight, topRoom+innerHeight+4)
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%d" text-anchor="middle">%s</text>`, x.at(t.at), topRoom+innerHeight+18, html.EscapeString(t.text))
	}
	fmt.Fprintf(&b, `<line class="axis" x1="%d" x2="%d" y1="%d" y2="%d"/>`, leftRoom, plotWidth-rightRoom, topRoom+innerHeight, topRoom+innerHeight)
	fmt.Fprintf(&b, `<text class="label" x="%d" y="%d" text-anchor="middle">%s</text>`, leftRoom+innerWidth/2, plotHeight-6, html.EscapeString(c.xTitle))
	for i := len(c.series) - 1; i >= 0; i-- { // the first lies on top
		c.draw(&b, &c.series[i], x, y)
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

// draw draws a line with its points.
func (c *chart) draw(b *strings.Builder, s *series, x, y scale) {
	var path strings.Builder
	for i, p := range s.points {
		letter := "L"
		if i == 0 {
			letter = "M"
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", letter, x.at(p.x), y.at(p.y))
	}
	dash := ""
	if s.dashed {
		dash = ` stroke-dasharray="5 4"`
	}
	if !c.apart {
		fmt.Fprintf(b, `<path class="line c%d" d="%s"%s/>`, s.colour%palette, path.String(), dash)
	}
	if !c.dots {
		return
	}
	for _, p := range s.points {
		if p.high > p.low {
			fmt.Fprintf(b, `<line class="whisker c%d" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, s.colour%palette, x.at(p.x), x.at(p.x), y.at(p.low), y.at(p.high))
		}
		fmt.Fprintf(b, `<circle class="dot c%d" cx="%.1f" cy="%.1f" r="3.5"><title>%s</title></circle>`, s.colour%palette, x.at(p.x), y.at(p.y),
			html.EscapeString(s.name+": "+c.y(p.y)))
	}
}

// scales fits both axes to what is drawn, and gives the marks of the vertical one.
func (c *chart) scales() (x, y scale, marks []float64) {
	xLo, xHi, yLo, yHi := most, -most, most, -most
	for _, t := range c.ticks {
		xLo, xHi = min(xLo, t.at), max(xHi, t.at)
	}
	for _, s := range c.series {
		for _, p := range s.points {
			xLo, xHi = min(xLo, p.x), max(xHi, p.x)
			yHi = max(yHi, p.y, p.high)
			if p.y > 0 {
				yLo = min(yLo, p.y)
			}
			if p.low > 0 {
				yLo = min(yLo, p.low)
			}
		}
	}
	if yHi <= 0 {
		yLo, yHi = 0, 1
	}
	x = scale{lo: xLo, hi: xHi, from: leftRoom, length: innerWidth}
	if c.dots {
		x.from, x.length = leftRoom+24, innerWidth-48
	}
	y = scale{from: topRoom + innerHeight, length: -innerHeight, log: c.yLog && yLo < most}
	if y.log {
		y.lo, y.hi = math.Pow(10, math.Floor(math.Log10(yLo))), math.Pow(10, math.Ceil(math.Log10(yHi)))
		if y.lo == y.hi {
			y.hi *= 10
		}
		for v := y.lo; v <= y.hi*1.01; v *= 10 {
			marks = append(marks, v)
		}
		return x, y, marks
	}
	step := niceStep(yHi / 5)
	y.hi = math.Ceil(yHi/step) * step
	for v := 0.0; v <= y.hi+step/2; v += step {
		marks = append(marks, v)
	}
	return x, y, marks
}

// niceStep is the smallest of 1, 2, 2.5 and 5 times a power of ten that is at least v.
func niceStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 2, 2.5, 5} {
		if f*power >= v*0.999 {
			return f * power
		}
	}
	return 10 * power
}

// bar is a line of a bar chart.
type bar struct {
	Name, Value string
	// Width is in per cent of the room, Mark where a mark stands, 0 for none.
	Width, Mark float64
	Colour      int
	// Why says what it is held against.
	Why string
}
