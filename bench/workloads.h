// What is measured: shapes of real models' calls, as data. One measurement rotates Q and K once.
#ifndef SIMDROPE_BENCH_WORKLOADS_H_
#define SIMDROPE_BENCH_WORKLOADS_H_

#include <algorithm>
#include <cstdint>
#include <simdrope/simdrope.hpp>
#include <string>
#include <vector>

#include "reference/formats.h"

namespace simdrope::bench {

enum class Layout { kBSHD, kBHSD };

struct Workload {
  std::string name;
  int64_t batch;
  int64_t seq;
  int64_t q_heads;
  int64_t k_heads;
  int64_t head_dim;
  int64_t rotary_dim;
  int64_t rotary_offset;
  double theta;
  // Token s of sequence b is at first_position + b + s; on a grid at row s / grid and column s % grid.
  int64_t first_position;
  int64_t grid;  // 0: one axis
  Layout layout;

  int64_t tokens() const { return batch * seq; }
  int64_t pairs() const { return rotary_dim / 2; }
  int axes() const { return grid == 0 ? 1 : 2; }
  bool whole_heads() const { return rotary_dim == head_dim; }
  int64_t elements() const { return tokens() * (q_heads + k_heads) * head_dim; }
};

inline std::vector<Workload> Workloads() {
  const Layout bshd = Layout::kBSHD;
  return {
      {"prefill", 1, 2048, 32, 8, 128, 128, 0, 5e5, 0, 0, bshd},
      {"decode32", 32, 1, 32, 8, 128, 128, 0, 5e5, 3984, 0, bshd},
      {"decode1", 1, 1, 32, 8, 128, 128, 0, 5e5, 4000, 0, bshd},
      {"long", 1, 32768, 8, 8, 128, 128, 0, 5e5, 0, 0, bshd},
      {"gptj", 1, 2048, 16, 16, 256, 64, 0, 1e4, 0, 0, bshd},
      {"mla", 1, 2048, 128, 1, 192, 64, 128, 1e4, 0, 0, bshd},
      {"vision", 1, 4096, 16, 16, 80, 80, 0, 1e4, 0, 64, bshd},
      {"bhsd", 1, 2048, 32, 8, 128, 128, 0, 5e5, 0, 0, Layout::kBHSD},
      // The cost of a call: one head of Q, no K.
      {"empty", 1, 1, 1, 0, 128, 128, 0, 5e5, 4000, 0, bshd},
  };
}

// The shape of `prefill` with `tokens` tokens, for latency against length.
inline Workload TokenSweep(int64_t tokens) {
  return {"tokens-" + std::to_string(tokens), 1, tokens, 32, 8, 128, 128, 0, 5e5, 0, 0, Layout::kBSHD};
}

// The same form, small enough to be run for the sake of running.
inline Workload Shrunk(Workload w) {
  w.batch = std::min<int64_t>(w.batch, 2);
  w.seq = std::min<int64_t>(w.seq, 12);
  w.q_heads = std::min<int64_t>(w.q_heads, 4);
  w.k_heads = std::min<int64_t>(w.k_heads, 2);
  if (w.grid != 0) w.grid = 4;
  return w;
}

enum class Mode { kInPlace, kOutOfPlace };

struct Case {
  Workload workload;
  Format format;
  Pairing pairing;
  Mode mode;
  int threads;

  bool in_place() const { return mode == Mode::kInPlace; }
  int64_t element_size() const { return size_of(format); }
  // Read plus written by a rotation that touches no more than it must.
  int64_t bytes_moved() const {
    const int64_t elements =
        workload.elements() / workload.head_dim * (in_place() ? workload.rotary_dim : workload.head_dim);
    return 2 * elements * element_size();
  }
};

using reference::NameOf;  // of a Format
inline const char* NameOf(Pairing pairing) { return pairing == half ? "half" : "interleaved"; }
inline const char* NameOf(Mode mode) { return mode == Mode::kInPlace ? "inplace" : "outofplace"; }

inline std::string GroupName(const Case& c) {
  return "apply/" + c.workload.name + "/" + NameOf(c.format) + "/" + NameOf(c.pairing) + "/" + NameOf(c.mode);
}

// Every case: all workloads on one thread and on all; `prefill` also on the powers of two between, and
// its shape over the number of tokens.
inline std::vector<Case> Cases(int all_threads) {
  std::vector<int> ends = {1};
  if (all_threads > 1) ends.push_back(all_threads);
  std::vector<int> steps = ends;
  for (int n = 2; n < all_threads; n *= 2) steps.push_back(n);
  std::sort(steps.begin(), steps.end());

  std::vector<Case> cases;
  for (const Workload& workload : Workloads()) {
    const bool scaling = workload.name == "prefill";
    for (Format format : {f32, f16, bf16}) {
      for (Pairing pairing : {half, interleaved}) {
        for (Mode mode : {Mode::kInPlace, Mode::kOutOfPlace}) {
          const bool all_steps = scaling && pairing == half && mode == Mode::kInPlace;
          for (int threads : all_steps ? steps : ends) cases.push_back({workload, format, pairing, mode, threads});
        }
      }
    }
  }
  for (int64_t tokens = 1; tokens <= 65536; tokens *= 4) {
    for (Format format : {f32, f16, bf16}) {
      for (int threads : ends) cases.push_back({TokenSweep(tokens), format, half, Mode::kInPlace, threads});
    }
  }
  return cases;
}

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_WORKLOADS_H_
