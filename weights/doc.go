// Package weights reads trained parameters from .safetensors and PyTorch .pth
// files (zip and legacy containers) as named tensors, writes .safetensors, and
// knows the official files a user can fetch.
//
//	f, err := weights.Open("resnet50-0676ba61.pth")
//	if err != nil { ... }
//	defer f.Close()
//	t, ok := f.Tensor("conv1.weight")   // t.Shape = [64 3 7 7]
//	x, err := t.Float32()               // row-major
//
// Containers are told apart by content, never by suffix. Of a .pth file the state
// dict is read: the one below "state_dict", "model_state_dict" or "model" where the
// file is a checkpoint, the top level otherwise; entries of it that are no tensors
// are passed over. A prefix that all names share ("module." of DataParallel,
// "_orig_mod." of torch.compile) is dropped, whatever the container.
//
// # Memory
//
// Files are memory-mapped where the system can. Float32 of an aligned, contiguous
// F32 tensor is a view of the map: it must be treated as read-only and not be used
// after Close, and the file must not be cut short by others meanwhile. A File is
// safe for concurrent use; only Close must come last.
//
// # Hostile files
//
// A .pth file is a pickle, a small program. The machine that runs it here knows the
// opcodes and the names that a state dict needs and can build nothing but numbers,
// strings, lists, dicts and tensors (see pickle.go). Whatever is wrong with
// a file is answered by an error that names the file, the tensor and both values.
// No file can make this package panic, hang, run code, or allocate more than a
// small multiple of the file's size; what tensors take when they are asked for is
// at most four times the file's size and 1 MiB.
//
// Accepted strictly: zip entries must be stored (not deflated) and match their
// CRC-32; little-endian only; no bytes after the last storage; at most 65,536
// tensors of at most 16 dimensions. The old tar container, TorchScript archives and
// big-endian files are refused by name.
package weights
