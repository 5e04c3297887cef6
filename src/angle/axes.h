// Which position axis and which exponent each pair takes.
#ifndef SIMDROPE_ANGLE_AXES_H_
#define SIMDROPE_ANGLE_AXES_H_

#include <simdrope/simdrope.h>

namespace simdrope::impl {

// The unscaled frequency of a pair is theta^(-2 index / dim).
struct Exponent {
  int32_t index;
  int32_t dim;
};

// Both for a checked `axes` and 0 <= pair < pairs. Layouts and their sources: simdrope_axis_layout.
Exponent ExponentOfPair(const simdrope_axes& axes, int32_t pairs, int32_t pair);
uint8_t AxisOfPair(const simdrope_axes& axes, int32_t pairs, int32_t pair);

}  // namespace simdrope::impl

#endif  // SIMDROPE_ANGLE_AXES_H_
