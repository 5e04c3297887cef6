// The bits of q8_0 and q4_0 beside ggml's own reference quantiser. With SIMDROPE_WRITE_BLOCKS=FILE it also writes
// tests/data/ggml_blocks.txt: the first blocks as ggml quantises them.
#include <doctest/doctest.h>
#include <ggml.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "../support/blocks.h"

using namespace testing;

namespace {

struct Judged {
  const char* name;
  simdrope::Format format;
  ggml_type type;
};
const Judged kJudged[] = {{"q8_0", simdrope::q8_0, GGML_TYPE_Q8_0}, {"q4_0", simdrope::q4_0, GGML_TYPE_Q4_0}};

std::vector<unsigned char> QuantisedByGgml(const std::vector<float>& block, ggml_type type) {
  std::vector<unsigned char> bytes(ggml_row_size(type, kBlockElements));
  ggml_get_type_traits(type)->from_float_ref(block.data(), bytes.data(), kBlockElements);
  return bytes;
}

}  // namespace

TEST_CASE("blocks of q8_0 and q4_0 have the bits of ggml's reference quantiser") {
  for (const Judged& judged : kJudged) {
    int different = 0, blocks = 0;
    for (uint64_t number = 0; number < 200000; ++number, ++blocks) {
      const std::vector<float> block = DrawBlock(number);
      different += StoredBlock(block, judged.format) == QuantisedByGgml(block, judged.type) ? 0 : 1;
    }
    CAPTURE(judged.name);
    CHECK(blocks == 200000);
    CHECK(different == 0);
  }
}

TEST_CASE("the first blocks are written where they are asked for") {
  const char* path = std::getenv("SIMDROPE_WRITE_BLOCKS");
  if (path == nullptr || path[0] == '\0') return;
  std::FILE* const file = std::fopen(path, "w");
  REQUIRE(file != nullptr);
  std::fprintf(file,
               "# Blocks of tests/support/blocks.h as ggml's from_float_ref quantises them: format, number of the "
               "block, bytes.\n");
  std::fprintf(
      file, "# Written with SIMDROPE_WRITE_BLOCKS by tests/engines/ggml_blocks_test.cc (tools/dev/check-engines).\n");
  for (const Judged& judged : kJudged) {
    for (uint64_t number = 0; number < 64; ++number) {
      std::fprintf(file, "%s %llu ", judged.name, static_cast<unsigned long long>(number));
      for (const unsigned char byte : QuantisedByGgml(DrawBlock(number), judged.type)) std::fprintf(file, "%02x", byte);
      std::fprintf(file, "\n");
    }
  }
  CHECK(std::fclose(file) == 0);
}
