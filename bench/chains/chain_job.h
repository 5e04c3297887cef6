// One case of a chain made concrete: operands in buffers that all implementations share, and its check.
#ifndef SIMDROPE_BENCH_CHAINS_CHAIN_JOB_H_
#define SIMDROPE_BENCH_CHAINS_CHAIN_JOB_H_

#include <string>
#include <vector>

#include "../buffers.h"
#include "chains.h"

namespace simdrope::bench {

// Q, K or V. Tokens lie in_row elements apart, heads without gaps; the output has no gaps, and begins at the first
// slot where it is in a cache.
struct ChainOperand {
  int64_t heads = 0;  // 0: not in this chain
  char* in = nullptr;
  int64_t in_row = 0;
  char* out = nullptr;
  Format out_format = f32;
  bool in_cache = false;
};

struct ChainJob {
  ChainCase c{};
  ChainOperand q, k, v;
  int64_t cache_rows = 0;
  const int64_t* slots = nullptr;  // [tokens]
  const float* cos = nullptr;      // [tokens][pairs], correctly rounded
  const float* sin = nullptr;
  const void* q_weight = nullptr;  // [head_dim], in the input's format
  const void* k_weight = nullptr;

  Tensor input(const ChainOperand& o) const;
  Tensor output(const ChainOperand& o) const;
  // Where row 0 of the cache, or of the dense output, is.
  char* out_base(const ChainOperand& o) const;
};

// The buffers of one case.
class ChainStage {
 public:
  explicit ChainStage(const ChainCase& c);

  const ChainJob& job() const { return job_; }
  void Refill();  // inputs; outputs become 0

  // "" if the outputs of one run over refilled inputs are right, else what is wrong where: some tokens, against the
  // double reference, within its own bound or, if that is more, `tolerance` of a head's size before it is stored.
  std::string Check(double tolerance) const;

 private:
  ChainJob job_;
  Activations activations_;
  Buffer in_[3];
  Buffer out_[3];
  std::vector<int64_t> slots_;
  std::vector<float> cos_, sin_;
  std::vector<char> weights_;
};

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_CHAINS_CHAIN_JOB_H_
