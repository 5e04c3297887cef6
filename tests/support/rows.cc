#include "support/rows.h"

#include <cmath>

namespace testing {

std::vector<double> PlainInvFreq(double theta, int dim) {
  std::vector<double> inv_freq(static_cast<size_t>(dim / 2));
  for (int i = 0; i < dim / 2; ++i) {
    inv_freq[static_cast<size_t>(i)] =
        static_cast<double>(1 / std::pow(static_cast<long double>(theta), 2.0L * i / dim));
  }
  return inv_freq;
}

void UseRope(const simdrope::Rope& rope, const simdrope::Config& config, const Ids& ids, Job* job) {
  const simdrope_rope_info info = rope.info();
  job->SetWindow(info.rotary_dim, info.rotary_offset, info.pairing);
  job->split = info.split;
  job->row_floor = kComputedFloor * info.attention_factor;
  const std::vector<double> inv_freq(info.inv_freq, info.inv_freq + info.pairs);
  job->row = [inv_freq, info, config, &ids](bool key, int64_t b, int64_t s) {
    const std::vector<double> positions = ids.OfPairs(info.pair_axis, info.pairs, b, s);
    Row row = RowAt(inv_freq, positions, info.attention_factor);
    if (ids.IsPadding(b, s)) row.action = Action::kSkip;
    if (config.xpos.scale_base > 0) {
      const double d = info.rotary_dim;
      for (int i = 0; i < info.pairs; ++i) {
        const size_t pair = static_cast<size_t>(i);
        const double zeta = (2 * i + 0.4 * d) / (1.4 * d);
        const double power = (positions[pair] - config.xpos.center) / config.xpos.scale_base;
        const double factor = std::pow(zeta, key ? -power : power);
        row.cos[pair] *= factor;
        row.sin[pair] *= factor;
      }
    }
    if (config.temperature.beta != 0) {
      const double whole =
          std::floor((static_cast<double>(ids.At(0, b, s)) + config.temperature.offset) / config.temperature.length);
      row.query_scale = 1 + config.temperature.beta * std::log1p(whole);
    }
    return row;
  };
}

}  // namespace testing
