//go:build !wasm

package outside

import "syscall"

// nonBlock opens a pipe without waiting for its writer.
const nonBlock = syscall.O_NONBLOCK
