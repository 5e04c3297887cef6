#include "arrays.h"

#include <filesystem>
#include <string_view>

#include "failure.h"
#include "names.h"

namespace simdrope::tool {
namespace {

constexpr std::string_view kSuffix = ".safetensors";

void RequireFile(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) Fail(path, ": no such file");
}

std::string ShapeText(const io::Array& array) {
  std::string text = "[";
  for (size_t i = 0; i < array.shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(array.shape[i]);
  return text + "]";
}

}  // namespace

bool IsSafetensors(const std::string& path) {
  return path.size() >= kSuffix.size() && path.compare(path.size() - kSuffix.size(), kSuffix.size(), kSuffix) == 0;
}

std::string FileOf(const std::string& reference) {
  const size_t colon = reference.find(std::string(kSuffix) + ":");
  return reference.substr(0, colon == std::string::npos ? colon : colon + kSuffix.size());
}

io::Array ReadArray(const std::string& reference, const std::string& usual_name) {
  const std::string path = FileOf(reference);
  std::string name = path == reference ? "" : reference.substr(path.size() + 1);
  if (!IsSafetensors(path)) {
    RequireFile(path);
    return Require(io::read_npy(path), path);
  }
  RequireFile(path);
  const io::Safetensors file = Require(io::Safetensors::open(path), path);
  if (name.empty()) {
    if (file.entries().size() == 1) {
      name = file.entries()[0].name;
    } else if (file.find(usual_name) != nullptr) {
      name = usual_name;
    } else {
      Fail(path, " has ", file.entries().size(), " tensors and none called '", usual_name, "': choose one with ", path,
           ":NAME");
    }
  }
  if (file.find(name) == nullptr) Fail(path, " has no tensor '", name, "'");
  return Require(file.read(name), path);
}

io::ElementType ElementTypeOf(Format format) {
  return format == f32 ? io::ElementType::f32 : format == f16 ? io::ElementType::f16 : io::ElementType::bf16;
}

Format FormatOf(const io::Array& array, const std::string& reference, const std::string& stored_as) {
  std::string type = io::name_of(array.type);
  if (array.type == io::ElementType::u16 && stored_as == "bf16") type = stored_as;
  if (array.type == io::ElementType::u16 && stored_as.empty()) {
    Fail(reference, " holds u16: say --dtype bf16 if these are bf16 values");
  }
  for (const Named<Format>& known : kFormats) {
    if (type != known.name) continue;
    if (!stored_as.empty() && stored_as != type) Fail(reference, " holds ", type, ", but --dtype is ", stored_as);
    return known.value;
  }
  Fail(reference, " holds ", type, "; f32, f16 and bf16 can be rotated");
}

Layout ParseLayout(const std::string& name) {
  if (name == "bshd") return Layout::kBshd;
  if (name == "bhsd") return Layout::kBhsd;
  if (name == "thd") return Layout::kThd;
  Fail("--layout: '", name, "' is none of bshd|bhsd|thd");
}

Sizes SizesOf(const io::Array& array, const std::string& reference, Layout layout, std::optional<int64_t> heads,
              std::optional<int64_t> head_dim) {
  const std::vector<int64_t>& shape = array.shape;
  const size_t rank = layout == Layout::kThd ? 3 : 4;
  Sizes sizes;
  if (shape.size() == rank) {
    const size_t heads_axis = layout == Layout::kBhsd ? 1 : rank - 2;
    sizes.batch = layout == Layout::kThd ? 1 : shape[0];
    sizes.seq = layout == Layout::kThd ? shape[0] : shape[layout == Layout::kBhsd ? 2 : 1];
    sizes.heads = shape[heads_axis];
    sizes.head_dim = shape[rank - 1];
    if (heads && *heads != sizes.heads) {
      Fail(reference, " ", ShapeText(array), " has ", sizes.heads, " heads, not the ", *heads, " asked for");
    }
    return sizes;
  }
  if (shape.size() != rank - 1 || layout == Layout::kBhsd) {
    Fail(reference, " has shape ", ShapeText(array), "; layout ",
         layout == Layout::kBshd   ? "bshd wants [batch, seq, heads, head_dim], or [batch, seq, hidden] with --heads"
         : layout == Layout::kBhsd ? "bhsd wants [batch, heads, seq, head_dim]"
                                   : "thd wants [tokens, heads, head_dim], or [tokens, hidden] with --heads");
  }
  const int64_t hidden = shape.back();
  if (!heads && !head_dim) {
    Fail(reference, " ", ShapeText(array), " has heads and head_dim in one axis: say --heads (--kv-heads for K)");
  }
  if (heads && (*heads < 1 || hidden % *heads != 0)) {
    Fail(reference, " ", ShapeText(array), ": ", hidden, " elements do not divide into ", *heads, " heads");
  }
  if (!heads && (*head_dim < 1 || hidden % *head_dim != 0)) {
    Fail(reference, " ", ShapeText(array), ": ", hidden, " elements do not divide into heads of ", *head_dim);
  }
  sizes.batch = layout == Layout::kThd ? 1 : shape[0];
  sizes.seq = shape[rank - 3];
  sizes.heads = heads ? *heads : hidden / *head_dim;
  sizes.head_dim = heads ? hidden / *heads : *head_dim;
  return sizes;
}

Tensor TensorOf(io::Array& array, Format format, Layout layout, const Sizes& sizes) {
  void* data = array.bytes.data();
  return layout == Layout::kBhsd ? bhsd(data, format, sizes.batch, sizes.seq, sizes.heads, sizes.head_dim)
                                 : bshd(data, format, sizes.batch, sizes.seq, sizes.heads, sizes.head_dim);
}

void CreateFolder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error || !std::filesystem::is_directory(path)) Fail("--out: cannot make the folder ", path);
}

}  // namespace simdrope::tool
