// The three element types, one value at a time, by plain arithmetic in double.
#ifndef SIMDROPE_TOOLS_NUMBERS_H_
#define SIMDROPE_TOOLS_NUMBERS_H_

#include <cstdint>
#include <simdrope/simdrope.hpp>

namespace simdrope::tool {

double Load(const void* data, Dtype dtype, int64_t index);
// Rounds to nearest even; beyond the largest finite value to infinity.
void Store(double value, void* data, Dtype dtype, int64_t index);
double Rounded(double value, Dtype dtype);

// Distance between neighbouring values of the type at `magnitude`, which is >= 0 and finite.
double Ulp(Dtype dtype, double magnitude);
double Largest(Dtype dtype);

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_NUMBERS_H_
