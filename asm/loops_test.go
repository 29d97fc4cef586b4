package asm

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestLoopsNEON counts the instructions of the longest innermost loop of every NEON kernel, as
// the assembler lists them: where no such machine is at hand to be timed, a loop that grows is
// seen here. The 6x16 product has 96 multiply-adds in its loop, so 1.25 instructions for each.
func TestLoopsNEON(t *testing.T) {
	if testing.Short() {
		t.Skip("assembles for another processor")
	}
	cmd := exec.Command("go", "build", "-asmflags=-S", ".")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := regexp.MustCompile(`^\S+\.(\w+NEON\w*) STEXT`)
	branch := regexp.MustCompile(`^\t0x\w+ (\d+) \(.*\)\tB(?:NE|GE)\t(\d+)$`)
	got := map[string]int{}
	name := ""
	last := 0 // where the loop before began
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(line, "\n")
		if m := text.FindStringSubmatch(line); m != nil {
			name, last = m[1], 0
		}
		if m := branch.FindStringSubmatch(line); m != nil {
			at, _ := strconv.Atoi(m[1])
			to, _ := strconv.Atoi(m[2])
			if to < at && to > last { // back, and around no other loop
				got[name] = max(got[name], (at-to)/4+1)
				last = to
			}
		}
	}
	for name, want := range map[string]int{
		"gemmF32NEON_6x16":      120, // 96 multiply-adds
		"gemmF32NEON_5x16":      103, // 80
		"gemmF32NEON_4x16":      86,  // 64
		"gemmF32NEON_3x16":      69,  // 48
		"gemmF32NEON_2x16":      52,  // 32
		"gemmF32NEON_1x16":      35,  // 16
		"peakF32NEON":           26,  // 24
		"winogradIn2LinesNEON":  64,  // of 16 lanes: a line of 4 vectors
		"winogradIn4LinesNEON":  144, // of 6
		"winogradOut2LinesNEON": 56,
		"winogradOut4LinesNEON": 108,
		"winogradFinishNEON":    35, // a pixel
		"maxPoolF32NEON":        24, // a tap of a pixel
		"lrnF32NEON":            80, // a pixel
		"gaussF32NEON":          38, // four numbers
	} {
		if got[name] == 0 || got[name] > want {
			t.Errorf("%s: %d instructions in its loop, want at most %d", name, got[name], want)
		}
	}
}
