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
// zero border where a consumer needs one. The input lies interleaved, [H][W][C], for
// convolutions of few channels, and in blocks for whatever else reads it.
//
// Contracts: a Model is immutable and safe for concurrent use; a Session owns its
// memory and belongs to one goroutine at a time, and Forward does not allocate after
// its first call. Results are the same bytes for any batch size and any number of threads.
//
// # Operators
//
// An operator is one type that implements operator (operator.go), with its constructor, in one
// file; nothing else in the package tells operators apart, but for what is fused: what a convolution
// takes into its epilogue (fuse.go), and what is computed as a pointwise convolution reads it
// (prepared.go):
//
//	op_image.go        the input
//	op_conv.go         Conv (groups, dilation, any padding), Linear
//	op_norm.go         BatchNorm, Affine
//	op_elementwise.go  Activation, ReLU; functions.go has their table
//	op_binary.go       Add, Sub, Mul, Div, with operands repeated along axes
//	op_pool.go         MaxPool, AvgPool, GlobalMaxPool, MeanPool
//	op_lrn.go          LRN
//	op_join.go         Concat, Constant
//	op_move.go         Pad, Slice, Shuffle, Resize, Mean
//	op_reshape.go      Reshape, Flatten, Transpose
//	op_statistics.go   LayerNorm, GroupNorm, Softmax, LogSoftmax
//	op_matmul.go       MatMul
//
// To add one: write its type with shape, forward and backward, the rest coming from plain; a
// rowStep (element by element), setStep (pixels or groups together) or resampling does for most.
// Then give the oracle its definition (evaluateOne, oracleNode.pass and excite, in the tests) and
// the drawn networks a way to draw it (draws); TestArbitraryGraphs and TestOracle do the rest. An
// element-wise function is a row of functions.
//
// # How a pass runs
//
// A plan (plan.go) lists the steps of a graph and where values lie (arena.go by lifetime, homes.go
// within concatenations). A session's workers share the items of each step, each the same part of
// every step (workers.go), so that most of what a core reads is in its own cache; over the large
// maps of a batch each worker takes whole images through (front.go). How it is shared changes no
// byte of the result.
//
// # Rules
//
// Gradients are derivatives; at an edge that to the left, and 0 at both ends of a clip. Guided
// backpropagation stops negative signals at ReLUs alone.
//
// DeepLIFT (Shrikumar et al., 2017) takes changes between two values exactly: of a function
// of one number by the rescale rule, of a product half in each order (which is the Shapley value
// of its two factors), and what is made of these (normalisations, softmax, response
// normalisation, quotients) by the chain rule of multipliers.
//
// Excitation backprop (Zhang et al., 2016) divides a signal in proportion to the positive terms
// of a sum: weights W+ times activations where these are not negative, as in the paper, and
// otherwise also negative weights times negative activations (LRP's alpha-beta rule, alpha 1,
// Bach et al., 2015). A sum of two values is divided in proportion to these if a ReLU follows
// (residual sums, as in the paper), else to their positive parts. Activation functions and normalisations pass it unchanged. A gate, x times a value of
// a sigmoid or times one number for the whole map, passes it to x (Arras et al., 2017: the
// signal takes all), so x * sigmoid(x), written out or as SiLU, passes it unchanged; a product of
// two values neither of which is a gate passes half to each. Of a - b and a / b, a gets it.
// Constants get none.
//
// # Precision
//
// bfloat16 (CompileOptions.BF16) keeps ResNet-50's top class on 994 of 1,000 ImageNet
// validation images; probabilities move by 0.003 on average. Maps correlate with float32's at 0.99
// and more (Grad-CAM, RISE), contrasts of nearly equal maps less: 0.98 for classes of a cluster,
// and where clusters cancel each other almost everywhere (necklace.JPEG) down to 0.06.
// Convolutions and max-pooling compute in it; other operators in float32.
package nn
