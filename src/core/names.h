// The names of formats and of the enums of a Config: messages, files, the command, Python and the documents use these
// and no others. A value without a name does not compile (-Werror=switch).
#ifndef SIMDROPE_CORE_NAMES_H_
#define SIMDROPE_CORE_NAMES_H_

#include <simdrope/simdrope.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace simdrope::impl {

// NULL for a number that is no value of the enum. Values count up from 0.
constexpr const char* NameOf(simdrope_pairing value) {
  switch (value) {
    case SIMDROPE_HALF: return "half";
    case SIMDROPE_INTERLEAVED: return "interleaved";
    case SIMDROPE_SAME_PAIRING: break;  // of an output, never of a Config
  }
  return nullptr;
}

constexpr const char* NameOf(simdrope_precision value) {
  switch (value) {
    case SIMDROPE_PRECISION_EXACT: return "exact";
    case SIMDROPE_PRECISION_FLOAT32: return "float32";
    case SIMDROPE_PRECISION_BF16_POSITIONS: return "bf16_positions";
    case SIMDROPE_PRECISION_F16_POSITIONS: return "f16_positions";
  }
  return nullptr;
}

constexpr const char* NameOf(simdrope_scaling_type value) {
  switch (value) {
    case SIMDROPE_SCALING_NONE: return "none";
    case SIMDROPE_SCALING_LINEAR: return "linear";
    case SIMDROPE_SCALING_LLAMA3: return "llama3";
    case SIMDROPE_SCALING_NTK: return "ntk";
    case SIMDROPE_SCALING_DYNAMIC: return "dynamic";
    case SIMDROPE_SCALING_YARN: return "yarn";
    case SIMDROPE_SCALING_LONGROPE: return "longrope";
    case SIMDROPE_SCALING_PROPORTIONAL: return "proportional";
    case SIMDROPE_SCALING_FREQ_FACTORS: return "freq_factors";
    case SIMDROPE_SCALING_EXPLICIT: return "explicit";
  }
  return nullptr;
}

constexpr const char* NameOf(simdrope_axis_layout value) {
  switch (value) {
    case SIMDROPE_AXES_SECTIONS: return "sections";
    case SIMDROPE_AXES_INTERLEAVED: return "interleaved";
    case SIMDROPE_AXES_ALTERNATE: return "alternate";
    case SIMDROPE_AXES_RESTART: return "restart";
    case SIMDROPE_AXES_STRIDED: return "strided";
    case SIMDROPE_AXES_EXPLICIT: return "explicit";
    case SIMDROPE_AXES_SUM: return "sum";
  }
  return nullptr;
}

constexpr const char* NameOf(simdrope_angle_order value) {
  switch (value) {
    case SIMDROPE_ANGLES_OF_PAIRS: return "of_pairs";
    case SIMDROPE_ANGLES_HALVES: return "halves";
    case SIMDROPE_ANGLES_NEIGHBOURS: return "neighbours";
  }
  return nullptr;
}

constexpr const char* NameOf(simdrope_format value) {
  switch (value) {
    case SIMDROPE_F32: return "f32";
    case SIMDROPE_F16: return "f16";
    case SIMDROPE_BF16: return "bf16";
    case SIMDROPE_F8_E4M3: return "f8_e4m3";
    case SIMDROPE_F8_E5M2: return "f8_e5m2";
    case SIMDROPE_I8: return "i8";
    case SIMDROPE_U8: return "u8";
    case SIMDROPE_Q8_0: return "q8_0";
    case SIMDROPE_Q4_0: return "q4_0";
  }
  return nullptr;
}

// Number of values that have a name.
template <class Enum>
constexpr int32_t NamedValues() {
  int32_t count = 0;
  while (NameOf(static_cast<Enum>(count)) != nullptr) ++count;
  return count;
}

template <class Enum>
constexpr std::optional<Enum> ValueOf(std::string_view name) {
  for (int32_t i = 0; i < NamedValues<Enum>(); ++i) {
    if (NameOf(static_cast<Enum>(i)) == name) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

}  // namespace simdrope::impl

#endif  // SIMDROPE_CORE_NAMES_H_
