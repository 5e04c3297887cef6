// The bits of 4,000 random calls, as version 0.1.0 gave them: whatever is changed inside, they stay.
#include "support/draw.h"

using namespace testing;

namespace {

constexpr int kDrawsInBlock = 250;

// Digests of blocks of draws: of targets with fused multiply-add, and of the others.
constexpr uint64_t kFused[] = {0x91e8e8d27143f1bau, 0x64ab662a4a97f0c6u, 0x3517786dff8e16e8u, 0x6c19d5dc50e63baeu,
                               0xb83b2c73738e438du, 0x6cc1517fc541eac0u, 0x22e8115064468bbeu, 0xf840d649178f4ea1u,
                               0x39a83318aec385e6u, 0x7a543539a5630767u, 0xd546d32caa92cf46u, 0x523ad2ed15766042u,
                               0xef20cf30f4f96f63u, 0x7984a265210d9e0bu, 0x04008341909b2819u, 0xf1f0513ff8ad8f86u};
constexpr uint64_t kNotFused[] = {0x1d6bf810bec22f77u, 0x5e8c5354e458a04bu, 0x3e4b8975ae215f5fu, 0x30e6d5e2225183c4u,
                                  0xca22350a7f7cf804u, 0x2a7342022a3902e7u, 0x6194eb883ce9de08u, 0x21268711d5a8b8c4u,
                                  0xdb1df1e48b358fa1u, 0x65558bd3b2e600fau, 0x070f7fcbb3e7c149u, 0xbe729066cca6f4deu,
                                  0x39b432cfb37debf7u, 0x9d35ef5e37c63255u, 0xfd589b9ff2b466f7u, 0x6849c59bed2edc7bu};

}  // namespace

TEST_CASE("random calls give the bits that version 0.1.0 gave") {
  ForEachTarget([](const simdrope_target& target) {
    const auto& expected = target.fused ? kFused : kNotFused;
    uint64_t seed = 0;
    for (const uint64_t block : expected) {
      if (IsQuick() && seed > 0) break;
      uint64_t sum = 0;
      for (int i = 0; i < kDrawsInBlock; ++i) sum = sum * 31 + Draw(seed++, DrawFor::kDigest).Digest();
      INFO("draws up to ", seed);
      CHECK(sum == block);
    }
  });
}
