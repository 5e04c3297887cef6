// One rope dictionary of a config.json (rope_scaling, rope_parameters or one layer type's part of it).
#ifndef SIMDROPE_IO_HF_SCALING_H_
#define SIMDROPE_IO_HF_SCALING_H_

#include <cstdint>
#include <optional>
#include <simdrope/io.hpp>
#include <string>
#include <vector>

#include "io/family.h"
#include "io/json_keys.h"

namespace simdrope::io {

// What the dictionary's surroundings say.
struct HfContext {
  const Family* family;
  int32_t head_dim = 0;
  int32_t rotary_offset = 0;
  int32_t rotary_dim = 0;        // 0: head_dim * rotary_fraction
  double rotary_fraction = 1.0;  // unless the dictionary has partial_rotary_factor
  Pairing pairing = half;
  double theta = 10000.0;             // unless the dictionary has rope_theta
  int64_t max_position = 0;           // 0: not given
  int64_t original_max_position = 0;  // from outside the dictionary, which it overrides; 0: not given
  int64_t seq_len = 0;
  std::vector<std::string>* warnings = nullptr;
};

// The Config of the layers that `rope` describes, by the rules of transformers' modeling_rope_utils.py and, for
// types that only it knows, vLLM's get_rope.
// Rejects what contradicts itself; keys that remain unread in `rope` were not understood.
Config read_hf_rope(Keys& rope, const HfContext& context);

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_HF_SCALING_H_
