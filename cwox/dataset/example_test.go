package dataset_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"cwox/cwox"
	"cwox/cwox/dataset"
	"cwox/cwox/saliency"
	"cwox/nn"
)

// Label lists of all images of a folder, for hlta.Learn. After an interruption the same call
// goes on where it stopped.
func ExampleWriteDocuments() {
	makeDocuments := func(ctx context.Context, classifier *cwox.Classifier) error {
		images, _, err := dataset.List("photos")
		if err != nil {
			return err
		}
		r, err := dataset.WriteDocuments(ctx, classifier, images, "docs.txt.gz", dataset.DocumentsOptions{
			Progress: func(phase string, done, total int) { fmt.Fprintf(os.Stderr, "\r%s: %d of %d", phase, done, total) },
		})
		if err != nil {
			return err
		}
		fmt.Printf("%d documents of %d images, %d unreadable\n", r.Documents, r.Images, r.Unreadable)
		return nil
	}
	_ = makeDocuments
}

// The images of a folder come in order of name; a text file would name them one a line.
func ExampleList() {
	folder, err := os.MkdirTemp("", "photos")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	for _, name := range []string{"violin.png", "cello.jpg", "readme.txt"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o644); err != nil {
			fmt.Println(err)
			return
		}
	}
	images, _, err := dataset.List(folder)
	for _, image := range images {
		fmt.Println(filepath.Base(image))
	}
	fmt.Println(err)
	// Output:
	// cello.jpg
	// violin.png
	// <nil>
}

// Do the maps of two methods point at what they should? On drawn scenes that is known.
func ExampleEvaluateTruth() {
	folder, err := os.MkdirTemp("", "truth")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	c, err := cwox.Demo(nn.CompileOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := dataset.EvaluateTruth(context.Background(), c, folder, dataset.TruthOptions{
		Methods: []cwox.Method{cwox.SWOX, cwox.CWOX2s},
		Explainers: []dataset.TruthExplainer{{Name: "gradcam", Scenes: 20, New: func() (saliency.Explainer, error) {
			return cwox.NewExplainer("gradcam", c, cwox.Paper)
		}}},
		Step: -1, // no CAUC and CDROP
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range s.Explainers[0].Measures {
		if m.Name == dataset.TruthPartEnergy {
			fmt.Println("CWOX-2s has more weight on the telling part:", m.Means[1].Mean > m.Means[0].Mean)
		}
	}
	// Output: CWOX-2s has more weight on the telling part: true
}
