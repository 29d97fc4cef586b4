package weights

// DType is the element type of a stored tensor, spelled as safetensors does.
type DType string

// The element types that can be read.
const (
	F64  DType = "F64"
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
	I64  DType = "I64"
	I32  DType = "I32"
	I16  DType = "I16"
	I8   DType = "I8"
	U8   DType = "U8"
	Bool DType = "BOOL"
)

// Format is the container a file was recognised as.
type Format string

// The containers that can be read.
const (
	Safetensors Format = "safetensors"
	PTHZip      Format = "pth-zip"
	PTHLegacy   Format = "pth-legacy"
)
