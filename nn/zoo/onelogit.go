package zoo

// TwoClasses makes of the last linear layer of a network with one logit z, weight [1][inputs] and
// bias [1] or nil, that of a network with two classes, "not it" and "it", with the logits -z/2
// and z/2. Their softmax is 1 - sigmoid(z) and sigmoid(z), and both have a gradient, so that
// everything that explains two competing classes explains them: Grad-CAM's map of one is the
// other's negative, and the contrast of the two has the whole gradient of z. Halves are exact in
// float32.
func TwoClasses(weight, bias []float32) (weight2, bias2 []float32) {
	both := func(x []float32) []float32 {
		out := make([]float32, 2*len(x))
		for i, v := range x {
			out[i], out[len(x)+i] = -v/2, v/2
		}
		return out
	}
	if bias != nil {
		bias2 = both(bias)
	}
	return both(weight), bias2
}
