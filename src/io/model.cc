#include <simdrope/io.hpp>

#include "io/failure.h"
#include "io/mapped_file.h"

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
      const auto file = MappedFile::open(path);
      if (!file) return file.status();
      is_gguf = text_of((*file)->bytes()).starts_with("GGUF");
    }
    return is_gguf ? read_gguf(path, options) : read_hf_config(path, options);
  });
}

}  // namespace simdrope::io
