// Package weights reads trained parameters as named tensors from whatever a person has
// them in, says what the file tells of itself, writes .safetensors, and knows the official
// files a user can fetch.
//
//	f, err := weights.Open("checkpoint.pth")
//	if err != nil { ... }
//	defer f.Close()
//	t, ok := f.Tensor("module.conv1.weight") // t.Shape = [64 3 7 7]
//	x, err := t.Float32()                    // row-major
//	labels := f.About().Labels               // class names, where the file gives them
//
// # What is read
//
// Containers are told apart by content, never by suffix: safetensors; torch.save, in a zip
// archive (stored or deflated) or the legacy form; torch.jit.save (TorchScript, scripted or
// traced); torch.export.save (.pt2); numpy.savez; a pickle of NumPy arrays; one of these in
// gzip or alone in a zip archive; safetensors or .bin files with an index.json; ONNX, which is
// a whole network (File.Model, package onnx), with its external data; and a folder with one
// model in it, as of Hugging Face or timm, whose config.json and preprocessor_config.json are
// kept as they are. What is not read is named, with what to do
// (sniff.go).
//
// Of a pickle the state dict is read, wherever it lies: usualKeys in statedict.go states
// the order of preference, File.Dicts lists all that were found, Options.Key chooses. A
// whole module (torch.save(model)) and a TorchScript archive count as the state dict that
// state_dict() would give, and About.Modules holds the class and the plain attributes of
// each layer. The state of an optimizer is never taken unless Key asks for it. Names stay
// as they are in the file, prefixes and all.
//
// # Memory and laziness
//
// Files are memory-mapped where the system can. Float32 of an aligned, contiguous F32
// tensor is a view of the map: it must be treated as read-only and not be used after
// Close, and the file must not be cut short by others meanwhile. What is compressed is
// decompressed into memory. Open looks at the storages of the tensors that it takes, whose
// checksums it verifies, and at no others; of a legacy file it reads the length before
// each. A File is safe for concurrent use; only Close must come last.
//
// # Hostile files
//
// A pickle is a small program. It is read by package pickle, which calls nothing: an
// unknown class or function becomes a value that holds the arguments. A file that refers
// to a name that only an attack would call (dangerous.go) is refused all the same.
// Whatever is wrong with a file is answered by an error that names the file, the tensor
// and both values. What a tensor beside the state dict is made of does not matter.
//
// No file can make this package panic, hang, run code, or open a file outside the folder
// of an index or an ONNX model. Bounds: 4 Mi opcodes and 160 MiB of values of all pickles together; 65,536
// tensors of at most 16 dimensions; what is decompressed is at most 32 MiB and 32 times
// the file's size, never more than 4 GiB; all tensors together at most four times the file
// (with what was decompressed) and 1 MiB; modules 64 deep; JSON texts of 2 Mi tokens, 64
// deep, of 8 MiB (configurations) or 32 MiB (indices).
//
// Accepted strictly: little-endian only; no bytes after the last storage; zip entries match
// their CRC-32 and do not overlap; safetensors as its reference library reads it.
package weights
