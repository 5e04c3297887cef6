#include <simdrope/io.hpp>

#include "io/failure.h"
#include "io/mapped_file.h"

namespace simdrope::io {

const LayerRope* Model::find(std::string_view layer_type) const {
  const LayerRope* first = nullptr;
  for (const LayerRope& rope : ropes) {
    if (rope.layer_type == (layer_type.empty() ? "full_attention" : layer_type)) return &rope;
    if (first == nullptr && rope.rotary) first = &rope;
  }
  return layer_type.empty() ? first : nullptr;
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
