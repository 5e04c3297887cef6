// One case made concrete: tensors in shared buffers, positions, and cos and sin of every token.
#ifndef SIMDROPE_BENCH_JOB_H_
#define SIMDROPE_BENCH_JOB_H_

#include <cmath>
#include <memory>
#include <vector>

#include "buffers.h"
#include "workloads.h"

namespace simdrope::bench {

// Q or K as a flat list of tokens; strides in elements. In place, `out` is `in`. BHSD has batch 1.
struct TokenView {
  char* in;
  char* out;
  int64_t heads;
  int64_t token_stride;
  int64_t head_stride;
};

struct Job {
  Case c;
  TokenView q;
  TokenView k;
  const float* cos;  // [tokens][pairs], correctly rounded
  const float* sin;
  const int64_t* positions;  // [axes][tokens]

  const Workload& workload() const { return c.workload; }
  Tensor tensor(const TokenView& view, char* data) const {
    const Workload& w = c.workload;
    if (view.heads == 0) return {};
    return w.layout == Layout::kBSHD ? bshd(data, c.format, w.batch, w.seq, view.heads, w.head_dim)
                                     : bhsd(data, c.format, w.batch, w.seq, view.heads, w.head_dim);
  }
};

// inv_freq of pair i, and the axis it follows: on a grid, the first half of the pairs takes the row and
// the second the column, frequencies starting anew (Qwen2-VL's vision tower).
inline double InvFreq(const Workload& w, int64_t pair) {
  const int64_t per_axis = w.pairs() / w.axes();
  return std::pow(w.theta, -static_cast<double>(pair % per_axis) / static_cast<double>(per_axis));
}
inline int64_t AxisOf(const Workload& w, int64_t pair) { return pair / (w.pairs() / w.axes()); }

inline simdrope_config ConfigOf(const Workload& w, Pairing pairing) {
  Config config(static_cast<int>(w.head_dim), w.theta);
  config.rotary_dim = static_cast<int32_t>(w.rotary_dim);
  config.rotary_offset = static_cast<int32_t>(w.rotary_offset);
  config.pairing = pairing;
  if (w.axes() == 2) {
    config.axes.count = 2;
    config.axes.layout = SIMDROPE_AXES_RESTART;
    config.axes.sections[0] = config.axes.sections[1] = static_cast<int32_t>(w.pairs() / 2);
  }
  return config;
}

// The buffers of one workload and format; jobs for any pairing, mode and number of threads view them.
class Stage {
 public:
  Stage(const Workload& workload, Format format) : w_(workload), format_(format), activations_(format), in_(bytes()) {
    const int64_t tokens = w_.tokens();
    positions_.resize(w_.axes() * tokens);
    constexpr int64_t kLine = 64;  // where tables begin, as those of Rope::cos_sin do
    const int64_t table = tokens * w_.pairs();
    tables_.resize(2 * table + kLine / sizeof(float));
    cos_ = tables_.data() + (kLine - reinterpret_cast<uintptr_t>(tables_.data()) % kLine) / sizeof(float);
    sin_ = cos_ + table;
    std::vector<double> inv_freq;
    for (int64_t i = 0; i < w_.pairs(); ++i) inv_freq.push_back(InvFreq(w_, i));
    for (int64_t t = 0; t < tokens; ++t) {
      const int64_t s = t % w_.seq;
      if (w_.grid == 0) {
        positions_[t] = w_.first_position + t / w_.seq + s;
      } else {
        positions_[t] = s / w_.grid;
        positions_[tokens + t] = s % w_.grid;
      }
      for (int64_t i = 0; i < w_.pairs(); ++i) {
        const double angle = static_cast<double>(positions_[AxisOf(w_, i) * tokens + t]) * inv_freq[i];
        cos_[t * w_.pairs() + i] = static_cast<float>(std::cos(angle));
        sin_[t * w_.pairs() + i] = static_cast<float>(std::sin(angle));
      }
    }
  }

  const Workload& workload() const { return w_; }
  Format format() const { return format_; }
  const Activations& activations() const { return activations_; }

  void Refill() {
    activations_.Fill(in_.data(), q_elements());
    activations_.Fill(in_.data() + k_offset(), k_elements());
  }

  Job MakeJob(Pairing pairing, Mode mode, int threads) {
    if (mode == Mode::kOutOfPlace && out_.data() == nullptr) out_ = Buffer(bytes());
    char* out = mode == Mode::kInPlace ? in_.data() : out_.data();
    Job job{{w_, format_, pairing, mode, threads}, {}, {}, cos_, sin_, positions_.data()};
    job.q = View(in_.data(), out, w_.q_heads);
    job.k = View(in_.data() + k_offset(), out + k_offset(), w_.k_heads);
    return job;
  }

 private:
  int64_t q_elements() const { return w_.tokens() * w_.q_heads * w_.head_dim; }
  int64_t k_elements() const { return w_.tokens() * w_.k_heads * w_.head_dim; }
  int64_t k_offset() const { return (q_elements() * size_of(format_) + 4095) / 4096 * 4096; }
  int64_t bytes() const { return k_offset() + k_elements() * size_of(format_); }

  TokenView View(char* in, char* out, int64_t heads) const {
    const bool bshd = w_.layout == Layout::kBSHD;
    return {in, out, heads, bshd ? heads * w_.head_dim : w_.head_dim, bshd ? w_.head_dim : w_.seq * w_.head_dim};
  }

  Workload w_;
  Format format_;
  Activations activations_;
  Buffer in_;
  Buffer out_;
  std::vector<int64_t> positions_;
  std::vector<float> tables_;
  float* cos_;
  float* sin_;
};

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_JOB_H_
