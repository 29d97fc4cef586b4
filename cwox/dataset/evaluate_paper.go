package dataset

import "cwox/cwox"

// published is what the paper reports of a metric, in the metric's own unit, by
// "network explainer method". Its networks are torchvision's; GoogLeNet's numbers are shown
// beside BVLC's, too.
var published = map[string]map[string]float64{
	"cauc": { // Table 1
		"resnet50 gradcam swox": 7.54e-3, "resnet50 rise swox": 5.18e-3, "googlenet gradcam swox": 5.93e-3, "googlenet rise swox": 3.36e-3,
		"resnet50 gradcam cwox1sa": 7.19e-3, "resnet50 rise cwox1sa": 4.65e-3, "googlenet gradcam cwox1sa": 5.37e-3, "googlenet rise cwox1sa": 3.12e-3,
		"resnet50 gradcam cwox1sb": 7.68e-3, "resnet50 rise cwox1sb": 4.96e-3, "googlenet gradcam cwox1sb": 6.12e-3, "googlenet rise cwox1sb": 3.24e-3,
		"resnet50 gradcam cwox2s": 5.78e-3, "resnet50 rise cwox2s": 4.08e-3, "googlenet gradcam cwox2s": 4.47e-3, "googlenet rise cwox2s": 2.78e-3,
	},
	"cdrop": { // Table 2
		"resnet50 gradcam swox": 6.84e-2, "resnet50 rise swox": 8.19e-2, "googlenet gradcam swox": 6.56e-2, "googlenet rise swox": 7.68e-2,
		"resnet50 gradcam cwox1sa": 7.01e-2, "resnet50 rise cwox1sa": 8.35e-2, "googlenet gradcam cwox1sa": 6.59e-2, "googlenet rise cwox1sa": 7.73e-2,
		"resnet50 gradcam cwox1sb": 5.22e-2, "resnet50 rise cwox1sb": 7.01e-2, "googlenet gradcam cwox1sb": 5.05e-2, "googlenet rise cwox1sb": 6.32e-2,
		"resnet50 gradcam cwox2s": 8.21e-2, "resnet50 rise cwox2s": 8.97e-2, "googlenet gradcam cwox2s": 7.64e-2, "googlenet rise cwox2s": 8.32e-2,
	},
	"explainers n_delta": { // Table 3, from here on
		"resnet50 gradcam cwox2s": 2029, "resnet50 mwp cwox2s": 4194, "resnet50 lime cwox2s": 2464, "resnet50 rise cwox2s": 1282,
		"googlenet gradcam cwox2s": 2181, "googlenet mwp cwox2s": 3026, "googlenet lime cwox2s": 2351, "googlenet rise cwox2s": 1105,
	},
	"explainers cauc": {
		"resnet50 gradcam cwox2s": 3.11e-3, "resnet50 mwp cwox2s": 3.12e-3, "resnet50 lime cwox2s": 3.40e-3, "resnet50 rise cwox2s": 3.07e-3,
		"googlenet gradcam cwox2s": 1.80e-3, "googlenet mwp cwox2s": 1.77e-3, "googlenet lime cwox2s": 1.92e-3, "googlenet rise cwox2s": 1.72e-3,
	},
	"explainers cdrop": {
		"resnet50 gradcam cwox2s": 8.01e-2, "resnet50 mwp cwox2s": 7.37e-2, "resnet50 lime cwox2s": 4.89e-2, "resnet50 rise cwox2s": 8.97e-2,
		"googlenet gradcam cwox2s": 7.46e-2, "googlenet mwp cwox2s": 5.85e-2, "googlenet lime cwox2s": 3.64e-2, "googlenet rise cwox2s": 8.32e-2,
	},
}

// inPaper is the paper's value of a metric; nil where it has none.
func inPaper(metric, model, explainer string, method cwox.Method) *float64 {
	if model == "googlenet-caffe" {
		model = "googlenet"
	}
	v, ok := published[metric][model+" "+explainer+" "+string(method)]
	if !ok {
		return nil
	}
	return &v
}
