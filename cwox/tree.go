package cwox

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"sync"

	"cwox/cwox/classname"
	"cwox/cwox/labeltree"
	"cwox/hlta"
	"cwox/internal/demo"
	"cwox/nn/zoo"
)

// The label tree of ImageNet's 1000 classes that hlta.Learn makes of ResNet-50's top
// labels for the 28,097 validation images on which it is in doubt.
//
//go:embed tree.json.gz
var treeFile []byte

var embeddedTree = sync.OnceValue(func() *hlta.Tree {
	t, err := hlta.ParseTree("embedded tree", treeFile)
	if err != nil {
		panic("cwox: the embedded tree cannot be read")
	}
	return t
})

// EmbeddedTree is the label tree of ImageNet's classes that is part of the program.
func EmbeddedTree() *hlta.Tree { return embeddedTree() }

// DemoTree is the label tree of the demo network's classes.
func DemoTree() *hlta.Tree { return demo.Tree() }

// TreeSource says where confusion clusters come from.
type TreeSource string

// The sources.
const (
	NoTree       TreeSource = "none"     // all explained classes are one cluster
	ClustersOnly TreeSource = "given"    // Options.Clusters, or a tree without a file's name
	TreeFile     TreeSource = "file"     // Options.Tree, read from Options.TreeFile
	TreeEmbedded TreeSource = "embedded" // EmbeddedTree or DemoTree
	TreeWeights  TreeSource = "weights"  // the network's last layer (labeltree.FromWeights)
)

// Codes of warnings about the label tree.
const (
	TreeDoubtful = "tree-doubtful" // the model's weights do not bear it out
	TreeLacks    = "tree-lacks"    // it lacks classes that are explained
)

// TreeInfo identifies what the confusion clusters come from.
type TreeInfo struct {
	Source  TreeSource
	File    string // Options.TreeFile, of source "file"
	SHA256  string // of the tree's tree.json (hlta.Tree.WriteJSON); "" without a tree
	Level   int    // of the cut; 0 without a tree
	Missing int    // of the model's classes, those that the tree lacks
}

// DefaultTree is the label tree for a classifier when none is given: the embedded one where the
// classes are ImageNet's, the demo network's for that, and else one of the weights of the
// network's last layer (labeltree.FromWeights).
//
// Classes are ImageNet's if they are 1000 with its names, or without names in a network of package
// zoo, provided that the weights bear the tree out: those of another 1000 classes do not.
func DefaultTree(c *Classifier) *hlta.Tree {
	_, unknown := zoo.Lookup(c.Arch.Name)
	if known := knownTrees[c.Net.Classes()]; known != nil && (unknown == nil || c.Labels != nil) {
		if u, err := c.useTree(known().tree, ""); err == nil && !u.doubtful {
			return u.tree
		}
	}
	return labeltree.FromWeights(c.Net, c.MultiLabel)
}

// knownTree is a tree whose classes the program knows.
type knownTree struct {
	tree   *hlta.Tree
	sha256 string
	labels []string
}

// knownTrees are ImageNet's and the demo's, by the number of classes.
var knownTrees = map[int]func() knownTree{
	1000: sync.OnceValue(func() knownTree { return newKnownTree(embeddedTree(), zoo.Labels(1000)) }),
	demo.Classes: sync.OnceValue(func() knownTree {
		return newKnownTree(demo.Tree(), zoo.FileLabels(demo.Weights(), demo.Classes))
	}),
}

func newKnownTree(t *hlta.Tree, labels []string) knownTree {
	sum, err := treeHash(t)
	if err != nil {
		panic("cwox: an embedded tree cannot be written")
	}
	return knownTree{t, sum, labels}
}

// name is the label of the class that a word stands for.
func (k knownTree) name(word string) string {
	if class, ok := hlta.ParseClassWord(word); ok && class < len(k.labels) {
		return k.labels[class]
	}
	return ""
}

// Clusters groups classes, whatever their probabilities, as Explain groups the top ones.
func Clusters(c *Classifier, classes []int, o Options) ([][]int, error) {
	o, err := New(c).options(o)
	if err != nil {
		return nil, err
	}
	return o.cut(classes)
}

// treeUse is a tree that has been matched with a pipeline's classifier.
type treeUse struct {
	tree     *hlta.Tree
	file     string
	fit      *labeltree.Fit
	sha256   string
	source   TreeSource
	doubtful bool
}

// useKey names a tree in a classifier's cache.
type useKey struct {
	tree *hlta.Tree
	file string
}

// useTree matches a tree with the classifier, once for each tree. A copy of an embedded tree has
// its names.
func (c *Classifier) useTree(t *hlta.Tree, file string) (*treeUse, error) {
	key := useKey{t, file}
	if u, ok := c.trees.Load(key); ok {
		return u.(*treeUse), nil
	}
	u, err := newTreeUse(c, t, file)
	if err == nil {
		c.trees.Store(key, u)
	}
	return u, err
}

func newTreeUse(c *Classifier, t *hlta.Tree, file string) (*treeUse, error) {
	known := knownTrees[len(t.Words())]
	var sum string
	var err error
	if known != nil && known().tree == t {
		sum = known().sha256
	} else if sum, err = treeHash(t); err != nil {
		return nil, err
	}
	u := &treeUse{tree: t, file: file, sha256: sum, source: ClustersOnly}
	name := t.Name
	if known != nil && known().sha256 == sum {
		name, u.source = known().name, TreeEmbedded
	}
	if t.Provenance.Method == labeltree.Method {
		u.source = TreeWeights
	}
	if file != "" {
		u.source = TreeFile
	}
	if u.fit, err = labeltree.Match(t, name, c.Names()); err != nil {
		if file == "" {
			file = "the label tree"
		}
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	u.doubtful = u.source != TreeWeights && u.fit.Doubtful(c.Net)
	return u, nil
}

// remarks are the warnings that follow from the tree for the classes explained.
func (u *treeUse) remarks(top []int, c *Classifier) []Warning {
	var out []Warning
	if u.doubtful {
		out = append(out, Warning{TreeDoubtful, "Classes that the label tree has together have weights in the model's last layer that are no more alike than those of any classes: is it the tree of another model?"})
	}
	if lacking := u.fit.Lacking(top); len(lacking) > 0 {
		out = append(out, Warning{TreeLacks, fmt.Sprintf("The label tree lacks %s, so that each is a cluster of its own: learn it from more images.", c.names(lacking))})
	}
	return out
}

// treeHash is the SHA-256 of a tree's tree.json.
func treeHash(t *hlta.Tree) (string, error) {
	hash := sha256.New()
	if err := t.WriteJSON(hash); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// treeInfo says what the clusters of an explanation come from.
func (o *Options) treeInfo() TreeInfo {
	switch {
	case len(o.Clusters) > 0:
		return TreeInfo{Source: ClustersOnly}
	case o.Tree == nil:
		return TreeInfo{Source: NoTree}
	}
	info := TreeInfo{Source: o.use.source, SHA256: o.use.sha256, Level: o.Level, Missing: o.use.fit.Missing}
	if info.Source == TreeFile {
		info.File = o.TreeFile
	}
	return info
}

// Names finds the classifier's classes by number, name or synonym.
func (c *Classifier) Names() *classname.Names {
	return classname.New(c.Net.Classes(), c.Labels, c.Synonyms)
}

// FindClass is the class that a text means, e.g. "486", "c486", "cello" or a synonym: see
// classname.Names.Find. Whoever asks often keeps Names.
func (c *Classifier) FindClass(text string) (int, error) { return c.Names().Find(text) }
