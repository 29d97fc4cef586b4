// Package asm holds the numeric kernels: one table of them per instruction set
// (a tier), each with a pure-Go twin of the same signature in the ref tier.
// It knows nothing of networks.
//
//	k, why := asm.Best()            // the tier for this CPU; CWOX_ISA forces one
//	k.GemmF32.Run(&asm.GemmF32Args{...})
//
// Contract of every kernel: it reads and writes only what its arguments describe
// (tests put inaccessible pages around the buffers), it never allocates, and it is
// deterministic. Sizes are in elements unless a name ends in Bytes.
package asm
