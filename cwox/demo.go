package cwox

import (
	"cwox/internal/demo"
	"cwox/nn"
	"cwox/nn/zoo"
)

// Demo is the classifier that comes with the repository: 36 kinds of drawn things, in
// families whose members it confuses (package internal/drawnworld draws them). It needs no
// files.
func Demo(o nn.CompileOptions) (*Classifier, error) {
	arch, err := zoo.Lookup(zoo.Demo)
	if err != nil {
		return nil, err
	}
	file := demo.Weights()
	net, err := arch.Load(file, zoo.LoadOptions{CompileOptions: o})
	if err != nil {
		return nil, err
	}
	sum, err := file.SHA256()
	if err != nil {
		return nil, err
	}
	return &Classifier{Net: net, Arch: arch, Transform: arch.Transform, TransformFrom: "as in the paper",
		Labels: zoo.FileLabels(file, net.Classes()), WeightsSHA256: sum}, nil
}
