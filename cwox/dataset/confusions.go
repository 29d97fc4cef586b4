package dataset

import (
	"bufio"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cwox/cwox"
	"cwox/cwox/report"
	"cwox/internal/outside"
	"cwox/internal/place"
)

// The files that [WriteConfusions] puts into its folder, beside the page.
const (
	ConfusionsFile      = "confusions.json"
	ConfusionsTable     = "confusions.csv"
	ConfusionsDocuments = "documents.txt.gz" // the images' labels, with their journal
)

// Confusions is the content of confusions.json: what a classifier says of images whose true
// classes are known.
type Confusions struct {
	Images     int `json:"images"`     // with a label and a true class
	Correct    int `json:"correct"`    // whose most probable class is the true one
	Unreadable int `json:"unreadable"` // left out
	Unknown    int `json:"unknown"`    // without a true class, left out
	// Clusters are the groups of classes that mistakes are made within, those with the most
	// mistakes first.
	Clusters []ConfusedCluster `json:"clusters"`
	// Across are the mistakes between classes of different clusters.
	Across []ConfusedPair `json:"across"`
}

// ConfusedCluster is a confusion cluster of the label tree with the mistakes inside it.
type ConfusedCluster struct {
	Classes []int          `json:"classes"` // ascending
	Labels  []string       `json:"labels"`
	Correct int            `json:"correct"` // images of its classes that were recognised
	Pairs   []ConfusedPair `json:"pairs"`   // the most frequent first
	right   map[int]int    // by class
}

// ConfusedPair is a mistake and how often it was made.
type ConfusedPair struct {
	True      int `json:"true"`
	Predicted int `json:"predicted"`
	Count     int `json:"count"`
	mistakes  []mistake
}

// mistake is one image, of which the classifier says something else than it is.
type mistake struct {
	image           string
	real, predicted int
	probability     float64 // of what it says
	ofTruth         float64 // of the true class, 0 where that is not among the top
	rank            int     // of the true class, from 1; 0 where it is not among the top
}

// ConfusionsOptions steer [WriteConfusions].
type ConfusionsOptions struct {
	Documents DocumentsOptions // how images are classified
	Explain   cwox.Options     // the tree, the explainer and their settings
	// Examples bounds the pictures that are explained and shown, the most confident mistakes of
	// each pair first; 0 means 120.
	Examples int
	// Title is that of the page.
	Title string
	// Progress, if not nil, is told how far a phase has come: those of WriteDocuments, and
	// PhaseExplain.
	Progress func(phase string, done, total int)
}

// WriteConfusions classifies images whose true classes are known (-1: not), groups the mistakes
// by the confusion clusters of the label tree, and writes them into dir: confusions.json,
// confusions.csv with a line for each mistake, and a page with a confusion matrix for each
// cluster and the pictures behind its cells, each with the two maps that contrast what it is
// with what it was called. Images are classified through [WriteDocuments] in the same folder:
// an interrupted run goes on, and nothing is classified twice.
func WriteConfusions(ctx context.Context, c *cwox.Classifier, images []string, truth []int, dir string, o ConfusionsOptions) (*Confusions, error) {
	if len(truth) != len(images) {
		return nil, fmt.Errorf("dataset: %d true classes for %d images", len(truth), len(images))
	}
	o.Documents.Progress = o.Progress
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	if !o.Documents.Shard.whole() {
		return nil, errors.New("dataset: a shard of confusions is LabelConfusions'")
	}
	d, err := place.Make(dir)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	defer d.Close()
	documents := d.Path(ConfusionsDocuments)
	if _, err := WriteDocuments(ctx, c, images, documents, o.Documents); err != nil {
		return nil, err
	}
	found, all, err := confusions(documents+".jsonl", truth)
	if err != nil {
		return nil, err
	}
	if err := found.group(c, all, o.Explain); err != nil {
		return nil, err
	}
	page, err := found.page(ctx, c, o)
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		d.Write(ConfusionsFile, asJSON(found)),
		d.Write(ConfusionsTable, func(w io.Writer) error { return writeMistakes(w, c, all) }))
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	return found, report.WriteConfusions(d.Path(report.PageFile), *page)
}

// LabelConfusions does the part of [WriteConfusions] that takes long, for a shard of the images:
// it classifies them. [Merge] joins the labels in dir, and WriteConfusions with the same options
// goes on from there; rest, how a command is called that does so, is handed back by Merge.
func LabelConfusions(ctx context.Context, c *cwox.Classifier, images []string, dir string, o DocumentsOptions, rest []string) (*DocumentsResult, error) {
	if o.Shard == (Shard{}) {
		return nil, errors.New("dataset: the whole of confusions is WriteConfusions'")
	}
	work := listed(commandConfusions, images)
	work.Rest = rest
	return writeDocuments(ctx, c, images, work, o, func() (string, error) {
		dir, err := o.Shard.claim(dir, dir)
		return filepath.Join(dir, ConfusionsDocuments), err
	})
}

// confusions reads what was said of images, and finds the mistakes in it.
func confusions(path string, truth []int) (*Confusions, *labelled, error) {
	f, err := outside.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("dataset: %w", err)
	}
	defer f.Close()
	out := &Confusions{Clusters: []ConfusedCluster{}, Across: []ConfusedPair{}}
	all := &labelled{right: map[int]int{}}
	lines := json.NewDecoder(bufio.NewReader(f))
	for lines.More() {
		var line ImageLabels
		if err := lines.Decode(&line); err != nil {
			return nil, nil, fmt.Errorf("dataset: %s: %w", path, err)
		}
		switch {
		case line.ID < 0 || line.ID >= len(truth):
			return nil, nil, fmt.Errorf("dataset: %s: image %d of %d", path, line.ID, len(truth))
		case line.Error != "" || len(line.Top) == 0:
			out.Unreadable++
			continue
		case truth[line.ID] < 0:
			out.Unknown++
			continue
		}
		out.Images++
		real, said := truth[line.ID], line.Top[0]
		if said.Class == real {
			out.Correct++
			all.right[real]++
			continue
		}
		m := mistake{image: line.Image, real: real, predicted: said.Class, probability: said.Probability}
		if i := slices.IndexFunc(line.Top, func(l Label) bool { return l.Class == real }); i >= 0 {
			m.rank, m.ofTruth = i+1, line.Top[i].Probability
		}
		all.mistakes = append(all.mistakes, m)
	}
	return out, all, nil
}

// labelled is what was said of all images.
type labelled struct {
	right    map[int]int // recognised images, by class
	mistakes []mistake
}

// group sorts mistakes into the confusion clusters of the tree.
func (f *Confusions) group(c *cwox.Classifier, all *labelled, o cwox.Options) error {
	pairs := map[[2]int]*ConfusedPair{}
	var classes []int
	for _, m := range all.mistakes {
		key := [2]int{m.real, m.predicted}
		if pairs[key] == nil {
			pairs[key] = &ConfusedPair{True: m.real, Predicted: m.predicted}
		}
		pairs[key].Count++
		pairs[key].mistakes = append(pairs[key].mistakes, m)
		classes = append(classes, m.real, m.predicted)
	}
	slices.Sort(classes)
	classes = slices.Compact(classes)
	if len(classes) == 0 {
		return nil
	}
	clusters, err := cwox.Clusters(c, classes, o)
	if err != nil {
		return err
	}
	home := map[int]int{}
	for i, k := range clusters {
		slices.Sort(k)
		for _, class := range k {
			home[class] = i
		}
	}
	made := make([]*ConfusedCluster, len(clusters))
	for _, p := range pairs {
		// The most confident mistakes first.
		slices.SortFunc(p.mistakes, func(a, b mistake) int {
			return cmp.Or(cmp.Compare(b.probability, a.probability), cmp.Compare(a.image, b.image))
		})
		i := home[p.True]
		if i != home[p.Predicted] {
			f.Across = append(f.Across, *p)
			continue
		}
		if made[i] == nil {
			made[i] = &ConfusedCluster{Classes: clusters[i], right: all.right}
		}
		made[i].Pairs = append(made[i].Pairs, *p)
	}
	for _, k := range made {
		if k == nil {
			continue
		}
		for _, class := range k.Classes {
			k.Labels = append(k.Labels, c.Label(class))
			k.Correct += all.right[class]
		}
		sortPairs(k.Pairs)
		f.Clusters = append(f.Clusters, *k)
	}
	sortPairs(f.Across)
	slices.SortFunc(f.Clusters, func(a, b ConfusedCluster) int {
		return cmp.Or(cmp.Compare(wrong(b.Pairs), wrong(a.Pairs)), cmp.Compare(a.Classes[0], b.Classes[0]))
	})
	return nil
}

func sortPairs(pairs []ConfusedPair) {
	slices.SortFunc(pairs, func(a, b ConfusedPair) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.True, b.True), cmp.Compare(a.Predicted, b.Predicted))
	})
}

func wrong(pairs []ConfusedPair) (n int) {
	for _, p := range pairs {
		n += p.Count
	}
	return n
}

// writeMistakes writes a table of all mistakes, in order of the images.
func writeMistakes(w io.Writer, c *cwox.Classifier, all *labelled) error {
	out := csv.NewWriter(w)
	out.Write([]string{"image", "true", "true_label", "predicted", "predicted_label", "probability", "true_probability", "true_rank"})
	for _, m := range all.mistakes {
		rank, prob := "", ""
		if m.rank > 0 {
			rank, prob = strconv.Itoa(m.rank), decimal(m.ofTruth)
		}
		out.Write([]string{inert(m.image), strconv.Itoa(m.real), inert(c.Label(m.real)), strconv.Itoa(m.predicted), inert(c.Label(m.predicted)),
			decimal(m.probability), prob, rank})
	}
	out.Flush()
	return out.Error()
}

// inert keeps a spreadsheet from taking a name for a formula.
func inert(name string) string {
	if name != "" && strings.ContainsRune("=+-@\t\r", rune(name[0])) {
		return "'" + name
	}
	return name
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
