#include "chain_arguments.h"

#include <cstdlib>

#include "failure.h"

namespace simdrope::tool {
namespace {

struct NormKind {
  const char* name;
  simdrope_norm_type type;
  float weight_offset;
};
constexpr NormKind kNormKinds[] = {
    {"rms", SIMDROPE_NORM_RMS, 0},
    {"rms1p", SIMDROPE_NORM_RMS, 1},  // (1 + weight), as Gemma
    {"l2", SIMDROPE_NORM_L2, 0},
    {"layer", SIMDROPE_NORM_LAYER, 0},
};

NormKind KindOf(const std::string& option, const std::string& name) {
  for (const NormKind& known : kNormKinds) {
    if (name == known.name) return known;
  }
  Fail(option, ": '", name, "' is none of ", Choices(kNormKinds));
}

// Weights shared by the heads, or a row for each.
const void* RowsOf(const std::string& option, const std::string& file, const Sizes& sizes, io::Array* array,
                   simdrope_norm* norm) {
  *array = ReadArray(file, "weight");
  const int64_t all = sizes.heads * sizes.head_dim;
  if (array->size() != sizes.head_dim && array->size() != all) {
    Fail(option, ": ", file, " has ", array->size(), " elements; a norm over heads of ", sizes.head_dim, " wants ",
         sizes.head_dim, ", or ", all, " for ", sizes.heads, " heads");
  }
  const Format format = FormatOf(*array, file, array->type == io::ElementType::u16 ? "bf16" : "");
  const int64_t stride = array->size() == sizes.head_dim ? 0 : sizes.head_dim;
  if (norm->weight != nullptr && (norm->weight_format != format || norm->weight_head_stride != stride)) {
    Fail(option, ": ", file, " must have the type and the shape of the weights");
  }
  norm->weight_format = format;
  norm->weight_head_stride = stride;
  return array->bytes.data();
}

}  // namespace

io::ElementType StoredTypeOf(Format format) {
  switch (format) {
    case SIMDROPE_F32: return io::ElementType::f32;
    case SIMDROPE_F16: return io::ElementType::f16;
    case SIMDROPE_BF16: return io::ElementType::bf16;
    case SIMDROPE_I8: return io::ElementType::i8;
    case SIMDROPE_F8_E4M3:
    case SIMDROPE_F8_E5M2:
    case SIMDROPE_U8:
    case SIMDROPE_Q8_0:
    case SIMDROPE_Q4_0: break;
  }
  return io::ElementType::u8;
}

void ChainArguments::AddTo(CLI::App& app) {
  app.add_option("--q-norm", q_norm,
                 "Norm of Q: KIND or KIND:WEIGHTS.npy; KIND " + Choices(kNormKinds) + " (rms1p: 1 + weight)");
  app.add_option("--k-norm", k_norm, "Norm of K, likewise; weights are [head_dim], or [heads, head_dim]");
  app.add_option("--q-bias", q_bias, "Bias of a layer norm of Q, shaped as its weights");
  app.add_option("--k-bias", k_bias, "Bias of a layer norm of K");
  app.add_option("--eps", eps, "eps of the norms; default 1e-6");
  app.add_flag("--norm-over-heads", norm_over_heads, "One norm over all heads of a token");
  app.add_flag("--norm-after", norm_after, "Norms come after the rotation");
  app.add_flag("--norm-round", norm_round, "Round to the input's dtype where PyTorch modules would");
  app.add_option("--hadamard", hadamard, "Width of a Walsh-Hadamard transform of Q and K after the rotation");
  app.add_option("--input-hadamard", input_hadamard, "Width of one that is undone first");
  app.add_option("--q-scale", q_scale, "Multiplies Q after all; default 1");
  app.add_option("--out-format", out_format,
                 Choices(kAllFormats) + ": how K and V are stored; default: as --out-dtype");
  app.add_option("--cache-scale", cache_scale,
                 "f8, i8: one given scale for all of K and V; i8 and u8 without it: one computed for each token and "
                 "head, written beside them");
  app.add_option("--cache", cache, "Write K and V into a cache of ROWS, or ENTRIESxROWS, that begins as zeros");
  app.add_option("--cache-layout", cache_layout, "bshd (entries, rows, heads, head_dim) or bhsd; default bshd");
  app.add_option("--slots", slots,
                 ".npy of int32 or int64, [seq] or [batch, seq]: the cache's row of each token; -1 skips it");
}

Format ChainArguments::StoreOf(Format otherwise) const {
  if (out_format.empty()) return otherwise;
  return Parse(kAllFormats, "--out-format", out_format);
}

std::string NormFile(const std::string& text) {
  const size_t colon = text.find(':');
  return colon == std::string::npos ? "" : text.substr(colon + 1);
}

void NormOf::Read(const ChainArguments& a, const char* side, const std::string& text, const std::string& bias,
                  const Sizes& sizes) {
  const std::string option = Text("--", side, "-norm"), bias_option = Text("--", side, "-bias");
  if (text.empty()) {
    if (!bias.empty()) Fail(bias_option, " wants ", option, " layer");
    return;
  }
  const NormKind kind = KindOf(option, text.substr(0, text.find(':')));
  const std::string file = NormFile(text);
  norm_.type = kind.type;
  norm_.weight_offset = kind.weight_offset;
  norm_.eps = static_cast<float>(a.eps);
  norm_.over_all_heads = a.norm_over_heads;
  norm_.after_rotation = a.norm_after;
  norm_.round = a.norm_round;
  if (!file.empty()) norm_.weight = RowsOf(option, file, sizes, &weight_, &norm_);
  if (kind.weight_offset != 0 && file.empty()) Fail(option, ": ", kind.name, " wants weights: ", kind.name, ":FILE");
  if (bias.empty()) return;
  if (kind.type != SIMDROPE_NORM_LAYER) Fail(bias_option, " goes with ", option, " layer, not ", kind.name);
  norm_.bias = RowsOf(bias_option, bias, sizes, &bias_, &norm_);
}

void CacheShape::Read(const ChainArguments& a, const Sizes& sizes) {
  const size_t by = a.cache.find('x');
  const auto number = [&](const std::string& text) {
    char* end = nullptr;
    const long long value = std::strtoll(text.c_str(), &end, 10);
    if (text.empty() || *end != '\0' || value < 1) Fail("--cache: '", a.cache, "' is neither ROWS nor ENTRIESxROWS");
    return static_cast<int64_t>(value);
  };
  entries = by == std::string::npos ? 1 : number(a.cache.substr(0, by));
  rows = number(by == std::string::npos ? a.cache : a.cache.substr(by + 1));
  layout = ParseLayout(a.cache_layout);
  if (layout == Layout::kThd) Fail("--cache-layout: bshd or bhsd");
  if (a.slots.empty()) Fail("--cache wants --slots: which of its rows each token is written to");
  slots = ReadArray(a.slots, "slots");
  if (slots.type != io::ElementType::i32 && slots.type != io::ElementType::i64) {
    Fail("--slots: ", a.slots, " holds ", io::name_of(slots.type), "; int32 and int64 are slots");
  }
  const bool one = slots.shape == std::vector<int64_t>{sizes.seq} && sizes.batch == 1;
  if (!one && slots.shape != std::vector<int64_t>{sizes.batch, sizes.seq}) {
    Fail("--slots: ", a.slots, " has ", slots.size(), " entries in ", slots.shape.size(), " axes; there are ",
         sizes.batch, " x ", sizes.seq, " tokens");
  }
}

Tensor CacheShape::WithSlots(const Tensor& cache, const Sizes& step) const {
  Tensor tensor = cache;
  tensor.slots.source = SIMDROPE_SLOTS_IDS;
  tensor.slots.batch = step.batch;
  tensor.slots.seq = step.seq;
  tensor.slots.ids = slots.bytes.data();
  tensor.slots.type = slots.type == io::ElementType::i32 ? SIMDROPE_INDEX_I32 : SIMDROPE_INDEX_I64;
  tensor.slots.batch_stride = step.seq;
  tensor.slots.seq_stride = 1;
  tensor.slots.reject_duplicates = true;
  return tensor;
}

void StoredScales::AddTo(const ChainArguments& a, Tensor* tensor) {
  const Format format = tensor->format;
  const bool is_f8 = format == f8_e4m3 || format == f8_e5m2;
  if (a.cache_scale) {
    if (!is_f8 && format != i8) Fail("--cache-scale goes with --out-format f8_e4m3, f8_e5m2 and i8");
    scale = io::Array::zeros(io::ElementType::f32, {1});
    *scale.data<float>() = static_cast<float>(*a.cache_scale);
    *tensor = with_scale(*tensor, scale.data<float>());
    return;
  }
  if (format != i8 && format != u8) return;
  scale = io::Array::zeros(io::ElementType::f32, {tensor->batch, tensor->seq, tensor->heads});
  if (format == u8) zero_point = scale;
  *tensor = with_scales(*tensor, scale.data<float>(), format == u8 ? zero_point.data<float>() : nullptr);
}

}  // namespace simdrope::tool
