// The three element types, one value at a time, by plain arithmetic in double.
#ifndef SIMDROPE_TOOLS_NUMBERS_H_
#define SIMDROPE_TOOLS_NUMBERS_H_

#include <cstdint>
#include <simdrope/simdrope.hpp>

namespace simdrope::tool {

double Load(const void* data, Format dtype, int64_t index);
// Rounds to nearest even; beyond the largest finite value to infinity.
void Store(double value, void* data, Format dtype, int64_t index);
double Rounded(double value, Format dtype);

// Distance between neighbouring values of the type at `magnitude`, which is >= 0 and finite.
double Ulp(Format dtype, double magnitude);
double Largest(Format dtype);

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_NUMBERS_H_
