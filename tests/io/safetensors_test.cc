#include "io/safetensors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "temporary_file.h"

namespace io = simdrope::io;

namespace {

std::string safetensors(const std::string& header, size_t bytes) {
  const uint64_t size = header.size();
  return std::string(reinterpret_cast<const char*>(&size), 8) + header + std::string(bytes, 'x');
}

void check_refused(const std::string& file, const std::string& reason) {
  const auto header = io::parse_safetensors(io::bytes_of(file));
  REQUIRE_FALSE(header.ok());
  CHECK(header.status().code() == SIMDROPE_BAD_FILE);
  CAPTURE(header.status().message());
  CHECK(header.status().message().find(reason) != std::string::npos);
}

void check_header_refused(const std::string& header, const std::string& reason, size_t bytes = 8) {
  check_refused(safetensors(header, bytes), reason);
}

}  // namespace

TEST_CASE("safetensors: what is written is read back, in order") {
  const float values[] = {1, 2, 3};
  const uint16_t halves[] = {4, 5};
  const std::vector<io::NamedArray> entries = {
      {"model.q_proj.weight", io::ElementType::f32, {3, 1}, reinterpret_cast<const std::byte*>(values), 12},
      {"k \"quoted\" \u00e9", io::ElementType::bf16, {2}, reinterpret_cast<const std::byte*>(halves), 4},
      {"empty", io::ElementType::f8_e4m3, {0, 7}, nullptr, 0},
  };
  const TemporaryFile file("a.safetensors");
  REQUIRE(io::write_safetensors(file.path(), entries, {{"format", "pt"}, {"made by", "a test"}}).ok());
  CHECK((file.read().size() - 16) % 8 == 0);

  const auto read = io::Safetensors::open(file.path());
  REQUIRE_MESSAGE(read.ok(), read.status().message());
  REQUIRE(read->entries().size() == 3);
  for (size_t i = 0; i < 3; ++i) {
    CHECK(read->entries()[i].name == entries[i].name);
    CHECK(read->entries()[i].type == entries[i].type);
    CHECK(read->entries()[i].shape == entries[i].shape);
    const auto array = read->read(entries[i].name);
    REQUIRE(array.ok());
    REQUIRE(array->bytes.size() == entries[i].bytes);
    CHECK(std::equal(array->bytes.begin(), array->bytes.end(), entries[i].data));
  }
  CHECK(read->metadata().size() == 2);
  CHECK(read->find("empty") != nullptr);
  CHECK(read->find("absent") == nullptr);
  CHECK(read->read("model.q_proj.weight")->data<float>()[2] == 3);
  CHECK_FALSE(read->read("absent").ok());
}

TEST_CASE("safetensors: an open file that is replaced can still be read; one that is cut short gives an error") {
  const float values[] = {1, 2};
  const auto* bytes = reinterpret_cast<const std::byte*>(values);
  const TemporaryFile file("self.safetensors");
  REQUIRE(io::write_safetensors(file.path(), {{"a", io::ElementType::f32, {2}, bytes, 8}}).ok());
  const auto read = io::Safetensors::open(file.path());
  REQUIRE(read.ok());
  REQUIRE(io::write_safetensors(file.path(), {{"b", io::ElementType::f32, {1}, bytes, 4}}).ok());
  CHECK(read->read("a")->data<float>()[1] == 2);

  const auto cut = io::Safetensors::open(file.path());
  REQUIRE(cut.ok());
  const size_t shorter = file.read().size() - 2;
  REQUIRE(::truncate(file.path().c_str(), static_cast<off_t>(shorter)) == 0);
  const auto array = cut->read("b");
  CHECK(array.status().code() == SIMDROPE_BAD_FILE);
  CHECK(array.status().message().find("ends at byte " + std::to_string(shorter)) != std::string::npos);
}

TEST_CASE("safetensors: what cannot be written") {
  const std::byte data[8] = {};
  const TemporaryFile file("refused.safetensors");
  const auto write = [&](const io::NamedArray& entry) {
    return io::write_safetensors(file.path(), {entry, {"b", io::ElementType::f32, {1}, data, 4}}).code();
  };
  CHECK(write({"a", io::ElementType::f32, {1}, data, 4}) == SIMDROPE_OK);
  CHECK(write({"a", io::ElementType::f32, {2}, data, 4}) == SIMDROPE_INVALID_ARGUMENT);
  CHECK(write({"__metadata__", io::ElementType::f32, {1}, data, 4}) == SIMDROPE_INVALID_ARGUMENT);
  CHECK(write({"\xff", io::ElementType::f32, {1}, data, 4}) == SIMDROPE_INVALID_ARGUMENT);
  CHECK(write({"b", io::ElementType::f32, {1}, data, 4}) == SIMDROPE_BAD_FILE);
}

TEST_CASE("safetensors: hostile files are refused, and the message names the tensor or the byte") {
  const std::string good = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  REQUIRE(io::parse_safetensors(io::bytes_of(safetensors(good, 8))).ok());
  for (size_t size = 0; size < good.size() + 16; ++size) {
    CHECK_FALSE(io::parse_safetensors(io::bytes_of(safetensors(good, 8).substr(0, size))).ok());
  }
  check_refused(std::string(8, '\xff'), "header of 18446744073709551615 bytes");
  check_refused(safetensors(good, 9), "no tensor claims the last 1 bytes");
  check_header_refused("[]", "an array, not an object");
  check_header_refused("{", "byte");
  check_header_refused("{} {}", "byte");
  check_header_refused(std::string(100000, '['), "an array");
  check_header_refused(R"({"a":)" + std::string(50000, '['), "unexpected an array");
  check_header_refused(R"({"a":[]})", "tensor \"a\"");
  check_header_refused(R"({"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}})", "\"F33\"");
  check_header_refused(R"({"a":{"dtype":"F32","data_offsets":[0,8]}})", "\"shape\" is missing");
  check_header_refused(R"({"a":{"dtype":"F32","shape":[2]}})", "\"data_offsets\" is missing");
  check_header_refused(R"({"a":{"shape":[2],"data_offsets":[0,8]}})", "\"dtype\" is missing");
  check_header_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})", "\"x\"");
  check_header_refused(R"({"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "twice");
  check_header_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}})", "3 numbers");
  check_header_refused(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", "-2");
  check_header_refused(R"({"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}})", "2.5");
  check_header_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", "data_offsets [8, 0]");
  check_header_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,16]}})", "data_offsets [0, 16]");
  check_header_refused(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", "shape [3]");
  check_header_refused(R"({"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8]}})", "63 bits");
  check_header_refused(R"({"a":{"dtype":"F32","shape":[99999999999999999999999],"data_offsets":[0,8]}})", "tensor");
  check_header_refused(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})",
                       "does not take");
  check_header_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                       R"("a":{"dtype":"F32","shape":[0],"data_offsets":[8,8]}})",
                       "appears twice");
  check_header_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                       "inside the end of the tensor before it");
  check_header_refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
                       "not at the end of the tensor before it", 12);
  check_header_refused(R"({"__metadata__":{"a":1}})", "__metadata__");
  check_header_refused(R"({"__metadata__":{},"__metadata__":{}})", "twice");
  check_header_refused("{\"\xff\":{}}", "byte");
}
