// Package bench measures this machine and the engine on it: the peak of the
// multiply-add units, each operator of a network in place, whole networks, and whole
// jobs. Results are records, one JSON object a line.
//
//	err := bench.Model(ctx, bench.Options{Model: "resnet50"}, func(r bench.Record) { fmt.Println(r) })
//
// The networks have real shapes and reproducible random weights and pictures unless
// weights are given: speed does not depend on them. Times are the best and the median of
// several runs; compare figures from one run only, since machines and their neighbours vary.
//
// The script peers/run compares the engine with ONNX Runtime and OpenVINO, which it
// installs into a scratch environment of Python: they and cwox take turns on the same
// network at the same number of threads and batch.
package bench
