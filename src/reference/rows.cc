#include "reference/rows.h"

#include <algorithm>
#include <cmath>

namespace simdrope::reference {
namespace {

int64_t IntegerAt(const void* data, simdrope_index_type type, int64_t index) {
  return type == SIMDROPE_INDEX_I32 ? static_cast<const int32_t*>(data)[index]
                                    : static_cast<const int64_t*>(data)[index];
}

struct Id {
  int64_t whole = 0;
  double real = 0;
};

Id IdOf(const simdrope_positions& p, int axis, int64_t b, int64_t s) {
  const int64_t index =
      std::min(axis, p.ids_axes - 1) * p.axis_stride + (p.ids_batch == 1 ? 0 : b * p.batch_stride) + s * p.seq_stride;
  switch (p.ids_type) {
    case SIMDROPE_INDEX_F32: return {0, static_cast<const float*>(p.ids)[index]};
    case SIMDROPE_INDEX_F64: return {0, static_cast<const double*>(p.ids)[index]};
    default: return {IntegerAt(p.ids, p.ids_type, index), 0};
  }
}

bool IsReal(const simdrope_positions& p) {
  return p.ids != nullptr && (p.ids_type == SIMDROPE_INDEX_F32 || p.ids_type == SIMDROPE_INDEX_F64);
}

// a + b of angles.
CosSinValues Sum(CosSinValues a, CosSinValues b) {
  return {a.cos * b.cos - a.sin * b.sin, a.sin * b.cos + a.cos * b.sin};
}

CosSinValues CosSinOfProduct(double position, double inv_freq) {
  const double angle = position * inv_freq;
  const double rest = std::fma(position, inv_freq, -angle);
  return Sum({std::cos(angle), std::sin(angle)}, {std::cos(rest), std::sin(rest)});
}

// Rounded to the type in which a precision other than EXACT computes positions and angles.
double RoundedTo(double value, simdrope_precision precision) {
  const double single = Rounded(value, f32);
  if (precision == SIMDROPE_PRECISION_BF16_POSITIONS) return Rounded(single, bf16);
  if (precision == SIMDROPE_PRECISION_F16_POSITIONS) return Rounded(single, f16);
  return single;
}

double XposFactor(const simdrope_config& config, int pairs, int pair, double position, bool key) {
  const simdrope_xpos& xpos = config.xpos;
  if (xpos.scale_base == 0) return 1;
  const double width = 2.0 * pairs;
  const int64_t half_length = config.scaling.seq_len / 2;
  const double center = xpos.center_at_half_length ? static_cast<double>(half_length) : xpos.center;
  const double power = (position - center) / xpos.scale_base;
  return std::pow((2.0 * pair + 0.4 * width) / (1.4 * width), key ? -power : power);
}

double QueryScaleAt(const simdrope_config& config, double position) {
  const simdrope_temperature& t = config.temperature;
  const double scale = t.beta == 0 ? 1 : 1 + t.beta * std::log1p(std::floor((position + t.offset) / t.length));
  if (config.query_log_length == 0 || position + 1 <= config.query_log_length) return scale;
  return scale * std::log1p(position) / std::log(config.query_log_length);
}

// Where angle_order gives the elements of pairs a cos and a sin of their own: the row of elements, from that of pairs.
void Widen(const simdrope_config& config, Row* row) {
  const size_t pairs = row->cos.size();
  const bool is_half = config.pairing == half;
  if (config.angle_order != (is_half ? SIMDROPE_ANGLES_NEIGHBOURS : SIMDROPE_ANGLES_HALVES)) return;
  std::vector<size_t> blocks = {pairs};
  if (config.axes.count > 1 && config.axes.layout == SIMDROPE_AXES_RESTART && (!is_half || config.pairs_in_sections)) {
    blocks.assign(config.axes.sections, config.axes.sections + config.axes.count);
  }
  std::vector<size_t> of_first, of_second;  // in order of elements, the first and second ones of pairs apart
  size_t begin = 0;
  for (const size_t block : blocks) {
    for (size_t j = 0; j < 2 * block; ++j) {
      const bool is_first = is_half ? j < block : j % 2 == 0;
      (is_first ? of_first : of_second).push_back(begin + (is_half ? j / 2 : j % block));
    }
    begin += block;
  }
  of_first.insert(of_first.end(), of_second.begin(), of_second.end());
  const Row narrow = *row;
  row->cos.clear();
  row->sin.clear();
  row->floor.clear();
  for (const size_t pair : of_first) {
    row->cos.push_back(narrow.cos[pair]);
    row->sin.push_back(narrow.sin[pair]);
    row->floor.push_back(narrow.floor[pair]);
  }
}

// Angles that are sums over axes.
Row SumRow(const simdrope_config& config, const Frequencies& frequencies, const std::vector<Position>& on_axis,
           bool key) {
  Row row;
  const size_t pairs = frequencies.axis.size();
  const double magnitude = frequencies.attention_factor;
  for (size_t i = 0; i < pairs; ++i) {
    CosSinValues sum{1, 0};
    double floor = 0;
    for (size_t a = 0; a * pairs < frequencies.inv_freq.size(); ++a) {
      const double inv_freq = frequencies.inv_freq[a * pairs + i];
      sum = Sum(sum, ExactCosSin(on_axis[a], inv_freq));
      floor += RowFloor(on_axis[a], inv_freq, SIMDROPE_PRECISION_EXACT);
    }
    row.cos.push_back(sum.cos * magnitude);
    row.sin.push_back(sum.sin * magnitude);
    row.floor.push_back(floor * std::fabs(magnitude));
  }
  Widen(config, &row);
  if (!key) row.query_scale = QueryScaleAt(config, on_axis[0].real);
  return row;
}

}  // namespace

Position PositionOf(const simdrope_positions& p, int axis, int64_t b, int64_t s) {
  int64_t sequence = b, token = s;
  if (p.cu_seqlens != nullptr) {
    sequence = 0;
    while (s >= IntegerAt(p.cu_seqlens, p.cu_seqlens_type, sequence + 1)) ++sequence;
    token = s - IntegerAt(p.cu_seqlens, p.cu_seqlens_type, sequence);
  }
  const int64_t offset = p.offsets == nullptr ? 0 : IntegerAt(p.offsets, p.offsets_type, sequence);
  if (p.ids == nullptr) return At(p.start + offset + token);
  const Id id = IdOf(p, axis, b, s);
  return IsReal(p) ? AtReal(static_cast<double>(p.start + offset) + id.real) : At(p.start + offset + id.whole);
}

bool IsPadding(const simdrope_positions& p, int64_t b, int64_t s) {
  if (!p.padding || p.ids == nullptr) return false;
  const Id id = IdOf(p, 0, b, s);
  return IsReal(p) ? id.real == -1 : id.whole == -1;
}

CosSinValues ExactCosSin(Position position, double inv_freq) {
  if (position.is_real) return CosSinOfProduct(position.real, inv_freq);
  // Both parts are exact as doubles.
  const int64_t low = position.whole % (int64_t{1} << 32);
  const CosSinValues rest = CosSinOfProduct(static_cast<double>(low), inv_freq);
  if (low == position.whole) return rest;
  return Sum(CosSinOfProduct(static_cast<double>(position.whole - low), inv_freq), rest);
}

double RowFloor(Position position, double inv_freq, simdrope_precision precision) {
  const double angle = std::fabs(position.real * inv_freq);
  // Reduced in double: half a unit in its last place of a turn.
  if (precision != SIMDROPE_PRECISION_EXACT) return 0x1p-50;
  // position, inv_freq / 2 pi and their product are rounded to double.
  if (position.is_real) return angle * 0x1p-51 + 0x1p-75;
  // 2 pi 2^-65 a position where the phase's rest is left out; and what ExactCosSin loses itself.
  const double distance = std::fabs(position.real);
  return (distance > 0x1p40 ? distance * 0x1p-62 : 0x1p-75) + angle * 0x1p-104;
}

Frequencies FrequenciesOf(const simdrope_rope_info& info) {
  return {{info.inv_freq, info.inv_freq + info.pairs * (info.sums_axes ? info.axes : 1)},
          {info.pair_axis, info.pair_axis + info.pairs},
          info.attention_factor};
}

Row RowAt(const std::vector<double>& inv_freq, const std::vector<double>& positions, double magnitude) {
  Row row;
  for (size_t i = 0; i < inv_freq.size(); ++i) {
    const Position position = AtReal(positions[i]);
    const CosSinValues exact = ExactCosSin(position, inv_freq[i]);
    row.cos.push_back(exact.cos * magnitude);
    row.sin.push_back(exact.sin * magnitude);
    row.floor.push_back(RowFloor(position, inv_freq[i], SIMDROPE_PRECISION_EXACT) * std::fabs(magnitude));
  }
  return row;
}

Row RowAt(const std::vector<double>& inv_freq, double position, double magnitude) {
  return RowAt(inv_freq, std::vector<double>(inv_freq.size(), position), magnitude);
}

Row RowOf(const simdrope_config& config, const Frequencies& frequencies, const std::vector<Position>& on_axis,
          bool key) {
  Row row;
  if (frequencies.inv_freq.size() > frequencies.axis.size()) return SumRow(config, frequencies, on_axis, key);
  const int pairs = static_cast<int>(frequencies.axis.size());
  // A precision other than EXACT rounds cos and sin, the magnitude, and their product.
  const bool has_magnitude = frequencies.attention_factor != 1 || config.xpos.scale_base != 0;
  if (config.precision != SIMDROPE_PRECISION_EXACT && has_magnitude) row.error += 2 * kU;
  for (int i = 0; i < pairs; ++i) {
    const size_t pair = static_cast<size_t>(i);
    const double inv_freq = frequencies.inv_freq[pair];
    const Position position = on_axis[static_cast<size_t>(frequencies.axis[pair])];
    CosSinValues exact;
    if (config.precision == SIMDROPE_PRECISION_EXACT) {
      exact = ExactCosSin(position, inv_freq);
    } else {
      const double angle = RoundedTo(RoundedTo(position.real, config.precision) * RoundedTo(inv_freq, config.precision),
                                     config.precision);
      exact = {std::cos(angle), std::sin(angle)};
    }
    const double magnitude = frequencies.attention_factor * XposFactor(config, pairs, i, position.real, key);
    row.cos.push_back(exact.cos * magnitude);
    row.sin.push_back(exact.sin * magnitude);
    row.floor.push_back(RowFloor(position, inv_freq, config.precision) * std::fabs(magnitude));
  }
  Widen(config, &row);
  if (!key) row.query_scale = QueryScaleAt(config, on_axis[0].real);
  return row;
}

Row RowOfTable(const simdrope_table& table, int pairs, const uint8_t* pair_axis, int64_t b,
               const std::vector<Position>& on_axis, double magnitude) {
  Row row;
  row.error = magnitude == 1 ? 0 : kU;
  for (int i = 0; i < pairs; ++i) {
    const Position position = on_axis[pair_axis == nullptr ? 0 : pair_axis[i]];
    const int64_t at =
        (table.batches == 1 ? 0 : b * table.batch_stride) + position.whole * table.row_stride + i * table.column_stride;
    const int64_t byte = size_of(table.format, at);
    row.cos.push_back(Load(static_cast<const char*>(table.cos) + byte, table.format) * magnitude);
    row.sin.push_back(Load(static_cast<const char*>(table.sin) + byte, table.format) * magnitude);
  }
  return row;
}

}  // namespace simdrope::reference
