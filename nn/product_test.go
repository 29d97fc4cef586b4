package nn

import (
	"math"
	"testing"

	"cwox/asm"
)

func TestProduct(t *testing.T) {
	for _, tier := range []string{"ref", ""} {
		k, _, err := asm.Select()
		if tier != "" {
			k, err = asm.ByName(tier)
		}
		if err != nil {
			t.Fatal(err)
		}
		m := &Model{kernels: k}
		for _, size := range [][3]int{{1, 1, 1}, {3, 17, 5}, {29, 48, 196}, {14, 33, 64}, {45, 100, 7}} {
			rows, n, depth := size[0], size[1], size[2]
			made := func(n int) []float32 {
				x := make([]float32, n)
				for i := range x {
					x[i] = float32(math.Sin(float64(i*i + n)))
				}
				return x
			}
			a, b := made(rows*depth), made(n*depth)
			p := m.NewProduct(b, n, depth)
			c := make([]float32, rows*p.Columns())
			p.Mul(c, a, rows)
			for r := range rows {
				for j := range p.Columns() {
					want, sum := 0.0, 0.0
					if j < n {
						for i := range depth {
							v := float64(a[r*depth+i]) * float64(b[j*depth+i])
							want += v
							sum += math.Abs(v)
						}
					}
					// The bound of a float32 chain of depth terms.
					if d := math.Abs(float64(c[r*p.Columns()+j]) - want); d > float64(depth+2)*sum/(1<<24) {
						t.Fatalf("%s %v: c[%d][%d] = %g, want %g", k.Tier, size, r, j, c[r*p.Columns()+j], want)
					}
				}
			}
		}
	}
}
