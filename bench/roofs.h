// How fast this machine moves the bytes of a rotation. Several ways to do so are timed like
// implementations, named FAMILY.VARIANT; a family's time is that of its fastest variant.
#ifndef SIMDROPE_BENCH_ROOFS_H_
#define SIMDROPE_BENCH_ROOFS_H_

#include <functional>
#include <string>
#include <vector>

#include "spans.h"

namespace simdrope::bench {

// `roof`: in place read, multiply, write; out of place a copy.
// `roof-convert`: in place, 16-bit types widened to float, multiplied and rounded to nearest even, bf16
// in integers. `roof-hwconvert`: bf16 rounded by AVX512_BF16's instruction, which flushes subnormals.
// `roof-angles` (x86): as `roof`, and reads the cos and sin of each token, as a rotation must.
// `roof-convert-angles` (x86): converts 16 bits as `roof-convert` does, in place and out of place, and reads cos and
// sin. `roof-cached` (x86): in place, as `roof` in f32, as `roof-convert` in 16 bits, of as many bytes in the
// first-level cache.
struct RoofKernel {
  std::string name;
  void (*walk)(const Span&);
  Reads reads = Reads::kData;
};

std::vector<RoofKernel> RoofKernels(Format format, Mode mode);

// The family of a variant's name; "" if it is not a roof. memcpy is a way to copy, too.
inline std::string RoofFamily(const std::string& impl) {
  if (impl == "memcpy") return "roof";
  return impl.rfind("roof", 0) == 0 ? impl.substr(0, impl.find('.')) : "";
}

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_ROOFS_H_
