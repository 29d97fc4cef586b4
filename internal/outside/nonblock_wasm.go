package outside

// nonBlock is nothing under WebAssembly, which has no pipes.
const nonBlock = 0
