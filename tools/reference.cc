#include "reference.h"

#include <algorithm>
#include <cmath>

#include "failure.h"
#include "numbers.h"

namespace simdrope::tool {
namespace {

// An element as it should be, and by how much it may differ before its last rounding.
struct Expected {
  double value = 0;
  double size = 0;   // M; 0 outside the window
  double error = 0;  // absolute, slack included
  double slack = 0;
};

struct Head {
  const void* data;
  Format format;
  int64_t begin;
  double operator[](int64_t i) const { return Load(data, format, begin + i); }
};

Head HeadAt(const Tensor& t, int64_t b, int64_t s, int64_t h) {
  return {t.data, t.format, b * t.batch_stride + s * t.seq_stride + h * t.head_stride};
}

// Index of the first or second element of pair i in the head.
int64_t ElementOf(const Window& w, Pairing pairing, int64_t i, bool second) {
  return pairing == half ? w.offset + i + (second ? w.split : 0) : w.offset + 2 * i + (second ? 1 : 0);
}

class HeadReference {
 public:
  HeadReference(const Window& window, double arithmetic_ulp) : window_(window), arithmetic_ulp_(arithmetic_ulp) {}

  const std::vector<Expected>& Rotate(const Head& in, int64_t head_dim, const ReferenceRow& row) {
    expected_.assign(static_cast<size_t>(head_dim), Expected());
    for (int64_t e = 0; e < head_dim; ++e) {
      Expected& outside = expected_[static_cast<size_t>(e)];
      outside.value = in[e] * row.scale;
      if (row.scale != 1 && std::isfinite(outside.value)) {
        outside.size = std::fabs(outside.value);
        outside.error = arithmetic_ulp_ * Ulp(f32, outside.size);
      }
    }
    if (row.untouched) return expected_;
    for (int64_t i = 0; i < window_.pairs; ++i) {
      const size_t pair = static_cast<size_t>(i);
      const double cos = row.cos[pair] * row.scale;
      const double sin = (window_.inverse ? -row.sin[pair] : row.sin[pair]) * row.scale;
      const double x = in[ElementOf(window_, window_.pairing, i, false)];
      const double y = in[ElementOf(window_, window_.pairing, i, true)];
      const double slack = row.slack[pair] * std::fabs(row.scale) * (std::fabs(x) + std::fabs(y));
      Put(ElementOf(window_, window_.out_pairing, i, false), x * cos - y * sin, std::fabs(x * cos) + std::fabs(y * sin),
          slack);
      Put(ElementOf(window_, window_.out_pairing, i, true), y * cos + x * sin, std::fabs(y * cos) + std::fabs(x * sin),
          slack);
    }
    return expected_;
  }

 private:
  void Put(int64_t element, double value, double size, double slack) {
    const double error = std::isfinite(size) ? arithmetic_ulp_ * Ulp(f32, size) + slack : 0;
    expected_[static_cast<size_t>(element)] = {value, size, error, slack};
  }

  const Window& window_;
  const double arithmetic_ulp_;
  std::vector<Expected> expected_;
};

// The error of `got` as part of what is allowed; above 1 it is wrong.
double ShareOf(const Expected& want, double got, Format in, Format out, double& error_ulp) {
  constexpr double kWrong = 1e30;
  error_ulp = 0;
  if (std::isnan(want.value)) return std::isnan(got) ? 0 : kWrong;
  if (std::isinf(want.value)) return got == want.value ? 0 : kWrong;
  double allowed = want.error;
  // The conversion to a wider or the same type is exact.
  const bool rounds = out != f32 && (want.size != 0 || in != out);
  if (rounds) allowed += 0.5 * Ulp(out, std::min(std::fabs(want.value) + want.error, Largest(out)));
  if (!std::isfinite(got)) {
    const double overflow = Largest(out) + 0.5 * Ulp(out, Largest(out));
    if (want.size >= Largest(f32)) return 0;  // a product may overflow where their difference does not
    const bool right = std::fabs(want.value) + want.error >= overflow && std::signbit(got) == std::signbit(want.value);
    return right && !std::isnan(got) ? 0 : kWrong;
  }
  const double error = std::fabs(got - want.value);
  if (error == 0) return 0;
  error_ulp = std::max(0.0, error - want.slack) / Ulp(out, std::max(want.size, std::fabs(want.value)));
  return allowed == 0 ? kWrong : error / allowed;
}

}  // namespace

void Compare(const Tensor& in, const Tensor& out, bool key, const ReferenceRows& rows, const Window& window, bool fused,
             Comparison& comparison) {
  const double arithmetic_ulp = rows.angle_ulp() + (fused ? 1.0 : 1.5);
  const double bound_ulp =
      out.format == f32 ? arithmetic_ulp : 0.5 + arithmetic_ulp * Ulp(f32, 1.0) / Ulp(out.format, 1.0);
  comparison.bound_ulp = std::max(comparison.bound_ulp, bound_ulp);
  HeadReference reference(window, arithmetic_ulp);
  for (int64_t b = 0; b < in.batch; ++b) {
    for (int64_t s = 0; s < in.seq; ++s) {
      const ReferenceRow row = rows.Row(b, s, key);
      for (int64_t h = 0; h < in.heads; ++h) {
        const std::vector<Expected>& expected = reference.Rotate(HeadAt(in, b, s, h), in.head_dim, row);
        const Head got = HeadAt(out, b, s, h);
        for (int64_t e = 0; e < in.head_dim; ++e) {
          const Expected& want = expected[static_cast<size_t>(e)];
          double error_ulp;
          const double share = ShareOf(want, got[e], in.format, out.format, error_ulp);
          ++comparison.elements;
          comparison.worst_ulp = std::max(comparison.worst_ulp, error_ulp);
          comparison.worst_share = std::max(comparison.worst_share, share);
          if (share > 1 && comparison.first_wrong.empty()) {
            std::ostringstream text;
            text.precision(9);
            text << (key ? "k" : "q") << "[" << b << ", " << s << ", " << h << ", " << e
                 << "] (batch, token, head, element) is " << got[e] << ", expected " << want.value;
            comparison.first_wrong = text.str();
          }
        }
      }
    }
  }
}

}  // namespace simdrope::tool
