package weights

import (
	"context"
	"fmt"
)

// FetchOptions are the settings of Fetch.
type FetchOptions struct {
	BaseURL  string
	Progress func(done, total int64)
}

// Fetch fails: a build for WebAssembly has no HTTP client, which would be a third of it.
func Fetch(_ context.Context, k KnownFile, _ FetchOptions) (path string, err error) {
	return "", fmt.Errorf("weights: WebAssembly fetches nothing: fetch %s elsewhere and put it here", k.URL())
}
