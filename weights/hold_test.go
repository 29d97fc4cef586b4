package weights

import "testing"

// TestHold wants the map to be released once: by Close, or by the last holder after it.
func TestHold(t *testing.T) {
	for _, order := range []string{"C", "hrC", "hCr", "hhCrr", "hhrCr", "hCrr", "hrCC", "hCCr"} {
		unmapped := 0
		f := Bare("x", nil)
		f.unmap = func() error { unmapped++; return nil }
		var releases []func()
		at := 0
		for i, step := range order {
			switch step {
			case 'h':
				releases = append(releases, f.Hold())
			case 'r':
				releases[min(at, len(releases)-1)]() // twice the same is once
				at++
			case 'C':
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
			}
			closed := false
			held := 0
			for _, s := range order[:i+1] {
				switch s {
				case 'h':
					held++
				case 'r':
					held = max(held-1, 0)
				default:
					closed = true
				}
			}
			if want := map[bool]int{true: 1}[closed && held == 0]; unmapped != want {
				t.Errorf("%s: after %s unmapped %d times, want %d", order, order[:i+1], unmapped, want)
			}
		}
	}
}
