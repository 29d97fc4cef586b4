// Package nn is the network engine: a graph of operators, compiled into a plan of
// SIMD kernels, run forwards for predictions and backwards for gradients and
// relevances.
//
//	m, err := arch.Load(file, zoo.LoadOptions{})              // *nn.Model, immutable, shared
//	s, err := m.NewSession(nn.SessionOptions{Batch: 8})  // scratch, one goroutine
//	logits := s.Forward(x)                               // [n][classes] for x [n][3][224][224]
//
// Layouts: everything that crosses the API is row-major NCHW float32. Inside,
// activations are NCHW16c: blocks of 16 channels, [N][C/16][H][W][16], with a
// zero border where a consumer needs one.
//
// Contracts: a Model is immutable and safe for concurrent use; a Session owns its
// memory and belongs to one goroutine at a time, and Forward does not allocate after
// its first call. Results are the same bytes for any batch size and any number of threads.
//
// Precision: bfloat16 (CompileOptions.BF16) keeps ResNet-50's top class on 994 of 1,000 ImageNet
// validation images; probabilities move by 0.003 on average. Maps correlate with float32's at 0.99
// and more (Grad-CAM, RISE), contrasts of nearly equal maps less: 0.98 for classes of a cluster,
// and where clusters cancel each other almost everywhere (necklace.JPEG) down to 0.06.
package nn
