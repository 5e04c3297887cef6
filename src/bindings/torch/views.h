// Tensors of PyTorch as simdrope's structs. What simdrope cannot say of a tensor is refused here, by ValueError.
#ifndef SIMDROPE_BINDINGS_TORCH_VIEWS_H_
#define SIMDROPE_BINDINGS_TORCH_VIEWS_H_

#include <ATen/ATen.h>
#include <simdrope/simdrope.h>
#include <torch/csrc/api/include/torch/version.h>

#include <optional>
#include <string>

namespace simdrope::torch_ops {

#if TORCH_VERSION_MAJOR == 1 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR < 4)
using OptionalTensor = c10::optional<at::Tensor>;
#else
using OptionalTensor = std::optional<at::Tensor>;
#endif

// Throws what stands for the status, with the message of this thread's failed call.
void Check(simdrope_status status);
[[noreturn]] void Throw(simdrope_status status, const std::string& message);

// [batch, seq, heads, head_dim] or [tokens, heads, head_dim].
simdrope_tensor TokensOf(const at::Tensor& x, const char* name);
// [slots, heads, head_dim], or pages [blocks, heads, block, head_dim] (heads_first) or [blocks, block, heads,
// head_dim], written at slot_mapping [tokens]; *scale is of an FP8 cache.
simdrope_tensor CacheOf(const at::Tensor& cache, bool heads_first, const at::Tensor& slot_mapping, float* scale,
                        const char* name);
// [rows, pairs] or [batches, rows, pairs].
simdrope_table TableOf(const at::Tensor& cos, const at::Tensor& sin);
void SetPositions(int64_t start, const OptionalTensor& offsets, const OptionalTensor& ids,
                  const OptionalTensor& cu_seqlens, simdrope_positions* positions);
simdrope_norm RmsNorm(const at::Tensor& weight, double eps, const simdrope_tensor& x, const char* name);

}  // namespace simdrope::torch_ops

#endif  // SIMDROPE_BINDINGS_TORCH_VIEWS_H_
