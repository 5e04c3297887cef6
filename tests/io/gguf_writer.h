// Makes small GGUF files in memory, for tests and fuzzers.
#ifndef SIMDROPE_TESTS_IO_GGUF_WRITER_H_
#define SIMDROPE_TESTS_IO_GGUF_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

class GgufWriter {
 public:
  explicit GgufWriter(std::string_view architecture);  // writes general.architecture

  GgufWriter& u32(std::string_view key, uint32_t value);
  // The lowest `bytes` bytes of value, as if it were of the GGUF type `type`.
  GgufWriter& integer(std::string_view key, uint32_t type, size_t bytes, uint64_t value);
  GgufWriter& f32(std::string_view key, float value);
  GgufWriter& boolean(std::string_view key, bool value);
  GgufWriter& text(std::string_view key, std::string_view value);
  GgufWriter& u32s(std::string_view key, const std::vector<uint32_t>& values);
  GgufWriter& booleans(std::string_view key, const std::vector<bool>& values);
  GgufWriter& texts(std::string_view key, const std::vector<std::string>& values);
  GgufWriter& tensor(std::string_view name, const std::vector<float>& values);
  // Its extents alone, rows first, as if it were of 32-bit floats.
  GgufWriter& extents(std::string_view name, const std::vector<uint64_t>& shape);

  std::string file() const;

 private:
  void begin(std::string_view key, uint32_t type);

  std::string values_;
  uint64_t value_count_ = 0;
  std::string tensors_;
  uint64_t tensor_count_ = 0;
  std::string data_;
};

// One file of each kind that the reader tells apart.
std::vector<std::string> gguf_examples();

#endif  // SIMDROPE_TESTS_IO_GGUF_WRITER_H_
