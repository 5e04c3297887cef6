#include "roof.h"

#include <cstdint>

// A version for each instruction set, of which the loader chooses.
#if defined(__x86_64__) && defined(__gnu_linux__) && (!defined(__clang__) || __clang_major__ >= 14)
#define EVERY_X86 __attribute__((target_clones("default", "avx2", "arch=x86-64-v4")))
#else
#define EVERY_X86
#endif

namespace simdrope::tool {
namespace {

// Unknown to the compiler.
volatile float one = 1.0f;

EVERY_X86 void MultiplyFloats(const float* __restrict in, float* __restrict out, size_t count, float factor) {
  for (size_t i = 0; i < count; ++i) out[i] = in[i] * factor;
}

EVERY_X86 void MultiplyIntegers(const uint16_t* __restrict in, uint16_t* __restrict out, size_t count,
                                uint16_t factor) {
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<uint16_t>(in[i] * factor);
}

}  // namespace

void ReadMultiplyWrite(const void* in, void* out, size_t bytes, size_t element_size) {
  const float factor = one;
  if (element_size == sizeof(float)) {
    MultiplyFloats(static_cast<const float*>(in), static_cast<float*>(out), bytes / sizeof(float), factor);
  } else {
    MultiplyIntegers(static_cast<const uint16_t*>(in), static_cast<uint16_t*>(out), bytes / sizeof(uint16_t),
                     static_cast<uint16_t>(factor));
  }
}

}  // namespace simdrope::tool
