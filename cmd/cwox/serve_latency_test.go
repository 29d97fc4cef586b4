package main

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"cwox/internal/testdata"
)

// TestPageLatency measures how long a person waits at the page of ResNet-50: from a stroke of the
// brush to new probabilities, from a moved class and from a chosen file to new maps.
func TestPageLatency(t *testing.T) {
	if os.Getenv("CWOX_LATENCY") == "" {
		t.Skip("CWOX_LATENCY=1 measures")
	}
	photo := testdata.Path(t, "images", "paper", "cello_guitar.jpg")
	s := startServe(t, "--weights", testdata.Path(t, "weights", "resnet50_tf_v15.safetensors"), "--precision", precision(), photo)
	b := openTab(t, s.address, 1280, 1000)
	b.settled()
	spans := func(name string) []float64 {
		all := eval[[]float64](b, fmt.Sprintf(`performance.getEntriesByName(%q).map(e => e.duration)`, name))
		eval[bool](b, `performance.clearMeasures() || true`)
		slices.Sort(all)
		return all
	}
	report := func(what string, all []float64) {
		t.Logf("%s: %d times, median %.0f ms, 95 %% within %.0f ms", what, len(all), all[len(all)/2], all[len(all)*95/100])
	}
	spans("")
	for range 8 {
		for _, to := range []string{"-1", "0"} {
			b.choose(`[data-class="889"] select`, to)
			b.wait("moved", fmt.Sprintf(`document.querySelectorAll(".cluster").length === %d`, map[string]int{"-1": 3, "0": 2}[to]))
			b.settled()
		}
	}
	report("a moved class to its maps", spans("partial"))
	eval[bool](b, `document.querySelector("[name=tool][value=erase]").click(), true`)
	for i := range 8 {
		b.drag(middle("#stage", -0.3, float64(i)/10-0.4), middle("#stage", 0.3, float64(i)/10-0.3))
		time.Sleep(300 * time.Millisecond)
	}
	report("a stroke to its probabilities", spans("stroke"))
	for range 5 {
		b.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{testdata.Path(t, "images", "paper", "desktop.JPEG")}))
		b.wait("one picture", `document.getElementById("caption").textContent.startsWith("desktop")`)
		b.settled()
		b.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{photo}))
		b.wait("the other", `document.getElementById("caption").textContent.startsWith("cello")`)
		b.settled()
	}
	report("a chosen file to its maps", spans("partial"))
}

// precision is that of CWOX_LATENCY=bf16, else f32.
func precision() string {
	if os.Getenv("CWOX_LATENCY") == "bf16" {
		return "bf16"
	}
	return "f32"
}
