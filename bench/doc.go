// Package bench measures this machine and the engine on it: the peak of the
// multiply-add units, each convolution of a network in place, and whole networks. Results
// are records, one JSON object a line.
//
//	err := bench.Model(bench.Options{Model: "resnet50"}, func(r bench.Record) { fmt.Println(r) })
//
// The networks have real shapes and reproducible random weights and pictures unless
// weights are given: speed does not depend on them. Times are the best and the median of
// several runs; compare figures from one run only, since machines and their neighbours vary.
package bench
