package saliency

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
)

func randomMatrix(rows, columns int) matrix {
	random := rand.New(rand.NewPCG(uint64(rows), uint64(columns)))
	m := newMatrix(rows, columns)
	for i := range m.data {
		m.data[i] = random.Float64() - 0.5
	}
	return m
}

// TestMatrix compares with gonum.
func TestMatrix(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 15, 16, 17, 33, 130} {
		depth := 5*n + 3
		a, b := randomMatrix(n, depth), randomMatrix(n+2, depth)
		product := newMatrix(n, n+2)
		product.less(a, b)
		var want mat.Dense
		want.Mul(mat.NewDense(n, depth, a.data), mat.NewDense(n+2, depth, b.data).T())
		for i := range n {
			for j, v := range product.row(i) {
				if !(math.Abs(v+want.At(i, j)) < 1e-12) {
					t.Fatalf("%d rows: product[%d][%d] = %v, want %v", n, i, j, -v, want.At(i, j))
				}
			}
		}

		gram := newMatrix(n, n)
		gram.lessSquare(a)
		gram.negate()
		whole := mat.NewSymDense(n, nil)
		for i := range n {
			gram.row(i)[i]++
			for j, v := range gram.row(i)[:i+1] {
				whole.SetSym(i, j, v)
			}
		}
		for i := range n { // what is above the diagonal counts for nothing
			for j := i + 1; j < n; j++ {
				gram.row(i)[j] = math.NaN()
			}
		}
		right := randomMatrix(3, n)
		var solved mat.Dense
		var factor mat.Cholesky
		if !factor.Factorize(whole) || factor.SolveTo(&solved, mat.NewDense(3, n, slices.Clone(right.data)).T()) != nil {
			t.Fatal("not positive definite")
		}
		if !gram.factorise() {
			t.Fatalf("%d rows: no factor", n)
		}
		gram.solve(right)
		for r := range 3 {
			for i, v := range right.row(r) {
				if !(math.Abs(v-solved.At(i, r)) < 1e-12) {
					t.Fatalf("%d rows: solution %d of %d is %v, want %v", n, i, r, v, solved.At(i, r))
				}
			}
		}
	}
}

func TestNotPositiveDefinite(t *testing.T) {
	for name, data := range map[string][]float64{
		"zero":     {0},
		"negative": {1, 0, 0, -1},
		"singular": {1, 0, 1, 1},
		"NaN":      {math.NaN()},
		"NaN last": {1, 0, math.NaN(), 1},
		"infinity": {math.Inf(1)},
	} {
		n := int(math.Sqrt(float64(len(data))))
		if (matrix{n, n, data}).factorise() {
			t.Errorf("%s: a factor", name)
		}
	}
}

// TestMatrixBits wants the same bits on every processor, whatever the threads.
func TestMatrixBits(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for threads := 1; threads <= 5; threads += 2 {
		runtime.GOMAXPROCS(threads)
		a := randomMatrix(150, 700)
		gram, right := newMatrix(150, 150), newMatrix(9, 150)
		gram.lessSquare(a)
		gram.negate()
		right.less(randomMatrix(9, 700), a)
		if !gram.factorise() {
			t.Fatal("no factor")
		}
		gram.solve(right)
		hash := fnv.New64a()
		binary.Write(hash, binary.LittleEndian, right.data)
		if got, want := hash.Sum64(), uint64(0x9c10427edf01bc9b); got != want {
			t.Errorf("%d threads: the solution has the hash %#x, want %#x", threads, got, want)
		}
	}
}
