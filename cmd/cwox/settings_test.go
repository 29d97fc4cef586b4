package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"cwox/cwox"
	"cwox/cwox/report"
	"cwox/nn/zoo"
)

// TestSettingsSurviveTheReport reads every explainer's settings back from a report, as verify
// does.
func TestSettingsSurviveTheReport(t *testing.T) {
	arch, err := zoo.Lookup("resnet50")
	if err != nil {
		t.Fatal(err)
	}
	cl := &cwox.Classifier{Arch: arch}
	for _, tt := range []struct{ name, flags string }{
		{"gradcam", ""},
		{"gradcam", "--cluster-layer layer4.1 --class-layer layer2"},
		{"mwp", ""},
		{"mwp", "--mwp-contrastive"},
		{"rise", ""},
		{"rise", "--rise-masks 100,200 --rise-cells 7 --rise-keep 0.2,0.4 --rise-quality debiased --rise-tolerance 0.05"},
		{"lime", ""},
		{"lime", "--lime-samples 100,200 --lime-kernel 3.5,5"},
		{"lime", "--lime-superpixels slic --lime-segments 50,300"},
		{"guided", ""},
		{"guided", "--smooth 2"},
		{"deeplift", "--smooth 1.5"},
	} {
		var f settingFlags
		c := &cobra.Command{Use: "test"}
		f.add(c)
		if err := c.ParseFlags(strings.Fields(tt.flags)); err != nil {
			t.Fatal(err)
		}
		e, err := f.explainer(c, tt.name, cl, cwox.Paper)
		if err != nil {
			t.Fatal(err)
		}
		if e.Name() != tt.name {
			t.Errorf("%s: made %s", tt.name, e.Name())
		}
		text, err := json.Marshal(report.Report{Explainer: report.Explainer{Name: tt.name, Settings: e.Settings()}})
		if err != nil {
			t.Fatal(err)
		}
		var r report.Report
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatal(err)
		}
		o, err := optionsOf(&r, cl)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(o.Explainer.Settings(), e.Settings()) {
			t.Errorf("%s %s: settings %v, from the report %v", tt.name, tt.flags, e.Settings(), o.Explainer.Settings())
		}
	}
	// All names are tried above.
	for _, name := range cwox.ExplainerNames() {
		if !strings.Contains("gradcam mwp rise lime guided deeplift", name) {
			t.Errorf("%s: not tested", name)
		}
	}
}

func TestBadSettings(t *testing.T) {
	for _, tt := range []struct{ name, flags, says string }{
		{"lime", "--lime-samples many", "--lime-samples many: want a number"},
		{"lime", "--lime-kernel 3,big", "--lime-kernel 3,big: want a number"},
		{"lime", "--lime-segments 1,2,3", "--lime-segments 1,2,3: want a number"},
		{"shap", "", "--explainer shap: want gradcam, mwp, rise, lime, guided, deeplift"},
	} {
		var f settingFlags
		c := &cobra.Command{Use: "test"}
		f.add(c)
		if err := c.ParseFlags(strings.Fields(tt.flags)); err != nil {
			t.Fatal(err)
		}
		arch, err := zoo.Lookup("resnet50")
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.explainer(c, tt.name, &cwox.Classifier{Arch: arch}, cwox.Paper)
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s %s: %v, want %q", tt.name, tt.flags, err, tt.says)
		}
	}
}
