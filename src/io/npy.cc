#include "io/npy.h"

#include <algorithm>
#include <array>
#include <optional>

#include "io/failure.h"
#include "io/input_file.h"
#include "io/shape.h"

namespace simdrope::io {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);

struct Descr {
  std::string_view text;
  ElementType type;
};

constexpr Descr kDescrs[] = {
    {"<f4", ElementType::f32}, {"<f8", ElementType::f64}, {"<f2", ElementType::f16}, {"|i1", ElementType::i8},
    {"<i2", ElementType::i16}, {"<i4", ElementType::i32}, {"<i8", ElementType::i64}, {"|u1", ElementType::u8},
    {"<u2", ElementType::u16}, {"<u4", ElementType::u32}, {"<u8", ElementType::u64}, {"|b1", ElementType::boolean},
};

Result<ElementType> type_of(std::string_view descr) {
  for (const Descr& known : kDescrs) {
    if (known.text == descr) return known.type;
  }
  if (descr.starts_with('>')) {
    return bad_file("key \"descr\": ", in_quotes(descr), " is big-endian; only little-endian is read");
  }
  if (descr == "|V2" || descr == "<V2") {
    return bad_file("key \"descr\": ", in_quotes(descr),
                    " is raw 2-byte data (as bfloat16 extensions are saved); save it viewed as uint16");
  }
  return bad_file("key \"descr\": unknown element type ", in_quotes(descr));
}

std::string_view descr_of(ElementType type) {
  if (type == ElementType::bf16) return "<u2";
  for (const Descr& known : kDescrs) {
    if (known.type == type) return known.text;
  }
  return {};
}

struct Header {
  std::optional<ElementType> type;
  std::optional<bool> fortran_order;
  std::optional<std::vector<int64_t>> shape;
};

// The Python dict literal of the header, as far as numpy.save writes it.
class HeaderParser {
 public:
  // `offset`: where `text` begins in the file, for messages.
  HeaderParser(std::string_view text, size_t offset) : text_(text), offset_(offset) {}

  Result<Header> parse() {
    Header header;
    if (!take('{')) return wanted("'{'");
    while (!take('}')) {
      std::string_view key;
      if (!take_string(key)) return wanted("a quoted key or '}'");
      if (!take(':')) return wanted("':'");
      if (Status status = value_of(key, header); !status) return status;
      if (!take(',')) {
        if (!take('}')) return wanted("',' or '}'");
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) return wanted("the header's end");
    if (!header.type) return bad_file("key \"descr\" is missing");
    if (!header.fortran_order) return bad_file("key \"fortran_order\" is missing");
    if (!header.shape) return bad_file("key \"shape\" is missing");
    return header;
  }

 private:
  Status value_of(std::string_view key, Header& header) {
    const auto twice = [&] { return bad_file("key ", in_quotes(key), " appears twice"); };
    if (key == "descr") {
      std::string_view descr;
      if (header.type) return twice();
      if (peek('[')) return bad_file("key \"descr\": records are not read, only plain element types");
      if (!take_string(descr)) return wanted("a quoted element type");
      const Result<ElementType> type = type_of(descr);
      if (!type) return type.status();
      header.type = *type;
      return {};
    }
    if (key == "fortran_order") {
      if (header.fortran_order) return twice();
      if (take_word("True")) {
        header.fortran_order = true;
      } else if (take_word("False")) {
        header.fortran_order = false;
      } else {
        return wanted("True or False");
      }
      return {};
    }
    if (key == "shape") {
      if (header.shape) return twice();
      return take_shape(header.shape.emplace());
    }
    return bad_file("unknown key ", in_quotes(key));
  }

  Status take_shape(std::vector<int64_t>& shape) {
    if (!take('(')) return wanted("'('");
    while (!take(')')) {
      int64_t extent = 0;
      skip_space();
      const size_t begin = at_;
      for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
        if (__builtin_mul_overflow(extent, 10, &extent) || __builtin_add_overflow(extent, text_[at_] - '0', &extent)) {
          return bad_file("key \"shape\": an extent is beyond 63 bits");
        }
      }
      if (at_ == begin) return wanted("an extent");
      if (shape.size() == kMaxRank) return bad_file("key \"shape\": more than ", kMaxRank, " extents");
      shape.push_back(extent);
      if (!take(',')) {
        if (!take(')')) return wanted("',' or ')'");
        break;
      }
    }
    return {};
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool peek(char c) {
    skip_space();
    return at_ < text_.size() && text_[at_] == c;
  }
  bool take(char c) {
    if (!peek(c)) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view word) {
    skip_space();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  bool take_string(std::string_view& value) {
    skip_space();
    if (at_ == text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) return false;
    const size_t end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos) return false;
    value = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return true;
  }
  Status wanted(std::string_view what) const { return bad_file("header at byte ", offset_ + at_, ": expected ", what); }

  std::string_view text_;
  size_t offset_;
  size_t at_ = 0;
};

// Copies Fortran-ordered elements (first index fastest) into row-major order.
void reorder_from_fortran(Bytes from, std::span<const int64_t> shape, size_t element, std::byte* to) {
  std::array<int64_t, kMaxRank> stride{};  // in `from`, of each index, in bytes
  std::array<int64_t, kMaxRank> index{};
  auto next = static_cast<int64_t>(element);
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    stride[axis] = next;
    next *= shape[axis];
  }
  int64_t at = 0;
  for (size_t done = 0; done < from.size(); done += element) {
    std::memcpy(to + done, from.data() + at, element);
    for (size_t axis = shape.size(); axis-- > 0;) {
      at += stride[axis];
      if (++index[axis] < shape[axis]) break;
      at -= stride[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

constexpr size_t kPreamble = 8;                     // magic and version
constexpr size_t kLongestHeader = size_t{1} << 20;  // of versions 2 and 3; version 1 has at most 65,535

// Where the header is, and what it says.
struct Layout {
  size_t header_at = 0, header_size = 0;
  ElementType type = ElementType::f32;
  bool fortran_order = false;
  std::vector<int64_t> shape;

  size_t data_at() const { return header_at + header_size; }
};

// From the first 12 bytes, or as many as there are.
Result<Layout> locate_header(Bytes beginning, uint64_t file_size) {
  if (!text_of(beginning).starts_with(kMagic)) return bad_file("byte 0: not a .npy file");
  if (beginning.size() < kPreamble) return bad_file("truncated at byte ", file_size, ", in the version");
  const int version = static_cast<int>(beginning[6]);
  if (version < 1 || version > 3) return bad_file("byte 6: unknown .npy version ", version);
  Layout layout;
  layout.header_at = kPreamble + (version == 1 ? 2 : 4);
  if (beginning.size() < layout.header_at) {
    return bad_file("truncated at byte ", file_size, ", in the header's length");
  }
  layout.header_size = version == 1 ? load<uint16_t>(beginning, 8) : load<uint32_t>(beginning, 8);
  if (layout.header_size > file_size - layout.header_at) {
    return bad_file("byte 8: header of ", layout.header_size, " bytes, but the file has ", file_size - layout.header_at,
                    " more");
  }
  if (layout.header_size > kLongestHeader) {
    return bad_file("byte 8: header of ", layout.header_size, " bytes; at most ", kLongestHeader, " are read");
  }
  return layout;
}

// `beginning` holds the header.
Status read_header(Bytes beginning, uint64_t file_size, Layout& layout) {
  const std::string_view text = text_of(beginning).substr(layout.header_at, layout.header_size);
  Result<Header> header = HeaderParser(text, layout.header_at).parse();
  if (!header) return header.status();
  layout.type = *header->type;
  layout.fortran_order = *header->fortran_order;
  layout.shape = std::move(*header->shape);
  const std::optional<int64_t> bytes = byte_count(layout.shape, size_of(layout.type));
  if (!bytes) return bad_file("key \"shape\": ", shape_text(layout.shape), " overflows");
  if (static_cast<uint64_t>(*bytes) != file_size - layout.data_at()) {
    return bad_file("key \"shape\": ", shape_text(layout.shape), " of ", name_of(layout.type), " takes ", *bytes,
                    " bytes, but ", file_size - layout.data_at(), " follow byte ", layout.data_at());
  }
  return {};
}

// `read(offset, data, bytes)` reads from the file.
template <class Read>
Result<Array> read_array(uint64_t file_size, Read read) {
  std::vector<std::byte> beginning(std::min<uint64_t>(kPreamble + 4, file_size));
  if (Status status = read(0, beginning.data(), beginning.size()); !status) return status;
  Result<Layout> layout = locate_header(beginning, file_size);
  if (!layout) return layout.status();
  beginning.resize(layout->data_at());
  if (Status status = read(0, beginning.data(), beginning.size()); !status) return status;
  if (Status status = read_header(beginning, file_size, *layout); !status) return status;

  Array array;
  array.type = layout->type;
  array.shape = std::move(layout->shape);
  array.bytes.resize(file_size - layout->data_at());
  if (Status status = read(layout->data_at(), array.bytes.data(), array.bytes.size()); !status) return status;
  if (layout->fortran_order) {
    std::vector<std::byte> ordered(array.bytes.size());
    reorder_from_fortran(array.bytes, array.shape, size_of(array.type), ordered.data());
    array.bytes = std::move(ordered);
  }
  return array;
}

}  // namespace

Result<Array> parse_npy(Bytes file) {
  return read_array(file.size(), [&](uint64_t offset, void* data, size_t bytes) -> Status {
    if (bytes != 0) std::memcpy(data, file.data() + offset, bytes);
    return {};
  });
}

Result<Array> read_npy(const std::string& path) {
  return guarded([&]() -> Result<Array> {
    const auto file = InputFile::open(path);
    if (!file) return file.status();
    Result<Array> array = read_array(
        (*file)->size(), [&](uint64_t offset, void* data, size_t bytes) { return (*file)->read(offset, data, bytes); });
    if (!array && array.status().message().rfind(path, 0) != 0) return with_path(path, array.status());
    return array;
  });
}

Status write_npy(const std::string& path, const Array& array) {
  return guarded([&]() -> Status {
    const std::string_view descr = descr_of(array.type);
    if (descr.empty()) {
      return failure(SIMDROPE_UNSUPPORTED, path, ": .npy has no element type for ", name_of(array.type));
    }
    const std::optional<int64_t> bytes = byte_count(array.shape, size_of(array.type));
    if (!bytes || static_cast<uint64_t>(*bytes) != array.bytes.size() || array.shape.size() > kMaxRank) {
      return failure(SIMDROPE_INVALID_ARGUMENT, path, ": an array of shape ", shape_text(array.shape), " has ",
                     array.bytes.size(), " bytes");
    }
    std::string header = "{'descr': '" + std::string(descr) + "', 'fortran_order': False, 'shape': (";
    for (const int64_t extent : array.shape) header += std::to_string(extent) + ", ";
    if (array.shape.size() > 1) header.resize(header.size() - 2);
    if (array.shape.size() == 1) header.pop_back();
    header += "), }";
    // NumPy pads so that the data begins at a multiple of 64.
    const size_t preamble = kMagic.size() + 4;
    header.append(63 - (preamble + header.size()) % 64, ' ');
    header += '\n';
    const auto length = static_cast<uint16_t>(header.size());

    FileWriter file(path);
    file.write(kMagic);
    file.write(std::string_view("\x01\x00", 2));
    file.write(&length, sizeof length);
    file.write(header);
    file.write(array.bytes.data(), array.bytes.size());
    return file.commit();
  });
}

}  // namespace simdrope::io
