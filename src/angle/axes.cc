#include "angle/axes.h"

namespace simdrope::impl {
namespace {

struct Place {
  int32_t axis;
  int32_t in_section;
};

Place PlaceInSections(const simdrope_axes& axes, int32_t pair) {
  int32_t axis = 0;
  while (pair >= axes.sections[axis]) pair -= axes.sections[axis++];
  return {axis, pair};
}

}  // namespace

Exponent ExponentOfPair(const simdrope_axes& axes, int32_t pairs, int32_t pair) {
  if (axes.count > 1 && axes.layout == SIMDROPE_AXES_RESTART) {
    const Place place = PlaceInSections(axes, pair);
    return {place.in_section, 2 * axes.sections[place.axis]};
  }
  if (axes.count > 1 && axes.layout == SIMDROPE_AXES_STRIDED) {
    const int32_t half = pairs / 2;
    return {pair < half ? 2 * pair : 2 * (pair - half) + 1, 2 * pairs};
  }
  return {pair, 2 * pairs};
}

uint8_t AxisOfPair(const simdrope_axes& axes, int32_t pairs, int32_t pair) {
  if (axes.count == 1) return 0;
  switch (axes.layout) {
    case SIMDROPE_AXES_SECTIONS:
    case SIMDROPE_AXES_RESTART: return static_cast<uint8_t>(PlaceInSections(axes, pair).axis);
    case SIMDROPE_AXES_INTERLEAVED: {
      const int32_t axis = pair % 3;
      return static_cast<uint8_t>(axis > 0 && pair < 3 * axes.sections[axis] ? axis : 0);
    }
    case SIMDROPE_AXES_ALTERNATE:
      return static_cast<uint8_t>(pair < axes.sections[1] + axes.sections[2] ? 1 + pair % 2 : 0);
    case SIMDROPE_AXES_STRIDED: return pair < pairs / 2 ? 0 : 1;
    case SIMDROPE_AXES_EXPLICIT: return axes.pair_axis[pair];
    case SIMDROPE_AXES_SUM: return 0;
  }
  return 0;
}

}  // namespace simdrope::impl
