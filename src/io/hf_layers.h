// Which layers of a Hugging Face model are of which kind.
#ifndef SIMDROPE_IO_HF_LAYERS_H_
#define SIMDROPE_IO_HF_LAYERS_H_

#include <string>
#include <vector>

#include "io/hf_families.h"
#include "io/json_keys.h"

namespace simdrope::io {

struct LayerKind {
  std::string name;
  std::vector<int> layers;  // empty: untold
};

inline constexpr std::string_view kNoRope = "no_rope";

// The kinds in order of their first layer; none where nothing tells the layers apart. With
// LayerKinds::no_rope_layers they are called "rope" and "no_rope".
std::vector<LayerKind> layer_kinds(Keys& keys, const HfFamily& family);

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_HF_LAYERS_H_
