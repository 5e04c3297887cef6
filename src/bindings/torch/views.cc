#include "views.h"

namespace simdrope::torch_ops {
namespace {

using at::Tensor;

void WantCpu(const Tensor& tensor, const char* name) {
  TORCH_CHECK_VALUE(tensor.device().is_cpu() && tensor.layout() == at::kStrided, "simdrope: ", name, " is on ",
                    tensor.device(), " with layout ", tensor.layout(), "; simdrope wants strided tensors on the CPU");
  TORCH_CHECK_VALUE(!tensor.is_neg(), "simdrope: ", name, " is a negated view: resolve_neg() first");
}

simdrope_format FormatOf(const Tensor& tensor, const char* name) {
  WantCpu(tensor, name);
  switch (tensor.scalar_type()) {
    case at::kFloat: return SIMDROPE_F32;
    case at::kHalf: return SIMDROPE_F16;
    case at::kBFloat16: return SIMDROPE_BF16;
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 1)
    case at::kFloat8_e4m3fn: return SIMDROPE_F8_E4M3;
    case at::kFloat8_e5m2: return SIMDROPE_F8_E5M2;
#endif
    default: break;
  }
  TORCH_CHECK_TYPE(false, "simdrope: ", name, " has dtype ", tensor.dtype(), ", not float32, float16 or bfloat16");
}

simdrope_index_type IndexType(const Tensor& tensor, const char* name) {
  WantCpu(tensor, name);
  if (tensor.scalar_type() == at::kInt) return SIMDROPE_INDEX_I32;
  if (tensor.scalar_type() == at::kLong) return SIMDROPE_INDEX_I64;
  TORCH_CHECK_TYPE(false, "simdrope: ", name, " has dtype ", tensor.dtype(), ", not int32 or int64");
}

bool Given(const OptionalTensor& tensor) { return tensor.has_value() && tensor->defined(); }

void SetHeads(const Tensor& x, const char* name, int64_t seq, int64_t heads, simdrope_tensor* out) {
  TORCH_CHECK_VALUE(x.size(-1) <= 1 || x.stride(-1) == 1, "simdrope: ", name, " has sizes ", x.sizes(), " and strides ",
                    x.strides(), "; the elements of a head must adjoin");
  out->data = x.data_ptr();
  out->format = FormatOf(x, name);
  out->seq = x.size(seq);
  out->seq_stride = x.stride(seq);
  out->heads = x.size(heads);
  out->head_stride = x.stride(heads);
  out->head_dim = x.size(-1);
}

}  // namespace

void Throw(simdrope_status status, const std::string& message) {
  const std::string text = "simdrope: " + message;
  switch (status) {
    case SIMDROPE_OUT_OF_RANGE: TORCH_CHECK_INDEX(false, text);
    case SIMDROPE_UNSUPPORTED: TORCH_CHECK_NOT_IMPLEMENTED(false, text);
    case SIMDROPE_OUT_OF_MEMORY: TORCH_CHECK(false, text);
    case SIMDROPE_OK:  // not called for it
    case SIMDROPE_INVALID_ARGUMENT:
    case SIMDROPE_BAD_FILE: break;
  }
  TORCH_CHECK_VALUE(false, text);
  std::abort();  // not reached
}

void Check(simdrope_status status) {
  if (status != SIMDROPE_OK) Throw(status, simdrope_last_error());
}

simdrope_tensor TokensOf(const Tensor& x, const char* name) {
  TORCH_CHECK_VALUE(x.dim() == 3 || x.dim() == 4, "simdrope: ", name, " is ", x.sizes(),
                    ", not [batch, seq, heads, head_dim] or [tokens, heads, head_dim]");
  simdrope_tensor out = SIMDROPE_TENSOR_INIT;
  const int64_t seq = x.dim() - 3;
  SetHeads(x, name, seq, seq + 1, &out);
  out.batch = x.dim() == 4 ? x.size(0) : 1;
  out.batch_stride = x.dim() == 4 ? x.stride(0) : 0;
  return out;
}

simdrope_tensor CacheOf(const Tensor& cache, bool heads_first, const Tensor& slot_mapping, float* scale,
                        const char* name) {
  TORCH_CHECK_VALUE(cache.dim() == 3 || cache.dim() == 4, "simdrope: ", name, " is ", cache.sizes(),
                    ", not [slots, heads, head_dim] or with pages");
  TORCH_CHECK_VALUE(slot_mapping.dim() == 1, "simdrope: slot_mapping is ", slot_mapping.sizes(), ", not [tokens]");
  simdrope_tensor out = SIMDROPE_TENSOR_INIT;
  const bool paged = cache.dim() == 4;
  if (paged && heads_first) {
    SetHeads(cache, name, 2, 1, &out);
  } else {
    SetHeads(cache, name, cache.dim() - 3, cache.dim() - 2, &out);
  }
  out.batch = paged ? cache.size(0) : 1;
  out.batch_stride = paged ? cache.stride(0) : 0;
  if (cache.element_size() == 1) {
    out.scales.scale = scale;
    out.scales.given = true;
  } else {
    TORCH_CHECK_VALUE(*scale == 1.0f, "simdrope: the scale of ", name, " is ", *scale, ", but its dtype is ",
                      cache.dtype());
  }
  out.slots.source = SIMDROPE_SLOTS_IDS;
  out.slots.batch = 1;
  out.slots.seq = slot_mapping.size(0);
  out.slots.ids = slot_mapping.data_ptr();
  out.slots.type = IndexType(slot_mapping, "slot_mapping");
  out.slots.seq_stride = slot_mapping.stride(0);
  return out;
}

simdrope_table TableOf(const Tensor& cos, const Tensor& sin) {
  TORCH_CHECK_VALUE(cos.sizes() == sin.sizes() && cos.strides() == sin.strides() && cos.dtype() == sin.dtype(),
                    "simdrope: cos is ", cos.dtype(), cos.sizes(), " with strides ", cos.strides(), ", but sin is ",
                    sin.dtype(), sin.sizes(), " with strides ", sin.strides());
  TORCH_CHECK_VALUE(cos.dim() == 2 || cos.dim() == 3, "simdrope: cos is ", cos.sizes(),
                    ", not [rows, pairs] or [batches, rows, pairs]");
  WantCpu(sin, "sin");
  simdrope_table table = SIMDROPE_TABLE_INIT;
  table.cos = cos.data_ptr();
  table.sin = sin.data_ptr();
  table.format = FormatOf(cos, "cos");
  table.batches = cos.dim() == 3 ? cos.size(0) : 1;
  table.batch_stride = cos.dim() == 3 ? cos.stride(0) : 0;
  table.rows = cos.size(-2);
  table.row_stride = cos.stride(-2);
  TORCH_CHECK_VALUE(cos.size(-1) <= SIMDROPE_MAX_PAIRS, "simdrope: cos is ", cos.sizes(), ", more than ",
                    SIMDROPE_MAX_PAIRS, " pairs");
  table.columns = static_cast<int32_t>(cos.size(-1));
  table.column_stride = cos.stride(-1);
  return table;
}

void SetPositions(int64_t start, const OptionalTensor& offsets, const OptionalTensor& ids,
                  const OptionalTensor& cu_seqlens, simdrope_positions* positions) {
  positions->start = start;
  const auto vector = [](const Tensor& tensor, const char* name) {
    TORCH_CHECK_VALUE(tensor.dim() == 1 && (tensor.size(0) <= 1 || tensor.stride(0) == 1), "simdrope: ", name, " is ",
                      tensor.sizes(), " with strides ", tensor.strides(), ", not one contiguous dimension");
    return IndexType(tensor, name);
  };
  if (Given(offsets)) {
    positions->offsets_type = vector(*offsets, "seqlen_offsets");
    positions->offsets = offsets->data_ptr();
    positions->offsets_count = offsets->size(0);
  }
  if (Given(cu_seqlens)) {
    positions->cu_seqlens_type = vector(*cu_seqlens, "cu_seqlens");
    TORCH_CHECK_VALUE(cu_seqlens->size(0) >= 1, "simdrope: cu_seqlens is empty; it begins with 0");
    positions->cu_seqlens = cu_seqlens->data_ptr();
    positions->sequences = cu_seqlens->size(0) - 1;
  }
  if (Given(ids)) {
    TORCH_CHECK_VALUE(ids->dim() == 1 || ids->dim() == 2, "simdrope: positions is ", ids->sizes(),
                      ", not [seq] or [batch, seq]");
    positions->ids_type = IndexType(*ids, "positions");
    positions->ids = ids->data_ptr();
    positions->ids_seq = ids->size(-1);
    positions->seq_stride = ids->size(-1) == 1 ? 0 : ids->stride(-1);
    positions->ids_batch = ids->dim() == 2 ? ids->size(0) : 1;
    positions->batch_stride = ids->dim() == 2 ? ids->stride(0) : 0;
  }
}

simdrope_norm RmsNorm(const Tensor& weight, double eps, const simdrope_tensor& x, const char* name) {
  TORCH_CHECK_VALUE(weight.dim() == 1 && weight.size(0) == x.head_dim && (x.head_dim <= 1 || weight.stride(0) == 1),
                    "simdrope: ", name, " is ", weight.sizes(), ", not [", x.head_dim, "]");
  simdrope_norm norm = SIMDROPE_NORM_INIT;
  norm.type = SIMDROPE_NORM_RMS;
  norm.eps = static_cast<float>(eps);
  norm.weight = weight.data_ptr();
  norm.weight_format = FormatOf(weight, name);
  return norm;
}

}  // namespace simdrope::torch_ops
