// What Hugging Face's implementation of a model type does that its config.json does not say.
#ifndef SIMDROPE_IO_HF_FAMILIES_H_
#define SIMDROPE_IO_HF_FAMILIES_H_

#include <array>
#include <cstdint>
#include <simdrope/io.hpp>
#include <string_view>

namespace simdrope::io {

// How the layers of a model differ in their RoPE, where config.json has no rope_parameters by
// layer type.
enum class LayerKinds : uint8_t {
  alike,
  local_theta,     // sliding layers: a theta of their own, unscaled
  local_unscaled,  // sliding layers: the same theta, unscaled
  local_only,      // where there is a sliding window, full-attention layers use no RoPE
  no_rope_layers   // the layers that no_rope_layers says use none
};

struct HfFamily {
  std::string_view model_type;
  Pairing pairing = half;
  // Where no key says it:
  double theta = 10000.0;
  double rotary_fraction = 1.0;  // of head_dim
  int32_t rotary_dim = 0;        // 0: by rotary_fraction
  int32_t head_dim = 0;          // 0: hidden_size / num_attention_heads
  int32_t full_head_dim = 0;     // of full-attention layers; 0: head_dim
  LayerKinds kinds = LayerKinds::alike;
  // A full-attention (or NoPE) layer in each period: the last one, or with full_first the first.
  int32_t full_period = 0;  // 0: all alike
  bool full_first = false;
  std::string_view other_layers = "sliding_attention";  // the layer type of the rest of a period
  double local_theta = 10000.0;
  simdrope_axis_layout sections = SIMDROPE_AXES_SECTIONS;  // what mrope_section means
  std::array<int32_t, 3> default_sections{};               // 0: one axis
  bool grid = false;  // a vision tower: two axes (H, W) of half the pairs each, laid out as `sections`
};

// NULL: not a type this library knows.
const HfFamily* find_hf_family(std::string_view model_type);
// The vision towers of Qwen2-VL, 2.5-VL, 3-VL and 3.5, whose model_type may be that of the whole model.
extern const HfFamily kQwenVision;

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_HF_FAMILIES_H_
