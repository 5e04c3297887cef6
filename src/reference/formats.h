// Formats one value or one head at a time, by arithmetic on double: nothing here shares a trick with the library's
// loads and stores.
#ifndef SIMDROPE_REFERENCE_FORMATS_H_
#define SIMDROPE_REFERENCE_FORMATS_H_

#include <cstdint>
#include <simdrope/simdrope.hpp>
#include <vector>

namespace simdrope::reference {

const char* NameOf(Format format);

// Whether each element has an exponent of its own: F32, F16, BF16, F8_E4M3, F8_E5M2. The functions up to UlpDistance
// are for these; an F8's scale does not count.
bool IsFloat(Format format);

double MaxFinite(Format format);
double LeastNormal(Format format);
double LeastSubnormal(Format format);

// Distance between neighbouring values of the format at |value|; the least subnormal below the normals.
double UlpAt(double value, Format format);

// To nearest even. F32, F16 and BF16 overflow to infinity, F8 saturates (infinity too).
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

// ---------------------------------------------------------------------------- heads

// Where the elements of one head are stored: its first element, and the scales of F8, I8 and U8 (scale NULL: 1).
struct StoredHead {
  char* data = nullptr;
  Format format = f32;
  int64_t head_dim = 0;
  float* scale = nullptr;
  float* zero_point = nullptr;
  int64_t element_stride = 0;  // of the scales
  bool scale_is_given = true;  // else Encode computes it

  int64_t bytes() const { return size_of(format, head_dim); }
};

// Entry (b, s) and head h of a tensor's memory; with slots, b and s are the cache's entry and row.
StoredHead HeadAt(const simdrope_tensor& tensor, int64_t b, int64_t s, int64_t h);

// The values that the library's arithmetic sees: floats.
std::vector<double> Decode(const StoredHead& head);

// Stores `values`, floats, as the library does, bit by bit:
//   F8    value / scale rounded to float, then to nearest even, saturating; NaN stays NaN
//   I8    q = value / scale rounded to float, then to nearest even, within [-127, 127]; scale = amax / 127, may be 0
//   U8    q = value / scale + zero_point, rounded to nearest even, within [0, 255]; scale = (max - min) / 255, or 1e-4
//         where that is 0; zero_point = -min / scale
//   Q8_0, Q4_0   ggml's quantize_row_q8_0_ref and quantize_row_q4_0_ref
// A NaN or an infinity makes the bytes of its block or head unspecified, of I8, U8, Q8_0 and Q4_0.
void Encode(const std::vector<double>& values, const StoredHead& head);

// How far a stored element may be from a value within `error` of values[i], for each i: the rounding of the format at
// these values. Infinite where the format promises nothing. For checks where the library's own float values are not
// to be had.
std::vector<double> StoreErrors(const std::vector<double>& values, const std::vector<double>& errors,
                                const StoredHead& head);

}  // namespace simdrope::reference

#endif  // SIMDROPE_REFERENCE_FORMATS_H_
