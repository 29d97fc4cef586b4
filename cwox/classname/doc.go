// Package classname finds classes by what people write: a number, a name or one of its synonyms.
//
//	names := classname.New(1000, labels, nil)
//	class, err := names.Find("violin")               // 889; also 889, c889, VIOLIN
//	list, err := names.List("cello,violin")          // names with commas: ["tench, Tinca tinca", 486]
//	sets, err := names.Clusters(`[["cello","violin"],[402]]`)
//
// Names need not be unique ("crane" is two of ImageNet's classes): an ambiguous one is an error
// that lists the candidates with their numbers, an unknown one an error that lists the nearest.
package classname
