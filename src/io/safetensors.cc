#include "io/safetensors.h"

#include <algorithm>
#include <optional>

#include "io/failure.h"
#include "io/input_file.h"
#include "io/json.h"
#include "io/shape.h"

namespace simdrope::io {
namespace {

constexpr size_t kPrefix = 8;                 // the header's length
constexpr uint64_t kMaxHeader = 100'000'000;  // as the reference implementation reads
constexpr std::string_view kMetadata = "__metadata__";

struct Format {
  std::string_view text;
  ElementType type;
};

constexpr Format kFormats[] = {
    {"F32", ElementType::f32},         {"F64", ElementType::f64},         {"F16", ElementType::f16},
    {"BF16", ElementType::bf16},       {"I8", ElementType::i8},           {"I16", ElementType::i16},
    {"I32", ElementType::i32},         {"I64", ElementType::i64},         {"U8", ElementType::u8},
    {"U16", ElementType::u16},         {"U32", ElementType::u32},         {"U64", ElementType::u64},
    {"BOOL", ElementType::boolean},    {"F8_E4M3", ElementType::f8_e4m3}, {"F8_E5M2", ElementType::f8_e5m2},
    {"F8_E8M0", ElementType::f8_e8m0},
};

// One tensor as the header describes it.
struct Description {
  std::string name;
  std::optional<ElementType> type;
  std::optional<std::vector<int64_t>> shape;
  std::optional<std::vector<int64_t>> offsets;  // from the header's end
};

// Takes the header in as it is parsed, without a tree of it: a header may be as long as the file.
class HeaderEvents : public nlohmann::json_sax<OrderedJson> {
 public:
  std::vector<Description> tensors;
  std::vector<std::pair<std::string, std::string>> metadata;
  Status status;

  bool key(string_t& name) override {
    if (depth_ == 1) {
      in_metadata_ = name == kMetadata;
      if (in_metadata_) {
        if (has_metadata_) return fail("key ", in_quotes(name), " appears twice");
        has_metadata_ = true;
      } else {
        tensors.emplace_back().name = std::move(name);
      }
      return true;
    }
    if (in_metadata_) {
      metadata.emplace_back(std::move(name), std::string());
      return true;
    }
    Description& tensor = tensors.back();
    field_ = name == "dtype" ? Field::format : name == "shape" ? Field::shape : Field::offsets;
    if (field_ == Field::offsets && name != "data_offsets") return fail_here("unknown key ", in_quotes(name));
    if (field_ == Field::format  ? tensor.type.has_value()
        : field_ == Field::shape ? tensor.shape.has_value()
                                 : tensor.offsets.has_value()) {
      return fail_here("key ", in_quotes(name), " appears twice");
    }
    return true;
  }

  bool string(string_t& value) override {
    if (depth_ == 2 && in_metadata_) {
      metadata.back().second = std::move(value);
      return true;
    }
    if (depth_ != 2 || field_ != Field::format) return unexpected("a string");
    for (const Format& known : kFormats) {
      if (known.text == value) {
        tensors.back().type = known.type;
        return true;
      }
    }
    return fail_here("unknown dtype ", in_quotes(value));
  }

  bool start_object(size_t) override {
    if (depth_ >= 2) return unexpected("an object");
    ++depth_;
    return true;
  }
  bool end_object() override {
    --depth_;
    if (depth_ != 1 || in_metadata_) return true;
    const Description& tensor = tensors.back();
    if (!tensor.type) return fail_here("key \"dtype\" is missing");
    if (!tensor.shape) return fail_here("key \"shape\" is missing");
    if (!tensor.offsets) return fail_here("key \"data_offsets\" is missing");
    if (tensor.offsets->size() != 2) return fail_here("\"data_offsets\" has ", tensor.offsets->size(), " numbers");
    return true;
  }

  bool start_array(size_t) override {
    if (depth_ != 2 || in_metadata_ || field_ == Field::format) return unexpected("an array");
    ++depth_;
    (field_ == Field::shape ? tensors.back().shape : tensors.back().offsets).emplace();
    return true;
  }
  bool end_array() override {
    --depth_;
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (depth_ != 3) return unexpected("a number");
    if (value > static_cast<uint64_t>(INT64_MAX)) return fail_here("the number ", value, " is beyond 63 bits");
    Description& tensor = tensors.back();
    std::vector<int64_t>& numbers = field_ == Field::shape ? *tensor.shape : *tensor.offsets;
    if (numbers.size() == kMaxRank) return fail_here("more than ", kMaxRank, " numbers in an array");
    numbers.push_back(static_cast<int64_t>(value));
    return true;
  }
  bool number_integer(number_integer_t value) override { return unexpected("the number " + std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { return unexpected("the number " + text); }
  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool binary(binary_t&) override { return unexpected("binary data"); }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    return fail("byte ", kPrefix + position, ": ", error.what());
  }

 private:
  enum class Field { format, shape, offsets };

  template <class... Parts>
  bool fail(const Parts&... parts) {
    status = bad_file(parts...);
    return false;
  }
  // Within the tensor being read.
  template <class... Parts>
  bool fail_here(const Parts&... parts) {
    return fail("tensor ", in_quotes(tensors.back().name), ": ", parts...);
  }
  bool unexpected(const std::string& what) {
    if (depth_ == 0) return fail("the header is ", what, ", not an object");
    if (in_metadata_) return fail("key \"__metadata__\": ", what, " where a map of strings is expected");
    return fail_here("unexpected ", what);
  }

  int depth_ = 0;  // 1: the header's object, 2: a tensor's or the metadata's, 3: an array of a tensor's
  bool in_metadata_ = false;
  bool has_metadata_ = false;
  Field field_ = Field::format;
};

// The data section must be covered exactly once.
Status check_layout(const std::vector<Safetensors::Entry>& entries, uint64_t data_at, uint64_t file_size) {
  std::vector<const Safetensors::Entry*> by_offset;
  by_offset.reserve(entries.size());
  for (const Safetensors::Entry& entry : entries) by_offset.push_back(&entry);
  std::sort(by_offset.begin(), by_offset.end(), [](const auto* a, const auto* b) {
    return a->offset != b->offset ? a->offset < b->offset : a->bytes < b->bytes;
  });
  uint64_t end = data_at;
  for (const Safetensors::Entry* entry : by_offset) {
    if (entry->offset != end) {
      return bad_file("tensor ", in_quotes(entry->name), ": its data begins at byte ", entry->offset,
                      entry->offset < end ? ", inside" : ", not at", " the end of the tensor before it, byte ", end);
    }
    end += entry->bytes;
  }
  if (end != file_size) return bad_file("byte ", end, ": no tensor claims the last ", file_size - end, " bytes");
  return {};
}

template <class Named>
Status check_names(const std::vector<Named>& entries) {
  std::vector<std::string_view> names;
  names.reserve(entries.size());
  for (const Named& entry : entries) names.push_back(entry.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) return bad_file("tensor ", in_quotes(*twice), " appears twice");
  return {};
}

Status check_header_size(uint64_t header_size, uint64_t file_size) {
  if (header_size > file_size - kPrefix) {
    return bad_file("byte 0: header of ", header_size, " bytes, but the file has ", file_size - kPrefix, " more");
  }
  if (header_size > kMaxHeader) {
    return bad_file("byte 0: header of ", header_size, " bytes; at most ", kMaxHeader, " are read");
  }
  return {};
}

}  // namespace

Result<SafetensorsHeader> parse_safetensors(Bytes beginning, uint64_t file_size) {
  if (beginning.size() < kPrefix) return bad_file("truncated at byte ", file_size, ", in the header's length");
  const auto header_size = load<uint64_t>(beginning, 0);
  if (Status status = check_header_size(header_size, file_size); !status) return status;
  if (header_size > beginning.size() - kPrefix) return bad_file("truncated in the header");
  const std::string_view text = text_of(beginning.subspan(kPrefix, header_size));
  const uint64_t data_at = kPrefix + header_size;
  const uint64_t data_size = file_size - data_at;

  HeaderEvents events;
  if (!OrderedJson::sax_parse(text, &events)) return events.status;

  SafetensorsHeader header;
  header.metadata = std::move(events.metadata);
  header.entries.reserve(events.tensors.size());
  for (Description& tensor : events.tensors) {
    const int64_t begin = (*tensor.offsets)[0];
    const int64_t end = (*tensor.offsets)[1];
    if (begin > end || static_cast<uint64_t>(end) > data_size) {
      return bad_file("tensor ", in_quotes(tensor.name), ": data_offsets [", begin, ", ", end, "], but the data has ",
                      data_size, " bytes");
    }
    const std::optional<int64_t> bytes = byte_count(*tensor.shape, size_of(*tensor.type));
    if (!bytes || *bytes != end - begin) {
      return bad_file("tensor ", in_quotes(tensor.name), ": shape ", shape_text(*tensor.shape), " of ",
                      name_of(*tensor.type), " does not take the ", end - begin, " bytes of its data_offsets");
    }
    header.entries.push_back({std::move(tensor.name), *tensor.type, std::move(*tensor.shape),
                              data_at + static_cast<uint64_t>(begin), static_cast<uint64_t>(end - begin)});
  }
  if (Status status = check_names(header.entries); !status) return status;
  if (Status status = check_layout(header.entries, data_at, file_size); !status) return status;
  return header;
}

Result<Safetensors> Safetensors::open(const std::string& path) {
  return guarded([&]() -> Result<Safetensors> {
    const auto file = InputFile::open(path);
    if (!file) return file.status();
    const uint64_t size = (*file)->size();
    std::vector<std::byte> beginning(std::min<uint64_t>(kPrefix, size));
    if (Status status = (*file)->read(0, beginning.data(), beginning.size()); !status) return status;
    if (size >= kPrefix) {
      const auto header_size = load<uint64_t>(beginning, 0);
      if (Status status = check_header_size(header_size, size); !status) return with_path(path, status);
      beginning.resize(kPrefix + header_size);
      if (Status status = (*file)->read(0, beginning.data(), beginning.size()); !status) return status;
    }
    Result<SafetensorsHeader> header = parse_safetensors(beginning, size);
    if (!header) return with_path(path, header.status());
    Safetensors result;
    result.file_ = *file;
    result.entries_ = std::move(header->entries);
    result.metadata_ = std::move(header->metadata);
    return result;
  });
}

const Safetensors::Entry* Safetensors::find(std::string_view name) const {
  for (const Entry& entry : entries_) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

Result<Array> Safetensors::read(std::string_view name) const {
  return guarded([&]() -> Result<Array> {
    const Entry* entry = find(name);
    if (entry == nullptr) return bad_file("no tensor ", in_quotes(name));
    Array array;
    array.type = entry->type;
    array.shape = entry->shape;
    array.bytes.resize(entry->bytes);
    if (Status status = file_->read(entry->offset, array.bytes.data(), array.bytes.size()); !status) return status;
    return array;
  });
}

Status Safetensors::read_bytes(uint64_t offset, void* data, size_t bytes) const {
  return guarded([&]() -> Status { return file_->read(offset, data, bytes); });
}

uint64_t Safetensors::file_size() const { return file_->size(); }

Status write_safetensors(const std::string& path, const std::vector<NamedArray>& arrays,
                         const std::vector<std::pair<std::string, std::string>>& metadata) {
  return guarded([&]() -> Status {
    const auto invalid = [&](const NamedArray& entry, const std::string& why) {
      return failure(SIMDROPE_INVALID_ARGUMENT, path, ": tensor ", in_quotes(entry.name), ": ", why);
    };
    if (Status status = check_names(arrays); !status) return with_path(path, status);
    std::string header = "{";
    try {
      const auto quote = [](std::string_view text) { return OrderedJson(text).dump(); };
      if (!metadata.empty()) {
        header += quote(kMetadata) + ":{";
        for (const auto& [key, value] : metadata) header += quote(key) + ":" + quote(value) + ",";
        header.back() = '}';
        header += ',';
      }
      size_t at = 0;
      for (const NamedArray& entry : arrays) {
        const std::optional<int64_t> bytes = byte_count(entry.shape, size_of(entry.type));
        if (!bytes || static_cast<uint64_t>(*bytes) != entry.bytes) {
          return invalid(entry, "shape " + shape_text(entry.shape) + " has " + std::to_string(entry.bytes) + " bytes");
        }
        if (entry.name == kMetadata) return invalid(entry, "the name is reserved");
        const auto format = std::find_if(std::begin(kFormats), std::end(kFormats),
                                         [&](const Format& known) { return known.type == entry.type; });
        header += quote(entry.name) + ":{\"dtype\":" + quote(format->text) + ",\"shape\":" + shape_text(entry.shape) +
                  ",\"data_offsets\":[" + std::to_string(at) + "," + std::to_string(at + entry.bytes) + "]},";
        at += entry.bytes;
      }
    } catch (const nlohmann::json::exception& e) {  // text that is not UTF-8
      return failure(SIMDROPE_INVALID_ARGUMENT, path, ": ", e.what());
    }
    if (header.size() > 1) header.pop_back();
    header += '}';
    header.append((8 - header.size() % 8) % 8, ' ');
    const uint64_t header_size = header.size();

    FileWriter file(path);
    file.write(&header_size, sizeof header_size);
    file.write(header);
    for (const NamedArray& entry : arrays) file.write(entry.data, entry.bytes);
    return file.commit();
  });
}

}  // namespace simdrope::io
