package cwox

import (
	_ "embed"
	"sync"

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

// DefaultTree is the embedded label tree for classifiers of 1000 classes, which are taken
// to be ImageNet's, and for the demo network; nil for others.
func DefaultTree(c *Classifier) *hlta.Tree {
	switch {
	case c.Net.Classes() == 1000:
		return embeddedTree()
	case c.Arch.Name == zoo.Demo && c.Net.Classes() == demo.Classes:
		return DemoTree()
	}
	return nil
}

// EmbeddedTree is the label tree of ImageNet's classes that is part of the program.
func EmbeddedTree() *hlta.Tree { return embeddedTree() }

// DemoTree is the label tree of the demo network's classes.
func DemoTree() *hlta.Tree { return demo.Tree() }
