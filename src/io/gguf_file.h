// The structure of a GGUF file, versions 2 and 3, little-endian. Format: docs/gguf.md of
// github.com/ggml-org/ggml.
#ifndef SIMDROPE_IO_GGUF_FILE_H_
#define SIMDROPE_IO_GGUF_FILE_H_

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/byte_source.h"

namespace simdrope::io {

// An index of a file's metadata and tensors: values stay in the file. Methods reject what is
// malformed, naming the key or the byte.
class GgufFile {
 public:
  explicit GgufFile(ByteSource file, bool with_extents = false);

  // Absent: none. Another type than asked for, and a negative or non-integral count, are rejected.
  std::optional<int64_t> integer(std::string_view key);
  std::optional<double> number(std::string_view key);
  std::optional<bool> boolean(std::string_view key);
  std::optional<std::string> text(std::string_view key);
  // A list of integers or booleans; a single one counts as a list of one.
  std::optional<std::vector<int64_t>> integers(std::string_view key);
  // A one-dimensional F32 tensor.
  std::optional<std::vector<double>> tensor(std::string_view name) const;

  struct Extents {
    std::string name;
    std::vector<int64_t> shape;  // rows first
  };
  // Of all tensors, in the order of the file.
  const std::vector<Extents>& extents() const { return extents_; }

  // Keys that begin with `prefix` and were never asked for.
  std::vector<std::string> unread(std::string_view prefix) const;

 private:
  enum class Type : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };
  struct Value {
    std::string key;
    Type type;
    uint64_t at;
  };
  struct Tensor {
    std::string name;
    int64_t elements;
    uint32_t dimensions;
    uint32_t type;
    uint64_t offset;
  };

  void read_values(uint64_t count);
  void read_tensors(uint64_t count, bool with_extents);
  template <class T>
  T take(const char* what);
  std::string take_string(const char* what);
  void skip_string();
  Type take_type();
  void skip_value(Type type, int depth);
  void check_room(uint64_t bytes, const char* what) const;

  const Value* find(std::string_view key);
  std::optional<int64_t> integer_at(Type type, uint64_t at) const;
  [[noreturn]] static void wanted(std::string_view what, const Value& value);

  ByteSource file_;
  uint64_t at_ = 0;
  std::vector<Value> values_;    // sorted by key
  std::vector<Tensor> tensors_;  // those about RoPE
  std::vector<Extents> extents_;
  uint64_t data_at_ = 0;
  std::set<std::string, std::less<>> read_;
};

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_GGUF_FILE_H_
