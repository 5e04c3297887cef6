// Each reader, on many small changes to valid files: it may refuse them, and do nothing worse. The
// fuzzers under tests/fuzz search further.
#include <doctest/doctest.h>

#include <random>
#include <simdrope/io.hpp>
#include <string>

#include "catalogue.h"
#include "gguf_writer.h"
#include "io/gguf.h"
#include "io/npy.h"
#include "io/safetensors.h"

namespace io = simdrope::io;

namespace {

constexpr int kMutations = 4000;

class Mutator {
 public:
  explicit Mutator(uint32_t seed) : random_(seed) {}

  std::string changed(std::string bytes) {
    const int changes = 1 + pick(4);
    for (int i = 0; i < changes && !bytes.empty(); ++i) {
      const size_t at = static_cast<size_t>(pick(static_cast<int>(bytes.size())));
      switch (pick(6)) {
        case 0: bytes[at] = static_cast<char>(pick(256)); break;
        case 1: bytes[at] = static_cast<char>(bytes[at] ^ (1 << pick(8))); break;
        case 2: bytes.resize(at); break;
        case 3: bytes.insert(at, std::string(1 + static_cast<size_t>(pick(9)), static_cast<char>(pick(256)))); break;
        case 4: bytes.erase(at, 1 + static_cast<size_t>(pick(16))); break;
        default: bytes.insert(at, bytes.substr(static_cast<size_t>(pick(static_cast<int>(bytes.size()))), 24)); break;
      }
    }
    return bytes;
  }

 private:
  int pick(int below) { return static_cast<int>(random_() % static_cast<uint32_t>(below)); }
  std::mt19937 random_;
};

// Runs `parse` on a copy without slack, so that AddressSanitizer sees any step beyond the end.
template <class Parse>
void survive(const std::vector<std::string>& seeds, Parse parse) {
  Mutator mutator(20241);
  int accepted = 0;
  for (int i = 0; i < kMutations; ++i) {
    const std::string file = mutator.changed(seeds[static_cast<size_t>(i) % seeds.size()]);
    const std::vector<char> exact(file.begin(), file.end());
    accepted += parse(std::string_view(exact.data(), exact.size())) ? 1 : 0;
  }
  CHECK(accepted < kMutations);
}

std::string npy(const std::string& rest, size_t bytes) {
  std::string header = "{'descr': '<f4', " + rest + "}\n";
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' + header +
         std::string(bytes, 'x');
}

std::string safetensors(const std::string& header, size_t bytes) {
  const uint64_t size = header.size();
  return std::string(reinterpret_cast<const char*>(&size), 8) + header + std::string(bytes, 'x');
}

}  // namespace

TEST_CASE("hostile: npy") {
  survive(
      {npy("'fortran_order': False, 'shape': (2, 3), ", 24), npy("'fortran_order': True, 'shape': (2, 3, 1), ", 24)},
      [](std::string_view file) { return io::parse_npy(io::bytes_of(file)).ok(); });
}

TEST_CASE("hostile: safetensors") {
  survive({safetensors(R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                       R"("b":{"dtype":"BF16","shape":[1,2],"data_offsets":[8,12]}})",
                       12)},
          [](std::string_view file) { return io::parse_safetensors(io::bytes_of(file)).ok(); });
}

TEST_CASE("hostile: config.json") {
  std::vector<std::string> seeds;
  for (const CatalogueEntry& entry : kCatalogue) seeds.push_back(entry.config);
  survive(seeds, [](std::string_view file) {
    io::ReadOptions options;
    options.allow_unknown = true;
    return io::parse_hf_config(file, options).ok();
  });
}

TEST_CASE("hostile: gguf") {
  survive(gguf_examples(), [](std::string_view file) { return io::parse_gguf(io::bytes_of(file), {}).ok(); });
}
