// Small valid files for each fuzzer to begin from: write_seeds FOLDER.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "../io/catalogue.h"
#include "../io/gguf_writer.h"

namespace {

void write(const std::filesystem::path& path, const std::string& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string npy(const std::string& descr, const std::string& order, const std::string& shape, size_t bytes) {
  std::string header = "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  std::string file("\x93NUMPY\x01\x00", 8);
  file += static_cast<char>(header.size() & 255);
  file += static_cast<char>(header.size() >> 8);
  return file + header + std::string(bytes, 'x');
}

std::string safetensors(const std::string& header, size_t bytes) {
  const uint64_t size = header.size();
  return std::string(reinterpret_cast<const char*>(&size), 8) + header + std::string(bytes, 'x');
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::filesystem::path folder = argv[1];
  write(folder / "npy/f32", npy("<f4", "False", "(2, 3)", 24));
  write(folder / "npy/fortran", npy("<u2", "True", "(2, 3, 2)", 24));
  write(folder / "npy/scalar", npy("<f8", "False", "()", 8));
  write(folder / "safetensors/two",
        safetensors(R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                    R"("b":{"dtype":"BF16","shape":[1,2],"data_offsets":[8,12]}})",
                    12));
  write(folder / "safetensors/none", safetensors("{}", 0));
  int count = 0;
  for (const CatalogueEntry& entry : kCatalogue) {
    write(folder / "hf_config" / std::to_string(count++), '\0' + std::string(entry.config));
  }
  count = 0;
  for (const std::string& file : gguf_examples()) {
    write(folder / "gguf" / std::to_string(count++), '\0' + file);
  }
  return 0;
}
