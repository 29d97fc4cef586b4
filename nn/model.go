package nn

// Model is a compiled network.
type Model struct{}
