// Package weights reads trained parameters from .safetensors and PyTorch .pth
// files (zip and legacy containers) as named tensors, and knows the official
// files a user can fetch.
//
//	f, err := weights.Open("resnet50-0676ba61.pth")
//	if err != nil { ... }
//	defer f.Close()
//	t, ok := f.Tensor("conv1.weight")   // t.Shape = [64 3 7 7]
//	x, err := t.Float32()               // row-major
//
// Containers are told apart by content, never by suffix. Files are memory-mapped;
// Float32 of an aligned, contiguous F32 tensor is a view of the map and must be
// treated as read-only and not used after Close. A File is safe for concurrent use.
// A hostile file is answered with an error that names the file and the tensor:
// it cannot panic, hang, run code or allocate more than a small multiple of its size.
package weights
