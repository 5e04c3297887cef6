// The three element types one value at a time, by arithmetic on double: nothing here shares a trick
// with the library's conversions.
#ifndef SIMDROPE_TESTS_SUPPORT_FORMATS_H_
#define SIMDROPE_TESTS_SUPPORT_FORMATS_H_

#include <cstdint>
#include <simdrope/simdrope.hpp>

namespace testing {

using simdrope::Dtype;
using simdrope::Pairing;

inline constexpr Dtype kDtypes[] = {simdrope::f32, simdrope::f16, simdrope::bf16};

const char* NameOf(Dtype dtype);

double MaxFinite(Dtype dtype);
double LeastNormal(Dtype dtype);
double LeastSubnormal(Dtype dtype);

// Distance between neighbouring values of the type at |value|; the least subnormal below the normals.
double UlpAt(double value, Dtype dtype);

// To nearest even, overflow to infinity.
double Rounded(double value, Dtype dtype);

// The bits of a value; NaN becomes the quiet one without payload.
uint32_t Encoded(double value, Dtype dtype);
double Decoded(uint32_t bits, Dtype dtype);

double Load(const void* at, Dtype dtype);
void Store(double value, Dtype dtype, void* at);
uint32_t LoadBits(const void* at, Dtype dtype);
void StoreBits(uint32_t bits, Dtype dtype, void* at);

// Representable values from a to b; 0 for two NaNs and for 0 and -0, INT64_MAX for NaN and another.
int64_t UlpDistance(double a, double b, Dtype dtype);

}  // namespace testing

#endif  // SIMDROPE_TESTS_SUPPORT_FORMATS_H_
