// simdrope_apply and simdrope_compute_cos_sin: check everything, then call.
#include <cmath>

#include "angle/rope.h"
#include "core/status.h"
#include "core/tensor.h"
#include "exec/apply.h"
#include "exec/compute.h"
#include "exec/parallel.h"
#include "exec/rows.h"

namespace simdrope::impl {
namespace {

const simdrope_options kDefaultOptions = SIMDROPE_OPTIONS_INIT;

simdrope_status CheckPointer(const char* name, const void* pointer) {
  if (pointer != nullptr) return SIMDROPE_OK;
  return Fail(SIMDROPE_INVALID_ARGUMENT, "%s is NULL", name);
}

struct NamedTensor {
  const char* in_name;
  const char* out_name;
  const simdrope_tensor* in;
  const simdrope_tensor* out;
};

simdrope_status CheckSameSizes(const char* a_name, const simdrope_tensor& a, const char* b_name,
                               const simdrope_tensor& b, bool same_heads) {
  if (a.batch == b.batch && a.seq == b.seq && a.head_dim == b.head_dim && (!same_heads || a.heads == b.heads)) {
    return SIMDROPE_OK;
  }
  return Fail(SIMDROPE_INVALID_ARGUMENT, "%s is [%lld, %lld, %lld, %lld], but %s is [%lld, %lld, %lld, %lld]", a_name,
              static_cast<long long>(a.batch), static_cast<long long>(a.seq), static_cast<long long>(a.heads),
              static_cast<long long>(a.head_dim), b_name, static_cast<long long>(b.batch),
              static_cast<long long>(b.seq), static_cast<long long>(b.heads), static_cast<long long>(b.head_dim));
}

// Sizes and overlap of all tensors; *shape becomes one that is present.
simdrope_status CheckTensors(const simdrope_qkv& in, const simdrope_qkv& out, simdrope_tensor* shape) {
  const NamedTensor all[3] = {{"in.q", "out.q", &in.q, &out.q},
                              {"in.k", "out.k", &in.k, &out.k},
                              {"in.v", "out.v", &in.v, &out.v}};
  if (!IsPresent(in.q) && !IsPresent(in.k)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "neither q nor k is present (both have 0 heads)");
  }
  const NamedTensor* first = nullptr;
  for (const NamedTensor& t : all) {
    if (IsPresent(*t.in)) {
      SIMDROPE_TRY(CheckTensor(t.in_name, *t.in, false));
      if (first == nullptr) first = &t;
      SIMDROPE_TRY(CheckSameSizes(first->in_name, *first->in, t.in_name, *t.in, false));
    }
    if (IsPresent(*t.out)) {
      SIMDROPE_TRY(CheckTensor(t.out_name, *t.out, true));
      SIMDROPE_TRY(CheckSameSizes(t.in_name, *t.in, t.out_name, *t.out, true));
    } else if (IsPresent(*t.in) && t.in != &in.v) {
      return Fail(SIMDROPE_INVALID_ARGUMENT, "%s is present, but %s is not", t.in_name, t.out_name);
    }
  }
  for (const NamedTensor& o : all) {
    if (!IsPresent(*o.out)) continue;
    for (const NamedTensor& i : all) {
      const bool own = &i == &o;
      if (IsPresent(*i.in) && !(own && IsSameView(*i.in, *o.out))) {
        SIMDROPE_TRY(CheckDisjoint(i.in_name, *i.in, o.out_name, *o.out));
      }
      if (&i > &o && IsPresent(*i.out)) SIMDROPE_TRY(CheckDisjoint(o.out_name, *o.out, i.out_name, *i.out));
    }
  }
  *shape = *first->in;
  return SIMDROPE_OK;
}

simdrope_status FindWindow(const simdrope_cos_sin& cos_sin, int64_t head_dim, Window* window) {
  if (cos_sin.rope == nullptr) {
    return MakeWindow(head_dim, cos_sin.rotary_dim, cos_sin.rotary_offset, cos_sin.split, cos_sin.pairing, window);
  }
  if (cos_sin.rope->head_dim != head_dim) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "the rope has head_dim = %d, the tensors %lld", cos_sin.rope->head_dim,
                static_cast<long long>(head_dim));
  }
  *window = cos_sin.rope->window;
  return SIMDROPE_OK;
}

simdrope_status FindOutputPairing(const simdrope_options& options, const Window& window, simdrope_pairing* pairing) {
  if (options.output_pairing < SIMDROPE_HALF || options.output_pairing > SIMDROPE_SAME_PAIRING) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "options.output_pairing = %d is none of the simdrope_pairing",
                static_cast<int>(options.output_pairing));
  }
  *pairing = options.output_pairing == SIMDROPE_SAME_PAIRING ? window.pairing : options.output_pairing;
  if (*pairing != window.pairing && window.split != window.pairs()) {
    return Fail(SIMDROPE_UNSUPPORTED, "another output pairing wants adjoining halves, but split = %d with %d pairs",
                window.split, window.pairs());
  }
  return SIMDROPE_OK;
}

simdrope_status CheckOptions(const simdrope_options& options) {
  if (!std::isfinite(options.q_scale)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "options.q_scale = %g must be finite",
                static_cast<double>(options.q_scale));
  }
  return CheckThreads(options);
}

simdrope_status ApplyChecked(const simdrope_cos_sin& cos_sin, const simdrope_qkv& in, const simdrope_qkv& out,
                             const simdrope_options& options) {
  const Kernels* kernels;
  SIMDROPE_TRY(FindKernels(&kernels));
  SIMDROPE_TRY(CheckOptions(options));
  simdrope_tensor shape = SIMDROPE_TENSOR_INIT;
  SIMDROPE_TRY(CheckTensors(in, out, &shape));
  ApplyCall call{in, out, {}, {}, {}, cos_sin.rope == nullptr ? cos_sin.magnitude : 1.0f, options};
  SIMDROPE_TRY(FindWindow(cos_sin, shape.head_dim, &call.window));
  SIMDROPE_TRY(FindOutputPairing(options, call.window, &call.output_pairing));
  SIMDROPE_TRY(RowSource::Make(*kernels, cos_sin, call.window, shape.batch, shape.seq, &call.rows));
  Apply(*kernels, call);
  return SIMDROPE_OK;
}

}  // namespace
}  // namespace simdrope::impl

using namespace simdrope::impl;

simdrope_status simdrope_apply(const simdrope_cos_sin* cos_sin, const simdrope_qkv* in, const simdrope_qkv* out,
                               const simdrope_options* options) {
  SIMDROPE_TRY(CheckPointer("cos_sin", cos_sin));
  SIMDROPE_TRY(CheckPointer("in", in));
  return ApplyChecked(*cos_sin, *in, out != nullptr ? *out : *in, options != nullptr ? *options : kDefaultOptions);
}

simdrope_status simdrope_compute_cos_sin(const simdrope_rope* rope, const simdrope_positions* positions, int64_t batch,
                                         int64_t seq, const simdrope_cos_sin* rows, const simdrope_options* options) {
  SIMDROPE_TRY(CheckPointer("rope", rope));
  SIMDROPE_TRY(CheckPointer("positions", positions));
  SIMDROPE_TRY(CheckPointer("rows", rows));
  return ComputeCosSin(*rope, *positions, batch, seq, *rows, options != nullptr ? *options : kDefaultOptions);
}
