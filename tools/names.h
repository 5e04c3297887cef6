// The words that options, JSON and tables use for the library's enums.
#ifndef SIMDROPE_TOOLS_NAMES_H_
#define SIMDROPE_TOOLS_NAMES_H_

#include <simdrope/simdrope.hpp>
#include <string>

#include "failure.h"

namespace simdrope::tool {

template <class Enum>
struct Named {
  const char* name;
  Enum value;
};

inline constexpr Named<Format> kFormats[] = {{"f32", f32}, {"f16", f16}, {"bf16", bf16}};

inline constexpr Named<Pairing> kPairings[] = {{"half", half}, {"interleaved", interleaved}};

inline constexpr Named<simdrope_precision> kPrecisions[] = {
    {"exact", SIMDROPE_PRECISION_EXACT},
    {"float32", SIMDROPE_PRECISION_FLOAT32},
    {"bf16-positions", SIMDROPE_PRECISION_BF16_POSITIONS},
    {"f16-positions", SIMDROPE_PRECISION_F16_POSITIONS},
};

inline constexpr Named<simdrope_scaling_type> kScalings[] = {
    {"default", SIMDROPE_SCALING_NONE},
    {"linear", SIMDROPE_SCALING_LINEAR},
    {"llama3", SIMDROPE_SCALING_LLAMA3},
    {"ntk", SIMDROPE_SCALING_NTK},
    {"dynamic", SIMDROPE_SCALING_DYNAMIC},
    {"yarn", SIMDROPE_SCALING_YARN},
    {"longrope", SIMDROPE_SCALING_LONGROPE},
    {"proportional", SIMDROPE_SCALING_PROPORTIONAL},
    {"freq_factors", SIMDROPE_SCALING_FREQ_FACTORS},
    {"explicit", SIMDROPE_SCALING_EXPLICIT},
};

template <class Enum, size_t n>
const char* NameOf(const Named<Enum> (&names)[n], Enum value) {
  for (const Named<Enum>& known : names) {
    if (known.value == value) return known.name;
  }
  return "?";
}

// "a|b|c"
template <class Enum, size_t n>
std::string Choices(const Named<Enum> (&names)[n]) {
  std::string all;
  for (const Named<Enum>& known : names) all += (all.empty() ? "" : "|") + std::string(known.name);
  return all;
}

template <class Enum, size_t n>
Enum Parse(const Named<Enum> (&names)[n], const char* option, const std::string& text) {
  for (const Named<Enum>& known : names) {
    if (text == known.name) return known.value;
  }
  Fail(option, ": '", text, "' is none of ", Choices(names));
}

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_NAMES_H_
