// The fields of a Config, listed once: equality, hashes and fingerprints read this list. A field that is missing here
// fails a test (tests/config_test.cc counts the bytes that the list reaches).
#ifndef SIMDROPE_CORE_CONFIG_FIELDS_H_
#define SIMDROPE_CORE_CONFIG_FIELDS_H_

#include <simdrope/simdrope.h>

#include <cstdint>
#include <cstring>

namespace simdrope::impl {

// Calls visit("name", field...) with the same field of each config: every field but the lists and `reserved`.
template <class Visit, class... Configs>
void VisitFields(Visit&& visit, Configs&... c) {
  visit("head_dim", c.head_dim...);
  visit("rotary_dim", c.rotary_dim...);
  visit("rotary_offset", c.rotary_offset...);
  visit("split", c.split...);
  visit("pairing", c.pairing...);
  visit("precision", c.precision...);
  visit("theta", c.theta...);
  visit("scaling.type", c.scaling.type...);
  visit("scaling.factor", c.scaling.factor...);
  visit("scaling.attention_factor", c.scaling.attention_factor...);
  visit("scaling.attention_factor_given", c.scaling.attention_factor_given...);
  visit("scaling.original_max_position", c.scaling.original_max_position...);
  visit("scaling.max_position", c.scaling.max_position...);
  visit("scaling.seq_len", c.scaling.seq_len...);
  visit("scaling.low_freq_factor", c.scaling.low_freq_factor...);
  visit("scaling.high_freq_factor", c.scaling.high_freq_factor...);
  visit("scaling.beta_fast", c.scaling.beta_fast...);
  visit("scaling.beta_slow", c.scaling.beta_slow...);
  visit("scaling.truncate", c.scaling.truncate...);
  visit("scaling.mscale", c.scaling.mscale...);
  visit("scaling.mscale_all_dim", c.scaling.mscale_all_dim...);
  visit("scaling.short_mscale", c.scaling.short_mscale...);
  visit("scaling.long_mscale", c.scaling.long_mscale...);
  visit("scaling.proportion", c.scaling.proportion...);
  visit("scaling.factor_count", c.scaling.factor_count...);
  visit("axes.count", c.axes.count...);
  visit("axes.layout", c.axes.layout...);
  visit("axes.sections[0]", c.axes.sections[0]...);
  visit("axes.sections[1]", c.axes.sections[1]...);
  visit("axes.sections[2]", c.axes.sections[2]...);
  visit("axes.sections[3]", c.axes.sections[3]...);
  visit("axes.pair_axis_count", c.axes.pair_axis_count...);
  visit("xpos.scale_base", c.xpos.scale_base...);
  visit("xpos.center", c.xpos.center...);
  visit("xpos.center_at_half_length", c.xpos.center_at_half_length...);
  visit("temperature.beta", c.temperature.beta...);
  visit("temperature.length", c.temperature.length...);
  visit("temperature.offset", c.temperature.offset...);
}
static_assert(SIMDROPE_MAX_AXES == 4, "VisitFields lists each section");

// A field's value as 64 bits, the same on every machine; both zeros alike.
inline uint64_t FieldBits(double value) {
  if (value == 0) return 0;
  uint64_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
template <class Integer>
uint64_t FieldBits(Integer value) {
  return static_cast<uint64_t>(static_cast<int64_t>(value));
}

// Which lists count, by the types that use them.
inline bool UsesFactors(const simdrope_config& c) {
  const simdrope_scaling_type t = c.scaling.type;
  return t == SIMDROPE_SCALING_LONGROPE || t == SIMDROPE_SCALING_FREQ_FACTORS || t == SIMDROPE_SCALING_EXPLICIT;
}
inline bool UsesLongFactors(const simdrope_config& c) { return c.scaling.type == SIMDROPE_SCALING_LONGROPE; }
inline bool UsesPairAxis(const simdrope_config& c) {
  return c.axes.count > 1 && c.axes.layout == SIMDROPE_AXES_EXPLICIT;
}

// All fields, without the lists: for looking up.
uint64_t HashOfFields(const simdrope_config& config);

// Same fields, and same lists where they count. Lists that are NULL equal none.
bool SameConfig(const simdrope_config& a, const simdrope_config& b);

// 64 bits of what a checked config means: fields that equal their default do not count, so that fields of later
// versions leave it as it is; nor do lists that the scaling does not use. `window` resolves rotary_dim and split. Never
// 0.
uint64_t FingerprintOf(const simdrope_config& config, int32_t rotary_dim, int32_t split);

}  // namespace simdrope::impl

#endif  // SIMDROPE_CORE_CONFIG_FIELDS_H_
