// simdrope.hpp compiles alone as strict C++17 without exceptions and RTTI, and its main path runs.
#include <cstdio>
#include <simdrope/simdrope.hpp>
#include <vector>

#if __cpp_exceptions || __cpp_rtti
#error "to be compiled without exceptions and RTTI"
#endif

int other_unit();

int main() {
  simdrope::Config config(64, 500000.0);
  const auto rope = simdrope::get_rope(config);
  if (!rope) return std::puts(rope.status().message().c_str()), 1;
  std::vector<float> packed(2 * 5 * 7 * 64, 1.0f);
  const simdrope::QKV qkv = simdrope::packed_qkv(simdrope::bshd(packed.data(), 2, 5, 7, 64), 3, 2);
  const auto rows = rope->cos_sin(simdrope::Positions(3), 2, 5);
  if (!rows) return std::puts(rows.status().message().c_str()), 1;
  if (const auto status = simdrope::apply(*rows, qkv); !status) return std::puts(status.message().c_str()), 1;
  const auto cache = simdrope::CosSinCache::create(*rope, simdrope::bf16);
  if (!cache || !cache->rows(10)) return 1;
  return packed[0] == 1.0f || packed[5 * 64] != 1.0f ? 1 : other_unit();
}
