package weights

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// KnownFile is an official weight file of torchvision.
type KnownFile struct {
	Model string  // as the zoo names it
	Name  string  // file name; its last eight hex digits begin its SHA-256
	MiB   float64 // size, about
}

// DefaultBaseURL is where torchvision's files are published.
const DefaultBaseURL = "https://download.pytorch.org/models/"

// Known lists torchvision's IMAGENET1K_V1 weights of the models of the zoo, smallest
// first within a family.
func Known() []KnownFile {
	return []KnownFile{
		{"resnet18", "resnet18-f37072fd.pth", 44.7},
		{"resnet34", "resnet34-b627a593.pth", 83.3},
		{"resnet50", "resnet50-0676ba61.pth", 97.8},
		{"resnet101", "resnet101-63fe2227.pth", 170.5},
		{"resnet152", "resnet152-394f9c45.pth", 230.4},
		{"googlenet", "googlenet-1378be20.pth", 49.7},
	}
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

// HashPrefix is what the file's SHA-256 begins with, in lower-case hex: by the
// convention of PyTorch's hub, the part of the name after the dash.
func (k KnownFile) HashPrefix() string {
	stem := strings.TrimSuffix(k.Name, filepath.Ext(k.Name))
	return stem[strings.LastIndexByte(stem, '-')+1:]
}

// Matches tells whether a SHA-256 in lower-case hex is the file's, as far as its name
// tells.
func (k KnownFile) Matches(sha256 string) bool { return strings.HasPrefix(sha256, k.HashPrefix()) }

// fitsSize tells whether a file of so many bytes can be this one: MiB is rounded.
func (k KnownFile) fitsSize(bytes int) bool {
	return math.Abs(float64(bytes)/(1<<20)-k.MiB) < 0.1
}

// CacheDir is the folder of fetched files: $CWOX_CACHE, or "cwox" in the user's cache
// directory. It need not exist.
func CacheDir() (string, error) {
	if dir := os.Getenv("CWOX_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("weights: no cache directory (set CWOX_CACHE): %w", err)
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
