// The rotation in plain double arithmetic, and how far from it a correct result may be.
//
// For a pair (x, y) let M = |x cos| + |y sin| (and |y cos| + |x sin| for the other element). Then the
// computed element differs from the exact one by at most
//   1.02 ULP  of f32 at M: cos and sin have an error of 0.51 ULP each, that is 1.02 * 2^-24 of themselves
//   0.5 ULP   of f32 at M: rounding of the product
//   0.5 ULP   of f32 at M: rounding of the multiply-add; this is the output's rounding where that is f32
//   0.5 ULP   of f32 at M: rounding of the second product, on targets without fused multiply-add
//   0.5 ULP   of f16 or bf16 at the element: rounding to a narrower output
//   (2^-40 + |p| 2^-62) (|x| + |y|): near a zero of cos or sin, where the resolution of the angle at
//             position p shows (2^-65 turns for each position) and that of the polynomials.
// A table's cos and sin are exact; its rounded scale, or that of a query temperature, adds 2 ULP at M.
#ifndef SIMDROPE_TOOLS_REFERENCE_H_
#define SIMDROPE_TOOLS_REFERENCE_H_

#include <cstdint>
#include <memory>
#include <simdrope/simdrope.hpp>
#include <string>
#include <vector>

#include "token_positions.h"

namespace simdrope::tool {

struct ReferenceRow {
  std::vector<double> cos, sin;  // of each pair
  std::vector<double> slack;     // absolute error allowed in each beyond 0.51 ULP
  double scale = 1;              // on Q
  bool untouched = false;        // padding
};

// Where the rows come from.
class ReferenceRows {
 public:
  virtual ~ReferenceRows() = default;
  virtual ReferenceRow Row(int64_t b, int64_t s, bool key) const = 0;
  virtual double angle_ulp() const = 0;  // of f32 at M, together for cos and sin and the scale
};

// Angles computed from the rope's inv_freq.
std::unique_ptr<ReferenceRows> RowsOfRope(const Config& config, const Rope& rope, const TokenPositions& positions);
// Rows of a table by position, on the axis that `pair_axis` (NULL: the first) names for each pair.
std::unique_ptr<ReferenceRows> RowsOfTable(const simdrope_table& table, const uint8_t* pair_axis,
                                           const TokenPositions& positions);

// The exact cos and sin of position * inv_freq, which may be any finite doubles: to 2^-52 of 1.
void ExactCosSin(double position, double inv_freq, double& cos, double& sin);

struct Window {
  int64_t offset = 0, pairs = 0, split = 0;
  Pairing pairing = half;
  Pairing out_pairing = half;
  bool inverse = false;
};

struct Comparison {
  int64_t elements = 0;
  double worst_ulp = 0;    // error beyond the bound's last term, in ULP of the output type at M
  double bound_ulp = 0;    // the bound's other terms in the same unit
  double worst_share = 0;  // error as part of the whole bound; at most 1 is right
  std::string first_wrong;

  bool ok() const { return worst_share <= 1; }
};

// Compares all of `out` with the rotation of `in`. `fused`: whether the target fuses multiply-adds.
void Compare(const Tensor& in, const Tensor& out, bool key, const ReferenceRows& rows, const Window& window, bool fused,
             Comparison& comparison);

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_REFERENCE_H_
