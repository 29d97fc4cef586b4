package dataset

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"path/filepath"
	"slices"
	"strings"

	"cwox/cwox"
	"cwox/cwox/faithfulness"
	"cwox/cwox/report"
	"cwox/internal/outside"
)

// Evaluation is summary.json: what the rows of a folder say together.
type Evaluation struct {
	Settings EvaluationSettings `json:"settings"`
	// Images counts what became of the images, by model.
	Images map[string]ImageCounts `json:"images"`
	// Columns are those of the paper's Tables 1 and 2, by model and explainer.
	Columns []EvaluationColumn `json:"columns"`
	// Explainers compares the explainers of each model that has several (Table 3).
	Explainers []ExplainerComparison `json:"explainers"`

	// Unchecked counts the images with lines whose files cannot be read now to compare them.
	Unchecked int `json:"-"`
}

// ImageCounts says what became of the images.
type ImageCounts struct {
	Evaluated   int    `json:"evaluated"`
	SingleClass int    `json:"single_class"` // Evaluated only if there is more than one
	NoCluster   int    `json:"no_cluster"`   // and a cluster of at least two
	Failed      int    `json:"failed"`       // unreadable, or not to be explained
	FirstError  string `json:"first_error,omitempty"`
}

// EvaluationColumn compares the methods with a model and an explainer.
type EvaluationColumn struct {
	Model     string `json:"model"`
	Explainer string `json:"explainer"`
	Images    int    `json:"images"`
	Pairs     int    `json:"pairs"` // of a class and its foil
	// Compared are the pairs that the means are over: those for which the maps of all
	// methods can be scored.
	Compared    int                `json:"compared"`
	Methods     []MethodScores     `json:"methods"`
	Differences []MethodDifference `json:"differences"`
	// Ranks are the means over the pairs whose class is the likeliest of its cluster, and
	// over the others: the first have most of the probability that erasing can take away.
	Ranks []RankScores `json:"ranks"`

	pairs  []pairScores
	curves [][]float64 // [method][curvePoints] mean score after so many pixels
}

// MethodScores are the means of a method.
type MethodScores struct {
	Method cwox.Method `json:"method"`
	// Unscored counts the maps that cannot be scored, of all pairs, by status.
	Unscored     map[faithfulness.Status]int `json:"unscored,omitempty"`
	NDelta       Mean                        `json:"n_delta"`
	CAUC         Mean                        `json:"cauc"`
	CDROP        Mean                        `json:"cdrop"`
	CDROPCommon  Mean                        `json:"cdrop_common"` // over as many pixels as CAUC
	DeletionAUC  Mean                        `json:"deletion_auc"`
	InsertionAUC Mean                        `json:"insertion_auc"`
}

// RankScores are the means over the compared pairs with a class of a rank in its cluster.
type RankScores struct {
	Rank    string       `json:"rank"` // RankFirst or RankOthers
	Pairs   int          `json:"pairs"`
	Methods []RankMethod `json:"methods"`
}

// RankMethod are a method's means.
type RankMethod struct {
	Method      cwox.Method `json:"method"`
	CAUC        Mean        `json:"cauc"`
	CDROP       Mean        `json:"cdrop"`
	CDROPCommon Mean        `json:"cdrop_common"`
}

// The ranks of RankScores.
const (
	RankFirst  = "first"
	RankOthers = "others"
)

// Mean is a mean over pairs with its 95 % confidence interval from 2,000 bootstrap samples of
// the images. Paper is what the paper has, if it has it.
type Mean struct {
	Mean  report.Real `json:"mean"`
	Low   report.Real `json:"low"`
	High  report.Real `json:"high"`
	Paper *float64    `json:"paper,omitempty"`
}

// MethodDifference compares two methods pair by pair.
type MethodDifference struct {
	Method cwox.Method `json:"method"`
	Than   cwox.Method `json:"than"`
	CAUC   Difference  `json:"cauc"`
	CDROP  Difference  `json:"cdrop"`
	// CDROPCommon is over as many pixels as CAUC.
	CDROPCommon Difference `json:"cdrop_common"`
}

// Difference is the mean of the paired differences, the first method's value minus the
// second's, and in how many pairs the first is better, worse, or the same.
type Difference struct {
	Mean
	Better int `json:"better"`
	Worse  int `json:"worse"`
	Same   int `json:"same"`
}

// ExplainerComparison compares the explainers of a model with one method, over the pairs
// for which the maps of all explainers can be scored. CAUC is over the least n_delta of the
// explainers.
type ExplainerComparison struct {
	Model     string            `json:"model"`
	Method    cwox.Method       `json:"method"`
	Images    int               `json:"images"`
	Pairs     int               `json:"pairs"`
	Explainer []ExplainerScores `json:"explainers"`
}

// ExplainerScores are the means of an explainer.
type ExplainerScores struct {
	Explainer string `json:"explainer"`
	NDelta    Mean   `json:"n_delta"`
	CAUC      Mean   `json:"cauc"`
	CDROP     Mean   `json:"cdrop"`
}

// pairScores are the metrics of a compared pair.
type pairScores struct {
	image  string
	class  int
	first  bool        // the class is the likeliest of its cluster
	values [][]float64 // [method][metric]
}

// The metrics of a row, as pairScores has them.
const (
	metricNDelta = iota
	metricCAUC
	metricCDROP
	metricCDROPCommon
	metricDeletion
	metricInsertion
	metrics
)

func (r *EvaluationRow) metrics(curve faithfulness.Curve, s *EvaluationSettings) []float64 {
	return []float64{float64(r.NDelta), float64(r.CAUC), float64(r.CDROP), curve.CDROP(s.Definition, r.Common, s.Step), float64(r.DeletionAUC), float64(r.InsertionAUC)}
}

// curve is the row's curve, checked.
func (r *EvaluationRow) curve(size int) (faithfulness.Curve, error) {
	c := faithfulness.Curve{Size: size, Pixels: r.Curve.Pixels, Pos: r.Curve.Pos, Neg: r.Curve.Neg}
	ok := len(c.Pixels) > 0 && len(c.Pos) == len(c.Pixels) && len(c.Neg) == len(c.Pixels) && c.Pixels[0] == 0 && slices.IsSorted(c.Pixels)
	if !ok {
		return c, fmt.Errorf("the curve of %.200q, class %d, %s is broken", r.Image, r.Class, r.Method)
	}
	return c, nil
}

// curvePoints and curveShare are where mean curves are evaluated: at so many points up to
// this share of the pixels.
const (
	curvePoints = 101
	curveShare  = 0.1
)

// Summarize computes the tables of a folder that Evaluate has written rows to, and writes
// summary.json, tables.txt, tables.md, tables.csv and index.html. The same rows give the same bytes.
func Summarize(dir string) (*Evaluation, error) { return summarizeAs(dir, dir) }

// summarizeAs is Summarize for a folder that messages call by another name.
func summarizeAs(dir, name string) (*Evaluation, error) {
	e, examples, err := summarize(dir)
	if errors.Is(err, errNothing) {
		return nil, fmt.Errorf("dataset: %s: %w: %s", name, err, e.nothing())
	}
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	if err := e.write(dir, examples); err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	return e, nil
}

func summarize(dir string) (*Evaluation, []example, error) {
	e := &Evaluation{Images: map[string]ImageCounts{}}
	text, err := outside.Read(filepath.Join(dir, settingsFile), maxSettingsBytes)
	if err == nil {
		err = json.Unmarshal(text, &e.Settings)
	}
	if err != nil {
		return nil, nil, err
	}
	if err := e.countImages(filepath.Join(dir, ImagesFile)); err != nil {
		return nil, nil, err
	}
	columns := map[string]*EvaluationColumn{}
	shared := map[string][]sharedPair{}
	err = e.eachImage(filepath.Join(dir, ResultsFile), func(rows []EvaluationRow) error {
		if err := e.addToColumns(columns, rows); err != nil {
			return err
		}
		pairs, err := e.share(rows)
		shared[rows[0].Model] = append(shared[rows[0].Model], pairs...)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	for _, key := range e.columnOrder() {
		if c := columns[key]; c != nil {
			c.finish(&e.Settings)
			e.Columns = append(e.Columns, *c)
		}
	}
	for _, model := range e.models() {
		if c := e.compareExplainers(model, shared[model]); c != nil {
			e.Explainers = append(e.Explainers, *c)
		}
	}
	if len(e.Columns) == 0 {
		return e, nil, errNothing
	}
	examples, err := e.examples(filepath.Join(dir, ResultsFile))
	return e, examples, err
}

var errNothing = errors.New("no image was evaluated")

// nothing says why there are no rows.
func (e *Evaluation) nothing() string {
	var parts []string
	for _, model := range e.models() {
		n := e.Images[model]
		text := fmt.Sprintf("%s: %d images with a single class, %d without a cluster of two, %d failed", model, n.SingleClass, n.NoCluster, n.Failed)
		if n.FirstError != "" {
			text += " (" + n.FirstError + ")"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

func (e *Evaluation) countImages(path string) error {
	evaluated := map[unitKey]bool{}
	return eachOf(path, func(line *EvaluatedImage, _ span) error {
		n := e.Images[line.Model]
		key := unitKey{line.Model, line.Image, ""}
		switch {
		case line.Error != "":
			if n.Failed++; n.Failed == 1 {
				n.FirstError = line.Error
			}
		case line.Skipped == SkippedSingleClass:
			n.SingleClass++
		case line.Skipped != "":
			n.NoCluster++
		case !evaluated[key]:
			evaluated[key] = true
			n.Evaluated++
		}
		e.Images[line.Model] = n
		return nil
	})
}

// eachImage visits the rows of an image with a model, explainer by explainer, pair by pair,
// and method by method.
func (e *Evaluation) eachImage(path string, visit func(rows []EvaluationRow) error) error {
	var rows []EvaluationRow
	flush := func() error {
		if len(rows) == 0 {
			return nil
		}
		err := visit(rows)
		rows = nil
		return err
	}
	methods := e.Settings.Methods
	err := eachOf(path, func(row *EvaluationRow, _ span) error {
		if len(rows) > 0 && (rows[0].Model != row.Model || rows[0].Image != row.Image) {
			if err := flush(); err != nil {
				return err
			}
		}
		// The rows of a pair stand together, in the order of the methods.
		at := len(rows) % max(len(methods), 1)
		if at >= len(methods) || row.Method != methods[at] || at > 0 && (row.Class != rows[len(rows)-1].Class || row.Explainer != rows[len(rows)-1].Explainer) {
			return fmt.Errorf("a row of %.200q, class %d, %s, %s out of order", row.Image, row.Class, row.Explainer, row.Method)
		}
		rows = append(rows, *row)
		return nil
	})
	if err == nil && len(rows)%max(len(methods), 1) != 0 {
		err = fmt.Errorf("%s: ends within a pair", path)
	}
	if err == nil {
		err = flush()
	}
	return err
}

// addToColumns adds the pairs of an image.
func (e *Evaluation) addToColumns(columns map[string]*EvaluationColumn, rows []EvaluationRow) error {
	methods := len(e.Settings.Methods)
	seen := map[string]bool{}
	for pair := range slices.Chunk(rows, methods) {
		key := pair[0].Model + "/" + pair[0].Explainer
		c := columns[key]
		if c == nil {
			c = &EvaluationColumn{Model: pair[0].Model, Explainer: pair[0].Explainer, curves: make([][]float64, methods)}
			for m, method := range e.Settings.Methods {
				c.Methods = append(c.Methods, MethodScores{Method: method})
				c.curves[m] = make([]float64, curvePoints)
			}
			columns[key] = c
		}
		if !seen[key] {
			seen[key] = true
			c.Images++
		}
		c.Pairs++
		scored := true
		for m, row := range pair {
			if row.Status != faithfulness.OK {
				if c.Methods[m].Unscored == nil {
					c.Methods[m].Unscored = map[faithfulness.Status]int{}
				}
				c.Methods[m].Unscored[row.Status]++
				scored = false
			}
		}
		if !scored {
			continue
		}
		c.Compared++
		p := pairScores{image: pair[0].Image, class: pair[0].Class, first: likeliest(pair[0], rows)}
		size := e.Settings.Models[pair[0].Model].Pixels
		for m := range pair {
			curve, err := pair[m].curve(size)
			if err != nil {
				return err
			}
			p.values = append(p.values, pair[m].metrics(curve, &e.Settings))
			last := curve.Pixels[len(curve.Pixels)-1]
			for i := range curvePoints {
				c.curves[m][i] += curve.At(min(pixelsAt(i, size), last))
			}
		}
		c.pairs = append(c.pairs, p)
	}
	return nil
}

// likeliest says whether no class of the foil of a row is likelier than its class; rows are
// all rows of its image.
func likeliest(row EvaluationRow, rows []EvaluationRow) bool {
	return !slices.ContainsFunc(rows, func(other EvaluationRow) bool {
		return other.Probability > row.Probability && slices.Contains(row.Foil, other.Class)
	})
}

// pixelsAt is how many pixels are erased at a point of the mean curves.
func pixelsAt(i, size int) int {
	return int(math.Round(curveShare * float64(size) * float64(i) / (curvePoints - 1)))
}

// finish computes the means of a column.
func (c *EvaluationColumn) finish(s *EvaluationSettings) {
	methods := len(c.Methods)
	for m := range methods {
		for i := range c.curves[m] {
			c.curves[m][i] /= float64(len(c.pairs))
		}
	}
	b := resample(c.pairs, methods, s.Seed)
	at := func(m, metric int) int { return m*metrics + metric }
	for m := range methods {
		r := &c.Methods[m]
		for metric, to := range []*Mean{&r.NDelta, &r.CAUC, &r.CDROP, &r.CDROPCommon, &r.DeletionAUC, &r.InsertionAUC} {
			*to = b.mean(at(m, metric))
		}
		r.CAUC.Paper = inPaper("cauc", c.Model, c.Explainer, r.Method)
		r.CDROP.Paper = inPaper("cdrop", c.Model, c.Explainer, r.Method)
	}
	for m := methods - 1; m > 0; m-- {
		for other := m - 1; other >= 0; other-- {
			c.Differences = append(c.Differences, MethodDifference{
				Method: c.Methods[m].Method, Than: c.Methods[other].Method,
				CAUC:  b.difference(at(m, metricCAUC), at(other, metricCAUC), -1),
				CDROP: b.difference(at(m, metricCDROP), at(other, metricCDROP), 1),

				CDROPCommon: b.difference(at(m, metricCDROPCommon), at(other, metricCDROPCommon), 1),
			})
		}
	}
	c.ranks(s.Seed)
}

// ranks computes the means over the pairs of each rank.
func (c *EvaluationColumn) ranks(seed uint64) {
	for _, rank := range []string{RankFirst, RankOthers} {
		pairs := slices.DeleteFunc(slices.Clone(c.pairs), func(p pairScores) bool { return p.first != (rank == RankFirst) })
		r := RankScores{Rank: rank, Pairs: len(pairs)}
		b := resample(pairs, len(c.Methods), seed)
		for m, scores := range c.Methods {
			at := m * metrics
			r.Methods = append(r.Methods, RankMethod{scores.Method, b.mean(at + metricCAUC), b.mean(at + metricCDROP), b.mean(at + metricCDROPCommon)})
		}
		c.Ranks = append(c.Ranks, r)
	}
}

// resample is the bootstrap over pairs, its series method by method, metric by metric.
func resample(pairs []pairScores, methods int, seed uint64) *bootstrap {
	var series [][]float64
	for m := range methods {
		for k := range metrics {
			values := make([]float64, len(pairs))
			for i, p := range pairs {
				values[i] = p.values[m][k]
			}
			series = append(series, values)
		}
	}
	images := make([]string, len(pairs))
	for i, p := range pairs {
		images[i] = p.image
	}
	return newBootstrap(images, series, seed)
}

// shownMethod is the method that explainers are compared with: CWOX-2s, as in the paper.
func (s *EvaluationSettings) shownMethod() int {
	if i := slices.Index(s.Methods, cwox.CWOX2s); i >= 0 {
		return i
	}
	return len(s.Methods) - 1
}

// sharedPair has, of a pair that all explainers could explain, their n_delta, CAUC and CDROP.
type sharedPair struct {
	image  string
	values [][3]float64 // by explainer
}

// share picks the pairs of an image that are scored with all explainers of its model.
func (e *Evaluation) share(rows []EvaluationRow) ([]sharedPair, error) {
	model := rows[0].Model
	explainers := e.explainers(model)
	if len(explainers) < 2 {
		return nil, nil
	}
	s := &e.Settings
	step, size := s.Step, s.Models[model].Pixels
	type rowKey struct {
		class     int
		explainer string
	}
	scored := map[rowKey]*EvaluationRow{}
	var classes []int
	for pair := range slices.Chunk(rows, len(s.Methods)) {
		row := &pair[s.shownMethod()]
		if !slices.Contains(classes, row.Class) {
			classes = append(classes, row.Class)
		}
		if row.Status == faithfulness.OK {
			scored[rowKey{row.Class, row.Explainer}] = row
		}
	}
	var out []sharedPair
classes:
	for _, class := range classes {
		common := math.MaxInt
		for _, x := range explainers {
			row := scored[rowKey{class, x}]
			if row == nil {
				continue classes
			}
			common = min(common, row.NDelta)
		}
		p := sharedPair{image: rows[0].Image}
		for _, x := range explainers {
			row := scored[rowKey{class, x}]
			curve, err := row.curve(size)
			if err != nil {
				return nil, err
			}
			p.values = append(p.values, [3]float64{float64(row.NDelta), curve.CAUC(s.Definition, common, step), float64(row.CDROP)})
		}
		out = append(out, p)
	}
	return out, nil
}

// compareExplainers is Table 3 for a model; nil where there is nothing to compare.
func (e *Evaluation) compareExplainers(model string, pairs []sharedPair) *ExplainerComparison {
	if len(pairs) == 0 {
		return nil
	}
	explainers := e.explainers(model)
	images := make([]string, len(pairs))
	var series [][]float64
	for x := range explainers {
		for k := range 3 {
			values := make([]float64, len(pairs))
			for i, p := range pairs {
				values[i] = p.values[x][k]
				images[i] = p.image
			}
			series = append(series, values)
		}
	}
	b := newBootstrap(images, series, e.Settings.Seed)
	method := e.Settings.Methods[e.Settings.shownMethod()]
	c := &ExplainerComparison{Model: model, Method: method, Images: len(b.sizes), Pairs: len(pairs)}
	for i, x := range explainers {
		s := ExplainerScores{x, b.mean(3 * i), b.mean(3*i + 1), b.mean(3*i + 2)}
		s.NDelta.Paper = inPaper("explainers n_delta", model, x, method)
		s.CAUC.Paper = inPaper("explainers cauc", model, x, method)
		s.CDROP.Paper = inPaper("explainers cdrop", model, x, method)
		c.Explainer = append(c.Explainer, s)
	}
	return c
}

// models lists the models, ResNets before GoogLeNets as in the paper.
func (e *Evaluation) models() []string {
	var out []string
	for m := range e.Settings.Models {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b string) int {
		return cmp.Or(boolCompare(!strings.HasPrefix(a, "resnet"), !strings.HasPrefix(b, "resnet")), cmp.Compare(a, b))
	})
	return out
}

// explainers lists the explainers of a model in the order of cwox.ExplainerNames.
func (e *Evaluation) explainers(model string) []string {
	var out []string
	for key := range e.Settings.Explainers {
		if m, x, _ := strings.Cut(key, "/"); m == model {
			out = append(out, x)
		}
	}
	rank := func(x string) int {
		if i := slices.Index(cwox.ExplainerNames(), x); i >= 0 {
			return i
		}
		return math.MaxInt
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) })
	return out
}

// columnOrder lists "model/explainer".
func (e *Evaluation) columnOrder() []string {
	var out []string
	for _, m := range e.models() {
		for _, x := range e.explainers(m) {
			out = append(out, m+"/"+x)
		}
	}
	return out
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// replicates is the number of bootstrap samples.
const replicates = 2000

// bootstrap draws samples of the images, each with all its pairs, since the pairs of an image
// depend on each other; all series share the samples, so that their differences are paired.
type bootstrap struct {
	series  [][]float64
	sizes   []int       // pairs of each image
	samples [][]float64 // [series][replicates]
}

// newBootstrap takes series of one value per pair; images names each pair's image, and the
// pairs of an image stand together.
func newBootstrap(images []string, series [][]float64, seed uint64) *bootstrap {
	b := &bootstrap{series: series, samples: make([][]float64, len(series))}
	var sums [][]float64 // [image][series]
	for i, name := range images {
		if i == 0 || images[i-1] != name {
			b.sizes = append(b.sizes, 0)
			sums = append(sums, make([]float64, len(series)))
		}
		last := len(sums) - 1
		b.sizes[last]++
		for k := range series {
			sums[last][k] += series[k][i]
		}
	}
	for k := range series {
		b.samples[k] = make([]float64, replicates)
	}
	if len(sums) == 0 {
		return b
	}
	total := make([]float64, len(series))
	for r := range replicates {
		clear(total)
		pairs := 0
		for i := range sums {
			pick := draw(seed, r, i, len(sums))
			pairs += b.sizes[pick]
			for k, v := range sums[pick] {
				total[k] += v
			}
		}
		for k := range series {
			b.samples[k][r] = total[k] / float64(pairs)
		}
	}
	return b
}

// draw is a random number below n, a function of its arguments: the finaliser of splitmix64
// (Steele et al., 2014) over replicate and position.
func draw(seed uint64, replicate, position, n int) int {
	mix := func(x uint64) uint64 {
		x += 0x9E3779B97F4A7C15
		x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
		x = (x ^ x>>27) * 0x94D049BB133111EB
		return x ^ x>>31
	}
	hi, _ := bits.Mul64(mix(mix(mix(seed)+uint64(replicate))+uint64(position)), uint64(n))
	return int(hi)
}

// mean is the mean of a series with its interval.
func (b *bootstrap) mean(k int) Mean {
	return interval(average(b.series[k]), b.samples[k])
}

// difference compares two series; sign is 1 where larger is better, -1 where smaller is.
func (b *bootstrap) difference(k, than int, sign float64) Difference {
	var d Difference
	values := make([]float64, len(b.series[k]))
	for i, v := range b.series[k] {
		values[i] = v - b.series[than][i]
		switch diff := sign * values[i]; {
		case diff > 0:
			d.Better++
		case diff < 0:
			d.Worse++
		default:
			d.Same++
		}
	}
	samples := make([]float64, replicates)
	for r := range samples {
		samples[r] = b.samples[k][r] - b.samples[than][r]
	}
	d.Mean = interval(average(values), samples)
	return d
}

func average(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values)) // NaN where there are none
}

// interval takes the 2.5th and the 97.5th percentile of samples.
func interval(mean float64, samples []float64) Mean {
	if math.IsNaN(mean) {
		nan := report.Real(math.NaN())
		return Mean{Mean: nan, Low: nan, High: nan}
	}
	sorted := slices.Sorted(slices.Values(samples))
	quantile := func(p float64) report.Real {
		at := float64(p * float64(len(sorted)-1))
		lo := int(at)
		hi := min(lo+1, len(sorted)-1)
		return report.Real(sorted[lo] + float64((at-float64(lo))*(sorted[hi]-sorted[lo])))
	}
	return Mean{Mean: report.Real(mean), Low: quantile(0.025), High: quantile(0.975)}
}
