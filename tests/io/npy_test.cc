#include "io/npy.h"

#include <doctest/doctest.h>

#include <cstring>
#include <numeric>
#include <string>

#include "temporary_file.h"

namespace io = simdrope::io;

namespace {

std::string npy(const std::string& header, const std::string& data) {
  std::string padded = header + "\n";
  std::string file("\x93NUMPY\x01\x00", 8);
  file += static_cast<char>(padded.size() & 255);
  file += static_cast<char>(padded.size() >> 8);
  return file + padded + data;
}

simdrope::Result<io::Array> parse(const std::string& file) { return io::parse_npy(io::bytes_of(file)); }

void check_refused(const std::string& file, const std::string& reason) {
  const auto array = parse(file);
  REQUIRE_FALSE(array.ok());
  CHECK(array.status().code() == SIMDROPE_BAD_FILE);
  CAPTURE(array.status().message());
  CHECK(array.status().message().find(reason) != std::string::npos);
}

}  // namespace

TEST_CASE("npy: every element type comes back as it was written") {
  using enum io::ElementType;
  for (const io::ElementType type : {f32, f64, f16, i8, i16, i32, i64, u8, u16, u32, u64, boolean}) {
    io::Array array = io::Array::zeros(type, {2, 3});
    for (size_t i = 0; i < array.bytes.size(); ++i) array.bytes[i] = static_cast<std::byte>(i * 37);
    const TemporaryFile file("types.npy");
    REQUIRE(io::write_npy(file.path(), array).ok());
    const auto read = io::read_npy(file.path());
    REQUIRE_MESSAGE(read.ok(), read.status().message());
    CHECK(read->type == type);
    CHECK(read->shape == array.shape);
    CHECK(read->bytes == array.bytes);
    CHECK(file.read().size() % 64 == array.bytes.size() % 64);
  }
}

TEST_CASE("npy: shapes of rank 0, 1 and with nothing in them") {
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{}, {4}, {0}, {3, 0, 2}, {1, 1, 1, 1}}) {
    const io::Array array = io::Array::zeros(io::ElementType::f32, shape);
    const TemporaryFile file("shapes.npy");
    REQUIRE(io::write_npy(file.path(), array).ok());
    const auto read = io::read_npy(file.path());
    REQUIRE_MESSAGE(read.ok(), read.status().message());
    CHECK(read->shape == shape);
    CHECK(read->size() == array.size());
  }
}

TEST_CASE("npy: bf16 is stored as uint16 and stays that on reading") {
  const TemporaryFile file("bf16.npy");
  REQUIRE(io::write_npy(file.path(), io::Array::zeros(io::ElementType::bf16, {4})).ok());
  CHECK(file.read().find("'<u2'") != std::string::npos);
  CHECK(io::read_npy(file.path())->type == io::ElementType::u16);
  CHECK(io::write_npy(file.path(), io::Array::zeros(io::ElementType::f8_e4m3, {4})).code() == SIMDROPE_UNSUPPORTED);
}

TEST_CASE("npy: Fortran order is reordered") {
  // Column by column: element (i, j, k) is 100 i + 10 j + k.
  std::string data;
  for (int k = 0; k < 4; ++k) {
    for (int j = 0; j < 3; ++j) {
      for (int i = 0; i < 2; ++i) data += static_cast<char>(100 * i + 10 * j + k);
    }
  }
  const auto array = parse(npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 4), }", data));
  REQUIRE_MESSAGE(array.ok(), array.status().message());
  const auto* values = array->data<uint8_t>();
  for (int i = 0, at = 0; i < 2; ++i) {
    for (int j = 0; j < 3; ++j) {
      for (int k = 0; k < 4; ++k) CHECK(values[at++] == 100 * i + 10 * j + k);
    }
  }
}

TEST_CASE("npy: versions 2 and 3 have a longer length") {
  for (const char version : {'\x02', '\x03'}) {
    const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n";
    std::string file = std::string("\x93NUMPY") + version + '\0';
    const auto size = static_cast<uint32_t>(header.size());
    file.append(reinterpret_cast<const char*>(&size), 4);
    CHECK(parse(file + header + "abcd").ok());
  }
}

TEST_CASE("npy: hostile files are refused, and the message says where") {
  const std::string good = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "12345678");
  REQUIRE(parse(good).ok());
  for (size_t size = 0; size < good.size(); ++size) CHECK_FALSE(parse(good.substr(0, size)).ok());
  check_refused("", "byte 0");
  check_refused(good + "x", "9 follow");
  check_refused("\x93NUMPZ" + good.substr(6), "byte 0");
  check_refused(std::string("\x93NUMPY\x09\x00", 8) + good.substr(8), "byte 6");
  check_refused(std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12), "header of 4294967295 bytes");
  check_refused(npy("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", "12345678"), "big-endian");
  check_refused(npy("{'descr': '|V2', 'fortran_order': False, 'shape': (2,), }", "1234"), "uint16");
  check_refused(npy("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", "12345678"), "\"|O\"");
  check_refused(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "12345678"), "records");
  check_refused(npy("{'descr': '<f4', 'fortran_order': False, }", ""), "\"shape\" is missing");
  check_refused(npy("{'descr': '<f4', 'shape': (2,), }", "12345678"), "\"fortran_order\" is missing");
  check_refused(npy("{'fortran_order': False, 'shape': (2,), }", "12345678"), "\"descr\" is missing");
  check_refused(npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "12345678"), "twice");
  check_refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1, }", "12345678"), "\"x\"");
  check_refused(npy("{'descr': '<f4', 'fortran_order': 1, 'shape': (2,), }", "12345678"), "True or False");
  check_refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", "12345678"), "extent");
  check_refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", "12345678"), "takes 12 bytes");
  check_refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", ""), "63 bits");
  check_refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", ""), "overflows");
  check_refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4294967296, 4294967296), }", ""),
                "overflows");
  std::string many;
  for (int i = 0; i < 65; ++i) many += "1, ";
  check_refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (" + many + "), }", "1234"), "64 extents");
}

TEST_CASE("npy: files that cannot be opened or written") {
  CHECK(io::read_npy("/nonexistent/array.npy").status().code() == SIMDROPE_BAD_FILE);
  CHECK(io::read_npy("/").status().message().find("not a regular file") != std::string::npos);
  CHECK(io::write_npy("/nonexistent/array.npy", io::Array::zeros(io::ElementType::f32, {1})).code() ==
        SIMDROPE_BAD_FILE);
  io::Array wrong = io::Array::zeros(io::ElementType::f32, {4});
  wrong.shape = {5};
  CHECK(io::write_npy("/dev/null", wrong).code() == SIMDROPE_INVALID_ARGUMENT);
}
