// The three element types one value at a time, by arithmetic on double: nothing here shares a trick
// with the library's conversions.
#ifndef SIMDROPE_TESTS_SUPPORT_FORMATS_H_
#define SIMDROPE_TESTS_SUPPORT_FORMATS_H_

#include <cstdint>
#include <simdrope/simdrope.hpp>

namespace testing {

using simdrope::Format;
using simdrope::Pairing;

inline constexpr Format kFormats[] = {simdrope::f32, simdrope::f16, simdrope::bf16};

const char* NameOf(Format format);

double MaxFinite(Format format);
double LeastNormal(Format format);
double LeastSubnormal(Format format);

// Distance between neighbouring values of the type at |value|; the least subnormal below the normals.
double UlpAt(double value, Format format);

// To nearest even, overflow to infinity.
double Rounded(double value, Format format);

// The bits of a value; NaN becomes the quiet one without payload.
uint32_t Encoded(double value, Format format);
double Decoded(uint32_t bits, Format format);

double Load(const void* at, Format format);
void Store(double value, Format format, void* at);
uint32_t LoadBits(const void* at, Format format);
void StoreBits(uint32_t bits, Format format, void* at);

// Representable values from a to b; 0 for two NaNs and for 0 and -0, INT64_MAX for NaN and another.
int64_t UlpDistance(double a, double b, Format format);

}  // namespace testing

#endif  // SIMDROPE_TESTS_SUPPORT_FORMATS_H_
