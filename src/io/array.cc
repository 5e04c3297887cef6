#include <iterator>
#include <simdrope/io.hpp>
#include <stdexcept>

#include "io/shape.h"

namespace simdrope::io {
namespace {

struct ElementFacts {
  size_t size;
  const char* name;
};

// In the order of ElementType.
constexpr ElementFacts kElements[] = {
    {4, "f32"}, {8, "f64"}, {2, "f16"}, {2, "bf16"}, {1, "i8"},   {2, "i16"},     {4, "i32"},     {8, "i64"},
    {1, "u8"},  {2, "u16"}, {4, "u32"}, {8, "u64"},  {1, "bool"}, {1, "f8_e4m3"}, {1, "f8_e5m2"}, {1, "f8_e8m0"},
};
static_assert(std::size(kElements) == static_cast<size_t>(ElementType::f8_e8m0) + 1);

}  // namespace

size_t size_of(ElementType type) { return kElements[static_cast<size_t>(type)].size; }
const char* name_of(ElementType type) { return kElements[static_cast<size_t>(type)].name; }

int64_t Array::size() const {
  int64_t elements = 1;
  for (const int64_t extent : shape) elements *= extent;
  return elements;
}

Array Array::zeros(ElementType type, std::vector<int64_t> shape) {
  const std::optional<int64_t> bytes = byte_count(shape, size_of(type));
  if (!bytes) throw std::bad_alloc();
  Array array;
  array.type = type;
  array.shape = std::move(shape);
  array.bytes.resize(static_cast<size_t>(*bytes));
  return array;
}

}  // namespace simdrope::io
