// How far an implementation may be from the reference.
#ifndef SIMDROPE_BENCH_CHECK_H_
#define SIMDROPE_BENCH_CHECK_H_

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "job.h"
#include "reference/stages.h"

namespace simdrope::bench {

// Errors are measured in units of the pair's length, which a rotation keeps.
struct Accuracy {
  double roundings = 1;    // times a value is rounded to the format on its way
  double angle_error = 0;  // radians, where an implementation computes angles of its own in float
};

// Half an ULP of the format for each rounding, and as much again for arithmetic in float.
inline double Tolerance(Format format, const Accuracy& accuracy) {
  const double half_ulp = format == f32 ? 0x1p-24 : format == f16 ? 0x1p-11 : 0x1p-8;
  return half_ulp * accuracy.roundings + 0x1p-21 + accuracy.angle_error;
}

// "" if the output of one rotation of freshly filled tensors is right, else what is wrong where. Outside the window
// nothing may differ. Looks at every element of about 200 tokens, evenly spread.
inline std::string Check(const Job& job, const Activations& activations, const Accuracy& accuracy) {
  const Workload& w = job.workload();
  const Format format = job.c.format;
  const double tolerance = Tolerance(format, accuracy);
  const double smallest = format == f16 ? reference::LeastSubnormal(f16) : 0;  // f16 has few subnormals
  const int64_t step = std::max<int64_t>(1, w.tokens() / 199);

  reference::Window window;
  window.rotary_dim = static_cast<int>(w.rotary_dim);
  window.rotary_offset = static_cast<int>(w.rotary_offset);
  window.split = static_cast<int>(w.pairs());
  window.pairing = window.output_pairing = job.c.pairing;
  std::vector<double> inv_freq;
  for (int64_t i = 0; i < w.pairs(); ++i) inv_freq.push_back(InvFreq(w, i));

  const auto check_token = [&](const TokenView& view, const char* tensor, int64_t t,
                               const reference::Row& row) -> std::string {
    std::vector<double> in(w.head_dim), expected(w.head_dim), allowed(w.head_dim);
    for (int64_t h = 0; h < view.heads; ++h) {
      const int64_t head = t * view.token_stride + h * view.head_stride;
      for (int64_t e = 0; e < w.head_dim; ++e) in[e] = activations[head + e];
      expected = in;
      reference::RotateHead(window, row, false, in, &expected);
      for (int i = 0; i < window.pairs(); ++i) {
        const auto [x, y] = reference::PlaceOf(window, window.pairing, i);
        allowed[x] = allowed[y] = tolerance * std::hypot(in[x], in[y]) + smallest;
      }
      for (int64_t e = 0; e < w.head_dim; ++e) {
        const double got = reference::Load(view.out + size_of(format, head + e), format);
        if (std::fabs(got - expected[e]) <= allowed[e]) continue;
        char text[160];
        std::snprintf(text, sizeof text, "%s token %lld head %lld element %lld is %.9g, expected %.9g", tensor,
                      static_cast<long long>(t), static_cast<long long>(h), static_cast<long long>(e), got,
                      expected[e]);
        return text;
      }
    }
    return "";
  };
  for (int64_t t = 0; t < w.tokens(); t += (t + step < w.tokens() || t == w.tokens() - 1) ? step : w.tokens() - 1 - t) {
    std::vector<double> positions;
    for (int64_t i = 0; i < w.pairs(); ++i) {
      positions.push_back(static_cast<double>(job.positions[AxisOf(w, i) * w.tokens() + t]));
    }
    const reference::Row row = reference::RowAt(inv_freq, positions);
    std::string wrong = check_token(job.q, "Q", t, row);
    if (wrong.empty()) wrong = check_token(job.k, "K", t, row);
    if (!wrong.empty()) return wrong;
  }
  return "";
}

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_CHECK_H_
