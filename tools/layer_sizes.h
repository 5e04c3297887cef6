// Head sizes of a model's layers.
#ifndef SIMDROPE_TOOLS_LAYER_SIZES_H_
#define SIMDROPE_TOOLS_LAYER_SIZES_H_

#include <cstdint>
#include <optional>
#include <simdrope/io.hpp>
#include <string>
#include <vector>

#include "permutation.h"

namespace simdrope::tool {

// The sizes of the layers, where a config tells them apart.
struct LayerSizes {
  std::vector<int> layers;  // empty: all
  HeadSizes sizes;
};

// Of all layers that rotate, or of those of one type. Fails, naming `about`, where a window cannot be told as a
// beginning and a length.
std::vector<LayerSizes> SizesOfModel(const io::Model& model, const std::string& layer_type, const std::string& about);

// Those of a layer; NULL: not told, or the layer does not rotate.
const HeadSizes* SizesOfLayer(const std::vector<LayerSizes>& all, std::optional<int64_t> layer);

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_LAYER_SIZES_H_
