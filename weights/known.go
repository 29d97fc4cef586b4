package weights

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cwox/internal/outside"
)

// KnownFile is an official weight file of torchvision.
type KnownFile struct {
	Model  string  // as the zoo names it
	Name   string  // file name; its last eight hex digits begin the SHA-256
	MiB    float64 // size, about
	SHA256 string  // in lower-case hex
}

// DefaultBaseURL is where torchvision's files are published.
const DefaultBaseURL = "https://download.pytorch.org/models/"

// Known lists torchvision's IMAGENET1K_V1 weights of the models of the zoo, smallest
// first within a family.
func Known() []KnownFile { return slices.Clone(known) }

// The publisher gives eight digits of each hash, in the name; the whole ones are those that at
// least two unrelated projects record.
var known = []KnownFile{
	{"resnet18", "resnet18-f37072fd.pth", 44.7, "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec"},
	{"resnet34", "resnet34-b627a593.pth", 83.3, "b627a593bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f"},
	{"resnet50", "resnet50-0676ba61.pth", 97.8, "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a"},
	{"resnet101", "resnet101-63fe2227.pth", 170.5, "63fe2227b86e8f1f2063f43a75c84d195911b6a0eace650907dd3dc62dd49a0a"},
	{"resnet152", "resnet152-394f9c45.pth", 230.4, "394f9c45966e3651a89bbb78a48410a6755854ce4a5ab64927cf1c7247f85e58"},
	{"googlenet", "googlenet-1378be20.pth", 49.7, "1378be20a8e875cf1568b8a71654e704449655e34711a959a38b04fb34905cef"},
	{"squeezenet1_1", "squeezenet1_1-b8a52dc0.pth", 4.7, "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b"},
	{"mobilenet_v3_small", "mobilenet_v3_small-047dcff4.pth", 9.8, "047dcff4addef86ea5bc2eff13c9614dc11f47ab1160d0a71a25e7db994f4e1f"},
	{"mobilenet_v3_large", "mobilenet_v3_large-8738ca79.pth", 21.1, "8738ca797c879b547d18bbd15da5736ff2557b2036a9af72225393ca61759a04"},
	{"efficientnet_b0", "efficientnet_b0_rwightman-7f5810bc.pth", 20.5, "7f5810bc96def8f7552d5b7e68d53c4786f81167d28291b21c0d90e1fca14934"},
	{"alexnet", "alexnet-owt-7be5be79.pth", 233.1, "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02"},
	{"vgg16", "vgg16-397923af.pth", 527.8, "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"},
	{"vgg16_bn", "vgg16_bn-6c64b313.pth", 527.9, "6c64b3138f2f4fcb3bcc4cafde11619c4f440eb1631787e93a682fd88305888a"},
}

// LookupKnown finds the official file of a model.
func LookupKnown(model string) (KnownFile, error) {
	var names []string
	for _, k := range Known() {
		if k.Model == model {
			return k, nil
		}
		names = append(names, k.Model)
	}
	return KnownFile{}, fmt.Errorf("weights: no official file is known for the model %s (known: %s)",
		quote(model), strings.Join(names, ", "))
}

// URL is where the file is published.
func (k KnownFile) URL() string { return DefaultBaseURL + k.Name }

// Identify tells which official file a file is, by its SHA-256, whatever its name; none is
// the zero KnownFile.
func Identify(path string) (k KnownFile, sha256 string, err error) {
	file, err := outside.Open(path)
	if err != nil {
		return k, "", fmt.Errorf("weights: %w", err)
	}
	defer file.Close()
	if sha256, err = hashOf(file); err != nil {
		return k, "", fmt.Errorf("weights: %w", err)
	}
	if i := slices.IndexFunc(known, func(k KnownFile) bool { return k.SHA256 == sha256 }); i >= 0 {
		k = known[i]
	}
	return k, sha256, nil
}

// fitsSize tells whether a file of so many bytes can be this one: MiB is rounded.
func (k KnownFile) fitsSize(bytes int) bool {
	return math.Abs(float64(float64(bytes)/(1<<20))-k.MiB) < 0.1
}

// CacheDir is the folder of fetched files: $CWOX_CACHE, or "cwox" in the user's cache
// directory. It need not exist.
func CacheDir() (string, error) {
	if dir := os.Getenv("CWOX_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("weights: no cache directory, set CWOX_CACHE to a folder: %w", err)
	}
	return filepath.Join(dir, "cwox"), nil
}

// Cached finds the fetched file of a model in the cache directory.
func Cached(model string) (path string, ok bool) {
	k, err := LookupKnown(model)
	if err != nil {
		return "", false
	}
	dir, err := CacheDir()
	if err != nil {
		return "", false
	}
	path = filepath.Join(dir, k.Name)
	info, err := os.Stat(path)
	return path, err == nil && info.Mode().IsRegular()
}

// hashOf is the SHA-256 of a whole file in lower-case hex; it leaves the file at its end.
func hashOf(file *os.File) (string, error) {
	h := sha256.New()
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
