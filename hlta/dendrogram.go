package hlta

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"cwox/internal/elementary"
)

// DrawOptions say how [Tree.WriteSVG] and [Tree.WriteHTML] draw a tree. The zero
// value is a good picture of any tree. To draw a part, restrict the tree first.
type DrawOptions struct {
	Title string
	// Label gives the name to write instead of a word ("" for the word itself).
	Label func(word string) string
	// Posterior, if not nil, is drawn in place of the tree's own probabilities. It
	// may be that of a larger tree.
	Posterior *Posterior
	// Level is where to cut the tree into the groups that have a colour each (1).
	Level int
	// Layout is how an SVG is arranged (by size).
	Layout Layout
	// Picture, if not nil, gives a page a small picture of a word: the address of an image, or
	// "". A page has those of the first 4,000 words.
	Picture func(word string) string
}

// Layout is the arrangement of a dendrogram.
type Layout int

const (
	AutoLayout Layout = iota // rows up to 100 words, a circle above
	Rows                     // top-level latents on the left, a line for every word on the right
	Circle                   // top-level latents in the middle, words around them
)

// maxDrawn bounds a picture: it takes about 500 bytes for a latent or word, a page 700 and four
// times that in memory, and browsers give up on less.
const maxDrawn = 100_000

// drawable is an error if the tree is too large for a picture.
func (t *Tree) drawable() error {
	n := len(t.indexed().words)
	for level := 1; level <= t.Levels(); level++ {
		n += len(t.Latents(level))
	}
	if n > maxDrawn {
		return fmt.Errorf("hlta: a picture of %d latents and words, at most %d can be drawn: restrict the tree to some of its words, or print it as text", n, maxDrawn)
	}
	return nil
}

// WriteSVG draws the tree as one self-contained SVG. The dot of a latent grows with
// its probability; every latent and word has its numbers as a tooltip. More than 100,000
// latents and words are an error.
func (t *Tree) WriteSVG(w io.Writer, o DrawOptions) error {
	if err := t.drawable(); err != nil {
		return err
	}
	b := bufio.NewWriter(w) // remembers the first error
	d := newDrawing(t, o)
	if d.inRows() {
		d.rows(b, d.o.Title)
	} else {
		d.circle(b, d.o.Title)
	}
	return b.Flush()
}

func (d *drawing) inRows() bool {
	return d.o.Layout == Rows || d.o.Layout == AutoLayout && len(d.words) <= 100
}

// drawing is a tree with everything a picture needs to know of it.
type drawing struct {
	o       DrawOptions
	t       *Tree
	top     int // the highest level
	summary string
	latents []drawnLatent
	words   []drawnWord
	span    float64 // positions of words run from 0 to this
	gap     float64 // between the words of different roots
}

type drawnLatent struct {
	*Node
	parent int     // index, -1 for roots
	at     float64 // in the middle of its words
	p      float64 // P(Z=1), NaN if not known
	words  int
	color  string
	dim    string // the same, for lines above the cut
}

type drawnWord struct {
	Word
	home  int     // index of its latent
	at    float64 // 0, 1, ... with gaps between roots
	label string
	p     float64 // see wordProbability
	given bool    // is evidence itself
	color string
}

func newDrawing(t *Tree, o DrawOptions) *drawing {
	x := t.indexed()
	o.Level = min(max(o.Level, 1), x.levels)
	d := &drawing{o: o, t: t, top: x.levels, summary: t.summary(), gap: 1}
	if len(x.words) <= 100 {
		d.gap = 0.4
	}
	first, last := make([]float64, len(x.latents)), make([]float64, len(x.latents))
	var at float64
	for i, n := range x.latents {
		z := drawnLatent{Node: n, parent: int(x.parent[i]), p: n.Marginal}
		if o.Posterior != nil {
			z.p = lookup(o.Posterior.Latents, n.ID)
		}
		if z.parent < 0 && i > 0 {
			at += d.gap // before every root but the first
		}
		first[i] = math.Inf(1)
		for _, w := range n.Words {
			d.words = append(d.words, newDrawnWord(w, n, &o, i, at))
			first[i], last[i] = min(first[i], at), at
			at++
		}
		d.latents = append(d.latents, z)
	}
	d.span = at
	for i := len(x.latents) - 1; i >= 0; i-- {
		z := &d.latents[i]
		z.words += len(z.Words)
		z.at = (first[i] + last[i]) / 2
		if up := z.parent; up >= 0 {
			first[up], last[up] = min(first[up], first[i]), max(last[up], last[i])
			d.latents[up].words += z.words
		}
	}
	d.paint()
	return d
}

func newDrawnWord(w Word, z *Node, o *DrawOptions, home int, at float64) drawnWord {
	word := drawnWord{Word: w, home: home, at: at, label: w.Name, p: w.P[1]}
	if o.Label != nil {
		if label := o.Label(w.Name); label != "" {
			word.label = label
		}
	}
	if o.Posterior != nil {
		word.p = lookup(o.Posterior.Words, w.Name)
		word.given = word.p == 0 || word.p == 1
	}
	return word
}

// wordProbability says what the p of a drawn word is.
func (d *drawing) wordProbability() string {
	if d.o.Posterior != nil {
		return "P(word | evidence)"
	}
	return "P(word | latent on)"
}

// blind says whether no word has a probability to draw.
func (d *drawing) blind() bool {
	for _, w := range d.words {
		if !math.IsNaN(w.p) {
			return false
		}
	}
	return true
}

// paint gives every group of the cut a hue by its place, so that neighbours are
// alike but not the same, and what is above the cut the hue of its own place, paler.
func (d *drawing) paint() {
	group := 0
	for i := range d.latents {
		z := &d.latents[i]
		hue := 20 + 340*z.at/max(d.span, 1)
		switch {
		case z.parent >= 0 && d.latents[z.parent].Level <= d.o.Level:
			z.color = d.latents[z.parent].color
			z.dim = z.color
		case z.Level <= d.o.Level:
			z.color = oklch(0.58+float64(0.1*float64(group%2)), 0.13, hue)
			z.dim = z.color
			group++
		default:
			z.color = oklch(0.62, 0.07, hue)
			z.dim = oklch(0.72, 0.05, hue)
		}
	}
	for i := range d.words {
		d.words[i].color = d.latents[d.words[i].home].color
	}
}

// rows draws a line for every word; title may be empty.
func (d *drawing) rows(b *bufio.Writer, title string) {
	const (
		rowHeight  = 26.0
		levelWidth = 96.0
		left       = 34.0
		barWidth   = 96.0
	)
	head := 34.0
	if title != "" {
		head = 78
	}
	longest := 0
	for _, w := range d.words {
		longest = max(longest, utf8.RuneCountInString(w.label)+utf8.RuneCountInString(w.Name)*8/10)
	}
	x := func(level int) float64 { return left + float64(levelWidth*float64(d.top-level)) }
	y := func(at float64) float64 { return head + float64(rowHeight*(at+0.5)) }
	labels := x(0) + 12
	bars := labels + float64(8.2*float64(longest)) + 34
	width := bars + barWidth + 74
	height := head + float64(rowHeight*d.span) + 22

	d.open(b, width, height, fmt.Sprintf(`viewBox="0 0 %.0f %.0f"`, width, height))
	fmt.Fprintf(b, `<rect class="paper" width="100%%" height="100%%" fill="#fff"/>`+"\n")
	if title != "" {
		fmt.Fprintf(b, `<text class="ink" x="%.0f" y="30" font-size="18" font-weight="650" fill="#1b2330">%s</text>`+"\n", left-6, html.EscapeString(title))
		fmt.Fprintf(b, `<text class="faint" x="%.0f" y="50" font-size="12" fill="#6b7686">%s</text>`+"\n", left-6, html.EscapeString(d.summary))
	}
	if !d.blind() {
		fmt.Fprintf(b, `<text class="faint" x="%.1f" y="%.1f" font-size="11" fill="#6b7686">%s</text>`+"\n", bars, head-8, d.wordProbability())
	}

	for i, z := range d.latents {
		if z.parent >= 0 {
			up := d.latents[z.parent]
			fmt.Fprintf(b, `<path class="branch" data-branch="%d" d="%s" stroke="%s"/>`+"\n", i, elbow(x(up.Level), y(up.at), x(z.Level), y(z.at)), z.dim)
		}
	}
	for i, w := range d.words {
		z := d.latents[w.home]
		fmt.Fprintf(b, `<g class="word" data-word="%d"><title>%s</title>`, i, html.EscapeString(d.wordTip(w)))
		fmt.Fprintf(b, `<path class="branch" d="%s" stroke="%s"/>`, elbow(x(1), y(z.at), x(0)+4, y(w.at)), w.color)
		weight := ""
		if w.given && w.p == 1 {
			weight = ` font-weight="700"`
		}
		fmt.Fprintf(b, `<text class="ink" x="%.1f" y="%.1f" font-size="14"%s fill="#1b2330">%s`, labels, y(w.at)+4.8, weight, html.EscapeString(w.label))
		if w.label != w.Name {
			fmt.Fprintf(b, ` <tspan class="faint" font-size="11" font-weight="400" fill="#6b7686">%s</tspan>`, html.EscapeString(w.Name))
		}
		b.WriteString(`</text>`)
		if !math.IsNaN(w.p) {
			fmt.Fprintf(b, `<rect class="rail" x="%.1f" y="%.1f" width="%.0f" height="8" rx="4" fill="#eceff3"/>`, bars, y(w.at)-4, barWidth)
			fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="8" rx="4" fill="%s"/>`, bars, y(w.at)-4, max(w.p*barWidth, min(1, w.p*1e6)*3), w.color)
			fmt.Fprintf(b, `<text class="faint" x="%.1f" y="%.1f" font-size="12" fill="#4b5563">%s</text>`, bars+barWidth+8, y(w.at)+4.2, html.EscapeString(decimals(w.p)))
		}
		b.WriteString("</g>\n")
	}
	for i, z := range d.latents {
		d.dot(b, i, x(z.Level), y(z.at), 5)
		fmt.Fprintf(b, `<text class="faint" x="%.1f" y="%.1f" font-size="10" text-anchor="middle" fill="#6b7686">%s</text>`+"\n", x(z.Level), y(z.at)-9, html.EscapeString(z.ID))
	}
	b.WriteString("</svg>\n")
}

// circle draws the words around the latents; title may be empty.
func (d *drawing) circle(b *bufio.Writer, title string) {
	const margin = 190.0
	n := d.span + 2 // a gap between the last and the first
	spacing := min(16, max(9.5, 7200/n))
	radius := max(260, n*spacing/(2*math.Pi))
	fontSize := min(13, spacing*0.86)
	center := radius + margin
	radiusOf := func(level int) float64 {
		if level == 0 {
			return radius
		}
		return radius * 0.97 * elementary.Pow(1-float64(level)/(float64(d.top)+0.45), 0.8)
	}
	turn := func(at float64) float64 { return (at+1)/n - 0.25 }
	point := func(r, turn float64) (x, y float64) {
		sin, cos := elementary.SinCosTurn(turn)
		return center + float64(r*cos), center + float64(r*sin)
	}
	curve := func(r0, a0, r1, a1 float64) string {
		m := (r0 + r1) / 2
		x0, y0 := point(r0, a0)
		x1, y1 := point(m, a0)
		x2, y2 := point(m, a1)
		x3, y3 := point(r1, a1)
		return fmt.Sprintf("M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f", x0, y0, x1, y1, x2, y2, x3, y3)
	}

	d.open(b, 2*center, 2*center, fmt.Sprintf(`viewBox="0 0 %.0f %.0f"`, 2*center, 2*center))
	b.WriteString(`<rect class="paper" width="100%" height="100%" fill="#fff"/>` + "\n")
	if title != "" {
		fmt.Fprintf(b, `<text class="ink" x="40" y="%.0f" font-size="%.0f" font-weight="650" fill="#1b2330">%s</text>`+"\n", 40+radius/40, radius/30, html.EscapeString(title))
		fmt.Fprintf(b, `<text class="faint" x="40" y="%.0f" font-size="%.0f" fill="#6b7686">%s</text>`+"\n", 40+radius/40+radius/28, radius/50, html.EscapeString(d.summary))
	}
	roots := make([]drawnLatent, 0, len(d.t.Roots))
	for _, z := range d.latents {
		if z.parent < 0 {
			roots = append(roots, z)
		}
	}
	for _, l := range d.t.Links {
		from, to := roots[l.Parent], roots[l.Child]
		x0, y0 := point(radiusOf(from.Level), turn(from.at))
		x1, y1 := point(radiusOf(to.Level), turn(to.at))
		strength := math.Abs(l.P[1] - l.P[0])
		fmt.Fprintf(b, `<path class="branch" d="M%.1f %.1fQ%.1f %.1f %.1f %.1f" stroke="#98a2b3" stroke-dasharray="2 5" opacity="%.2f"><title>%s</title></path>`+"\n",
			x0, y0, center, center, x1, y1, 0.35+float64(0.65*min(1, 3*strength)), html.EscapeString(fmt.Sprintf("%s - %s: P(on) %s or %s", from.ID, to.ID, decimals(l.P[0]), decimals(l.P[1]))))
	}
	for i, z := range d.latents {
		if z.parent >= 0 {
			up := d.latents[z.parent]
			fmt.Fprintf(b, `<path class="branch" data-branch="%d" d="%s" stroke="%s" stroke-width="%.1f"/>`+"\n",
				i, curve(radiusOf(up.Level), turn(up.at), radiusOf(z.Level), turn(z.at)), z.dim, 1.8+float64(0.7*elementary.Log1p(float64(z.words))))
		}
	}
	for i, w := range d.words {
		z := d.latents[w.home]
		a := turn(w.at)
		fmt.Fprintf(b, `<g class="word" data-word="%d"><title>%s</title>`, i, html.EscapeString(d.wordTip(w)))
		fmt.Fprintf(b, `<path class="branch" d="%s" stroke="%s" stroke-width="2.2"/>`, curve(radiusOf(1), turn(z.at), radius, a), w.color)
		x0, y0 := point(radius, a)
		length := 4.0
		if !math.IsNaN(w.p) {
			length = 2 + float64(22*w.p)
		}
		x1, y1 := point(radius+length, a)
		fmt.Fprintf(b, `<path d="M%.1f %.1fL%.1f %.1f" stroke="%s" stroke-width="%.1f" fill="none"/>`, x0, y0, x1, y1, w.color, spacing*0.62)
		x, y := point(radius+32, a)
		degrees, anchor := float64(360*a), "start"
		if degrees > 90 {
			degrees, anchor = degrees-180, "end"
		}
		weight := ""
		if w.given && w.p == 1 {
			weight = ` font-weight="700"`
		}
		fmt.Fprintf(b, `<text class="ink" transform="translate(%.1f %.1f) rotate(%.2f)" dy="0.34em" font-size="%.1f"%s text-anchor="%s" fill="#1b2330">%s</text></g>`+"\n",
			x, y, degrees, fontSize, weight, anchor, html.EscapeString(shorten(w.label, 26)))
	}
	for i, z := range d.latents {
		x, y := point(radiusOf(z.Level), turn(z.at))
		d.dot(b, i, x, y, 2.2+float64(1.3*float64(z.Level)))
	}
	b.WriteString("</svg>\n")
}

// open begins an SVG. What style sheets of a page may change has a class.
func (d *drawing) open(b *bufio.Writer, width, height float64, viewBox string) {
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" class="dendrogram" width="%.0f" height="%.0f" %s role="img" aria-label="%s" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif">`+"\n",
		width, height, viewBox, html.EscapeString(d.title()+": "+d.summary))
	b.WriteString("<style>.branch{fill:none;stroke-linecap:round}path.branch:not([stroke-width]){stroke-width:1.6}</style>\n")
}

func (d *drawing) title() string {
	if d.o.Title == "" {
		return "Latent tree"
	}
	return d.o.Title
}

// dot draws a latent: a ring, filled as far as the latent is probable.
func (d *drawing) dot(b *bufio.Writer, i int, x, y, r float64) {
	z := d.latents[i]
	fmt.Fprintf(b, `<g class="latent" data-latent="%d"><title>%s</title><circle class="paper" cx="%.1f" cy="%.1f" r="%.1f" fill="#fff" stroke="%s" stroke-width="1.6"/>`,
		i, html.EscapeString(d.latentTip(z)), x, y, r, z.color)
	if z.p > 0 {
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="%.1f" fill="%s"/>`, x, y, r*math.Sqrt(z.p), z.color)
	}
	b.WriteString("</g>\n")
}

func (d *drawing) latentTip(z drawnLatent) string {
	tip := fmt.Sprintf("%s, level %d, %s", z.ID, z.Level, plural(z.words, "word"))
	if !math.IsNaN(z.Marginal) {
		tip += "\nP(on) = " + decimals(z.Marginal)
	}
	if d.o.Posterior != nil {
		tip += "\nP(on | evidence) = " + decimals(z.p)
	}
	return tip
}

func (d *drawing) wordTip(w drawnWord) string {
	tip := w.label
	if w.label != w.Name {
		tip += " (" + w.Name + ")"
	}
	z := d.latents[w.home]
	tip += "\nbelow " + z.ID
	if !math.IsNaN(w.P[0]) {
		tip += "\nP(word | off) = " + decimals(w.P[0])
	}
	if !math.IsNaN(w.P[1]) {
		tip += "\nP(word | on) = " + decimals(w.P[1])
	}
	if d.o.Posterior != nil {
		tip += "\nP(word | evidence) = " + decimals(w.p)
	}
	return tip
}

// elbow is a path to the right, down or up, and to the right, with round corners.
func elbow(x0, y0, x1, y1 float64) string {
	if math.Abs(y1-y0) < 0.5 {
		return fmt.Sprintf("M%.1f %.1fH%.1f", x0, y0, x1)
	}
	r := min(8, math.Abs(y1-y0)/2)
	s := math.Copysign(r, y1-y0)
	m := x0 + float64((x1-x0)/2)
	return fmt.Sprintf("M%.1f %.1fH%.1fQ%.1f %.1f %.1f %.1fV%.1fQ%.1f %.1f %.1f %.1fH%.1f",
		x0, y0, m-r, m, y0, m, y0+s, y1-s, m, y1, m+r, y1, x1)
}

// shorten cuts a text to n characters, the last of them dots.
func shorten(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return strings.TrimRight(string([]rune(s)[:n-1]), " ,") + "…"
}

// oklch converts a colour of the OKLCH space (lightness 0 to 1, chroma, hue in
// degrees; Ottosson 2020), in which equal steps look equal, to "#rrggbb".
func oklch(lightness, chroma, hue float64) string {
	sin, cos := elementary.SinCosTurn(hue / 360)
	a, b := chroma*cos, chroma*sin
	cube := func(v float64) float64 { return v * v * v }
	l := cube(lightness + float64(0.3963377774*a) + float64(0.2158037573*b))
	m := cube(lightness - float64(0.1055613458*a) - float64(0.0638541728*b))
	s := cube(lightness - float64(0.0894841775*a) - float64(1.2914855480*b))
	code := "#"
	for _, v := range [3]float64{
		float64(4.0767416621*l) - float64(3.3077115913*m) + float64(0.2309699292*s),
		float64(-1.2684380046*l) + float64(2.6097574011*m) - float64(0.3413193965*s),
		float64(-0.0041960863*l) - float64(0.7034186147*m) + float64(1.7076147010*s),
	} {
		if v > 0.0031308 {
			v = float64(1.055*elementary.Pow(v, 1/2.4)) - 0.055
		} else {
			v *= 12.92
		}
		code += fmt.Sprintf("%02x", int(math.Round(255*min(1, max(0, v)))))
	}
	return code
}
