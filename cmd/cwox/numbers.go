package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// between is a range of numbers, its ends included. More says what to want where they are not.
type between struct {
	low, high float64
	more      string
}

func (b between) holds(v float64) bool { return b.low <= v && v <= b.high }

func (b between) String() string {
	switch {
	case b.more != "":
		return b.more
	case math.IsInf(b.high, 1):
		return fmt.Sprintf("at least %g", b.low)
	case b.high == most:
		return fmt.Sprintf("at least %g, at most %g", b.low, b.high)
	}
	return fmt.Sprintf("%.0f to %.0f", b.low, b.high)
}

const most = 1e9 // of what there may be many of: images, masks, steps

var (
	share     = between{math.SmallestNonzeroFloat64, math.Nextafter(1, 0), "more than 0 and less than 1"}
	tolerance = between{0, math.Inf(1), ""}

	percentile = between{-1, 100, "a percentile, or -1 for all positive pixels"}
)

// bounds are the numbers that flags take, by the flag, or by the command and the flag where
// commands differ. 0 is no way to say the default. A flag of float64 that is not among them
// takes any number; NaN and the infinities are none. What depends on other flags or on the
// network is checked where these are known.
var bounds = map[string]between{
	"threads":          {1, 1024, ""},
	"batch":            {1, 1024, ""},
	"seconds":          {math.SmallestNonzeroFloat64, 3600, "more than 0 and at most 3600"},
	"max-pixels":       {1, 1 << 40, ""},
	"max-memory":       {1 << 20, 1 << 50, ""},
	"top":              {1, most, ""},
	"level":            {1, most, ""},
	"show level":       {0, most, ""},
	"max-labels":       {2, most, ""},
	"max-images":       {1, most, ""},
	"examples":         {0, 10000, ""},
	"cumulative":       share,
	"queue":            {1, 1000, ""},
	"max-upload":       {1 << 10, 1 << 40, ""},
	"keep-memory":      {64 << 20, 1 << 50, ""},
	"delta":            percentile,
	"support-delta":    percentile,
	"epsilon":          tolerance,
	"smooth":           {0, 1000, ""},
	"rise-tolerance":   share,
	"score delta":      {math.SmallestNonzeroFloat64, 1, "more than 0 and at most 1"},
	"evaluate delta":   {math.SmallestNonzeroFloat64, 1, "more than 0 and at most 1"},
	"plan delta":       {math.SmallestNonzeroFloat64, 1, "more than 0 and at most 1"},
	"step":             {1, most, ""},
	"count":            {1, most, ""},
	"auc-steps":        {0, most, ""},
	"em-restarts":      {1, 1024, ""},
	"em-steps":         {1, 1e6, ""},
	"em-tolerance":     tolerance,
	"max-island":       {4, 16, ""},
	"max-top":          {2, 1024, ""},
	"batch-size":       {-1, most, ""},
	"learn-size":       {-1, most, ""},
	"global-steps":     {1, 1e6, ""},
	"global-tolerance": tolerance,
	"minibatch":        {1, most, ""},
	"epochs":           {1, 1e6, ""},
	"sample":           {1, 10000, ""},
	"images":           {1, most, ""},
	"price":            {0, most, ""},
	"forwards":         {math.SmallestNonzeroFloat64, most, "more than 0"},
	"alpha":            {math.Nextafter(0.5, 1), 1, "more than 0.5 and at most 1"},
}

// pairs are the numbers of flags that take one for both stages, or two.
var pairs = map[string]struct {
	between
	whole bool
}{
	"rise-masks":    {between{1, 1 << 20, ""}, true},
	"rise-cells":    {between{1, most, ""}, true},
	"rise-keep":     {between{math.SmallestNonzeroFloat64, 1, "more than 0 and at most 1"}, false},
	"lime-samples":  {between{1, 1 << 20, ""}, true},
	"lime-kernel":   {between{math.SmallestNonzeroFloat64, 1000, "more than 0 and at most 1000"}, false},
	"lime-segments": {between{1, most, ""}, true},
	"scenes":        {between{1, most, ""}, true},
}

// checkNumbers refuses a number that its flag cannot mean, before anything is opened.
func checkNumbers(c *cobra.Command) (err error) {
	c.Flags().Visit(func(f *pflag.Flag) {
		if pair, ok := pairs[f.Name]; ok && err == nil {
			first, second, two := strings.Cut(f.Value.String(), ",")
			for _, text := range []string{first, second}[:map[bool]int{false: 1, true: 2}[two]] {
				v, notNumber := strconv.ParseFloat(strings.TrimSpace(text), 64)
				if notNumber != nil || !pair.holds(v) || pair.whole && v != math.Trunc(v) {
					err = usage(c, "--%s %s: want a number, or two separated by a comma, %s", f.Name, f.Value, pair)
				}
			}
			return
		}
		v, notNumber := strconv.ParseFloat(f.Value.String(), 64)
		if err != nil || notNumber != nil || f.Value.Type() == "string" || f.Value.Type() == "bool" {
			return // lists and names are read where they are used
		}
		want, ok := bounds[c.Name()+" "+f.Name]
		if !ok {
			want, ok = bounds[f.Name]
		}
		if !ok {
			want = between{-math.MaxFloat64, math.MaxFloat64, "a number"}
		}
		if !want.holds(v) {
			err = usage(c, "--%s %s: want %s", f.Name, f.Value, want)
		}
	})
	return err
}
