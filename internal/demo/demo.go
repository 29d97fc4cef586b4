// Package demo holds the network that comes with the repository and its label tree, so that
// everything can be tried without any files: a narrow ResNet trained on the drawn world by
// internal/train, and the tree that hlta learns of its outputs.
//
//	model, err := arch.Load(demo.Weights())
//	tree := demo.Tree()
//	picture := drawnworld.New(seed, drawnworld.Options{}).Picture(demo.PictureSize)
//
// Both files are made by go generate, in about half an hour on two cores, to the same bytes
// with any number of them. Matrices are stored as binary16, which changes no probability by
// more than about 0.001.
package demo

import (
	_ "embed"
	"sync"

	"cwox/hlta"
	"cwox/weights"
)

//go:generate go run ../train/drawn -o demo.safetensors
//go:generate go run ./grow -o tree.json.gz

// Classes is the number of the network's classes, those of the drawn world.
const Classes = 36

// PictureSize is the side of the pictures that the network is shown, as if they were
// photographs: it sees them at its own input size.
const PictureSize = 448

// FirstTree is the first of the scenes that the tree was learned from. The network was
// trained on scenes from 2^40 on; what lies below it has not seen.
const FirstTree = 1 << 36

// SceneSeed is that of a scene with two clusters: a house, and a boat that has both a sail and
// oars.
const SceneSeed = 893

//go:embed demo.safetensors
var weightsFile []byte

//go:embed tree.json.gz
var treeFile []byte

// Weights is the network's weight file. Its metadata name the classes.
var Weights = sync.OnceValue(func() *weights.File {
	f, err := weights.Parse("demo.safetensors", weightsFile)
	if err != nil {
		panic("demo: the embedded weights cannot be read")
	}
	return f
})

// Tree is the network's label tree.
var Tree = sync.OnceValue(func() *hlta.Tree {
	t, err := hlta.ParseTree("embedded tree", treeFile)
	if err != nil {
		panic("demo: the embedded tree cannot be read")
	}
	return t
})
