#include "io/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = std::as_bytes(std::span(data, size));
  const auto header = simdrope::io::parse_safetensors(file);
  if (!header.ok()) return 0;
  uint64_t covered = 0;
  for (const auto& entry : header->entries) {
    if (entry.bytes > size || entry.offset > size - entry.bytes) __builtin_trap();
    covered += entry.bytes;
  }
  if (covered > size) __builtin_trap();
  return 0;
}
