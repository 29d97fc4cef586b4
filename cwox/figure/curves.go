package figure

import (
	"fmt"
	"image/color"
	"math"

	"cwox/cwox/faithfulness"
	"cwox/cwox/report"
)

// Deletion is what became of two sets of classes as the salient pixels of a map were erased.
type Deletion struct {
	Name        string // of the map: method and explainer
	Curve       faithfulness.Curve
	Salient     int // pixels: as far as the curve is drawn
	CAUC, CDROP float64
}

// curveKinds are the lines of a panel, each told from the others by more than its colour.
var curveKinds = []struct {
	color color.RGBA
	dash  []float64
}{
	{color.RGBA{0x1f, 0x6f, 0xc8, 255}, nil},
	{color.RGBA{0xd0, 0x50, 0x18, 255}, []float64{4, 2}},
	{color.RGBA{0x20, 0x20, 0x20, 255}, []float64{1.2, 1.6}},
}

// Curves draws deletion curves, as the paper's Fig. 6: a panel for each map with the
// probabilities of the classes it speaks for and against and the contrastive score, over the
// share of the input that is erased, up to the map's last salient pixel. All panels have the same
// axes.
func Curves(pos, neg string, list []Deletion, o Options) (*Drawing, error) {
	if len(list) == 0 {
		return nil, fmt.Errorf("figure: no curve to draw")
	}
	const left, right, top, bottom, least = 26.0, 4.0, 14.0, 40.0, 110.0
	d := &Drawing{Title: "Deletion curves", Width: o.width()}
	perRow := min(len(list), max(1, int(d.Width/least)))
	rows := (len(list) + perRow - 1) / perRow
	perRow = (len(list) + rows - 1) / rows // rows of about one length
	width := (d.Width - float64(gap*float64(perRow-1))) / float64(perRow)
	plot := [2]float64{width - left - right, min(width-left-right, 110)}

	p := "P(" + report.Plain(pos) + ")"
	q := "P(" + report.Plain(neg) + ")"
	lines := []curve{
		{p, func(c faithfulness.Curve, i int) float64 { return c.Pos[i] }},
		{q, func(c faithfulness.Curve, i int) float64 { return c.Neg[i] }},
		{fmt.Sprintf("%s \u00d7 (1 \u2212 %s)", p, q), faithfulness.Curve.Score},
	}
	if neg == "" {
		lines = lines[:1]
	}
	d.legend(lines)

	most := 0.0
	for _, x := range list {
		most = max(most, x.percent(x.Salient))
	}
	if most == 0 {
		return nil, fmt.Errorf("figure: no map has a salient pixel to erase")
	}
	ticks, texts := report.Ticks(0, most)
	for i, x := range list {
		x0 := float64(float64(i%perRow)*(width+gap)) + left
		y0 := 16 + float64(float64(i/perRow)*(top+plot[1]+bottom)) + top
		at := func(erased, v float64) [2]float64 {
			return [2]float64{x0 + float64(plot[0]*min(erased/most, 1)), y0 + float64(plot[1]*(1-min(max(v, 0), 1)))}
		}
		d.add(Text{X: x0, Y: y0 - 5, Size: textSize, Style: Bold, Anchor: Start, S: fit(fmt.Sprintf("(%s) %s", roman(i+1), x.Name), plot[0], textSize, Bold)})
		for _, v := range []float64{0, 0.25, 0.5, 0.75, 1} {
			d.add(Line{Points: [][2]float64{at(0, v), at(most, v)}, Width: 0.4, Color: pale})
			if math.Mod(v, 0.5) == 0 {
				d.add(Text{X: x0 - 3, Y: at(0, v)[1] + 2.3, Size: textSize - 1, Anchor: End, S: fmt.Sprint(v)})
			}
		}
		for k, v := range ticks {
			if v > most*1.001 {
				continue
			}
			d.add(Line{Points: [][2]float64{at(v, 0), {at(v, 0)[0], at(v, 0)[1] + 2.5}}, Width: 0.5, Color: grey})
			d.add(Text{X: at(v, 0)[0], Y: y0 + plot[1] + 10, Size: textSize - 1, Anchor: Middle, S: texts[k]})
		}
		d.add(Line{Points: [][2]float64{at(0, 0), at(most, 0)}, Width: 0.6, Color: grey})
		for k, line := range lines {
			var points [][2]float64
			for n, pixels := range x.Curve.Pixels {
				if pixels <= x.Salient && finite(line.of(x.Curve, n)) {
					points = append(points, at(x.percent(pixels), line.of(x.Curve, n)))
				}
			}
			if len(points) > 1 {
				d.add(Line{Points: points, Width: 1.1, Color: curveKinds[k].color, Dash: curveKinds[k].dash})
			}
		}
		d.add(Text{X: x0 + half(plot[0]), Y: y0 + plot[1] + 19, Size: textSize - 1, Anchor: Middle, S: "erased, % of the input"})
		if finite(x.CDROP) {
			d.add(Text{X: x0 + half(plot[0]), Y: y0 + plot[1] + 29, Size: textSize, Anchor: Middle, S: fmt.Sprintf("CDROP %.3f, CAUC %.4f", x.CDROP, x.CAUC)})
		}
	}
	d.Height = 16 + float64(float64(rows)*(top+plot[1]+bottom)) - 8
	return d, nil
}

// curve is a line of a panel.
type curve struct {
	name string
	of   func(faithfulness.Curve, int) float64
}

// legend names the lines of all panels above them.
func (d *Drawing) legend(lines []curve) {
	x := 26.0
	for k, line := range lines {
		name := fit(line.name, d.Width-x-20, textSize, Regular)
		d.add(Line{Points: [][2]float64{{x, 6}, {x + 16, 6}}, Width: 1.1, Color: curveKinds[k].color, Dash: curveKinds[k].dash},
			Text{X: x + 19, Y: 8.3, Size: textSize, Anchor: Start, S: name})
		x += 19 + textWidth(name, textSize, Regular) + 10
	}
}

// percent is a number of pixels as a share of the input.
func (x Deletion) percent(pixels int) float64 {
	return 100 * float64(pixels) / float64(max(x.Curve.Size, 1))
}

// roman is the number of a panel of Fig. 6.
func roman(n int) string {
	var s string
	for _, r := range []struct {
		value  int
		letter string
	}{{10, "x"}, {9, "ix"}, {5, "v"}, {4, "iv"}, {1, "i"}} {
		for n >= r.value {
			s, n = s+r.letter, n-r.value
		}
	}
	return s
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
