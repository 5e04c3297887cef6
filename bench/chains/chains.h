// What engines do between the QKV projection and attention, as data: chains of stages over one layer of a Qwen3-like
// model. One measurement takes all tokens of a step through one layer's chain.
#ifndef SIMDROPE_BENCH_CHAINS_CHAINS_H_
#define SIMDROPE_BENCH_CHAINS_CHAINS_H_

#include <cstdint>
#include <simdrope/simdrope.hpp>
#include <string>
#include <vector>

namespace simdrope::bench {

struct Chain {
  const char* name;
  bool norms;   // RMS norms of Q and K, with weights
  bool writes;  // K and V into rows of a cache, by slot
  bool splits;  // Q, K and V are views of one projection's output
};

inline constexpr Chain kChains[] = {
    {"norm-rope", true, false, false},
    {"norm-rope-write", true, true, false},
    {"rope-write", false, true, false},
    {"qkv-split-norm-rope-write", true, true, true},
};

// Q is written in the format it was read in, K and V in the cache's.
struct ChainFormats {
  Format in;
  Format cache;
  bool with_cache;  // for chains that write one, else for those that do not
};

inline constexpr ChainFormats kChainFormats[] = {
    {f32, f32, false}, {f16, f16, false}, {bf16, bf16, false}, {f32, f16, true},
    {f32, q8_0, true}, {f16, f16, true},  {bf16, bf16, true},  {bf16, q8_0, true},
};

// 1 and 16 tokens stay in a core's caches, 2048 do not.
inline constexpr int64_t kChainTokens[] = {1, 16, 512, 2048};

// Qwen3 8B's layer.
struct ChainLayer {
  static constexpr int64_t kQHeads = 32;
  static constexpr int64_t kKvHeads = 8;
  static constexpr int64_t kHeadDim = 128;
  static constexpr int64_t kPairs = kHeadDim / 2;
  static constexpr double kTheta = 1e6;
  static constexpr float kEps = 1e-6f;
  static constexpr int64_t kFirstPosition = 1000;
  static constexpr int64_t kFirstSlot = 64;  // of consecutive ones, as an engine appends
};

struct ChainCase {
  Chain chain;
  ChainFormats formats;
  int64_t tokens;
  int threads;

  // Read plus written by a single pass, without cos and sin.
  int64_t bytes_moved() const {
    const int64_t q = tokens * ChainLayer::kQHeads * ChainLayer::kHeadDim;
    const int64_t kv = tokens * ChainLayer::kKvHeads * ChainLayer::kHeadDim * (chain.writes ? 2 : 1);
    return 2 * size_of(formats.in, q) + size_of(formats.in, kv) + size_of(formats.cache, kv);
  }
};

inline const char* NameOfFormat(Format format) {
  switch (format) {
    case SIMDROPE_F32: return "f32";
    case SIMDROPE_F16: return "f16";
    case SIMDROPE_BF16: return "bf16";
    case SIMDROPE_Q8_0: return "q8_0";
    default: return "?";
  }
}

inline std::string GroupName(const ChainCase& c) {
  return std::string("fused/") + c.chain.name + "/" + NameOfFormat(c.formats.in) + "-" + NameOfFormat(c.formats.cache) +
         "/tokens-" + std::to_string(c.tokens);
}

inline std::vector<ChainCase> ChainCases(int all_threads) {
  std::vector<ChainCase> cases;
  for (const Chain& chain : kChains) {
    for (const ChainFormats& formats : kChainFormats) {
      if (formats.with_cache != chain.writes) continue;
      for (const int64_t tokens : kChainTokens) {
        cases.push_back({chain, formats, tokens, 1});
        if (all_threads > 1) cases.push_back({chain, formats, tokens, all_threads});
      }
    }
  }
  return cases;
}

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_CHAINS_CHAINS_H_
