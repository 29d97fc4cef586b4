//go:build !amd64 || purego

package train

var avx2Rows = portableRows
