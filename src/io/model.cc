#include <algorithm>
#include <simdrope/io.hpp>

#include "io/failure.h"
#include "io/input_file.h"

namespace simdrope::io {

const LayerRope* Model::find(std::string_view layer_type) const {
  const LayerRope* first_rotary = nullptr;
  for (const LayerRope& rope : ropes) {
    if (!layer_type.empty()) {
      if (rope.layer_type == layer_type) return &rope;
    } else if (rope.rotary) {
      if (rope.layer_type == "full_attention") return &rope;
      if (first_rotary == nullptr) first_rotary = &rope;
    }
  }
  return first_rotary;
}

Result<Model> read_model(const std::string& path, const ReadOptions& options) {
  return guarded([&]() -> Result<Model> {
    bool is_gguf = false;
    {
      const auto file = InputFile::open(path);
      if (!file) return file.status();
      char magic[4] = {};
      const size_t size = static_cast<size_t>(std::min<uint64_t>(sizeof magic, (*file)->size()));
      if (Status status = (*file)->read(0, magic, size); !status) return status;
      is_gguf = std::string_view(magic, size) == "GGUF";
    }
    return is_gguf ? read_gguf(path, options) : read_hf_config(path, options);
  });
}

}  // namespace simdrope::io
