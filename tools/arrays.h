// Q and K in files, as tensors.
#ifndef SIMDROPE_TOOLS_ARRAYS_H_
#define SIMDROPE_TOOLS_ARRAYS_H_

#include <cstdint>
#include <optional>
#include <simdrope/io.hpp>
#include <simdrope/simdrope.hpp>
#include <string>

namespace simdrope::tool {

// FILE.npy, or FILE.safetensors:NAME; NAME may be left out where the file holds one tensor, or one
// called `usual_name`.
std::string FileOf(const std::string& reference);  // FILE of the two
io::Array ReadArray(const std::string& reference, const std::string& usual_name);

// f32, f16 or bf16; u16 counts as bf16 where `stored_as` says so. `stored_as` "": as the file says.
Format FormatOf(const io::Array& array, const std::string& reference, const std::string& stored_as);

io::ElementType ElementTypeOf(Format format);

enum class Layout { kBshd, kBhsd, kThd };
Layout ParseLayout(const std::string& name);

// Sizes of [batch, seq, heads, head_dim], whatever the order in memory.
struct Sizes {
  int64_t batch = 0, seq = 0, heads = 0, head_dim = 0;
};

// `heads`, `head_dim`: needed (either) where the last axis of the array is heads * head_dim: rank 3 of
// bshd, rank 2 of thd.
Sizes SizesOf(const io::Array& array, const std::string& reference, Layout layout, std::optional<int64_t> heads,
              std::optional<int64_t> head_dim);

Tensor TensorOf(io::Array& array, Format format, Layout layout, const Sizes& sizes);

// Creates the folder where it is missing.
void CreateFolder(const std::string& path);
bool IsSafetensors(const std::string& path);

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_ARRAYS_H_
