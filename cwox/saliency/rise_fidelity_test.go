package saliency

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cwox/nn"
)

// TestRISEFidelity measures fidelity against masks: the correlation of maps of few masks
// with converged ones, of the five top classes and four contrasts, for the estimators, at
// both stages' settings. It takes hours, so it has to be asked for:
//
//	CWOX_RISE_FIDELITY=results CWOX_RISE_MODEL=googlenet-caffe \
//		go test ./cwox/saliency -run RISEFidelity -timeout 0 -v
//
// It writes a line per picture, setting, estimator, number of masks and map into the
// folder's fidelity.csv, and converged probabilities beside it; a second run goes on where
// the first one stopped. CWOX_RISE_MASKS is the number of masks of a converged map (20000),
// CWOX_RISE_PICTURES the number of pictures (10).
func TestRISEFidelity(t *testing.T) {
	dir := os.Getenv("CWOX_RISE_FIDELITY")
	if dir == "" {
		t.Skip("takes hours: see the comment")
	}
	model := os.Getenv("CWOX_RISE_MODEL")
	if model == "" {
		model = "googlenet-caffe"
	}
	number := func(name string, def int) int {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
			return n
		}
		return def
	}
	converged, pictures := number("CWOX_RISE_MASKS", 20000), number("CWOX_RISE_PICTURES", 10)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	table := filepath.Join(dir, "fidelity.csv")
	old, _ := os.ReadFile(table)
	out, err := os.OpenFile(table, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if len(old) == 0 {
		fmt.Fprintln(out, "model,picture,cells,estimator,masks,map,fidelity,predicted,reference")
	}
	names := openTensors(t, "preprocess.safetensors").Names()
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, "paper/") })
	slices.Sort(names)
	for _, name := range names[:min(pictures, len(names))] {
		picture := strings.TrimPrefix(name, "paper/")
		in := input(t, model, picture, nil)
		session, err := in.Model.NewSession(nn.SessionOptions{Batch: 8})
		if err != nil {
			t.Fatal(err)
		}
		classes := topClasses(in.Prob, 5)
		for _, stage := range []RISEStage{{Cells: 10, Keep: 0.14}, {Cells: 15, Keep: 0.3}} {
			prefix := fmt.Sprintf("%s,%s,%d,", model, picture, stage.Cells)
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
			reference := newSweep(Plain, converged, 1)
			converge(t, reference, filepath.Join(dir, fmt.Sprintf("%s-%s-%d-%d.p", model, picture, stage.Cells, converged)))
			want, reliability := fidelityMaps(reference.plain().maps), halves(reference)
			for _, q := range []Quality{Plain, Debiased, Fast} {
				for _, masks := range []int{250, 500, 1000, 2000, 4000} {
					row := fmt.Sprintf("%s%s,%d,", prefix, q, masks)
					if strings.Contains(string(old), "\n"+row) {
						continue
					}
					s := newSweep(q, masks, uint64(1+masks))
					if err := s.run(context.Background()); err != nil {
						t.Fatal(err)
					}
					lines := ""
					for i, m := range fidelityMaps(s.last.maps) {
						rho := correlation(m, want[i]) / math.Sqrt(reliability[i])
						lines += fmt.Sprintf("%s%d,%.4f,%.4f,%.4f\n", row, i, rho, s.noise[i].Fidelity, math.Sqrt(reliability[i]))
					}
					if _, err := out.WriteString(lines); err != nil {
						t.Fatal(err)
					}
					t.Logf("%s%s", row, strings.ReplaceAll(lines, "\n", " "))
				}
			}
		}
		session.Close()
	}
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
