// simdrope as operators of PyTorch: schemas, meta functions and gradients. Tables of cos and sin are the caller's, as
// in flash-attention, vLLM and SGLang, whose names and arguments these have. How tensors are read stands in views.h.
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/library.h>

#include "views.h"

namespace simdrope::torch_ops {
namespace {

using at::Tensor;

struct Where {
  int64_t start = 0;
  OptionalTensor offsets;
  OptionalTensor ids;
  OptionalTensor cu_seqlens;
};

// One call of simdrope_apply on a table.
struct Step {
  simdrope_cos_sin cos_sin = SIMDROPE_COS_SIN_INIT;
  simdrope_qkv in = SIMDROPE_QKV_INIT;
  simdrope_qkv out = SIMDROPE_QKV_INIT;
  simdrope_options options = SIMDROPE_OPTIONS_INIT;

  Step(const Tensor& cos, const Tensor& sin, bool interleaved) {
    cos_sin.source = SIMDROPE_TABLE;
    cos_sin.table = TableOf(cos, sin);
    cos_sin.rotary_dim = 2 * cos_sin.table.columns;
    cos_sin.pairing = interleaved ? SIMDROPE_INTERLEAVED : SIMDROPE_HALF;
  }

  // Below this many bytes a thread costs more than it brings (as at::internal::GRAIN_SIZE elements of a float).
  static constexpr int64_t kBytesPerThread = 128 * 1024;

  void Run() {
    const auto bytes = [](const simdrope_tensor& t) { return t.batch * t.seq * t.heads * t.head_dim * 4; };
    const int64_t work = bytes(in.q) + bytes(in.k) + bytes(in.v);
    const int64_t threads = at::in_parallel_region() ? 1 : at::get_num_threads();
    const int64_t slices = std::max<int64_t>(1, std::min(threads, work / kBytesPerThread));
    if (slices == 1) {
      options.threads = 1;
      return Check(simdrope_apply(&cos_sin, &in, &out, &options));
    }
    std::atomic<simdrope_status> status{SIMDROPE_OK};
    std::string message;
    at::parallel_for(0, slices, 1, [&](int64_t begin, int64_t end) {
      simdrope_options slice = options;
      slice.slice_count = slices;
      for (slice.slice_index = begin; slice.slice_index < end; ++slice.slice_index) {
        const simdrope_status result = simdrope_apply(&cos_sin, &in, &out, &slice);
        simdrope_status expected = SIMDROPE_OK;
        // The message is this thread's own; the first that fails leaves its.
        if (result != SIMDROPE_OK && status.compare_exchange_strong(expected, result)) message = simdrope_last_error();
      }
    });
    if (status != SIMDROPE_OK) Throw(status, message);
  }
};

// ---------------------------------------------------------------------------- apply_rotary_emb

void Rotate(const Tensor& x, const Tensor& out, const Tensor& cos, const Tensor& sin, bool interleaved,
            const Where& where, bool inverse) {
  Step step(cos, sin, interleaved);
  SetPositions(where.start, where.offsets, where.ids, where.cu_seqlens, &step.cos_sin.positions);
  step.in.q = TokensOf(x, "x");
  step.out.q = TokensOf(out, "x");
  step.options.inverse = inverse;
  step.Run();
}

Tensor ApplyRotaryEmb(const Tensor& x, const Tensor& cos, const Tensor& sin, bool interleaved, int64_t seqlen_offset,
                      const OptionalTensor& seqlen_offsets, const OptionalTensor& positions,
                      const OptionalTensor& cu_seqlens, bool inverse) {
  const Tensor in = x.dim() > 0 && x.stride(-1) == 1 ? x : x.contiguous();
  Tensor out = at::empty_like(in);
  if (out.dim() > 0 && out.stride(-1) != 1) out = at::empty_like(in, at::MemoryFormat::Contiguous);
  Rotate(in, out, cos, sin, interleaved, {seqlen_offset, seqlen_offsets, positions, cu_seqlens}, inverse);
  return out;
}

void ApplyRotaryEmbInPlace(const Tensor& x, const Tensor& cos, const Tensor& sin, bool interleaved,
                           int64_t seqlen_offset, const OptionalTensor& seqlen_offsets, const OptionalTensor& positions,
                           const OptionalTensor& cu_seqlens, bool inverse) {
  Rotate(x, x, cos, sin, interleaved, {seqlen_offset, seqlen_offsets, positions, cu_seqlens}, inverse);
}

// Meta functions are called where any argument is a meta tensor: the others must be too.
void WantMeta(const Tensor& x, const char* name) {
  TORCH_CHECK_VALUE(x.device().is_meta(), "simdrope: ", name, " is on ", x.device(), ", other arguments on meta");
}

Tensor ApplyRotaryEmbMeta(const Tensor& x, const Tensor&, const Tensor&, bool, int64_t, const OptionalTensor&,
                          const OptionalTensor&, const OptionalTensor&, bool) {
  WantMeta(x, "x");
  return at::empty_like(x);
}
void ApplyRotaryEmbInPlaceMeta(const Tensor& x, const Tensor&, const Tensor&, bool, int64_t, const OptionalTensor&,
                               const OptionalTensor&, const OptionalTensor&, bool) {
  WantMeta(x, "x");
}

// Calls the operator as the dispatcher has it, so that gradients of gradients are recorded too.
Tensor CallApplyRotaryEmb(const Tensor& x, const Tensor& cos, const Tensor& sin, bool interleaved,
                          int64_t seqlen_offset, const OptionalTensor& seqlen_offsets, const OptionalTensor& positions,
                          const OptionalTensor& cu_seqlens, bool inverse) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("simdrope::apply_rotary_emb", "")
                             .typed<decltype(ApplyRotaryEmb)>();
  return op.call(x, cos, sin, interleaved, seqlen_offset, seqlen_offsets, positions, cu_seqlens, inverse);
}

// The backward pass of a rotation is the inverse rotation: no input is kept but the rows.
struct Rotation : torch::autograd::Function<Rotation> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, const Tensor& cos,
                        const Tensor& sin, bool interleaved, int64_t seqlen_offset,
                        const OptionalTensor& seqlen_offsets, const OptionalTensor& positions,
                        const OptionalTensor& cu_seqlens, bool inverse) {
    TORCH_CHECK(!cos.requires_grad() && !sin.requires_grad(),
                "simdrope: cos or sin requires grad, and has no gradient here: detach() it");
    context->save_for_backward(
        {cos, sin, seqlen_offsets.value_or(Tensor()), positions.value_or(Tensor()), cu_seqlens.value_or(Tensor())});
    context->saved_data["interleaved"] = interleaved;
    context->saved_data["seqlen_offset"] = seqlen_offset;
    context->saved_data["inverse"] = inverse;
    const at::AutoDispatchBelowADInplaceOrView below;
    return CallApplyRotaryEmb(x, cos, sin, interleaved, seqlen_offset, seqlen_offsets, positions, cu_seqlens, inverse);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto optional = [](const Tensor& tensor) {
      return tensor.defined() ? OptionalTensor(tensor) : OptionalTensor();
    };
    const Tensor gradient =
        CallApplyRotaryEmb(gradients[0], saved[0], saved[1], context->saved_data["interleaved"].toBool(),
                           context->saved_data["seqlen_offset"].toInt(), optional(saved[2]), optional(saved[3]),
                           optional(saved[4]), !context->saved_data["inverse"].toBool());
    torch::autograd::variable_list all(9);
    all[0] = gradient;
    return all;
  }
};

Tensor ApplyRotaryEmbAutograd(const Tensor& x, const Tensor& cos, const Tensor& sin, bool interleaved,
                              int64_t seqlen_offset, const OptionalTensor& seqlen_offsets,
                              const OptionalTensor& positions, const OptionalTensor& cu_seqlens, bool inverse) {
  return Rotation::apply(x, cos, sin, interleaved, seqlen_offset, seqlen_offsets, positions, cu_seqlens, inverse);
}

bool Records(const Tensor& tensor) { return at::GradMode::is_enabled() && tensor.requires_grad(); }

void ApplyRotaryEmbInPlaceAutograd(const Tensor& x, const Tensor& cos, const Tensor& sin, bool interleaved,
                                   int64_t seqlen_offset, const OptionalTensor& seqlen_offsets,
                                   const OptionalTensor& positions, const OptionalTensor& cu_seqlens, bool inverse) {
  if (Records(x)) {
    x.copy_(
        CallApplyRotaryEmb(x, cos, sin, interleaved, seqlen_offset, seqlen_offsets, positions, cu_seqlens, inverse));
    return;
  }
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("simdrope::apply_rotary_emb_", "")
                             .typed<decltype(ApplyRotaryEmbInPlace)>();
  const at::AutoDispatchBelowADInplaceOrView below;
  op.call(x, cos, sin, interleaved, seqlen_offset, seqlen_offsets, positions, cu_seqlens, inverse);
  x.unsafeGetTensorImpl()->bump_version();
}

// ---------------------------------------------------------------------------- vLLM's and SGLang's operators

// [tokens, heads * head_dim] or [tokens, heads, head_dim] as the latter.
Tensor HeadsOf(const Tensor& x, int64_t head_dim, const char* name) {
  TORCH_CHECK_VALUE(x.dim() == 2 || x.dim() == 3, "simdrope: ", name, " is ", x.sizes(),
                    ", not [tokens, heads * head_dim] or [tokens, heads, head_dim]");
  if (x.dim() == 3) return x;
  TORCH_CHECK_VALUE(head_dim > 0 && x.size(1) % head_dim == 0, "simdrope: ", name, " is ", x.sizes(),
                    ", no whole heads of ", head_dim);
  // A view whatever the stride between tokens.
  return x.unflatten(1, {x.size(1) / head_dim, head_dim});
}

struct Rows {
  Tensor cos;
  Tensor sin;
};
// cos | sin in one row.
Rows RowsOf(const Tensor& cos_sin_cache) {
  TORCH_CHECK_VALUE(cos_sin_cache.dim() >= 2 && cos_sin_cache.size(-1) % 2 == 0, "simdrope: cos_sin_cache is ",
                    cos_sin_cache.sizes(), ", not [rows, rotary_dim]");
  Tensor table = cos_sin_cache;
  if (table.dim() == 3 && table.size(1) == 1) table = table.squeeze(1);  // nano-vllm's [rows, 1, rotary_dim]
  const auto halves = table.chunk(2, -1);
  return {halves[0], halves[1]};
}

void RotaryEmbedding(const Tensor& positions, const Tensor& query, const OptionalTensor& key, int64_t head_size,
                     const Tensor& cos_sin_cache, bool is_neox) {
  const Rows rows = RowsOf(cos_sin_cache);
  Step step(rows.cos, rows.sin, !is_neox);
  SetPositions(0, OptionalTensor(), positions.flatten(), OptionalTensor(), &step.cos_sin.positions);
  step.in.q = TokensOf(HeadsOf(query, head_size, "query"), "query");
  if (key.has_value() && key->defined()) step.in.k = TokensOf(HeadsOf(*key, head_size, "key"), "key");
  step.out = step.in;
  step.Run();
}
void RotaryEmbeddingMeta(const Tensor&, const Tensor& query, const OptionalTensor&, int64_t, const Tensor&, bool) {
  WantMeta(query, "query");
}

void RotaryEmbeddingAutograd(const Tensor& positions, const Tensor& query, const OptionalTensor& key, int64_t head_size,
                             const Tensor& cos_sin_cache, bool is_neox) {
  const bool has_key = key.has_value() && key->defined();
  if (Records(query) || (has_key && Records(*key))) {
    const Rows rows = RowsOf(cos_sin_cache);
    const auto rotate = [&](const Tensor& x, const char* name) {
      const Tensor heads = HeadsOf(x, head_size, name);
      heads.copy_(CallApplyRotaryEmb(heads, rows.cos, rows.sin, !is_neox, 0, OptionalTensor(), positions.flatten(),
                                     OptionalTensor(), false));
    };
    rotate(query, "query");
    if (has_key) rotate(*key, "key");
    return;
  }
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("simdrope::rotary_embedding", "")
                             .typed<decltype(RotaryEmbedding)>();
  const at::AutoDispatchBelowADInplaceOrView below;
  op.call(positions, query, key, head_size, cos_sin_cache, is_neox);
  query.unsafeGetTensorImpl()->bump_version();
  if (has_key) key->unsafeGetTensorImpl()->bump_version();
}

// What is rotated of a row: rotary_dim elements, 0: all that the cache has.
Rows RowsOf(const Tensor& cos_sin_cache, int64_t rotary_dim) {
  const Rows rows = RowsOf(cos_sin_cache);
  TORCH_CHECK_VALUE(rotary_dim == 0 || rotary_dim == 2 * rows.cos.size(-1), "simdrope: rotary_dim = ", rotary_dim,
                    ", but cos_sin_cache is ", cos_sin_cache.sizes());
  return rows;
}

void FusedQkNormRope(const Tensor& q, const Tensor& k, const Tensor& q_weight, const Tensor& k_weight, double eps,
                     bool is_neox, const Tensor& positions, const Tensor& cos_sin_cache, int64_t rotary_dim) {
  const Rows rows = RowsOf(cos_sin_cache, rotary_dim);
  Step step(rows.cos, rows.sin, !is_neox);
  SetPositions(0, OptionalTensor(), positions.flatten(), OptionalTensor(), &step.cos_sin.positions);
  step.in.q = TokensOf(HeadsOf(q, q_weight.numel(), "q"), "q");
  step.in.k = TokensOf(HeadsOf(k, k_weight.numel(), "k"), "k");
  step.out = step.in;
  step.options.q.norm = RmsNorm(q_weight, eps, step.in.q, "q_weight");
  step.options.k.norm = RmsNorm(k_weight, eps, step.in.k, "k_weight");
  step.Run();
}
void FusedQkNormRopeMeta(const Tensor& q, const Tensor& k, const Tensor&, const Tensor&, double, bool, const Tensor&,
                         const Tensor&, int64_t) {
  WantMeta(q, "q");
  WantMeta(k, "k");
}

void FusedQkNormRopeAutograd(const Tensor& q, const Tensor& k, const Tensor& q_weight, const Tensor& k_weight,
                             double eps, bool is_neox, const Tensor& positions, const Tensor& cos_sin_cache,
                             int64_t rotary_dim) {
  if (Records(q) || Records(k) || Records(q_weight) || Records(k_weight)) {
    const Rows rows = RowsOf(cos_sin_cache, rotary_dim);
    const auto chain = [&](const Tensor& x, const Tensor& weight, const char* name) {
      const Tensor heads = HeadsOf(x, weight.numel(), name);
      // A copy: what autograd keeps of it must outlive the writing of the result.
      const Tensor wide = heads.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
      const Tensor normed = wide * at::rsqrt(wide.square().mean(-1, true) + eps) * weight.to(at::kFloat);
      heads.copy_(CallApplyRotaryEmb(normed, rows.cos, rows.sin, !is_neox, 0, OptionalTensor(), positions.flatten(),
                                     OptionalTensor(), false));
    };
    chain(q, q_weight, "q");
    chain(k, k_weight, "k");
    return;
  }
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("simdrope::fused_qk_norm_rope", "")
                             .typed<decltype(FusedQkNormRope)>();
  const at::AutoDispatchBelowADInplaceOrView below;
  op.call(q, k, q_weight, k_weight, eps, is_neox, positions, cos_sin_cache, rotary_dim);
  q.unsafeGetTensorImpl()->bump_version();
  k.unsafeGetTensorImpl()->bump_version();
}

void FusedQkNormRopeCache(const Tensor& q, const Tensor& k, const Tensor& v, const OptionalTensor& q_weight,
                          const OptionalTensor& k_weight, double eps, bool is_neox, const Tensor& positions,
                          const Tensor& cos_sin_cache, int64_t rotary_dim, const Tensor& slot_mapping,
                          const Tensor& k_cache, const Tensor& v_cache, const std::string& cache_layout, double k_scale,
                          double v_scale) {
  TORCH_CHECK_VALUE(cache_layout == "HND" || cache_layout == "NHD", "simdrope: cache_layout = \"", cache_layout,
                    "\" is neither \"HND\" nor \"NHD\"");
  const Rows rows = RowsOf(cos_sin_cache, rotary_dim);
  const int64_t head_dim = k_cache.size(-1);
  Step step(rows.cos, rows.sin, !is_neox);
  SetPositions(0, OptionalTensor(), positions.flatten(), OptionalTensor(), &step.cos_sin.positions);
  step.in.q = TokensOf(HeadsOf(q, head_dim, "q"), "q");
  step.in.k = TokensOf(HeadsOf(k, head_dim, "k"), "k");
  step.in.v = TokensOf(HeadsOf(v, head_dim, "v"), "v");
  step.out.q = step.in.q;
  float scales[] = {static_cast<float>(k_scale), static_cast<float>(v_scale)};
  step.out.k = CacheOf(k_cache, cache_layout == "HND", slot_mapping, &scales[0], "k_cache");
  step.out.v = CacheOf(v_cache, cache_layout == "HND", slot_mapping, &scales[1], "v_cache");
  if (q_weight.has_value()) step.options.q.norm = RmsNorm(*q_weight, eps, step.in.q, "q_weight");
  if (k_weight.has_value()) step.options.k.norm = RmsNorm(*k_weight, eps, step.in.k, "k_weight");
  step.Run();
}
void FusedQkNormRopeCacheMeta(const Tensor& q, const Tensor&, const Tensor&, const OptionalTensor&,
                              const OptionalTensor&, double, bool, const Tensor&, const Tensor&, int64_t, const Tensor&,
                              const Tensor& k_cache, const Tensor& v_cache, const std::string&, double, double) {
  WantMeta(q, "q");
  WantMeta(k_cache, "k_cache");
  WantMeta(v_cache, "v_cache");
}

void FusedQkNormRopeCacheAutograd(const Tensor& q, const Tensor& k, const Tensor& v, const OptionalTensor& q_weight,
                                  const OptionalTensor& k_weight, double eps, bool is_neox, const Tensor& positions,
                                  const Tensor& cos_sin_cache, int64_t rotary_dim, const Tensor& slot_mapping,
                                  const Tensor& k_cache, const Tensor& v_cache, const std::string& cache_layout,
                                  double k_scale, double v_scale) {
  TORCH_CHECK(!Records(q) && !Records(k) && !Records(v) && !Records(k_cache) && !Records(v_cache),
              "simdrope::fused_qk_norm_rope_cache writes a cache and has no gradient: q, k or v requires grad");
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("simdrope::fused_qk_norm_rope_cache", "")
                             .typed<decltype(FusedQkNormRopeCache)>();
  const at::AutoDispatchBelowADInplaceOrView below;
  op.call(q, k, v, q_weight, k_weight, eps, is_neox, positions, cos_sin_cache, rotary_dim, slot_mapping, k_cache,
          v_cache, cache_layout, k_scale, v_scale);
  for (const Tensor* written : {&q, &k_cache, &v_cache}) written->unsafeGetTensorImpl()->bump_version();
}

std::string BuiltWith() { return TORCH_VERSION; }

}  // namespace

TORCH_LIBRARY(simdrope, m) {
  m.def(
      "apply_rotary_emb(Tensor x, Tensor cos, Tensor sin, bool interleaved=False, int seqlen_offset=0, "
      "Tensor? seqlen_offsets=None, Tensor? positions=None, Tensor? cu_seqlens=None, bool inverse=False) -> Tensor");
  m.def(
      "apply_rotary_emb_(Tensor(a!) x, Tensor cos, Tensor sin, bool interleaved=False, int seqlen_offset=0, "
      "Tensor? seqlen_offsets=None, Tensor? positions=None, Tensor? cu_seqlens=None, bool inverse=False) -> ()");
  m.def(
      "rotary_embedding(Tensor positions, Tensor(a!) query, Tensor(b!)? key, int head_size, Tensor cos_sin_cache, "
      "bool is_neox) -> ()");
  m.def(
      "fused_qk_norm_rope(Tensor(a!) q, Tensor(b!) k, Tensor q_weight, Tensor k_weight, float eps, bool is_neox, "
      "Tensor positions, Tensor cos_sin_cache, int rotary_dim=0) -> ()");
  m.def(
      "fused_qk_norm_rope_cache(Tensor(a!) q, Tensor k, Tensor v, Tensor? q_weight, Tensor? k_weight, float eps, "
      "bool is_neox, Tensor positions, Tensor cos_sin_cache, int rotary_dim, Tensor slot_mapping, "
      "Tensor(b!) k_cache, Tensor(c!) v_cache, str cache_layout=\"HND\", float k_scale=1.0, float v_scale=1.0) -> ()");
  m.def("built_with() -> str", &BuiltWith);
}
TORCH_LIBRARY_IMPL(simdrope, CPU, m) {
  m.impl("apply_rotary_emb", &ApplyRotaryEmb);
  m.impl("apply_rotary_emb_", &ApplyRotaryEmbInPlace);
  m.impl("rotary_embedding", &RotaryEmbedding);
  m.impl("fused_qk_norm_rope", &FusedQkNormRope);
  m.impl("fused_qk_norm_rope_cache", &FusedQkNormRopeCache);
}
TORCH_LIBRARY_IMPL(simdrope, Meta, m) {
  m.impl("apply_rotary_emb", &ApplyRotaryEmbMeta);
  m.impl("apply_rotary_emb_", &ApplyRotaryEmbInPlaceMeta);
  m.impl("rotary_embedding", &RotaryEmbeddingMeta);
  m.impl("fused_qk_norm_rope", &FusedQkNormRopeMeta);
  m.impl("fused_qk_norm_rope_cache", &FusedQkNormRopeCacheMeta);
}
TORCH_LIBRARY_IMPL(simdrope, Autograd, m) {
  m.impl("apply_rotary_emb", &ApplyRotaryEmbAutograd);
  m.impl("apply_rotary_emb_", &ApplyRotaryEmbInPlaceAutograd);
  m.impl("rotary_embedding", &RotaryEmbeddingAutograd);
  m.impl("fused_qk_norm_rope", &FusedQkNormRopeAutograd);
  m.impl("fused_qk_norm_rope_cache", &FusedQkNormRopeCacheAutograd);
}

}  // namespace simdrope::torch_ops
