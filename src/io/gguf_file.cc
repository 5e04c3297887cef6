#include "io/gguf_file.h"

#include <algorithm>
#include <cmath>

#include "io/reject.h"

namespace simdrope::io {
namespace {

constexpr int kMaxArrayDepth = 4;
constexpr uint32_t kMaxDimensions = 4;
constexpr uint64_t kMaxElements = 65536;  // of a list or tensor that is read
constexpr uint64_t kMaxText = 65535;      // of a key, a name or a text that is read, as the format says of keys
constexpr uint32_t kTypeF32 = 0;

// Bytes of a value of fixed size; 0: string or array.
size_t fixed_size(uint32_t type) {
  constexpr size_t kSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return kSizes[type];
}

}  // namespace

GgufFile::GgufFile(ByteSource file, bool with_extents) : file_(std::move(file)) {
  if (file_.size() < 4 || file_.text(0, 4) != "GGUF") reject("byte 0: not a GGUF file");
  at_ = 4;
  const auto version = take<uint32_t>("the version");
  if (version != 0 && version % 0x10000 == 0) reject("byte 4: big-endian GGUF is not read");
  if (version != 2 && version != 3) reject("byte 4: GGUF version ", version, " is not read, only 2 and 3");
  const auto tensors = take<uint64_t>("the number of tensors");
  const auto values = take<uint64_t>("the number of keys");
  read_values(values);
  read_tensors(tensors, with_extents);

  const int64_t alignment = integer("general.alignment").value_or(32);
  if (alignment < 1 || alignment > (1 << 20) || (alignment & (alignment - 1)) != 0) {
    reject("key \"general.alignment\" is ", alignment, ", not a power of two up to 2^20");
  }
  const auto step = static_cast<size_t>(alignment);
  data_at_ = (at_ + step - 1) / step * step;
}

void GgufFile::check_room(uint64_t bytes, const char* what) const {
  if (bytes > file_.size() - at_) {
    reject("truncated: ", what, " at byte ", at_, " takes ", bytes, " bytes, but ", file_.size() - at_, " are left");
  }
}

template <class T>
T GgufFile::take(const char* what) {
  check_room(sizeof(T), what);
  const T value = file_.load<T>(at_);
  at_ += sizeof(T);
  return value;
}

std::string GgufFile::take_string(const char* what) {
  const auto size = take<uint64_t>(what);
  check_room(size, what);
  if (size > kMaxText) reject("byte ", at_, ": ", what, " of ", size, " bytes");
  std::string text = file_.text(at_, size);
  at_ += size;
  return text;
}

void GgufFile::skip_string() {
  const auto size = take<uint64_t>("a string");
  check_room(size, "a string");
  at_ += size;
}

GgufFile::Type GgufFile::take_type() {
  const uint64_t at = at_;
  const auto type = take<uint32_t>("a value's type");
  if (type > static_cast<uint32_t>(Type::f64)) reject("byte ", at, ": unknown value type ", type);
  return static_cast<Type>(type);
}

void GgufFile::skip_value(Type type, int depth) {
  if (type == Type::string) {
    return skip_string();
  }
  if (type != Type::array) {
    const size_t size = fixed_size(static_cast<uint32_t>(type));
    check_room(size, "a value");
    at_ += size;
    return;
  }
  if (depth == kMaxArrayDepth) reject("byte ", at_, ": arrays nested deeper than ", kMaxArrayDepth, " levels");
  const Type element = take_type();
  const auto count = take<uint64_t>("an array's length");
  if (const size_t size = fixed_size(static_cast<uint32_t>(element)); size != 0) {
    if (count > (file_.size() - at_) / size) {
      reject("truncated: an array at byte ", at_, " has ", count, " elements of ", size, " bytes, but ",
             file_.size() - at_, " bytes are left");
    }
    at_ += count * size;
    return;
  }
  for (uint64_t i = 0; i < count; ++i) skip_value(element, depth + 1);  // each takes at least 8 bytes
}

void GgufFile::read_values(uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    std::string key = take_string("a key");
    const Type type = take_type();
    values_.push_back({std::move(key), type, at_});
    skip_value(type, 0);
  }
  std::sort(values_.begin(), values_.end(), [](const Value& a, const Value& b) { return a.key < b.key; });
  const auto twice =
      std::adjacent_find(values_.begin(), values_.end(), [](const Value& a, const Value& b) { return a.key == b.key; });
  if (twice != values_.end()) reject("key ", in_quotes(twice->key), " appears twice");
}

void GgufFile::read_tensors(uint64_t count, bool with_extents) {
  for (uint64_t i = 0; i < count; ++i) {
    Tensor tensor{take_string("a tensor's name"), 1, 0, 0, 0};
    tensor.dimensions = take<uint32_t>("a tensor's number of dimensions");
    if (tensor.dimensions > kMaxDimensions) {
      reject("tensor ", in_quotes(tensor.name), ": ", tensor.dimensions, " dimensions");
    }
    std::vector<int64_t> shape(tensor.dimensions);
    for (uint32_t d = 0; d < tensor.dimensions; ++d) {
      const auto extent = take<uint64_t>("a tensor's extent");
      if (extent > static_cast<uint64_t>(INT64_MAX) ||
          __builtin_mul_overflow(tensor.elements, static_cast<int64_t>(extent), &tensor.elements)) {
        reject("tensor ", in_quotes(tensor.name), ": its extents overflow");
      }
      shape[tensor.dimensions - 1 - d] = static_cast<int64_t>(extent);
    }
    tensor.type = take<uint32_t>("a tensor's type");
    tensor.offset = take<uint64_t>("a tensor's offset");
    if (with_extents) extents_.push_back({tensor.name, std::move(shape)});
    if (!tensor.name.starts_with("rope_")) continue;
    for (const Tensor& other : tensors_) {
      if (other.name == tensor.name) reject("tensor ", in_quotes(tensor.name), " appears twice");
    }
    if (tensors_.size() == 16) reject("more than 16 tensors about RoPE");
    tensors_.push_back(std::move(tensor));
  }
}

const GgufFile::Value* GgufFile::find(std::string_view key) {
  const auto at = std::lower_bound(values_.begin(), values_.end(), key,
                                   [](const Value& value, std::string_view wanted) { return value.key < wanted; });
  if (at == values_.end() || at->key != key) return nullptr;
  read_.emplace(key);
  return &*at;
}

void GgufFile::wanted(std::string_view what, const Value& value) {
  reject("key ", in_quotes(value.key), " (type ", static_cast<uint32_t>(value.type), ") is not ", what);
}

std::optional<int64_t> GgufFile::integer_at(Type type, uint64_t at) const {
  switch (type) {
    case Type::u8:
    case Type::boolean: return file_.load<uint8_t>(at);
    case Type::i8: return file_.load<int8_t>(at);
    case Type::u16: return file_.load<uint16_t>(at);
    case Type::i16: return file_.load<int16_t>(at);
    case Type::u32: return file_.load<uint32_t>(at);
    case Type::i32: return file_.load<int32_t>(at);
    case Type::i64: return file_.load<int64_t>(at);
    case Type::u64: {
      const auto value = file_.load<uint64_t>(at);
      if (value > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
      return static_cast<int64_t>(value);
    }
    default: return std::nullopt;
  }
}

std::optional<int64_t> GgufFile::integer(std::string_view key) {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  const std::optional<int64_t> number = integer_at(value->type, value->at);
  if (!number || *number < 0 || value->type == Type::boolean) wanted("a count", *value);
  return number;
}

std::optional<double> GgufFile::number(std::string_view key) {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type == Type::f32) return file_.load<float>(value->at);
  if (value->type == Type::f64) return file_.load<double>(value->at);
  if (const std::optional<int64_t> number = integer_at(value->type, value->at)) return static_cast<double>(*number);
  wanted("a number", *value);
}

std::optional<bool> GgufFile::boolean(std::string_view key) {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != Type::boolean) wanted("a boolean", *value);
  return file_.load<uint8_t>(value->at) != 0;
}

std::optional<std::string> GgufFile::text(std::string_view key) {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != Type::string) wanted("a string", *value);
  const auto size = file_.load<uint64_t>(value->at);
  if (size > kMaxText) reject("key ", in_quotes(key), " has ", size, " bytes");
  return file_.text(value->at + 8, size);
}

std::optional<std::vector<int64_t>> GgufFile::integers(std::string_view key) {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != Type::array) {
    const std::optional<int64_t> number = integer_at(value->type, value->at);
    if (!number) wanted("a list of integers", *value);
    return std::vector<int64_t>{*number};
  }
  const auto element = static_cast<Type>(file_.load<uint32_t>(value->at));
  const auto count = file_.load<uint64_t>(value->at + 4);
  const size_t size = fixed_size(static_cast<uint32_t>(element));
  if (count > kMaxElements) reject("key ", in_quotes(key), " has ", count, " elements");
  std::vector<int64_t> list;
  for (uint64_t i = 0; i < count; ++i) {
    const std::optional<int64_t> number = size == 0 ? std::nullopt : integer_at(element, value->at + 12 + i * size);
    if (!number) wanted("a list of integers", *value);
    list.push_back(*number);
  }
  return list;
}

std::optional<std::vector<double>> GgufFile::tensor(std::string_view name) const {
  for (const Tensor& tensor : tensors_) {
    if (tensor.name != name) continue;
    if (tensor.type != kTypeF32) reject("tensor ", in_quotes(name), ": type ", tensor.type, ", not F32");
    const uint64_t room = data_at_ > file_.size() ? 0 : file_.size() - data_at_;
    const auto elements = static_cast<uint64_t>(tensor.elements);
    if (tensor.offset > room || elements > (room - tensor.offset) / sizeof(float)) {
      reject("tensor ", in_quotes(name), ": ", elements, " elements at offset ", tensor.offset,
             " of the data reach beyond the file's end");
    }
    if (elements > kMaxElements) reject("tensor ", in_quotes(name), " has ", elements, " elements");
    std::vector<double> values(elements);
    for (uint64_t i = 0; i < elements; ++i) {
      values[i] = file_.load<float>(data_at_ + tensor.offset + i * sizeof(float));
    }
    return values;
  }
  return std::nullopt;
}

std::vector<std::string> GgufFile::unread(std::string_view prefix) const {
  std::vector<std::string> keys;
  for (const Value& value : values_) {
    if (value.key.starts_with(prefix) && read_.find(value.key) == read_.end()) keys.emplace_back(value.key);
  }
  return keys;
}

}  // namespace simdrope::io
