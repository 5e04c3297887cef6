#ifndef SIMDROPE_IO_SHAPE_H_
#define SIMDROPE_IO_SHAPE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace simdrope::io {

inline constexpr size_t kMaxRank = 64;  // NumPy 2's limit

// Bytes of a dense array. None where an extent is negative, or where the extents other than 0
// multiply beyond 63 bits.
std::optional<int64_t> byte_count(std::span<const int64_t> shape, size_t element_size);

std::string shape_text(std::span<const int64_t> shape);  // "[2, 3]"

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_SHAPE_H_
