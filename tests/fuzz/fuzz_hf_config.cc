#include <cstdint>
#include <simdrope/io.hpp>

// The first byte chooses the options. What is read must be written and read back.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  simdrope::io::ReadOptions options;
  options.allow_unknown = (data[0] & 1) != 0;
  options.seq_len = (data[0] & 2) != 0 ? 1 << 20 : 0;
  const std::string_view json(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto model = simdrope::io::parse_hf_config(json, options);
  if (!model.ok()) return 0;
  for (const auto& rope : model->ropes) {
    if (!rope.rotary) continue;
    const auto again = simdrope::io::parse_hf_config(simdrope::io::to_hf_config(rope.config), options);
    if (!again.ok()) __builtin_trap();
  }
  return 0;
}
