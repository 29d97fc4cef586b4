// Command cwox explains an image classifier's whole output: it groups the top classes
// into confusion clusters and shows what speaks for each cluster, and for each class
// against the others of its cluster.
//
// A file for each command, named after it, and beside them what commands share: the way in
// (model.go, input.go, tensor.go, common.go), what is checked before anything is opened
// (numbers.go, settings.go), the way out (folders.go, voice.go, progress.go), and how a run
// ends (main.go, interrupt.go).
package main
