package asm

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// loop is the innermost loop of a kernel with the most multiply-adds, or else the longest: its
// instructions, and how many of them are multiply-adds of vectors (AMX: of tiles).
type loop struct{ instructions, multiplyAdds int }

// loops are those of the kernels of every tier; what one goes through stands beside it.
var loops = map[string]map[string]loop{
	"arm64": {
		"gemmF32NEON_6x16":      {120, 96}, // of four k
		"gemmF32NEON_5x16":      {103, 80},
		"gemmF32NEON_4x16":      {86, 64},
		"gemmF32NEON_3x16":      {69, 48},
		"gemmF32NEON_2x16":      {52, 32},
		"gemmF32NEON_1x16":      {35, 16},
		"depthwiseF32NEON":      {35, 16},  // a tap of four pixels
		"winogradIn2LinesNEON":  {64, 0},   // of 16 lanes: a line of 4 vectors
		"winogradIn4LinesNEON":  {144, 48}, // of 6
		"winogradOut2LinesNEON": {56, 0},
		"winogradOut4LinesNEON": {108, 16},
		"winogradFinishNEON":    {35, 0}, // a pixel
		"maxPoolF32NEON":        {24, 0}, // a tap of a pixel
		"lrnF32NEON":            {80, 0}, // a pixel
		"gaussF32NEON":          {38, 0}, // four numbers
		"mapF32NEON":            {41, 0}, // a pixel
		"sigmoidF32NEON":        {13, 0}, // a term of Curve
		"peakF32NEON":           {26, 24},
		"gemmBF16NEON_6x16":     {120, 96}, // of four pairs of k
		"gemmBF16NEON_1x16":     {35, 16},
		"maxPoolBF16NEON":       {26, 0},
		"narrowVectorsNEON":     {26, 0}, // a pixel
		"widenVectorsNEON":      {14, 0},
		"peakBF16NEON":          {26, 24},
	},
	"amd64": {},
}

// TestLoops counts the instructions of inner loops, as the assembler lists them, of all
// processors: where no such machine is at hand to be timed, a loop that grows is seen here.
func TestLoops(t *testing.T) {
	if testing.Short() {
		t.Skip("assembles for another processor")
	}
	// A result that is kept holds as long as these files, which another process reads, are the same.
	for _, pattern := range []string{"*.s", "*.h", "*.go"} {
		names, err := filepath.Glob(pattern)
		for _, name := range names {
			if _, err := os.ReadFile(name); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil || names == nil {
			t.Fatal(pattern, err)
		}
	}
	for arch, want := range loops {
		got := listLoops(t, arch)
		for name, want := range want {
			if got := got[name]; got.instructions == 0 || got.instructions > want.instructions || got.multiplyAdds != want.multiplyAdds {
				t.Errorf("%s: its loop has %d instructions, %d of them multiply-adds; want at most %d, and %d",
					name, got.instructions, got.multiplyAdds, want.instructions, want.multiplyAdds)
			}
		}
	}
}

var (
	listedText  = regexp.MustCompile(`^\S+\.(\w+) STEXT.* asm `)
	listedCode  = regexp.MustCompile(`^\t0x\w+ (\d+) \(.*?\)\t(\w+)(?:\.\w)?(?:\t(.*))?$`)
	noCode      = regexp.MustCompile(`^(TEXT|FUNCDATA|PCDATA|PCALIGN)$`)
	branch      = regexp.MustCompile(`^(J\w+|B|B[A-Z]{2}|CBN?Z)$`)
	multiplyAdd = regexp.MustCompile(`^(VFN?M(ADD|SUB)\d*PS|V?FML[AS]|VDPBF16PS|TDPBF16PS)$`)
)

// instruction is one of a listing.
type instruction struct {
	at       int // bytes from the function's start
	name     string
	code     []byte // where it is spelt as bytes
	goesBack bool
}

// listLoops are the loops of all functions in assembly, by their names.
func listLoops(t *testing.T, arch string) map[string]loop {
	cmd := exec.Command("go", "build", "-asmflags=-S", ".")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0")
	listing, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, listing)
	}
	found := map[string]loop{}
	name := ""
	var all []instruction // of this function
	for line := range strings.Lines(string(listing)) {
		line = strings.TrimSuffix(line, "\n")
		if m := listedText.FindStringSubmatch(line); m != nil {
			name, all = m[1], nil
		}
		m := listedCode.FindStringSubmatch(line)
		if m == nil || noCode.MatchString(m[2]) {
			continue
		}
		at, _ := strconv.Atoi(m[1])
		all = appendInstruction(all, at, m[2], m[3])
		operands := strings.Split(m[3], ", ")
		to, err := strconv.Atoi(operands[len(operands)-1])
		if err != nil || !branch.MatchString(m[2]) || to >= at {
			continue
		}
		body := all[slices.IndexFunc(all, func(i instruction) bool { return i.at == to }):]
		inner := !slices.ContainsFunc(body, func(i instruction) bool { return i.goesBack })
		all[len(all)-1].goesBack = true
		l := loop{instructions: len(body)}
		for _, i := range body {
			if multiplyAdd.MatchString(i.name) {
				l.multiplyAdds++
			}
		}
		if best := found[name]; inner && cmp.Or(cmp.Compare(l.multiplyAdds, best.multiplyAdds), cmp.Compare(l.instructions, best.instructions)) > 0 {
			found[name] = l
		}
	}
	return found
}

// appendInstruction appends one of a listing, or a byte to the one before, and names what macros
// spell as numbers if it multiplies and adds.
func appendInstruction(all []instruction, at int, name, operands string) []instruction {
	value, _ := strconv.ParseUint(strings.TrimPrefix(operands, "$"), 10, 32)
	switch name {
	case "WORD":
		for _, known := range []struct{ mask, code uint64 }{
			{0xffc0b400, 0x4f801000}, // FMLA and FMLS by element
			{0xffa0fc00, 0x4e20cc00}, // and by vectors
			{0xffc0f400, 0x4f40f000}, // BFDOT by element
			{0xffe0fc00, 0x6e40ec00}, // BFMMLA
		} {
			if value&known.mask == known.code {
				name = "FMLA"
			}
		}
	case "BYTE":
		if last := len(all) - 1; last >= 0 && all[last].name == name {
			i := &all[last]
			i.code = append(i.code, byte(value))
			switch { // VEX and EVEX with registers alone; of those with memory, the tiles' with an index
			case i.code[0] == 0x62 && len(i.code) == 6:
				i.name = "EVEX"
				if i.code[4] == 0x52 {
					i.name = "VDPBF16PS"
				}
			case i.code[0] == 0xc4 && len(i.code) == 5 && i.code[3] != 0x4b, len(i.code) == 6:
				i.name = "VEX"
				if i.code[3] == 0x5c {
					i.name = "TDPBF16PS"
				}
			}
			return all
		}
		return append(all, instruction{at: at, name: name, code: []byte{byte(value)}})
	}
	return append(all, instruction{at: at, name: name})
}
