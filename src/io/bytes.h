// Reading numbers from untrusted bytes: nothing here reads outside its span.
#ifndef SIMDROPE_IO_BYTES_H_
#define SIMDROPE_IO_BYTES_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace simdrope::io {

static_assert(std::endian::native == std::endian::little, "the file formats read here are little-endian");

using Bytes = std::span<const std::byte>;

inline Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }
inline std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// `at + sizeof(T)` must lie within `bytes`; alignment does not matter.
template <class T>
T load(Bytes bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

// `text` for a message: control and non-ASCII bytes as \xNN, cut after 80 characters.
std::string in_quotes(std::string_view text);

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_BYTES_H_
