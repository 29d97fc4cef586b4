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
	"cwox/cwox/classname"
	"cwox/cwox/report"
	"cwox/internal/outside"
	"cwox/internal/place"
	"cwox/nn/vision"
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

// TrueFolders are the true classes of images that lie in folders named after them, by name or
// number; -1 for folders that name no class. It is an error if none does.
func TrueFolders(images []string, names *classname.Names) ([]int, error) {
	of := map[string]int{}
	found := false
	out := make([]int, len(images))
	for i, path := range images {
		folder := filepath.Base(filepath.Dir(path))
		class, ok := of[folder]
		if !ok {
			var err error
			if class, err = names.Find(folder); err != nil {
				class = -1
			}
			of[folder] = class
		}
		out[i] = class
		found = found || class >= 0
	}
	if !found {
		return nil, fmt.Errorf("dataset: no folder of the images is named after a class, as %q is not: name a table of true classes", filepath.Base(filepath.Dir(images[0])))
	}
	return out, nil
}

// maxTruth bounds a table of true classes.
const maxTruth = 1 << 30

// TrueTable reads the true classes of images from a CSV file with the columns image and class
// (name or number), which its first line names; an image is found by its path or, where that is
// unique, by the name of its file. Images that it does not name have class -1.
func TrueTable(path string, images []string, names *classname.Names) ([]int, error) {
	f, err := outside.Open(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	defer f.Close()
	fail := func(line int, format string, args ...any) error {
		return fmt.Errorf("dataset: %s: line %d: %s", path, line, fmt.Sprintf(format, args...))
	}
	index := map[string]int{} // -1 where several images share a name
	for i, image := range images {
		index[image] = i
		if base := filepath.Base(image); base != image {
			if _, taken := index[base]; taken {
				index[base] = -1
			} else {
				index[base] = i
			}
		}
	}
	in := bufio.NewReader(io.LimitReader(f, maxTruth))
	if mark, err := in.Peek(3); err == nil && string(mark) == "\ufeff" {
		in.Discard(3)
	}
	r := csv.NewReader(in)
	r.FieldsPerRecord = -1
	header, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: want a first line with the columns image and class: %w", path, err)
	}
	column := func(name string) int {
		return slices.IndexFunc(header, func(h string) bool { return strings.EqualFold(strings.TrimSpace(h), name) })
	}
	image, class := column("image"), column("class")
	if image < 0 || class < 0 {
		return nil, fail(1, "columns %q: want image and class among them", header)
	}
	out := make([]int, len(images))
	for i := range out {
		out[i] = -1
	}
	found := 0
	for {
		record, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("dataset: %s: %w", path, err)
		}
		line, _ := r.FieldPos(0)
		if len(record) <= max(image, class) {
			return nil, fail(line, "%d columns, the first line has %d", len(record), len(header))
		}
		i, ok := index[record[image]]
		if !ok {
			continue // of another set
		}
		if i < 0 {
			return nil, fail(line, "%q is the name of several images: give the path", record[image])
		}
		c, err := names.Find(strings.TrimSpace(record[class]))
		if err != nil {
			return nil, fail(line, "%v", err)
		}
		if out[i] >= 0 && out[i] != c {
			return nil, fail(line, "%q again, with another class", record[image])
		}
		out[i] = c
		found++
	}
	if found == 0 {
		return nil, fmt.Errorf("dataset: %s: names none of the %d images", path, len(images))
	}
	return out, nil
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

// defaultExamples is how many mistakes a page shows, mostAcross how many pairs of different
// clusters.
const (
	defaultExamples = 120
	mostAcross      = 40
)

// page makes the page: every pair in turn gets one more of its mistakes explained, as long as
// there are examples left.
func (f *Confusions) page(ctx context.Context, c *cwox.Classifier, o ConfusionsOptions) (*report.Confusions, error) {
	name := func(class int) string {
		if label := c.Label(class); label != "" {
			return label
		}
		return "class " + strconv.Itoa(class)
	}
	p := &report.Confusions{Title: o.Title, Lead: f.lead()}
	if n := f.Unreadable; n > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("%d images could not be read.", n))
	}
	if n := f.Unknown; n > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("Of %d images the true class is not known.", n))
	}
	for _, k := range f.Clusters {
		g := report.ConfusedGroup{Name: strings.Join(labelsOf(k.Classes, name), ", "),
			Say: fmt.Sprintf("%d mistakes among these; %d images of them were recognised.", wrong(k.Pairs), k.Correct)}
		g.Classes = labelsOf(k.Classes, name)
		g.Counts = make([][]int, len(k.Classes))
		for i, class := range k.Classes {
			g.Counts[i] = make([]int, len(k.Classes))
			g.Counts[i][i] = k.right[class]
		}
		for _, pair := range k.Pairs {
			row, column := slices.Index(k.Classes, pair.True), slices.Index(k.Classes, pair.Predicted)
			g.Counts[row][column] = pair.Count
			g.Cells = append(g.Cells, report.ConfusedCell{Row: row, Column: column, True: name(pair.True), Predicted: name(pair.Predicted), Count: pair.Count})
		}
		p.Groups = append(p.Groups, g)
	}
	across := f.Across[:min(len(f.Across), mostAcross)]
	if len(across) > 0 {
		g := report.ConfusedGroup{Name: "Between groups",
			Say: fmt.Sprintf("%d mistakes between classes that the model does not confuse as a rule: look for wrong labels, several things in a picture, and odd pictures.", wrong(f.Across))}
		for i, pair := range across {
			g.Cells = append(g.Cells, report.ConfusedCell{Row: i, True: name(pair.True), Predicted: name(pair.Predicted), Count: pair.Count})
		}
		p.Groups = append(p.Groups, g)
	}
	return p, f.illustrate(ctx, c, p, across, o)
}

// lead is the finding in a sentence.
func (f *Confusions) lead() string {
	if f.Images == 0 {
		return "No image has a true class."
	}
	inside := 0
	for _, k := range f.Clusters {
		inside += wrong(k.Pairs)
	}
	lead := fmt.Sprintf("%d of %d images are recognised (%.1f %%).", f.Correct, f.Images, 100*float64(f.Correct)/float64(f.Images))
	if all := f.Images - f.Correct; all > 0 {
		lead += fmt.Sprintf(" Of the %d mistakes %d are within %d groups of classes that are often confused.", all, inside, len(f.Clusters))
	}
	return lead
}

// illustrate explains the most confident mistakes of each pair.
func (f *Confusions) illustrate(ctx context.Context, c *cwox.Classifier, p *report.Confusions, across []ConfusedPair, o ConfusionsOptions) error {
	type task struct {
		cell *report.ConfusedCell
		mistake
	}
	pairs := map[*report.ConfusedCell][]mistake{}
	var cells []*report.ConfusedCell
	for g := range p.Groups {
		from := across
		if g < len(f.Clusters) {
			from = f.Clusters[g].Pairs
		}
		for i := range p.Groups[g].Cells {
			cell := &p.Groups[g].Cells[i]
			pairs[cell] = from[i].mistakes
			cells = append(cells, cell)
		}
	}
	left := cmp.Or(o.Examples, defaultExamples)
	var tasks []task
	for round := 0; left > 0; round++ {
		more := false
		for _, cell := range cells {
			if left > 0 && round < len(pairs[cell]) {
				tasks = append(tasks, task{cell, pairs[cell][round]})
				left--
				more = true
			}
		}
		if !more {
			break
		}
	}
	pipeline := cwox.New(c)
	defer pipeline.Close()
	for i, t := range tasks {
		o.Progress(PhaseExplain, i, len(tasks))
		pic, err := vision.DecodeFile(t.image, o.Documents.Decode)
		if err != nil {
			return err // it was decoded a moment ago
		}
		settings := o.Explain
		settings.Tree, settings.Clusters, settings.Classes = nil, [][]int{{t.real, t.predicted}}, nil
		e, err := pipeline.Explain(ctx, pic, settings)
		if err != nil {
			return fmt.Errorf("dataset: %s: %w", t.image, err)
		}
		e.File = t.image
		say := fmt.Sprintf("%.1f %% %s", 100*t.probability, t.cell.Predicted)
		if t.rank > 0 {
			say += fmt.Sprintf(", %.1f %% %s (rank %d)", 100*t.ofTruth, t.cell.True, t.rank)
		} else {
			say += fmt.Sprintf(", %s not among the likely ones", t.cell.True)
		}
		example, err := report.NewConfusedExample(e, t.real, t.predicted, say)
		if err != nil {
			return err
		}
		t.cell.Examples = append(t.cell.Examples, example)
	}
	o.Progress(PhaseExplain, len(tasks), len(tasks))
	return nil
}

func labelsOf(classes []int, name func(int) string) (out []string) {
	for _, class := range classes {
		out = append(out, name(class))
	}
	return out
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
