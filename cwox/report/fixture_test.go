package report

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"math"
	"os"
	"testing"

	"cwox/cwox"
	"cwox/cwox/saliency"
	"cwox/internal/testdata"
	"cwox/nn/vision"
)

// golden builds the explanation of one of the images that golden/maps_full holds,
// for resnet50 and Grad-CAM, from PyTorch's numbers.
func golden(t testing.TB, key, file string, variant cwox.Variant) *cwox.Explanation {
	t.Helper()
	var facts struct {
		Images map[string]map[string]struct {
			Top         []int
			Probability []float64
			Logit       []float64
			Clusters    [][]int
			FoilClasses []int `json:"class_foil_classes"`
		}
	}
	readJSON(t, testdata.Path(t, "golden", "gradcam.json"), &facts)
	g := facts.Images[key]["resnet50"]
	full := tensors(t, testdata.Path(t, "golden", "maps_full.safetensors"))
	low := tensors(t, testdata.Path(t, "golden", "gradcam_lowres.safetensors"))
	at := "resnet50/" + key + "/"
	names := map[int]string{486: "cello", 402: "acoustic guitar", 889: "violin", 819: "stage", 546: "electric guitar",
		527: "desktop computer", 508: "computer keyboard", 782: "screen", 673: "mouse", 681: "notebook"}

	e := &cwox.Explanation{
		File: file, Picture: picture(t, testdata.Path(t, "images", "paper", file)),
		Model:  cwox.ModelInfo{Name: "resnet50", WeightsFile: "resnet50.safetensors", WeightsSHA256: "0676ba61", Precision: "f32", Kernel: "avx512", Width: 224, Height: 224},
		Method: cwox.CWOX2s, Variant: variant, Explainer: "gradcam",
		Settings: map[string]any{"cluster": map[string]any{"layer": "layer4"}, "class": map[string]any{"layer": "layer3"}},
		Seconds:  map[string]float64{"forward": 0.04, "maps": 0.1},
	}
	prob, logit := map[int]float64{}, map[int]float64{}
	for i, c := range g.Top {
		e.Top = append(e.Top, cwox.TopClass{Class: c, Label: names[c], Probability: g.Probability[i], Logit: g.Logit[i]})
		prob[c], logit[c] = g.Probability[i], g.Logit[i]
	}
	for i, members := range g.Clusters {
		c := cwox.Cluster{Classes: members, Map: full[at+fmt.Sprintf("%s/cluster/%d", variant, i)][0]}
		for _, m := range members {
			c.Probability += prob[m]
			c.Logit += math.Exp(logit[m])
		}
		c.Logit = math.Log(c.Logit)
		c.Base, c.Rest = &low[at+"layer4/cluster"][i], &low[at+"layer4/cluster_rest"][i]
		e.Clusters = append(e.Clusters, c)
		for _, m := range members {
			k := cwox.Class{Class: m, Cluster: i}
			if maps := full[at+fmt.Sprintf("%s/class/%d", variant, m)]; maps != nil {
				k.Map = maps[0]
			}
			for j, o := range g.Top {
				if o == m {
					k.Base = &low[at+"layer3/class"][j]
				}
			}
			for j, o := range g.FoilClasses {
				if o == m {
					k.Foil = &low[at+"layer3/class_foil"][j]
				}
			}
			e.Classes = append(e.Classes, k)
		}
	}
	return e
}

// synthetic builds an explanation from a formula: a cluster for each count, with as
// many classes, and a bump for each map.
func synthetic(counts ...int) *cwox.Explanation {
	e := &cwox.Explanation{
		File: "scene.png", Picture: gradient(120, 90),
		Model:  cwox.ModelInfo{Name: "demo", Precision: "f32", Kernel: "ref", Width: 32, Height: 32},
		Method: cwox.CWOX2s, Variant: cwox.Paper, Explainer: "gradcam",
		Settings: map[string]any{"cluster": map[string]any{"layer": "late"}, "class": map[string]any{"layer": "early"}},
		Seconds:  map[string]float64{"maps": 0.5},
	}
	total := 0
	for _, n := range counts {
		total += n
	}
	class := 0
	for i, n := range counts {
		c := cwox.Cluster{Map: bump(i, 32, 5), Base: ptr(bump(i, 8, 6)), Rest: ptr(bump(i+1, 8, 1))}
		for range n {
			p := 0.9 / float64(total)
			e.Top = append(e.Top, cwox.TopClass{Class: class, Label: fmt.Sprintf("thing %d", class), Probability: p, Logit: 3})
			e.Classes = append(e.Classes, cwox.Class{Class: class, Cluster: i, Map: bump(class, 32, 0.1+float32(class)),
				Base: ptr(bump(class, 8, 1)), Foil: ptr(bump(class+3, 8, 1))})
			c.Classes = append(c.Classes, class)
			c.Probability += p
			class++
		}
		e.Clusters = append(e.Clusters, c)
	}
	return e
}

func ptr[T any](v T) *T { return &v }

// bump is a smooth hill somewhere, of the given height; zero far from it.
func bump(seed, side int, height float32) saliency.Map {
	m := saliency.Map{Height: side, Width: side, Data: make([]float32, side*side)}
	y0, x0 := float64(seed*7%11)/11, float64(seed*5%13)/13
	for i := range m.Data {
		y, x := float64(i/side)/float64(side), float64(i%side)/float64(side)
		d := (y-y0)*(y-y0) + (x-x0)*(x-x0)
		m.Data[i] = height * float32(max(0, math.Exp(-20*d)-0.05))
	}
	return m
}

func gradient(w, h int) *vision.Picture {
	p := &vision.Picture{Width: w, Height: h, Pix: make([]uint8, 3*w*h), Format: "png", SHA256: "00ff"}
	for i := range w * h {
		p.Pix[3*i], p.Pix[3*i+1], p.Pix[3*i+2] = uint8(255*(i%w)/w), uint8(255*(i/w)/h), uint8(i)
	}
	return p
}

func picture(t testing.TB, path string) *vision.Picture {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	src, err := jpeg.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	img := image.NewRGBA(src.Bounds())
	draw.Draw(img, img.Rect, src, src.Bounds().Min, draw.Src)
	p := &vision.Picture{Width: img.Rect.Dx(), Height: img.Rect.Dy(), Format: "jpeg", SHA256: "5d41402a"}
	for i := 0; i < len(img.Pix); i += 4 {
		p.Pix = append(p.Pix, img.Pix[i:i+3]...)
	}
	return p
}

// tensors reads a safetensors file of F32 matrices, or stacks of them.
func tensors(t testing.TB, path string) map[string][]saliency.Map {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(b)
	head := map[string]json.RawMessage{}
	if err := json.Unmarshal(b[8:8+n], &head); err != nil {
		t.Fatal(err)
	}
	body := b[8+n:]
	all := map[string][]saliency.Map{}
	for name, raw := range head {
		var info struct {
			DType   string
			Shape   []int
			Offsets [2]int `json:"data_offsets"`
		}
		if name == "__metadata__" || json.Unmarshal(raw, &info) != nil || info.DType != "F32" || len(info.Shape) < 2 {
			continue
		}
		k := len(info.Shape)
		h, w := info.Shape[k-2], info.Shape[k-1]
		for at := info.Offsets[0]; at < info.Offsets[1]; at += 4 * h * w {
			m := saliency.Map{Height: h, Width: w, Data: make([]float32, h*w)}
			for i := range m.Data {
				m.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(body[at+4*i:]))
			}
			all[name] = append(all[name], m)
		}
	}
	return all
}

func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}
