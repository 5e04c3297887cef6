#include "layer_sizes.h"

#include <algorithm>

#include "failure.h"
#include "rope_arguments.h"

namespace simdrope::tool {
namespace {

int64_t HeadsOf(const std::vector<int>& of_layer, int layer, int64_t otherwise) {
  if (of_layer.empty()) return otherwise;
  return static_cast<size_t>(layer) < of_layer.size() ? of_layer[static_cast<size_t>(layer)] : 0;
}

}  // namespace

std::vector<LayerSizes> SizesOfModel(const io::Model& model, const std::string& layer_type, const std::string& about) {
  std::vector<LayerSizes> all;
  const bool heads_differ = !model.q_heads_of_layer.empty() || !model.k_heads_of_layer.empty();
  for (const io::LayerRope& kind : model.ropes) {
    if (!kind.rotary || (!layer_type.empty() && kind.layer_type != layer_type)) continue;
    const Rope rope = Compile(kind.config, about);
    const simdrope_rope_info info = rope.info();
    if (info.split != info.pairs) Fail(about, ": split pairs across the whole head cannot be permuted");
    if (info.pairs_in_sections || info.element_pair != nullptr) {
      Fail(about, ": pairs inside the blocks of axes, or with two angles, cannot be permuted");
    }
    const HeadSizes sizes{model.q_heads, model.k_heads, info.head_dim, info.rotary_dim, info.rotary_offset};
    if (!heads_differ) {
      all.push_back({kind.layers, sizes});
      continue;
    }
    std::vector<int> layers = kind.layers;
    if (layers.empty() && model.ropes.size() == 1) {
      const size_t count = std::max(model.q_heads_of_layer.size(), model.k_heads_of_layer.size());
      for (size_t layer = 0; layer < count; ++layer) layers.push_back(static_cast<int>(layer));
    }
    for (const int layer : layers) {
      HeadSizes own = sizes;
      own.q_heads = HeadsOf(model.q_heads_of_layer, layer, model.q_heads);
      own.k_heads = HeadsOf(model.k_heads_of_layer, layer, model.k_heads);
      all.push_back({{layer}, own});
    }
  }
  return all;
}

const HeadSizes* SizesOfLayer(const std::vector<LayerSizes>& all, std::optional<int64_t> layer) {
  for (const LayerSizes& some : all) {
    if (some.layers.empty()) return &some.sizes;
    if (layer && std::find(some.layers.begin(), some.layers.end(), *layer) != some.layers.end()) return &some.sizes;
  }
  return nullptr;
}

}  // namespace simdrope::tool
