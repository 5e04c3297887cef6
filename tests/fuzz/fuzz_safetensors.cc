#include "io/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = std::as_bytes(std::span(data, size));
  const auto header = simdrope::io::parse_safetensors(file);
  if (!header.ok()) return 0;
  size_t covered = 0;
  for (const auto& entry : header->entries) {
    covered += entry.bytes;
    if (entry.bytes == 0) continue;
    if (entry.data < file.data() || entry.data + entry.bytes > file.data() + size) __builtin_trap();
  }
  if (covered > size) __builtin_trap();
  return 0;
}
