#include "core/config_fields.h"

#include <algorithm>

namespace simdrope::impl {
namespace {

constexpr uint64_t kMultiplier = 0x9e3779b97f4a7c15u;  // 2^64 / golden ratio, odd

uint64_t Mixed(uint64_t x) {  // the finaliser of splitmix64
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

uint64_t HashOfName(const char* name) {  // FNV-1a
  uint64_t hash = 0xcbf29ce484222325u;
  for (; *name != '\0'; ++name) hash = (hash ^ static_cast<unsigned char>(*name)) * 0x100000001b3u;
  return hash;
}

template <class T>
bool SameList(const T* a, const T* b, int32_t count) {
  return a != nullptr && b != nullptr && std::equal(a, a + std::max(count, 0), b);
}

template <class T>
uint64_t HashOfList(const char* name, const T* list, int32_t count) {
  uint64_t hash = HashOfName(name);
  for (int32_t i = 0; i < count; ++i) hash = Mixed(hash * kMultiplier + FieldBits(list[i]));
  return hash;
}

}  // namespace

uint64_t HashOfFields(const simdrope_config& config) {
  uint64_t hash = 0;
  VisitFields([&](const char*, const auto& field) { hash = (hash ^ FieldBits(field)) * kMultiplier; }, config);
  return hash;
}

bool SameConfig(const simdrope_config& a, const simdrope_config& b) {
  bool same = true;
  VisitFields([&](const char*, const auto& x, const auto& y) { same = same && x == y; }, a, b);
  const simdrope_scaling &s = a.scaling, &t = b.scaling;
  return same && (!UsesFactors(a) || SameList(s.factors, t.factors, s.factor_count)) &&
         (!UsesLongFactors(a) || SameList(s.long_factors, t.long_factors, s.factor_count)) &&
         (!UsesPairAxis(a) || SameList(a.axes.pair_axis, b.axes.pair_axis, a.axes.pair_axis_count));
}

uint64_t FingerprintOf(const simdrope_config& config, int32_t rotary_dim, int32_t split) {
  simdrope_config resolved = config, defaults;
  simdrope_config_init(&defaults);
  resolved.rotary_dim = rotary_dim;
  resolved.split = split;
  if (!UsesFactors(config)) resolved.scaling.factor_count = 0;
  if (!UsesPairAxis(config)) resolved.axes.pair_axis_count = 0;
  uint64_t sum = 0;
  VisitFields(
      [&](const char* name, const auto& field, const auto& otherwise) {
        if (field != otherwise) sum += Mixed(HashOfName(name) + kMultiplier * FieldBits(field));
      },
      resolved, defaults);
  const simdrope_scaling& s = config.scaling;
  if (UsesFactors(config)) sum += HashOfList("scaling.factors", s.factors, s.factor_count);
  if (UsesLongFactors(config)) sum += HashOfList("scaling.long_factors", s.long_factors, s.factor_count);
  if (UsesPairAxis(config)) sum += HashOfList("axes.pair_axis", config.axes.pair_axis, config.axes.pair_axis_count);
  sum = Mixed(sum);
  return sum != 0 ? sum : 1;
}

}  // namespace simdrope::impl
