package dataset_test

import (
	"context"
	"fmt"
	"os"

	"cwox/cwox"
	"cwox/cwox/dataset"
	"cwox/cwox/faithfulness"
	"cwox/cwox/saliency"
)

// The paper's tables for a classifier and two base explainers. After an interruption the same
// call goes on where it stopped; another classifier's results can be added to the folder.
func ExampleEvaluate() {
	evaluate := func(ctx context.Context, classifier *cwox.Classifier) error {
		images, _, err := dataset.List("photos")
		if err != nil {
			return err
		}
		var explainers []saliency.Explainer
		for _, name := range []string{"gradcam", "rise"} {
			x, err := cwox.NewExplainer(name, classifier, cwox.Paper)
			if err != nil {
				return err
			}
			explainers = append(explainers, x)
		}
		e, err := dataset.Evaluate(ctx, classifier, images, "results", dataset.EvaluateOptions{
			Explainers:   explainers,
			Explain:      cwox.Options{Tree: cwox.DefaultTree(classifier)},
			Faithfulness: faithfulness.Options{Step: 16},
			MaxImages:    100,
		})
		if err != nil {
			return err
		}
		for _, c := range e.Columns {
			for _, m := range c.Methods {
				fmt.Println(c.Model, c.Explainer, m.Method, float64(m.CAUC.Mean), float64(m.CDROP.Mean))
			}
		}
		return e.WriteText(os.Stdout)
	}
	_ = evaluate
}
