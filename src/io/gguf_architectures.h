// How llama.cpp rotates each GGUF architecture. Source: llama_model_rope_type and
// src/models/<architecture>.cpp of github.com/ggml-org/llama.cpp; names from
// gguf-py/gguf/constants.py.
#ifndef SIMDROPE_IO_GGUF_ARCHITECTURES_H_
#define SIMDROPE_IO_GGUF_ARCHITECTURES_H_

#include <cstdint>
#include <string_view>

namespace simdrope::io {

enum class GgufRope : uint8_t { none, norm, neox, mrope, imrope };

// How layers differ beside what the metadata says.
enum class GgufLayers : uint8_t {
  alike,
  local_theta,     // sliding layers have rope.freq_base_swa (10000 if absent), unscaled
  local_unscaled,  // sliding layers have the same base, unscaled
  local_only,      // full-attention layers use no RoPE
  no_rope          // every period's last layer uses no RoPE
};

struct GgufArchitecture {
  std::string_view name;
  GgufRope rope;
  GgufLayers layers = GgufLayers::alike;
  int period = 0;           // one full-attention (or NoPE) layer in so many; 0: the file says
  bool full_first = false;  // it is the first of the period, not the last
  // The converter wrote yarn_log_multiplier times 0.1.
  bool tenth_log_multiplier = false;
};

// NULL: unknown.
const GgufArchitecture* find_gguf_architecture(std::string_view name);

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_GGUF_ARCHITECTURES_H_
