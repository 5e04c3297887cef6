// What each simdrope_format takes in memory. Their names: core/names.h.
#ifndef SIMDROPE_CORE_FORMAT_H_
#define SIMDROPE_CORE_FORMAT_H_

#include <simdrope/simdrope.h>

#include <cstddef>
#include <cstdint>

#include "core/names.h"

namespace simdrope::impl {

enum class Scales : uint8_t {
  kNone,
  kGiven,     // one a tensor or head, read: F8
  kComputed,  // written by a store unless given: I8, U8
};

struct FormatEntry {
  uint8_t block_shift;  // a block holds 2^block_shift elements
  uint8_t block_bytes;
  uint8_t alignment;  // of data, bytes: a power of two
  Scales scales;
  bool has_zero_point;

  constexpr int block_elements() const { return 1 << block_shift; }
};

// By simdrope_format.
inline constexpr FormatEntry kFormatTable[] = {
    {0, 4, 4, Scales::kNone, false},      // F32
    {0, 2, 2, Scales::kNone, false},      // F16
    {0, 2, 2, Scales::kNone, false},      // BF16
    {0, 1, 1, Scales::kGiven, false},     // F8_E4M3
    {0, 1, 1, Scales::kGiven, false},     // F8_E5M2
    {0, 1, 1, Scales::kComputed, false},  // I8
    {0, 1, 1, Scales::kComputed, true},   // U8
    {5, 34, 2, Scales::kNone, false},     // Q8_0
    {5, 18, 2, Scales::kNone, false},     // Q4_0
};
inline constexpr int kFormatCount = static_cast<int>(sizeof(kFormatTable) / sizeof(kFormatTable[0]));
static_assert(kFormatCount == NamedValues<simdrope_format>(), "a row for each format");

inline bool IsKnown(simdrope_format format) { return format >= 0 && static_cast<int>(format) < kFormatCount; }
inline const FormatEntry& EntryOf(simdrope_format format) { return kFormatTable[format]; }

// F32, F16 and BF16: formats of tables, of weights, and of the straight road.
inline bool IsFloat(simdrope_format format) { return format <= SIMDROPE_BF16; }

// Bytes of an element of F32, F16 or BF16.
inline ptrdiff_t SizeOf(simdrope_format format) { return EntryOf(format).block_bytes; }

// Bytes of `elements` elements, a multiple of the format's block. The stride of an axis of one element is not used and
// may be anything: what does not fit wraps.
inline ptrdiff_t BytesOf(simdrope_format format, int64_t elements) {
  const FormatEntry& entry = EntryOf(format);
  return static_cast<ptrdiff_t>(static_cast<uint64_t>(elements >> entry.block_shift) *
                                static_cast<uint64_t>(entry.block_bytes));
}

}  // namespace simdrope::impl

#endif  // SIMDROPE_CORE_FORMAT_H_
