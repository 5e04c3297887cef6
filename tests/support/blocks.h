// Blocks of 32 numbers that a quantiser finds hard, the same on every machine: what ggml's quantiser is asked, and the
// library.
#ifndef SIMDROPE_TESTS_SUPPORT_BLOCKS_H_
#define SIMDROPE_TESTS_SUPPORT_BLOCKS_H_

#include <cmath>
#include <cstdint>
#include <cstring>
#include <simdrope/simdrope.hpp>
#include <vector>

namespace testing {

inline constexpr int kBlockElements = 32;

// Block `number`. Ordinary numbers; ties of the rounding; the greatest magnitude twice, with either sign first; zeros;
// subnormals; scales beyond f16's range and below it.
inline std::vector<float> DrawBlock(uint64_t number) {
  uint64_t state = number * 0x9e3779b97f4a7c15u + 1;
  const auto bits = [&] {  // splitmix64
    state += 0x9e3779b97f4a7c15u;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  };
  const auto real = [&] { return static_cast<float>(static_cast<int64_t>(bits() >> 40) - (1 << 23)) * 0x1p-23f; };
  std::vector<float> block(kBlockElements);
  for (float& x : block) x = real();
  const size_t a = bits() % kBlockElements, b = bits() % kBlockElements;
  switch (number % 8) {
    case 0: break;
    case 1:  // every product with the reciprocal of the scale near a tie
      for (float& x : block) x = static_cast<float>(static_cast<int>(bits() % 253) - 126) + 0.5f;
      block[a] = 127;
      break;
    case 2:
      for (float& x : block) x = static_cast<float>(static_cast<int>(bits() % 15) - 7) + 0.5f;
      block[a] = bits() % 2 == 0 ? 8.0f : -8.0f;
      break;
    case 3: block[a] = 1.5f, block[b] = -1.5f; break;
    case 4:
      for (float& x : block) x *= bits() % 3 == 0 ? 0.0f : std::ldexp(1.0f, -static_cast<int>(bits() % 30));
      break;
    case 5:
      for (float& x : block) x *= 0x1p-118f;  // the scale is 0 as f16, its reciprocal finite
      break;
    case 6:
      for (float& x : block) x *= std::ldexp(1.0f, static_cast<int>(number / 8 % 60) - 30);
      break;
    default:
      for (float& x : block)
        x = number % 16 == 7 ? 0.0f : (bits() % 2 == 0 ? 1.0f : -1.0f) * (number % 32 == 15 ? 0x1p24f : 0.75f);
  }
  return block;
}

// The block as the library stores it.
inline std::vector<unsigned char> StoredBlock(const std::vector<float>& block, simdrope::Format format) {
  std::vector<float> in = block;
  std::vector<uint16_t> out(static_cast<size_t>(simdrope::size_of(format, kBlockElements)) / 2);
  const simdrope::QKV from({}, {}, simdrope::thd(in.data(), 1, 1, kBlockElements));
  const simdrope::QKV to({}, {}, simdrope::thd(out.data(), format, 1, 1, kBlockElements));
  if (simdrope_apply(nullptr, &from, &to, nullptr) != SIMDROPE_OK) return {};
  std::vector<unsigned char> bytes(2 * out.size());
  std::memcpy(bytes.data(), out.data(), bytes.size());
  return bytes;
}

}  // namespace testing

#endif  // SIMDROPE_TESTS_SUPPORT_BLOCKS_H_
