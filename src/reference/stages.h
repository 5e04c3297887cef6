// The stages that an operand goes through, each from elements to elements (element.h).
#ifndef SIMDROPE_REFERENCE_STAGES_H_
#define SIMDROPE_REFERENCE_STAGES_H_

#include <simdrope/simdrope.hpp>
#include <vector>

#include "reference/rows.h"

namespace simdrope::reference {

// All heads of one token.
using Token = std::vector<Head>;

// Which elements of a head are pairs.
struct Window {
  int rotary_dim = 0;
  int rotary_offset = 0;
  int split = 0;  // of half pairs
  Pairing pairing = half;
  Pairing output_pairing = half;
  std::vector<int> block_pairs{};  // half pairs are made inside blocks of so many pairs; empty: in the whole window

  static Window Of(const simdrope_rope_info& info, Pairing output_pairing = SIMDROPE_SAME_PAIRING);
  int pairs() const { return rotary_dim / 2; }
};

struct Place {
  size_t x;
  size_t y;
};
Place PlaceOf(const Window& window, Pairing pairing, int pair);

// In four lines, without errors: the definition.
void RotateHead(const Window& window, const Row& row, bool inverse, const std::vector<double>& in,
                std::vector<double>* out);

// `scale`: a later one that may be multiplied into cos and sin already: it decides what may overflow.
Head Rotated(const Head& in, const Window& window, const Row& row, bool inverse, double scale = 1);

// The orthonormal Walsh-Hadamard transform of each `width` elements: y_i = sum over j of
// (-1)^popcount(i & j) x_j / sqrt(width).
Head Hadamard(const Head& in, int width);

// `roundings`: how many times the factor's product with something is rounded (element.h).
Head Scaled(const Head& in, double factor, int roundings);

// `rounding`: what norm.round rounds to.
Token Normalised(const Token& in, const simdrope_norm& norm, Format rounding);

}  // namespace simdrope::reference

#endif  // SIMDROPE_REFERENCE_STAGES_H_
