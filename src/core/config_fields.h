// The fields of a Config, listed once. Equality, hashes, fingerprints, JSON, the command's options and docs/config.md
// read this list. tests/config_test.cc counts the bytes that it reaches: a field that is missing here fails there.
#ifndef SIMDROPE_CORE_CONFIG_FIELDS_H_
#define SIMDROPE_CORE_CONFIG_FIELDS_H_

#include <simdrope/simdrope.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

namespace simdrope::impl {

enum class FieldRole {
  kModel,  // a fact of a model
  kCall,   // of a call: not written to model files
  kCount,  // the length of lists, which say it themselves
};

struct Field {
  const char* name;     // in simdrope_config: "scaling.factor"
  const char* meaning;  // one line
  FieldRole role = FieldRole::kModel;
};

// A list of numbers, one a pair, by pointer and count: which one, when it counts, and how a C++ Config takes it.
struct FactorsList {
  static constexpr Field field{
      "scaling.factors",
      "a value for each pair (sum: for each axis and pair): longrope's short list, freq_factors, explicit"};
  static bool IsUsed(const simdrope_config& c) {
    switch (c.scaling.type) {
      case SIMDROPE_SCALING_NONE:
      case SIMDROPE_SCALING_LINEAR:
      case SIMDROPE_SCALING_LLAMA3:
      case SIMDROPE_SCALING_NTK:
      case SIMDROPE_SCALING_DYNAMIC:
      case SIMDROPE_SCALING_YARN:
      case SIMDROPE_SCALING_PROPORTIONAL: return false;
      case SIMDROPE_SCALING_LONGROPE:
      case SIMDROPE_SCALING_FREQ_FACTORS:
      case SIMDROPE_SCALING_EXPLICIT: return true;
    }
    return false;
  }
  static const double* const& Values(const simdrope_config& c) { return c.scaling.factors; }
  static int32_t Count(const simdrope_config& c) { return c.scaling.factor_count; }
  template <class Config, class List>
  static void Set(Config& c, List values) {
    c.set_factors(std::move(values));
  }
};

struct LongFactorsList {
  static constexpr Field field{"scaling.long_factors", "longrope's long list: a value for each pair"};
  static bool IsUsed(const simdrope_config& c) { return c.scaling.type == SIMDROPE_SCALING_LONGROPE; }
  static const double* const& Values(const simdrope_config& c) { return c.scaling.long_factors; }
  static int32_t Count(const simdrope_config& c) { return c.scaling.factor_count; }
  template <class Config, class List>
  static void Set(Config& c, List values) {
    c.set_long_factors(std::move(values));
  }
};

struct PairAxisList {
  static constexpr Field field{"axes.pair_axis", "explicit: the axis of each pair"};
  static bool IsUsed(const simdrope_config& c) { return c.axes.count > 1 && c.axes.layout == SIMDROPE_AXES_EXPLICIT; }
  static const uint8_t* const& Values(const simdrope_config& c) { return c.axes.pair_axis; }
  static int32_t Count(const simdrope_config& c) { return c.axes.pair_axis_count; }
  template <class Config, class List>
  static void Set(Config& c, List values) {
    c.set_pair_axis(std::move(values));
  }
};

// Visits the same field of each config, all but `reserved`:
//   visitor.Value(field, x...)   a number, a bool or an enum of each config
//   visitor.Array(field, x...)   int32_t[SIMDROPE_MAX_AXES] of each
//   visitor.List(list, c...)     FactorsList, LongFactorsList or PairAxisList, and the configs
template <class Visitor, class... Configs>
void VisitFields(Visitor&& visitor, Configs&... c) {
#define SIMDROPE_FIELD(name, ...) visitor.Value(Field{#name, __VA_ARGS__}, c.name...)
  SIMDROPE_FIELD(head_dim, "elements of one head, even");
  SIMDROPE_FIELD(rotary_dim, "width of the rotated window, even; 0: the rest of the head");
  SIMDROPE_FIELD(rotary_offset, "first element of the window, even");
  SIMDROPE_FIELD(split, "half: distance between the elements of a pair; 0: rotary_dim / 2");
  SIMDROPE_FIELD(pairing, "half: elements i and i + split are a pair; interleaved: 2i and 2i + 1");
  SIMDROPE_FIELD(precision, "exact, or what a float32 or 16-bit computation gives");
  SIMDROPE_FIELD(theta, "base of the frequencies: inv_freq[i] = theta^(-2i / rotary_dim)");
  SIMDROPE_FIELD(scaling.type, "how inv_freq is changed for long contexts");
  SIMDROPE_FIELD(scaling.factor, "context extension");
  SIMDROPE_FIELD(scaling.attention_factor, "multiplies cos and sin; 0: what the type's paper prescribes");
  SIMDROPE_FIELD(scaling.attention_factor_given, "attention_factor counts as it is, 0 too");
  SIMDROPE_FIELD(scaling.original_max_position, "trained context length");
  SIMDROPE_FIELD(scaling.max_position, "extended context length; 0: trained length times factor");
  SIMDROPE_FIELD(scaling.seq_len, "current length (dynamic, longrope, xpos); 0: within the trained one",
                 FieldRole::kCall);
  SIMDROPE_FIELD(scaling.low_freq_factor, "llama3");
  SIMDROPE_FIELD(scaling.high_freq_factor, "llama3");
  SIMDROPE_FIELD(scaling.beta_fast, "yarn; 0: 32");
  SIMDROPE_FIELD(scaling.beta_slow, "yarn; 0: 1");
  SIMDROPE_FIELD(scaling.truncate, "yarn: round the correction range outwards to whole pairs");
  SIMDROPE_FIELD(scaling.extrapolation_factor, "yarn: of the part that keeps its frequency; 0: 1");
  SIMDROPE_FIELD(scaling.mscale, "yarn; 0: not given");
  SIMDROPE_FIELD(scaling.mscale_all_dim, "yarn; 0: not given");
  SIMDROPE_FIELD(scaling.short_mscale, "longrope: attention factor of the short list; 0: not given");
  SIMDROPE_FIELD(scaling.long_mscale, "longrope: attention factor of the long list; 0: not given");
  SIMDROPE_FIELD(scaling.proportion, "proportional: part of the head that turns, above 0 and at most 1");
  SIMDROPE_FIELD(scaling.factor_count, "entries of each list of factors", FieldRole::kCount);
  visitor.List(FactorsList(), c...);
  visitor.List(LongFactorsList(), c...);
  SIMDROPE_FIELD(axes.count, "position axes, 1 to 4; with 1 the other fields of axes are ignored");
  SIMDROPE_FIELD(axes.layout, "which axis and which frequency each pair takes");
  visitor.Array(Field{"axes.sections", "pairs of each axis, in axis order (T, H, W)"}, c.axes.sections...);
  SIMDROPE_FIELD(axes.pair_axis_count, "entries of pair_axis", FieldRole::kCount);
  visitor.List(PairAxisList(), c...);
  SIMDROPE_FIELD(xpos.scale_base, "XPos: magnitudes that fall with the distance of Q and K; 0: none");
  SIMDROPE_FIELD(xpos.center, "position at which the magnitudes are 1");
  SIMDROPE_FIELD(xpos.center_at_half_length, "center = seq_len / 2, rounded down, as in flash-attention");
  SIMDROPE_FIELD(temperature.beta, "Q is multiplied by 1 + beta * log(1 + floor((p + offset) / length)); 0: none");
  SIMDROPE_FIELD(temperature.length, "trained context length, usually");
  SIMDROPE_FIELD(temperature.offset, "added to the position");
  SIMDROPE_FIELD(reversed, "turns the other way: x cos + y sin and y cos - x sin");
  SIMDROPE_FIELD(query_log_length,
                 "Q is multiplied by log(p + 1) / log(query_log_length), where that is above 1; 0: none");
  SIMDROPE_FIELD(angle_order,
                 "which cos and sin each element of a pair takes; halves with interleaved pairs: V-JEPA 2");
  SIMDROPE_FIELD(pairs_in_sections, "half, restart: pairs are made inside the block of each axis");
#undef SIMDROPE_FIELD
}

struct FieldsAreEqual {
  bool same = true;

  template <class T>
  void Value(const Field&, const T& x, const T& y) {
    same = same && x == y;
  }
  template <class T, size_t n>
  void Array(const Field&, const T (&x)[n], const T (&y)[n]) {
    same = same && std::equal(x, x + n, y);
  }
  template <class FieldList>
  void List(FieldList list, const simdrope_config& x, const simdrope_config& y) {
    if (!same || !list.IsUsed(x)) return;
    const auto *a = list.Values(x), *b = list.Values(y);
    same = a != nullptr && b != nullptr && std::equal(a, a + std::max(list.Count(x), 0), b);
  }
};

// Same fields, and same lists where they are used. A list that is NULL equals none.
inline bool SameConfig(const simdrope_config& a, const simdrope_config& b) {
  FieldsAreEqual visitor;
  VisitFields(visitor, a, b);
  return visitor.same;
}

// All fields, without the lists: for looking up.
uint64_t HashOfFields(const simdrope_config& config);

// 64 bits of what a checked config means: fields that equal their default do not count, so that fields of later
// versions leave it as it is; nor do lists that the scaling does not use. `window` resolves rotary_dim and split. Never
// 0.
uint64_t FingerprintOf(const simdrope_config& config, int32_t rotary_dim, int32_t split);

}  // namespace simdrope::impl

#endif  // SIMDROPE_CORE_CONFIG_FIELDS_H_
