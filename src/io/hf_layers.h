// Which layers of a Hugging Face model are of which kind.
#ifndef SIMDROPE_IO_HF_LAYERS_H_
#define SIMDROPE_IO_HF_LAYERS_H_

#include <string>
#include <vector>

#include "io/family.h"
#include "io/json_keys.h"

namespace simdrope::io {

struct LayerKind {
  std::string name;         // the layer type
  std::vector<int> layers;  // empty: untold
  // Where config.json lists them for each layer (Step 3.5). 0: as the rest of the file says.
  double theta = 0;
  double fraction = 0;
};

struct LayerKinds {
  std::vector<LayerKind> kinds;  // in order of their first layer; none where nothing tells the layers apart
  std::string origin;            // which key or rule said so
};

LayerKinds layer_kinds(Keys& keys, const Family& family);

// Layers of such a type have no attention of their own tokens to rotate, in any model.
bool rotates_nothing(std::string_view layer_type);
// Types of which it is known that they rotate, unless the family says otherwise.
bool rotates(std::string_view layer_type);

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_HF_LAYERS_H_
