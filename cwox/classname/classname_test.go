package classname

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var instruments = New(10,
	[]string{"cello", "violin", "crane", "acoustic guitar", "crane", "tench, Tinca tinca", "Maillot", "", "[x]", "salt, pepper"},
	[][]string{{"violoncello"}, {"fiddle"}, nil, nil, nil, nil, {"tank suit", "cello"}})

func TestFind(t *testing.T) {
	for _, tt := range []struct {
		text  string
		class int
		want  string // in the error
	}{
		{"3", 3, ""}, {"c3", 3, ""}, {"c003", 3, ""}, {"0007", 7, ""}, {" 3 ", 3, ""},
		{"violin", 1, ""}, {"VIOLIN", 1, ""}, {"Acoustic_Guitar", 3, ""}, {"acoustic  guitar", 3, ""},
		{"fiddle", 1, ""}, {"tank suit", 6, ""}, {"tench", 5, ""}, {"tinca tinca", 5, ""}, {"tench, Tinca tinca", 5, ""},
		{"cello", 0, ""}, // a label comes before another class's synonym
		{"maillot", 6, ""},
		{"crane", 0, `"crane" is the name of several classes, 2 (crane), 4 (crane): give the number`},
		{"10", 0, "class 10: the model has classes 0 to 9"},
		{"c10", 0, "class 10: the model has classes 0 to 9"},
		{"-1", 0, `no class is called "-1"`},
		{"", 0, "no class is named"}, {" \t", 0, "no class is named"},
		{"violn", 0, `no class is called "violn": the nearest are 1 (violin)`},
		{"guitar", 0, `the nearest are 3 (acoustic guitar)`},
		{"xylophone", 0, `no class is called "xylophone"`},
		{"99999999999999999999", 0, "no class is called"},
	} {
		got, err := instruments.Find(tt.text)
		if tt.want == "" && (err != nil || got != tt.class) || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%q: %d, %v, want %d %s", tt.text, got, err, tt.class, tt.want)
		}
	}
	if _, err := New(3, nil, nil).Find("cello"); err == nil || !strings.Contains(err.Error(), "--labels") {
		t.Errorf("without names: %v", err)
	}
	if got, err := New(0, nil, nil).Find("c4711"); got != 4711 || err != nil {
		t.Errorf("of an unknown number: %d, %v", got, err)
	}
}

// Names that are numbers, as of folders "1" to "102" in the order of their names.
func TestFindNumbers(t *testing.T) {
	digits := New(3, []string{"0", "1", "2"}, nil)
	flowers := New(3, []string{"1", "10", "2"}, nil)
	for _, tt := range []struct {
		names *Names
		text  string
		class int
		want  string
	}{
		{digits, "1", 1, ""},
		{flowers, "10", 1, ""}, // there is no class 10
		{flowers, "c2", 2, ""},
		{flowers, "2", 2, ""},
		{flowers, "1", 0, `"1" is the number of 1 (10) and the name of 0 (1): give the number of the one that is meant, c1 or c0, or ["1"] for the name`},
	} {
		got, err := tt.names.Find(tt.text)
		if tt.want == "" && (err != nil || got != tt.class) || tt.want != "" && (err == nil || err.Error() != tt.want) {
			t.Errorf("%q: %d, %v, want %d %s", tt.text, got, err, tt.class, tt.want)
		}
	}
	if got, err := flowers.List(`["1", "c1", 1]`); err != nil || fmt.Sprint(got) != "[0 1 1]" {
		t.Errorf("by name, by number: %v, %v", got, err)
	}
}

func TestList(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"cello,violin", "[0 1]"},
		{"3, violin ,c0", "[3 1 0]"},
		{"tench, Tinca tinca", "[5]"},
		{"cello,salt, pepper,1", "[0 9 1]"},
		{`["salt, pepper", 4, "Cello", "c1"]`, "[9 4 0 1]"},
		{"[x]", "[8]"},
		{"[x],cello", "want names and numbers"},
		{`["[x]","cello"]`, "[8 0]"},
		{"crane,1", "several classes"},
		{"cello,,violin", "no class is named"},
		{"", "no class is named"},
		{"[1", "unexpected EOF"},
		{"[1] 2", "text after the list"},
		{"[1.5]", "class 1.5: want a whole number"},
		{"[-1]", "class -1: want a whole number"},
		{"[10]", "class 10: the model has classes 0 to 9"},
		{"[null]", "neither a number nor a name"},
		{`["crane"]`, "several classes"},
		{strings.Repeat("1,", 1<<20), "bytes"},
	} {
		got, err := instruments.List(tt.text)
		if text := fmt.Sprint(got); err == nil && text != tt.want || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.40q: %v, %v, want %s", tt.text, got, err, tt.want)
		}
	}
}

func TestClusters(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`[[0,1],[3,"tench","c2"]]`, "[[0 1] [3 5 2]]"},
		{`[["cello","violin"],["salt, pepper"]]`, "[[0 1] [9]]"},
		{`[]`, "no clusters"}, {`null`, "no clusters"}, {``, "EOF"},
		{`[[1],[]]`, "cluster 2 of 2 is empty"},
		{`[1,2]`, "want lists of class numbers or names"},
		{`[[1],"violin"]`, "want lists of class numbers or names"},
		{`[["crane"]]`, "2 (crane), 4 (crane)"},
		{`[[12]]`, "class 12"},
		{`[[{}]]`, "neither"},
	} {
		got, err := instruments.Clusters(tt.text)
		if text := fmt.Sprint(got); err == nil && text != tt.want || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, %v, want %s", tt.text, got, err, tt.want)
		}
	}
}

func TestComplete(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"vi", []string{"violin\tclass 1: violin"}},
		{"cello,AC", []string{"cello,acoustic guitar\tclass 3: acoustic guitar"}},
		{"cr", []string{"c2\tclass 2: crane", "c4\tclass 4: crane"}},
		{"ten", []string{"tench\tclass 5: tench, Tinca tinca"}},
		{"zz", nil},
	} {
		if got := instruments.Complete(tt.text, 100); !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.text, got, tt.want)
		}
	}
	if got := instruments.Complete("", 3); len(got) != 3 {
		t.Errorf("%d ways, want 3", len(got))
	}
}

func TestAlike(t *testing.T) {
	names := New(3, []string{"pay-phone", "++", "tench, Tinca tinca"}, nil)
	for _, tt := range []struct {
		class int
		name  string
		want  bool
	}{{0, "Pay phone", true}, {0, "payphone", true}, {0, "phone", false}, {1, "++", true}, {1, "--", false}, {2, "tench", true}, {3, "x", false}} {
		if got := names.Alike(tt.class, tt.name); got != tt.want {
			t.Errorf("%d, %q: %v", tt.class, tt.name, got)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"abc", "abc", 0}, {"", "ab", 2}} {
		if got := distance([]rune(tt.a), []rune(tt.b), 9); got != tt.want {
			t.Errorf("%s, %s: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

// Whatever is asked for, what is found exists, and a name finds its class or says why not.
func FuzzNames(f *testing.F) {
	f.Add("cello", "cello,violin", `[["cello"],[1]]`)
	f.Add("1", "[1,\"a\"]", "[[]]")
	f.Add("a, b", "a, b,c", `[["a, b",1e9]]`)
	f.Fuzz(func(t *testing.T, label, list, clusters string) {
		names := New(3, []string{label, "violin", "1"}, [][]string{nil, {label}})
		valid := func(classes []int, err error) {
			for _, c := range classes {
				if err == nil && (c < 0 || c > 2) {
					t.Fatalf("class %d of %q", c, list)
				}
			}
		}
		class, err := names.Find(label)
		valid([]int{class}, err)
		if _, number := parseNumber(strings.TrimSpace(label)); err == nil && !number && class != 0 && fold(label) != "violin" && fold(label) != "1" {
			t.Fatalf("%q: class %d", label, class)
		}
		valid(names.List(list))
		sets, err := names.Clusters(clusters)
		for _, set := range sets {
			valid(set, err)
		}
		if err == nil && len(sets) == 0 {
			t.Fatal("no clusters and no error")
		}
		text, _ := json.Marshal([]any{0, "c1", json.Number(strconv.Itoa(2))})
		valid(names.List(string(text)))
		for _, s := range names.Complete(list, 10) {
			if !strings.Contains(s, "\tclass ") {
				t.Fatalf("completion %q", s)
			}
		}
	})
}
