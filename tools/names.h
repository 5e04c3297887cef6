// Names and values: of the library's enums, and of the command's own choices.
#ifndef SIMDROPE_TOOLS_NAMES_H_
#define SIMDROPE_TOOLS_NAMES_H_

#include <array>
#include <cstddef>
#include <simdrope/simdrope.hpp>
#include <string>

#include "core/names.h"
#include "failure.h"

namespace simdrope::tool {

template <class Enum>
struct Named {
  const char* name;
  Enum value;
};

// The library's own names.
template <class Enum>
constexpr auto LibraryNames() {
  std::array<Named<Enum>, impl::NamedValues<Enum>()> names{};
  for (size_t i = 0; i < names.size(); ++i) {
    names[i] = {impl::NameOf(static_cast<Enum>(i)), static_cast<Enum>(i)};
  }
  return names;
}
inline constexpr auto kPairings = LibraryNames<Pairing>();
inline constexpr auto kPrecisions = LibraryNames<simdrope_precision>();
inline constexpr auto kAngleOrders = LibraryNames<simdrope_angle_order>();
inline constexpr auto kScalings = LibraryNames<simdrope_scaling_type>();

inline constexpr auto kAllFormats = LibraryNames<Format>();

// Those of arrays that are rotated as they are, and of tables.
inline constexpr Named<Format> kFormats[] = {kAllFormats[f32], kAllFormats[f16], kAllFormats[bf16]};

template <class Names, class Enum>
const char* NameOf(const Names& names, Enum value) {
  for (const Named<Enum>& known : names) {
    if (known.value == value) return known.name;
  }
  return "?";
}

// "a|b|c"
template <class Names>
std::string Choices(const Names& names) {
  std::string all;
  for (const auto& known : names) all += (all.empty() ? "" : "|") + std::string(known.name);
  return all;
}

template <class Names>
auto Parse(const Names& names, const char* option, const std::string& text) {
  for (const auto& known : names) {
    if (text == known.name) return known.value;
  }
  Fail(option, ": '", text, "' is none of ", Choices(names));
}

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_NAMES_H_
