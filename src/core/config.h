// The window of a head that is rotated, and the checks that a Config is meaningful.
#ifndef SIMDROPE_CORE_CONFIG_H_
#define SIMDROPE_CORE_CONFIG_H_

#include <simdrope/simdrope.h>

namespace simdrope::impl {

// Where the elements of a pair are: HALF, pair i is (offset + i, offset + split + i);
// INTERLEAVED, (offset + 2i, offset + 2i + 1).
struct Window {
  int32_t rotary_dim = 0;
  int32_t offset = 0;
  int32_t split = 0;
  simdrope_pairing pairing = SIMDROPE_HALF;
  // HALF: pairs are made inside each of so many blocks, one after the other, of block_pairs[b] pairs so far apart.
  int32_t blocks = 1;
  int32_t block_pairs[SIMDROPE_MAX_AXES] = {};
  bool full_width = false;  // the two elements of a pair have a cos and a sin each

  int32_t pairs() const { return rotary_dim / 2; }
  // Of a row of cos and sin: one for each pair; with full_width first those of all first elements, then of the second.
  int32_t columns() const { return full_width ? rotary_dim : pairs(); }
  bool is_plain() const { return blocks == 1 && !full_width; }
  // Elements from the first rotated to the last one, inclusive; those between the halves too.
  int32_t span() const { return pairing == SIMDROPE_HALF ? split + pairs() : rotary_dim; }
};

// How many axes are added up in the angle of each pair: 1, but for SUM.
inline int32_t SummedAxes(const simdrope_axes& axes) {
  return axes.count > 1 && axes.layout == SIMDROPE_AXES_SUM ? axes.count : 1;
}

// Fills in defaults (rotary_dim 0, split 0) and checks that the window lies inside the head.
simdrope_status MakeWindow(int64_t head_dim, int32_t rotary_dim, int32_t rotary_offset, int32_t split,
                           simdrope_pairing pairing, Window* window);

// Checks every field of `config` that its types use, and gives its window.
simdrope_status CheckConfig(const simdrope_config& config, Window* window);

}  // namespace simdrope::impl

#endif  // SIMDROPE_CORE_CONFIG_H_
