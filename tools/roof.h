// The least that any rotation does to memory: read, multiply, write.
#ifndef SIMDROPE_TOOLS_ROOF_H_
#define SIMDROPE_TOOLS_ROOF_H_

#include <cstddef>

namespace simdrope::tool {

// Reads `bytes` bytes at `in`, multiplies them by one as elements of `element_size` bytes (4: float; 2: an integer,
// which costs the same whatever the bits mean) and writes them to `out`, which does not overlap `in`. On this thread.
void ReadMultiplyWrite(const void* in, void* out, size_t bytes, size_t element_size);

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_ROOF_H_
