// The rotation in double, and how far an implementation may be from it.
#ifndef SIMDROPE_BENCH_REFERENCE_H_
#define SIMDROPE_BENCH_REFERENCE_H_

#include <cmath>
#include <cstdio>
#include <string>

#include "job.h"

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

// "" if the output of one rotation of freshly filled tensors is right, else what is wrong where.
// Looks at every element of about 200 tokens, evenly spread.
inline std::string Check(const Job& job, const Activations& activations, const Accuracy& accuracy) {
  const Workload& w = job.workload();
  const Format format = job.c.format;
  const double tolerance = Tolerance(format, accuracy);
  const double smallest = format == f16 ? 0x1p-24 : 0;  // f16 has few subnormals
  const int64_t step = std::max<int64_t>(1, w.tokens() / 199);

  const auto check_token = [&](const TokenView& view, const char* tensor, int64_t t) -> std::string {
    for (int64_t h = 0; h < view.heads; ++h) {
      const int64_t head = t * view.token_stride + h * view.head_stride;
      const auto wrong = [&](int64_t element, double got, double expected) {
        char text[160];
        std::snprintf(text, sizeof text, "%s token %lld head %lld element %lld is %.9g, expected %.9g", tensor,
                      static_cast<long long>(t), static_cast<long long>(h), static_cast<long long>(element), got,
                      expected);
        return std::string(text);
      };
      for (int64_t e = 0; e < w.head_dim; ++e) {
        if (e >= w.rotary_offset && e < w.rotary_offset + w.rotary_dim) continue;
        const double got = Load(view.out, format, head + e);
        if (got != activations[head + e]) return wrong(e, got, activations[head + e]);
      }
      for (int64_t i = 0; i < w.pairs(); ++i) {
        const bool halves = job.c.pairing == half;
        const int64_t first = w.rotary_offset + (halves ? i : 2 * i);
        const int64_t second = first + (halves ? w.pairs() : 1);
        const double position = static_cast<double>(job.positions[AxisOf(w, i) * w.tokens() + t]);
        const double angle = position * InvFreq(w, i);
        const double x = activations[head + first], y = activations[head + second];
        const double expected[2] = {x * std::cos(angle) - y * std::sin(angle),
                                    y * std::cos(angle) + x * std::sin(angle)};
        const double allowed = tolerance * std::hypot(x, y) + smallest;
        for (int part = 0; part < 2; ++part) {
          const int64_t element = part == 0 ? first : second;
          const double got = Load(view.out, format, head + element);
          if (!(std::fabs(got - expected[part]) <= allowed)) return wrong(element, got, expected[part]);
        }
      }
    }
    return "";
  };
  for (int64_t t = 0; t < w.tokens(); t += (t + step < w.tokens() || t == w.tokens() - 1) ? step : w.tokens() - 1 - t) {
    std::string wrong = check_token(job.q, "Q", t);
    if (wrong.empty()) wrong = check_token(job.k, "K", t);
    if (!wrong.empty()) return wrong;
  }
  return "";
}

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_REFERENCE_H_
