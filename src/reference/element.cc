#include "reference/element.h"

#include <cmath>

namespace simdrope::reference {

Head Exactly(const std::vector<double>& values) {
  Head head;
  for (const double value : values) head.push_back({value, 0, std::fabs(value)});
  return head;
}

bool IsWithin(const Element& want, double got, Format format) {
  if (std::isinf(want.error)) return true;
  if (std::isnan(want.value)) return std::isnan(got);
  if (want.error == 0) {
    const double stored = Rounded(want.value, format);
    return got == stored && std::signbit(got) == std::signbit(stored);
  }
  if (std::isinf(want.value)) return got == Rounded(want.value, format);
  const double reach = std::fabs(want.value) + want.error;
  if (std::isinf(got)) {
    const double overflow = MaxFinite(format) + UlpAt(MaxFinite(format), format) / 2;
    return reach >= overflow && (got > 0) == (want.value > 0);
  }
  const bool saturates = format == f8_e4m3 || format == f8_e5m2;
  const double most = MaxFinite(format);
  const double value = saturates ? std::fmax(-most, std::fmin(want.value, most)) : want.value;
  const double rounding = format == f32 ? 0 : UlpAt(std::fmin(reach, most), format) / 2;
  return std::fabs(got - value) <= want.error + rounding;
}

}  // namespace simdrope::reference
