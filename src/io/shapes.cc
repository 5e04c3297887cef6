// Names and extents of a model's tensors.
#include <algorithm>
#include <filesystem>
#include <simdrope/io.hpp>

#include "io/failure.h"
#include "io/gguf_file.h"

namespace simdrope::io {
namespace {

namespace fs = std::filesystem;

// Quantised weights are packed into elements of these types.
bool is_packed(ElementType type) {
  return type == ElementType::u8 || type == ElementType::i32 || type == ElementType::u32 || type == ElementType::i64;
}

Status add_safetensors(const std::string& path, std::vector<TensorShape>& shapes) {
  const Result<Safetensors> file = Safetensors::open(path);
  if (!file) return with_path(path, file.status());
  const std::string name = fs::path(path).filename().string();
  for (const Safetensors::Entry& entry : file->entries()) {
    shapes.push_back({entry.name, entry.shape, name, is_packed(entry.type)});
  }
  return {};
}

Status add_gguf(const std::string& path, std::vector<TensorShape>& shapes) {
  const auto file = InputFile::open(path);
  if (!file) return file.status();
  const std::string name = fs::path(path).filename().string();
  const GgufFile gguf(*file, true);
  for (const GgufFile::Extents& tensor : gguf.extents()) {
    shapes.push_back({tensor.name, tensor.shape, name});
  }
  return {};
}

}  // namespace

Result<std::vector<TensorShape>> read_shapes(const std::string& path) {
  return guarded([&]() -> Result<std::vector<TensorShape>> {
    std::error_code error;
    std::vector<std::string> files{path};
    if (fs::is_directory(path, error)) {
      files.clear();
      for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
        if (entry->path().extension() == ".safetensors") files.push_back(entry->path().string());
      }
      if (error) return bad_file(path, ": the folder cannot be read: ", error.message());
      std::sort(files.begin(), files.end());
    }
    std::vector<TensorShape> shapes;
    for (const std::string& file : files) {
      const bool is_safetensors = fs::path(file).extension() == ".safetensors";
      const Status status = is_safetensors ? add_safetensors(file, shapes) : add_gguf(file, shapes);
      if (!status) return status;
    }
    return shapes;
  });
}

}  // namespace simdrope::io
