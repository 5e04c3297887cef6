// What an element should be, and by how much the library may be off.
//
// Error analysis. Stages work in float; u = 2^-24 is half an ULP relative to 1, and every operation is off by at most u
// of its result, and by 2^-150 where that is subnormal. Each stage of the reference takes elements (value, error) to
// elements (value, error): the value in double, and the error by these rules, all to first order, with kSlack for the
// rest. Sizes |x| below include the errors of x.
//
//   row       cos and sin as computed: kRowUlp ULP, at most 2 kRowUlp u |c|, and an absolute `floor` (rows.h); a
//             table's are exact, its magnitude is one more rounding
//   rotation  x' = fma(-y, s, x c): u |x c| + u |x'|, and u |y s| without fused multiply-add: at most
//             2 u (|x c| + |y s|). |x c| + |y s|, not |x'|, scales the error: cancellation does not loosen it.
//   scale     u for itself. It may be multiplied into cos and sin beforehand: then u (|x c| + |y s|). A temperature is
//             two more: its own rounding to float, and the product with the scale.
//   Hadamard  of width w: log2(w) sums of at most S = |x_1| + ... + |x_w|, so u log2(w) S, then times the rounded
//             1 / sqrt(w): (log2(w) + 2) u S / sqrt(w)
//   sums      16 partial sums of n elements, added by halves: each term passes through at most n / 16 + 4 sums (and one
//             for each head, over all heads), and one product: gamma = (n / 16 + 6 + heads) u relative to the sum of
//             magnitudes
//   norm      RMS: the factor 1 / sqrt(s / n + eps) is off by gamma / 2 + 3 u relative, x times it by u, the weight
//   with
//             its offset by u, the product by u. L2 the same. LAYER: the mean is off by gamma mean(|x|), which each
//             x - mean takes over; then as RMS, and u for the bias.
//   store     half an ULP of the format (formats.h)
//
// A 16-bit rounding between norm and rotation (simdrope_norm::round) is taken at both ends of what is possible.
#ifndef SIMDROPE_REFERENCE_ELEMENT_H_
#define SIMDROPE_REFERENCE_ELEMENT_H_

#include <vector>

#include "reference/formats.h"

namespace simdrope::reference {

inline constexpr double kU = 0x1p-24;
inline constexpr double kTiny = 0x1p-149;  // F32's least subnormal: above what an operation loses there
inline constexpr double kSlack = 1 + 0x1p-10;
inline constexpr double kRowUlp = 0.5 + 0x1p-13;
inline constexpr double kRowError = 2 * kRowUlp * kU;  // relative

// error 0: exactly `value`, and the sign of a zero too. Infinite: anything, as where float overflows on the way. A NaN
// is met by any NaN.
struct Element {
  double value = 0;
  double error = 0;
  double size = 0;  // what scales the error: the magnitudes of the terms that `value` is the sum of
};

using Head = std::vector<Element>;

// Elements that are known exactly.
Head Exactly(const std::vector<double>& values);

// Whether `got`, an element of a float format, is what `want` comes to when it is stored. With a scale of F8 both are
// multiplied by it beforehand.
bool IsWithin(const Element& want, double got, Format format);

}  // namespace simdrope::reference

#endif  // SIMDROPE_REFERENCE_ELEMENT_H_
