package saliency

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cwox/internal/testdata"
	"cwox/nn"
	"cwox/nn/vision"
)

// TestRISEFidelity measures fidelity against masks: the correlation of maps of few masks
// with converged ones, of the five top classes and four contrasts, for the estimators, at
// both stages' settings; and at the class stage how faithful the contrast of the two top
// classes is, either way. It takes hours, so it has to be asked for:
//
//	CWOX_RISE_FIDELITY=results CWOX_RISE_MODEL=googlenet-caffe \
//		go test ./cwox/saliency -run RISEFidelity -timeout 0 -v
//
// It writes a line per picture, setting, estimator, number of masks and map into the
// folder's fidelity.csv, and the probabilities of all plain masks beside it; a second run
// goes on where the first one stopped. At the end it logs the means over the pictures.
// CWOX_RISE_MASKS is the number of masks of a converged map (20000), CWOX_RISE_PICTURES the
// number of pictures (10), CWOX_RISE_PRECISION the arithmetic (f32 or bf16).
func TestRISEFidelity(t *testing.T) {
	dir := os.Getenv("CWOX_RISE_FIDELITY")
	if dir == "" {
		t.Skip("takes hours: see the comment")
	}
	number := func(name string, def int) int {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
			return n
		}
		return def
	}
	f := &fidelity{t: t, dir: dir, model: cmp.Or(os.Getenv("CWOX_RISE_MODEL"), "googlenet-caffe"), converged: number("CWOX_RISE_MASKS", 20000)}
	preload(t, f.model, nn.CompileOptions{BF16: os.Getenv("CWOX_RISE_PRECISION") == "bf16"})
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f.open()
	defer f.table.Close()
	files, err := filepath.Glob(filepath.Join(testdata.Path(t, "images", "paper"), "*.*"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	slices.Reverse(files) // the paper's photographs come before those of ImageNet
	for _, stage := range []RISEStage{{Cells: 15, Keep: 0.3}, {Cells: 10, Keep: 0.14}} {
		for _, file := range files[:min(number("CWOX_RISE_PICTURES", 10), len(files))] {
			f.measure(file, stage)
		}
	}
	t.Log(f.summary())
}

// fidelity is what TestRISEFidelity works on.
type fidelity struct {
	t         *testing.T
	dir       string
	model     string
	converged int
	table     *os.File
	rows      map[string]float64 // by "model,picture,cells,estimator,masks,quantity"
}

// open reads the rows of earlier runs.
func (f *fidelity) open() {
	var err error
	f.rows = map[string]float64{}
	if f.table, err = os.OpenFile(filepath.Join(f.dir, "fidelity.csv"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o644); err != nil {
		f.t.Fatal(err)
	}
	lines := bufio.NewScanner(f.table)
	for lines.Scan() {
		at := strings.LastIndexByte(lines.Text(), ',')
		if v, err := strconv.ParseFloat(lines.Text()[at+1:], 64); err == nil {
			f.rows[lines.Text()[:at]] = v
		}
	}
	if len(f.rows) == 0 {
		fmt.Fprintln(f.table, "model,picture,cells,estimator,masks,quantity,value")
	}
}

// few are the numbers of masks of the maps that are judged, manyPlain the most of the
// plain law's.
var few = []int{250, 500, 1000, 2000, 4000}

const manyPlain = 4000

// measure judges the maps of a picture at a stage's settings.
func (f *fidelity) measure(file string, stage RISEStage) {
	t, picture := f.t, filepath.Base(file)
	prefix := fmt.Sprintf("%s,%s,%d,", f.model, picture, stage.Cells)
	if _, done := f.rows[prefix+"fast,2000,contrast 3"]; done {
		return
	}
	pic, err := vision.DecodeFile(file, vision.Options{})
	if err != nil {
		t.Fatal(err)
	}
	in := inputOf(t, f.model, pic, nil)
	session, err := in.Model.NewSession(nn.SessionOptions{Batch: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	classes := topClasses(in.Prob, 5)
	newSweep := func(q Quality, masks int, seed uint64) *sweep {
		s := &sweep{RISEStage: stage, quality: q, raw: true, batch: 8, classes: classes, progress: func(int) {},
			law: newMaskLaw(224, 224, stage.Cells, stage.Keep, seed, 0), probs: sessionProber(session, in)}
		s.Masks = masks
		for c := range classes {
			s.wanted = append(s.wanted, wanted{fact: []int{c}})
		}
		for _, p := range fidelityContrasts {
			s.wanted = append(s.wanted, wanted{[]int{p[0]}, []int{p[1]}})
		}
		if q == Fast {
			s.fast = newFast(s, in.Model)
		}
		return s
	}
	all := newSweep(Plain, manyPlain+f.converged, 1)
	converge(t, all, filepath.Join(f.dir, fmt.Sprintf("%s-%s-%d.p", f.model, picture, stage.Cells)))
	part := func(q Quality, from, masks int) *sweep {
		s, k := *all, len(classes)
		s.quality, s.ids, s.p = q, s.ids[from:][:masks], s.p[from*k:][:masks*k]
		return &s
	}
	reference := part(Plain, manyPlain, f.converged)
	converged := reference.plain().maps
	want, reliability := fidelityMaps(converged), halves(reference)
	lines := map[string][]float64{}
	judge := func(key string, maps [][]float64, noise []Noise, faithful bool) {
		for i, m := range fidelityMaps(maps) {
			q := quantity(i)
			lines[key+q] = append(lines[key+q], correlation(m, want[i])/math.Sqrt(reliability[i]))
			if noise != nil {
				lines[key+"predicted "+q] = append(lines[key+"predicted "+q], noise[i].Fidelity)
			}
		}
		if faithful && stage.Cells == 15 {
			f.faithfulness(lines, key, maps, reference.probs, classes)
		}
	}
	for i, r := range reliability {
		lines[fmt.Sprintf("plain,%d,%s", f.converged, quantity(i))] = []float64{math.Sqrt(r)}
	}
	if stage.Cells == 15 {
		f.faithfulness(lines, fmt.Sprintf("plain,%d,", f.converged), converged, reference.probs, classes)
	}
	for _, masks := range few {
		for replicate := range min(4, manyPlain/masks) {
			s := part(Plain, replicate*masks, masks)
			e := s.plain()
			judge(fmt.Sprintf("plain,%d,", masks), e.maps, s.measure(e), replicate == 0)
			judge(fmt.Sprintf("debiased,%d,", masks), s.debiased().maps, nil, false)
		}
		if masks > 2000 { // as many as the plain law's largest number would tell nothing new
			continue
		}
		s := newSweep(Fast, masks, uint64(1+masks))
		if err := s.run(context.Background()); err != nil {
			t.Fatal(err)
		}
		judge(fmt.Sprintf("fast,%d,", masks), s.last.maps, s.noise, true)
	}
	var text string
	for _, key := range slices.Sorted(maps.Keys(lines)) {
		f.rows[prefix+key] = average(lines[key])
		text += fmt.Sprintf("%s%s,%.6f\n", prefix, key, average(lines[key]))
	}
	if _, err := f.table.WriteString(text); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s done", prefix)
}

// quantity names a map: the five classes, then the contrasts.
func quantity(i int) string {
	if i < 5 {
		return fmt.Sprintf("class %d", i)
	}
	return fmt.Sprintf("contrast %d", i-5)
}

// salientPixels is about what the paper has as the mean number of salient pixels for RISE
// (Table 3); as many for all maps make CAUC and CDROP comparable.
const salientPixels = 1104

// faithfulness appends CAUC and CDROP (paper, Eq. 3 to 5) of the contrast of the two top
// classes, either way: of their maps scaled to [0, 1], where the one exceeds the other.
func (f *fidelity) faithfulness(lines map[string][]float64, key string, maps [][]float64, probs prober, classes []int) {
	const step, plane = 16, 224 * 224
	for pos := range 2 {
		fact, foil := slices.Clone(maps[pos]), slices.Clone(maps[1-pos])
		minMax(fact)
		minMax(foil)
		order := make([]int, plane)
		for x := range order {
			order[x] = x
			fact[x] -= foil[x]
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(fact[b], fact[a]) })
		erased := slices.Repeat([]float32{1}, plane)
		var scores []float64
		var p [2]float64
		for n := 0; ; n += step {
			probs(erased, classes[:2], p[:])
			scores = append(scores, p[pos]*(1-p[1-pos]))
			if n == salientPixels {
				break
			}
			for _, x := range order[n : n+step] {
				erased[x] = 0
			}
		}
		cauc := 0.0
		for i := 1; i < len(scores); i++ {
			cauc += step * (scores[i-1] + scores[i]) / 2 / plane
		}
		lines[key+"CAUC"] = append(lines[key+"CAUC"], cauc)
		lines[key+"CDROP"] = append(lines[key+"CDROP"], scores[0]-scores[len(scores)-1])
	}
}

// summary has the means over the pictures. The gain is how many plain masks a mask of the
// estimator is worth: of kappa in fidelity^2 = 1 / (1 + kappa/masks), the plain law's at as
// many masks over the estimator's, in the geometric mean over pictures and maps.
func (f *fidelity) summary() string {
	type group struct {
		classes, contrasts, cauc, cdrop, gainClasses, gainContrasts []float64
	}
	groups := map[string]*group{}
	for _, row := range slices.Sorted(maps.Keys(f.rows)) {
		part := strings.Split(row, ",")
		if len(part) != 6 || part[0] != f.model {
			continue
		}
		masks, _ := strconv.Atoi(part[4])
		key := fmt.Sprintf("%2s cells %-8s %5d masks", part[2], part[3], masks)
		g := groups[key]
		if g == nil {
			g = &group{}
			groups[key] = g
		}
		v := f.rows[row]
		logGain := math.Log(kappa(f.rows[strings.Replace(row, part[3], "plain", 1)], masks) / kappa(v, masks))
		switch {
		case strings.HasPrefix(part[5], "class"):
			g.classes, g.gainClasses = append(g.classes, v), append(g.gainClasses, logGain)
		case strings.HasPrefix(part[5], "contrast"):
			g.contrasts, g.gainContrasts = append(g.contrasts, v), append(g.gainContrasts, logGain)
		case part[5] == "CAUC":
			g.cauc = append(g.cauc, v)
		case part[5] == "CDROP":
			g.cdrop = append(g.cdrop, v)
		}
	}
	text := f.model + ": fidelity of classes and contrasts, gain of both, CAUC in 10^-3, CDROP in 10^-2\n"
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		g := groups[key]
		text += fmt.Sprintf("%s  %.3f %.3f  %4.2f %4.2f  %5.2f %5.2f\n", key, average(g.classes), average(g.contrasts),
			math.Exp(average(g.gainClasses)), math.Exp(average(g.gainContrasts)), 1e3*average(g.cauc), 1e2*average(g.cdrop))
	}
	return text
}

// kappa is the noise of a map in fidelity^2 = 1 / (1 + kappa/masks), the fidelity taken as
// at least 0.05 and at most 0.999.
func kappa(fidelity float64, masks int) float64 {
	rho := min(max(fidelity, 0.05), 0.999)
	return float64(masks) * (1/(rho*rho) - 1)
}

func average(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values)) // NaN where there are none
}

// fidelityContrasts are the pairs of ranks whose difference is measured.
var fidelityContrasts = [][2]int{{0, 1}, {0, 2}, {1, 2}, {0, 3}}

// converge evaluates a sweep's masks, or reads their probabilities from a file.
func converge(t *testing.T, s *sweep, path string) {
	t.Helper()
	if b, err := os.ReadFile(path); err == nil && len(b) == 8*s.Masks*len(s.classes) {
		for i := range s.Masks {
			s.ids = append(s.ids, maskID{0, uint32(i)})
		}
		for ; len(b) > 0; b = b[8:] {
			s.p = append(s.p, math.Float64frombits(binary.LittleEndian.Uint64(b)))
		}
		return
	}
	if err := s.extend(context.Background(), s.Masks); err != nil {
		t.Fatal(err)
	}
	var b []byte
	for _, p := range s.p {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(p))
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// halves is the reliability of a sweep's plain maps: from the correlation r of its halves
// by Spearman and Brown's 2r/(1+r).
func halves(s *sweep) []float64 {
	n, k := len(s.ids)/2, len(s.classes)
	half := func(from int) [][]float64 {
		part := *s
		part.ids, part.p = s.ids[from:from+n], s.p[from*k:][:n*k]
		return fidelityMaps(part.plain().maps)
	}
	a, b := half(0), half(n)
	out := make([]float64, len(a))
	for i := range out {
		r := max(correlation(a[i], b[i]), 1e-3)
		out[i] = 2 * r / (1 + r)
	}
	return out
}

// fidelityMaps are class maps and their contrasts at 28 x 28 points.
func fidelityMaps(maps [][]float64) [][]float64 {
	var out [][]float64
	for _, m := range maps {
		var at []float64
		for y := 4; y < 224; y += 8 {
			for x := 4; x < 224; x += 8 {
				at = append(at, m[y*224+x])
			}
		}
		out = append(out, at)
	}
	for _, p := range fidelityContrasts {
		d := slices.Clone(out[p[0]])
		for x, v := range out[p[1]] {
			d[x] -= v
		}
		out = append(out, d)
	}
	return out
}

func correlation(a, b []float64) float64 {
	var ma, mb, aa, bb, ab float64
	for i := range a {
		ma += a[i] / float64(len(a))
		mb += b[i] / float64(len(a))
	}
	for i := range a {
		aa += (a[i] - ma) * (a[i] - ma)
		bb += (b[i] - mb) * (b[i] - mb)
		ab += (a[i] - ma) * (b[i] - mb)
	}
	return ab / math.Sqrt(aa*bb)
}

func topClasses(prob []float64, k int) []int {
	order := make([]int, len(prob))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case prob[a] > prob[b]:
			return -1
		case prob[a] < prob[b]:
			return 1
		}
		return 0
	})
	return order[:k]
}
