#include <algorithm>
#include <cmath>

#include "numbers.h"
#include "reference.h"

namespace simdrope::tool {
namespace {

constexpr double kPolynomialSlack = 0x1p-40;
constexpr double kSlackOfPosition = 0x1p-62;  // above 2 pi * 2^-65

class RopeRows : public ReferenceRows {
 public:
  RopeRows(const Config& config, const Rope& rope, const TokenPositions& positions)
      : config_(config), rope_(rope), info_(rope.info()), positions_(positions) {}

  ReferenceRow Row(int64_t b, int64_t s, bool key) const override {
    ReferenceRow row;
    row.untouched = positions_.IsPadding(b, s);
    if (!key) row.scale = QueryScale(positions_.At(0, b, s));
    for (int i = 0; i < info_.pairs; ++i) {
      const double position = positions_.At(info_.pair_axis[i], b, s);
      const double magnitude = info_.attention_factor * XposFactor(i, position, key);
      double cos, sin;
      const double slack = CosSin(position, info_.inv_freq[i], cos, sin);
      row.cos.push_back(cos * magnitude);
      row.sin.push_back(sin * magnitude);
      row.slack.push_back(slack * std::fabs(magnitude));
    }
    return row;
  }

  double angle_ulp() const override { return 1.02 + (info_.scales_queries ? 2 : 0); }

 private:
  double CosSin(double position, double inv_freq, double& cos, double& sin) const {
    if (config_.precision == SIMDROPE_PRECISION_EXACT) {
      ExactCosSin(position, inv_freq, cos, sin);
      if (!positions_.is_real()) return kPolynomialSlack + std::fabs(position) * kSlackOfPosition;
      return kPolynomialSlack + std::fabs(position * inv_freq) * 0x1p-51;  // turns are rounded doubles
    }
    const auto round = [&](double value) {
      const double single = Rounded(value, f32);
      if (config_.precision == SIMDROPE_PRECISION_BF16_POSITIONS) return Rounded(single, bf16);
      if (config_.precision == SIMDROPE_PRECISION_F16_POSITIONS) return Rounded(single, f16);
      return single;
    };
    const double angle = round(round(position) * round(inv_freq));
    cos = std::cos(angle);
    sin = std::sin(angle);
    return kPolynomialSlack;
  }

  double XposFactor(int pair, double position, bool key) const {
    const simdrope_xpos& xpos = config_.xpos;
    if (xpos.scale_base == 0) return 1;
    const double width = info_.rotary_dim;
    const double center = xpos.center_at_half_length ? static_cast<double>(config_.scaling.seq_len / 2) : xpos.center;
    const double power = (position - center) / xpos.scale_base;
    return std::pow((2.0 * pair + 0.4 * width) / (1.4 * width), key ? -power : power);
  }

  double QueryScale(double position) const {
    const simdrope_temperature& t = config_.temperature;
    return t.beta == 0 ? 1 : 1 + t.beta * std::log(1 + std::floor((position + t.offset) / t.length));
  }

  const Config& config_;
  const Rope& rope_;
  const simdrope_rope_info info_;
  const TokenPositions& positions_;
};

class TableRows : public ReferenceRows {
 public:
  TableRows(const simdrope_table& table, const uint8_t* pair_axis, const TokenPositions& positions)
      : table_(table), pair_axis_(pair_axis), positions_(positions) {}

  ReferenceRow Row(int64_t b, int64_t s, bool) const override {
    ReferenceRow row;
    row.untouched = positions_.IsPadding(b, s);
    row.slack.resize(static_cast<size_t>(table_.columns));
    row.cos = row.sin = row.slack;
    if (row.untouched) return row;
    for (int i = 0; i < table_.columns; ++i) {
      const int axis = pair_axis_ == nullptr ? 0 : pair_axis_[i];
      const int64_t at = (table_.batches == 1 ? 0 : b * table_.batch_stride) +
                         static_cast<int64_t>(positions_.At(axis, b, s)) * table_.row_stride + i * table_.column_stride;
      row.cos[static_cast<size_t>(i)] = Load(table_.cos, table_.format, at);
      row.sin[static_cast<size_t>(i)] = Load(table_.sin, table_.format, at);
    }
    return row;
  }

  double angle_ulp() const override { return 0; }

 private:
  const simdrope_table& table_;
  const uint8_t* pair_axis_;
  const TokenPositions& positions_;
};

}  // namespace

void ExactCosSin(double position, double inv_freq, double& cos, double& sin) {
  const double angle = position * inv_freq;
  const double rest = std::fma(position, inv_freq, -angle);
  cos = std::cos(angle) - rest * std::sin(angle);
  sin = std::sin(angle) + rest * std::cos(angle);
}

std::unique_ptr<ReferenceRows> RowsOfRope(const Config& config, const Rope& rope, const TokenPositions& positions) {
  return std::make_unique<RopeRows>(config, rope, positions);
}

std::unique_ptr<ReferenceRows> RowsOfTable(const simdrope_table& table, const uint8_t* pair_axis,
                                           const TokenPositions& positions) {
  return std::make_unique<TableRows>(table, pair_axis, positions);
}

}  // namespace simdrope::tool
