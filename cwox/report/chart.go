package report

import (
	"cmp"
	"fmt"
	"html"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"

	"cwox/internal/elementary"
)

// Chart is the frame of a chart drawn as SVG. The drawing scales with its container,
// takes its ink from the text around it (so it follows light and dark), tells
// series apart by more than colour, and depends on nothing but its arguments. All
// text is escaped; values that are not finite are left out.
type Chart struct {
	Title         string     // also the alternative text
	X, Y          string     // titles of the axes, with units
	XRange        [2]float64 // both 0 means as the data ask
	YRange        [2]float64 // of Curves only
	Width, Height int        // of the drawing; 0 means 640 x 360, or the height that the rows need
	MarkName      string     // what an Estimate's Mark is, for the legend
}

// Curve is a line over X, with a band from Low to High where they are given.
type Curve struct {
	Name      string
	X, Y      []float64 // same length
	Low, High []float64 // same length, or nil
}

// Estimate is a value with its interval. Mark is a value to compare it with, drawn
// hollow: nil for none.
type Estimate struct {
	Name             string
	Value, Low, High float64
	N                int // how many it was estimated from; 0 is not shown
	Mark             *float64
}

// String is the estimate in numbers: "0.0123 [0.011, 0.0135], n 160".
func (e Estimate) String() string {
	if !finite(e.Value) {
		return "no value"
	}
	text := strconv.FormatFloat(e.Value, 'g', 3, 64)
	if finite(e.Low) && finite(e.High) {
		text += fmt.Sprintf(" [%s, %s]", strconv.FormatFloat(e.Low, 'g', 3, 64), strconv.FormatFloat(e.High, 'g', 3, 64))
	}
	if e.N > 0 {
		text += fmt.Sprintf(", n %d", e.N)
	}
	return text
}

// Sample is a set of values.
type Sample struct {
	Name   string
	Values []float64
}

// maxCurvePoints bounds what is drawn of a curve; a longer one is thinned evenly.
const maxCurvePoints = 600

// maxTicks bounds what is drawn of a sample's single values.
const maxTicks = 400

// Curves draws lines with their bands, each named at its right end.
func (c Chart) Curves(curves ...Curve) template.HTML {
	var xs, ys []float64
	names := 0
	for i := range curves {
		curves[i] = thin(curves[i])
		xs = append(xs, curves[i].X...)
		ys = append(append(append(ys, curves[i].Y...), curves[i].Low...), curves[i].High...)
		names = max(names, len([]rune(label(curves[i].Name))))
	}
	s := newSheet(c, 360, 58, 24+textWidth(names, 12), 46)
	x := newAxis(c.XRange, xs, s.left, s.right)
	y := newAxis(c.YRange, ys, s.bottom, s.top)
	s.frame(x, y)
	type end struct {
		y    float64
		i    int
		name string
	}
	var ends []end
	for i, curve := range curves {
		ink := inks[i%len(inks)]
		if band := bandPath(curve, x, y); band != "" {
			s.printf(`<path d="%s" fill="%s" fill-opacity=".16"/>`, band, ink)
		}
		line, last := linePath(curve, x, y)
		if line == "" {
			continue
		}
		s.printf(`<path d="%s" fill="none" stroke="%s" stroke-width="2" stroke-linejoin="round"%s/>`, line, ink, dash(i))
		ends = append(ends, end{last, i, label(curve.Name)})
	}
	// Names keep a line's height of distance from each other.
	slices.SortStableFunc(ends, func(a, b end) int { return cmp.Compare(a.y, b.y) })
	const lineHeight = 14
	floor := s.top
	for i := range ends {
		ends[i].y = max(ends[i].y, floor)
		floor = ends[i].y + lineHeight
	}
	ceiling := s.bottom + 4
	for i := len(ends) - 1; i >= 0; i-- {
		ends[i].y = min(ends[i].y, ceiling)
		ceiling = ends[i].y - lineHeight
	}
	for _, e := range ends {
		s.text(s.right+8, e.y+4, "start", 12, inks[e.i%len(inks)], e.name)
	}
	return s.end()
}

// Dots draws one row per estimate: a dot, its interval, a hollow mark to compare.
func (c Chart) Dots(rows ...Estimate) template.HTML {
	var xs []float64
	names, numbers := 0, 0
	for _, r := range rows {
		xs = append(xs, r.Value, r.Low, r.High)
		if r.Mark != nil {
			xs = append(xs, *r.Mark)
		}
		names = max(names, len([]rune(label(r.Name))))
		numbers = max(numbers, len(r.String()))
	}
	s := newSheet(c, 80+26*len(rows), 14+textWidth(names, 13), 12+textWidth(numbers, 11), 46)
	x := newAxis(c.XRange, xs, s.left, s.right)
	s.frame(x, axis{})
	marked := false
	for i, r := range rows {
		y := s.row(i, len(rows))
		s.text(s.left-10, y+4, "end", 13, "currentColor", label(r.Name))
		s.text(s.right+8, y+4, "start", 11, "currentColor", r.String())
		if !finite(r.Value) {
			continue
		}
		ink := inks[i%len(inks)]
		if finite(r.Low) && finite(r.High) {
			s.printf(`<path d="M%s %sH%s" stroke="%s" stroke-width="3" stroke-linecap="round"/>`, px(x.at(r.Low)), px(y), px(x.at(r.High)), ink)
		}
		s.printf(`<circle cx="%s" cy="%s" r="5.5" fill="%s"/>`, px(x.at(r.Value)), px(y), ink)
		if r.Mark != nil && finite(*r.Mark) {
			m := x.at(*r.Mark)
			s.printf(`<path d="M%s %sl6 6l-6 6l-6 -6z" fill="none" stroke="currentColor" stroke-width="1.5"/>`, px(m), px(y-6))
			marked = true
		}
	}
	if marked && c.MarkName != "" {
		s.text(s.right, s.top-6, "end", 12, "currentColor", "\u25c7 "+label(c.MarkName))
	}
	return s.end()
}

// Distributions draws one row per sample: every value as a tick (up to 400 of them,
// evenly chosen by rank), a box from the first to the third quartile with the
// median, and whiskers from the 5th to the 95th percentile.
func (c Chart) Distributions(samples ...Sample) template.HTML {
	var xs []float64
	names := 0
	sorted := make([][]float64, len(samples))
	for i, r := range samples {
		sorted[i] = slices.DeleteFunc(slices.Clone(r.Values), func(v float64) bool { return !finite(v) })
		slices.Sort(sorted[i])
		xs = append(xs, sorted[i]...)
		names = max(names, len([]rune(label(r.Name))))
	}
	s := newSheet(c, 80+40*len(samples), 14+textWidth(names, 13), 120, 46)
	x := newAxis(c.XRange, xs, s.left, s.right)
	s.frame(x, axis{})
	for i, r := range samples {
		y := s.row(i, len(samples))
		s.text(s.left-10, y+4, "end", 13, "currentColor", label(r.Name))
		v := sorted[i]
		if len(v) == 0 {
			s.text(s.right+8, y+4, "start", 12, "currentColor", "no values")
			continue
		}
		ink := inks[i%len(inks)]
		var ticks strings.Builder
		n := min(len(v), maxTicks)
		for k := range n {
			at := v[0]
			if n > 1 {
				at = v[k*(len(v)-1)/(n-1)]
			}
			fmt.Fprintf(&ticks, "M%s %sv7", px(x.at(at)), px(y+8))
		}
		s.printf(`<path d="%s" stroke="%s" stroke-opacity=".45" fill="none"/>`, ticks.String(), ink)
		q := func(p float64) float64 { return x.at(quantile(v, p)) }
		s.printf(`<path d="M%s %sH%sM%s %sH%s" stroke="%s" stroke-width="1.5" fill="none"/>`,
			px(q(0.05)), px(y-2), px(q(0.25)), px(q(0.75)), px(y-2), px(q(0.95)), ink)
		s.printf(`<rect x="%s" y="%s" width="%s" height="14" rx="2" fill="%s" fill-opacity=".25" stroke="%s" stroke-width="1.5"/>`,
			px(q(0.25)), px(y-9), px(q(0.75)-q(0.25)), ink, ink)
		s.printf(`<path d="M%s %sv14" stroke="%s" stroke-width="3"/>`, px(q(0.5)), px(y-9), ink)
		s.text(s.right+8, y+4, "start", 12, "currentColor",
			fmt.Sprintf("%s, n %d", strconv.FormatFloat(quantile(v, 0.5), 'g', 3, 64), len(v)))
	}
	return s.end()
}

// inks are the series' colours: readable on white and on black, also for those who
// do not see red and green apart.
var inks = []string{"#1f77d0", "#d9541e", "#0a8f62", "#b03ac2", "#a07c00", "#64748b"}

// dash tells lines apart without colour.
func dash(i int) string {
	patterns := []string{"", "7 3", "2 3", "9 3 2 3", "4 2", "12 4"}
	if p := patterns[i%len(patterns)]; p != "" {
		return ` stroke-dasharray="` + p + `"`
	}
	return ""
}

// axis maps values to positions.
type axis struct {
	low, high float64
	from, to  float64 // positions of low and high
	step      float64 // between ticks
}

// newAxis spans the given range, or the finite values widened to whole ticks.
func newAxis(given [2]float64, values []float64, from, to float64) axis {
	low, high := given[0], given[1]
	// Ranges beyond this cannot be drawn and would overflow.
	const most = 1e300
	if !(low < high) || math.Abs(low) > most || math.Abs(high) > most {
		low, high = math.Inf(1), math.Inf(-1)
		for _, v := range values {
			if finite(v) && math.Abs(v) <= most {
				low, high = min(low, v), max(high, v)
			}
		}
		if low > high {
			low, high = 0, 1
		}
		if pad := float64(max(math.Abs(low), math.Abs(high))*1e-9) + 1e-290; high-low <= pad {
			low, high = low-max(pad, 0.5), high+max(pad, 0.5)
		}
		step := niceStep(high - low)
		low, high = math.Floor(low/step+1e-9)*step, math.Ceil(high/step-1e-9)*step
	}
	return axis{low, high, from, to, niceStep(high - low)}
}

// niceStep is 1, 2 or 5 times a power of ten, for about five ticks over the span.
func niceStep(span float64) float64 {
	power := elementary.Pow(10, math.Floor(elementary.Log10(span/5)))
	for _, m := range []float64{1, 2, 5} {
		if span <= 6*m*power {
			return m * power
		}
	}
	return 10 * power
}

// at is the position of v, kept near the axis.
func (a axis) at(v float64) float64 {
	t := (v - a.low) / (a.high - a.low)
	return a.from + float64((a.to-a.from)*min(max(t, -0.02), 1.02))
}

// ticks are the round values on the axis.
func (a axis) ticks() []float64 {
	var list []float64
	for k := math.Ceil(a.low/a.step - 1e-9); k <= a.high/a.step+1e-9 && len(list) < 20; k++ {
		list = append(list, float64(k*a.step)+0) // no -0
	}
	return list
}

// Ticks are round values between two, about five, and how they are written.
func Ticks(low, high float64) (at []float64, text []string) {
	a := newAxis([2]float64{low, high}, nil, 0, 1)
	at = a.ticks()
	for _, v := range at {
		text = append(text, tickText(v, a.step))
	}
	return at, text
}

// sheet collects the drawing; the plot lies between left, right, top and bottom.
type sheet struct {
	strings.Builder
	left, right, top, bottom float64
	c                        Chart
	height                   int
}

func newSheet(c Chart, height int, left, right, bottom float64) *sheet {
	if c.Width <= 0 {
		c.Width = 640
	}
	if c.Height > 0 {
		height = c.Height
	}
	s := &sheet{c: c, height: height, left: left, top: 34, right: float64(c.Width) - right, bottom: float64(height) - bottom}
	s.right, s.bottom = max(s.right, s.left+40), max(s.bottom, s.top+20)
	title := html.EscapeString(clip(Plain(c.Title), 200))
	s.printf(`<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 %d %d" role="img" aria-label="%s" font-family="system-ui,sans-serif" fill="currentColor">`,
		max(c.Width, int(s.right+right)), max(height, int(s.bottom+bottom)), title)
	s.printf(`<text x="%s" y="18" font-size="14" font-weight="600">%s</text>`, px(min(s.left, 58)), title)
	return s
}

// frame draws the grid, the ticks and the titles of the axes; y without a step has none.
func (s *sheet) frame(x, y axis) {
	for _, v := range x.ticks() {
		s.printf(`<path d="M%s %sV%s" stroke="currentColor" stroke-opacity=".13"/>`, px(x.at(v)), px(s.top), px(s.bottom))
		s.text(x.at(v), s.bottom+16, "middle", 11, "currentColor", tickText(v, x.step))
	}
	if y.step > 0 {
		for _, v := range y.ticks() {
			s.printf(`<path d="M%s %sH%s" stroke="currentColor" stroke-opacity=".13"/>`, px(s.left), px(y.at(v)), px(s.right))
			s.text(s.left-6, y.at(v)+4, "end", 11, "currentColor", tickText(v, y.step))
		}
	}
	s.printf(`<path d="M%s %sH%s" stroke="currentColor" stroke-opacity=".6"/>`, px(s.left), px(s.bottom), px(s.right))
	if s.c.X != "" {
		s.text((s.left+s.right)/2, s.bottom+36, "middle", 12, "currentColor", clip(Plain(s.c.X), 100))
	}
	if s.c.Y != "" {
		mid := (s.top + s.bottom) / 2
		s.printf(`<text transform="translate(13 %s) rotate(-90)" text-anchor="middle" font-size="12">%s</text>`,
			px(mid), html.EscapeString(clip(Plain(s.c.Y), 60)))
	}
}

// row is the middle of row i of n.
func (s *sheet) row(i, n int) float64 {
	return s.top + (s.bottom-s.top)*(float64(i)+0.5)/float64(n)
}

func (s *sheet) text(x, y float64, anchor string, size int, ink, text string) {
	s.printf(`<text x="%s" y="%s" text-anchor="%s" font-size="%d" fill="%s">%s</text>`, px(x), px(y), anchor, size, ink, html.EscapeString(text))
}

func (s *sheet) printf(format string, args ...any) { fmt.Fprintf(s, format, args...) }

func (s *sheet) end() template.HTML {
	s.WriteString("</svg>")
	return template.HTML(s.String())
}

// linePath is the curve's path, broken at values that are not finite, and the
// height at which it ends.
func linePath(c Curve, x, y axis) (path string, end float64) {
	var b strings.Builder
	pen := "M"
	for i := range c.X {
		if !finite(c.X[i]) || !finite(c.Y[i]) {
			pen = "M"
			continue
		}
		end = y.at(c.Y[i])
		b.WriteString(pen + px(x.at(c.X[i])) + " " + px(end))
		pen = "L"
	}
	return b.String(), end
}

// bandPath is the area between Low and High, over the points where all is finite.
func bandPath(c Curve, x, y axis) string {
	if c.Low == nil || c.High == nil {
		return ""
	}
	var there, back []string
	for i := range c.X {
		if finite(c.X[i]) && finite(c.Low[i]) && finite(c.High[i]) {
			at := px(x.at(c.X[i])) + " "
			there = append(there, at+px(y.at(c.High[i])))
			back = append(back, at+px(y.at(c.Low[i])))
		}
	}
	if len(there) < 2 {
		return ""
	}
	slices.Reverse(back)
	return "M" + strings.Join(there, "L") + "L" + strings.Join(back, "L") + "z"
}

// thin keeps at most maxCurvePoints points, the first and the last among them. It
// panics unless the slices of the curve have one length.
func thin(c Curve) Curve {
	n := len(c.X)
	if len(c.Y) != n || c.Low != nil && len(c.Low) != n || c.High != nil && len(c.High) != n {
		panic("report: a curve's slices differ in length")
	}
	if n <= maxCurvePoints {
		return c
	}
	pick := func(v []float64) []float64 {
		if v == nil {
			return nil
		}
		out := make([]float64, maxCurvePoints)
		for i := range out {
			out[i] = v[i*(n-1)/(maxCurvePoints-1)]
		}
		return out
	}
	return Curve{c.Name, pick(c.X), pick(c.Y), pick(c.Low), pick(c.High)}
}

// quantile of sorted values by linear interpolation at rank (n-1)p.
func quantile(v []float64, p float64) float64 {
	at := float64(float64(len(v)-1) * p)
	lo := int(at)
	hi := min(lo+1, len(v)-1)
	return v[lo] + float64((v[hi]-v[lo])*(at-float64(lo)))
}

// label is a series' name as it is shown.
func label(s string) string { return clip(Plain(s), 36) }

// textWidth is about how wide n characters are.
func textWidth(n int, size float64) float64 { return float64(0.62 * size * float64(n)) }

// tickText shows a tick with as many digits as its step needs.
func tickText(v, step float64) string {
	if a := math.Abs(v); a >= 1e6 || a > 0 && a < 1e-4 {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	return strconv.FormatFloat(v, 'f', max(0, int(math.Ceil(-elementary.Log10(step)-1e-9))), 64)
}

// px is a position in the drawing.
func px(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
