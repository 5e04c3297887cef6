// The options of `simdrope rotate` for what lies between projection and attention: norms, Hadamard, scale, formats and
// a cache with slots.
#ifndef SIMDROPE_TOOLS_CHAIN_ARGUMENTS_H_
#define SIMDROPE_TOOLS_CHAIN_ARGUMENTS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <simdrope/io.hpp>
#include <simdrope/simdrope.hpp>
#include <string>
#include <vector>

#include "arrays.h"
#include "names.h"

namespace simdrope::tool {

// The type that holds a format's elements in a file. Blocks are bytes there.
io::ElementType StoredTypeOf(Format format);

struct ChainArguments {
  std::string q_norm, k_norm, q_bias, k_bias, out_format, slots, cache, cache_layout = "bshd";
  double eps = 1e-6, q_scale = 1;
  std::optional<double> cache_scale;
  int32_t hadamard = 0, input_hadamard = 0;
  bool norm_over_heads = false, norm_after = false, norm_round = false;

  void AddTo(CLI::App& app);
  // --out-format, or `otherwise` without it.
  Format StoreOf(Format otherwise) const;
  bool has_cache() const { return !cache.empty(); }
  bool has_stages() const { return !q_norm.empty() || !k_norm.empty() || hadamard != 0 || input_hadamard != 0; }
};

// A norm of one operand, and the weights it views.
class NormOf {
 public:
  // `text`: KIND or KIND:FILE; `bias`: FILE, or "". "": no norm. `side`: "q" or "k", for messages.
  void Read(const ChainArguments& a, const char* side, const std::string& text, const std::string& bias,
            const Sizes& sizes);
  const simdrope_norm& norm() const { return norm_; }

 private:
  io::Array weight_, bias_;
  simdrope_norm norm_ = SIMDROPE_NORM_INIT;
};

// File of a norm's weights; "" where it has none.
std::string NormFile(const std::string& text);

// Where K and V are written: a cache of entries x rows, and the slot of each token.
struct CacheShape {
  int64_t entries = 0, rows = 0;
  Layout layout = Layout::kBshd;
  io::Array slots;  // [batch, seq] or [seq]

  // Of arguments with a cache, for tokens of `sizes`.
  void Read(const ChainArguments& a, const Sizes& sizes);
  Sizes SizesOf(const Sizes& side) const { return {entries, rows, side.heads, side.head_dim}; }
  Tensor WithSlots(const Tensor& cache, const Sizes& step) const;
};

// Scales of I8 and U8 that a call computes, one a token and head: [entries, rows, heads].
struct StoredScales {
  io::Array scale, zero_point;

  void AddTo(const ChainArguments& a, Tensor* tensor);
  bool are_computed() const { return !scale.bytes.empty() && scale.shape.size() == 3; }
};

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_CHAIN_ARGUMENTS_H_
