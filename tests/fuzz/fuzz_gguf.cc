#include "io/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  simdrope::io::ReadOptions options;
  options.allow_unknown = (data[0] & 1) != 0;
  const auto model = simdrope::io::parse_gguf(std::as_bytes(std::span(data + 1, size - 1)), options);
  if (model.ok() && model->ropes.empty()) __builtin_trap();
  return 0;
}
