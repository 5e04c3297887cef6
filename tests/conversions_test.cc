// Every conversion between the three element types, through the public API and on every target: what
// lies outside the rotated window is copied and converted.
#include <cmath>
#include <cstring>

#include "core/half.h"
#include "support.h"

using namespace testing;

namespace {

constexpr int64_t kWindow = 2;

// Converts bits of type `from` to type `to` by way of apply, next to a window at position 0.
std::vector<uint32_t> Convert(const std::vector<uint32_t>& bits, Format from, Format to, int64_t row_length,
                              float scale = 1.0f) {
  const int64_t head_dim = kWindow + row_length;
  const int64_t rows = (static_cast<int64_t>(bits.size()) + row_length - 1) / row_length;
  Buffer in(rows * head_dim * simdrope::size_of(from)), out(rows * head_dim * simdrope::size_of(to));
  const simdrope::Tensor q = simdrope::thd(in.data(), from, rows, 1, head_dim);
  const simdrope::Tensor q_out = simdrope::thd(out.data(), to, rows, 1, head_dim);
  for (size_t i = 0; i < bits.size(); ++i) {
    const int64_t index = static_cast<int64_t>(i);
    StoreBits(bits[i], from, ElementOf(q, 0, index / row_length, 0, kWindow + index % row_length));
  }
  simdrope::Config config(static_cast<int>(head_dim));
  config.rotary_dim = kWindow;
  const auto rope = simdrope::Rope::create(config);
  REQUIRE(rope.ok());
  const int64_t zero = 0;
  simdrope::Positions positions = simdrope::Positions::per_token(&zero, 1);
  positions.seq_stride = 0;
  simdrope::Options options;
  options.q.scale = scale;
  const simdrope::Status status = simdrope::apply(rope->stream(positions), q, simdrope::QKV(q_out), options);
  REQUIRE_MESSAGE(status.ok(), status.message());
  REQUIRE(in.GuardsIntact());
  REQUIRE(out.GuardsIntact());
  std::vector<uint32_t> converted(bits.size());
  for (size_t i = 0; i < bits.size(); ++i) {
    const int64_t index = static_cast<int64_t>(i);
    converted[i] = LoadBits(ElementOf(q_out, 0, index / row_length, 0, kWindow + index % row_length), to);
  }
  return converted;
}

// Same value, sign of zero and of NaN included.
bool IsConversion(uint32_t from_bits, Format from, uint32_t to_bits, Format to) {
  const double from_value = Decoded(from_bits, from), to_value = Decoded(to_bits, to);
  if (std::isnan(from_value)) return std::isnan(to_value) && std::signbit(from_value) == std::signbit(to_value);
  return to_bits == Encoded(from_value, to);
}

void CheckConversions(const std::vector<uint32_t>& bits, Format from, Format to, int64_t row_length) {
  const std::vector<uint32_t> converted = Convert(bits, from, to, row_length);
  size_t wrong = 0;
  for (size_t i = 0; i < bits.size(); ++i) {
    if (IsConversion(bits[i], from, converted[i], to) || ++wrong > 1) continue;
    FAIL_CHECK(NameOf(from), " ", bits[i], " became ", NameOf(to), " ", converted[i]);
  }
  CHECK(wrong == 0);
}

std::vector<uint32_t> AllHalves() {
  std::vector<uint32_t> all(65536);
  for (uint32_t i = 0; i < 65536; ++i) all[i] = i;
  return all;
}

// Floats whose rounding to a 16-bit type with `dropped` fewer fraction bits is delicate: every
// exponent, with fractions at, next to and between the ties; and every kind of NaN.
std::vector<uint32_t> DelicateFloats() {
  std::vector<uint32_t> floats;
  for (const uint32_t dropped : {13u, 16u}) {
    const uint32_t tie = 1u << (dropped - 1), step = 1u << dropped;
    for (uint32_t exponent = 0; exponent < 256; ++exponent) {
      for (const uint32_t base :
           {0u, step, 2 * step, (1u << 22) - step, 1u << 22, (1u << 23) - step, (1u << 23) - 2 * step}) {
        for (const uint32_t low : {0u, 1u, tie - 1, tie, tie + 1, step - 1}) {
          const uint32_t magnitude = (exponent << 23) | ((base + low) & 0x7fffffu);
          floats.push_back(magnitude);
          floats.push_back(magnitude | 0x80000000u);
        }
      }
    }
  }
  // Around the ties of f16 subnormals: odd multiples of 2^-25.
  for (uint32_t k = 0; k < 2050; ++k) {
    const float tie = std::ldexp(2.0f * static_cast<float>(k) + 1.0f, -25);
    uint32_t bits;
    std::memcpy(&bits, &tie, sizeof(bits));
    for (const uint32_t b : {bits - 1, bits, bits + 1}) floats.push_back(b);
  }
  return floats;
}

}  // namespace

TEST_CASE("every f16 and bf16 value converts to f32 and to the other, and back") {
  ForEachTarget([](const simdrope_target&) {
    const std::vector<uint32_t> all = AllHalves();
    for (const Format from : {simdrope::f16, simdrope::bf16}) {
      for (const Format to : kFormats) CheckConversions(all, from, to, 64);
      const std::vector<uint32_t> wide = Convert(all, from, simdrope::f32, 64);
      const std::vector<uint32_t> back = Convert(wide, simdrope::f32, from, 64);
      size_t wrong = 0;
      for (size_t i = 0; i < all.size(); ++i) {
        const bool is_nan = std::isnan(Decoded(all[i], from));
        const bool kept = is_nan ? std::isnan(Decoded(back[i], from)) : back[i] == all[i];
        wrong += kept ? 0 : 1;
      }
      CHECK(wrong == 0);
    }
  });
}

TEST_CASE("f32 rounds to the 16-bit types at every exponent, at ties and next to them, and keeps NaN") {
  const std::vector<uint32_t> delicate = DelicateFloats();
  CHECK(delicate.size() > 40000);
  ForEachTarget([&](const simdrope_target&) {
    CheckConversions(delicate, simdrope::f32, simdrope::f16, 64);
    CheckConversions(delicate, simdrope::f32, simdrope::bf16, 64);
    CheckConversions(delicate, simdrope::f32, simdrope::f32, 64);
  });
}

TEST_CASE("f32 rounds to the 16-bit types at random") {
  Random random(7);
  std::vector<uint32_t> floats(IsQuick() ? 20000 : 400000);
  for (uint32_t& bits : floats) bits = static_cast<uint32_t>(random.Bits());
  ForEachTarget([&](const simdrope_target&) {
    CheckConversions(floats, simdrope::f32, simdrope::f16, 128);
    CheckConversions(floats, simdrope::f32, simdrope::bf16, 128);
  });
}

TEST_CASE("runs of every length convert alike") {
  Random random(8);
  std::vector<uint32_t> floats(700);
  for (uint32_t& bits : floats) bits = static_cast<uint32_t>(random.Bits());
  ForEachTarget([&](const simdrope_target&) {
    for (int64_t length = 1; length <= 70; ++length) {
      for (const Format to : kFormats) CheckConversions(floats, simdrope::f32, to, length);
    }
  });
}

TEST_CASE("a scale goes with the conversion and is rounded once before it") {
  const std::vector<uint32_t> all = AllHalves();
  ForEachTarget([&](const simdrope_target&) {
    for (const Format from : {simdrope::f16, simdrope::bf16}) {
      for (const Format to : kFormats) {
        const std::vector<uint32_t> scaled = Convert(all, from, to, 32, -0.3f);
        size_t wrong = 0;
        for (size_t i = 0; i < all.size(); ++i) {
          const float product = static_cast<float>(Decoded(all[i], from)) * -0.3f;
          const bool right = std::isnan(product) ? std::isnan(Decoded(scaled[i], to))
                                                 : scaled[i] == Encoded(static_cast<double>(product), to);
          wrong += right ? 0 : 1;
        }
        CHECK(wrong == 0);
      }
    }
  });
}

TEST_CASE("the library's scalar conversions, over the same values") {
  using simdrope::impl::Bf16;
  using simdrope::impl::F16;
  size_t wrong = 0;
  for (const uint32_t bits : AllHalves()) {
    const auto float_bits = [](float x) { return simdrope::impl::BitsOf(x); };
    const uint16_t half = static_cast<uint16_t>(bits);
    wrong += IsConversion(bits, simdrope::f16, float_bits(ToFloat(F16{half})), simdrope::f32) ? 0 : 1;
    wrong += IsConversion(bits, simdrope::bf16, float_bits(ToFloat(Bf16{half})), simdrope::f32) ? 0 : 1;
  }
  for (const uint32_t bits : DelicateFloats()) {
    const float value = simdrope::impl::FloatOf(bits);
    wrong += IsConversion(bits, simdrope::f32, simdrope::impl::FromFloat<F16>(value).bits, simdrope::f16) ? 0 : 1;
    wrong += IsConversion(bits, simdrope::f32, simdrope::impl::FromFloat<Bf16>(value).bits, simdrope::bf16) ? 0 : 1;
  }
  CHECK(wrong == 0);
}
