// simdrope_apply and simdrope_compute_cos_sin: check everything, then call.
#include <cmath>

#include "angle/rope.h"
#include "core/status.h"
#include "core/tensor.h"
#include "exec/apply.h"
#include "exec/compute.h"
#include "exec/parallel.h"
#include "exec/rotate_half.h"
#include "exec/rows.h"

namespace simdrope::impl {
namespace {

const simdrope_options kDefaultOptions = SIMDROPE_OPTIONS_INIT;

simdrope_status CheckPointer(const char* name, const void* pointer) {
  if (pointer != nullptr) return SIMDROPE_OK;
  return Fail(SIMDROPE_INVALID_ARGUMENT, "%s is NULL", name);
}

// One of Q, K and V. The constructor saves a call the clearing of padding bytes, 10 ns.
struct NamedTensor {
  NamedTensor(const char* in_name, const char* out_name, const simdrope_tensor& in, const simdrope_tensor& out,
              bool rotated)
      : in_name(in_name), out_name(out_name), in(&in), out(&out), rotated(rotated) {}

  const char* in_name;
  const char* out_name;
  const simdrope_tensor* in;
  const simdrope_tensor* out;
  bool rotated;
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

// Sizes of all tensors; *shape becomes one that is present.
simdrope_status CheckShapes(const NamedTensor (&all)[3], const simdrope_tensor** shape) {
  const NamedTensor* first = nullptr;
  for (const NamedTensor& t : all) {
    if (!IsPresent(*t.in) && !IsPresent(*t.out)) continue;
    if (!IsPresent(*t.in)) return Fail(SIMDROPE_INVALID_ARGUMENT, "%s is present, but %s is not", t.out_name, t.in_name);
    const bool in_place = IsSameView(*t.in, *t.out);
    SIMDROPE_TRY(CheckTensor(t.in_name, *t.in, in_place));
    if (first == nullptr) first = &t;
    if (first != &t) SIMDROPE_TRY(CheckSameSizes(first->in_name, *first->in, t.in_name, *t.in, false));
    if (!IsPresent(*t.out)) {
      if (!t.rotated) continue;
      return Fail(SIMDROPE_INVALID_ARGUMENT, "%s is present, but %s is not", t.in_name, t.out_name);
    }
    if (!in_place) SIMDROPE_TRY(CheckTensor(t.out_name, *t.out, true));
    SIMDROPE_TRY(CheckSameSizes(t.in_name, *t.in, t.out_name, *t.out, true));
  }
  if (!IsPresent(*all[0].in) && !IsPresent(*all[1].in)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "neither q nor k is present (both have 0 heads)");
  }
  *shape = first->in;
  return SIMDROPE_OK;
}

// That no output overlaps another one, or an input that is not itself.
simdrope_status CheckOverlap(const NamedTensor (&all)[3]) {
  for (const NamedTensor& o : all) {
    if (!IsPresent(*o.out)) continue;
    for (const NamedTensor& i : all) {
      if (&i > &o && IsPresent(*i.out)) SIMDROPE_TRY(CheckDisjoint(o.out_name, *o.out, i.out_name, *i.out));
      // In place, the output stood for the input.
      if (IsPresent(*i.in) && !(IsPresent(*i.out) && IsSameView(*i.in, *i.out))) {
        SIMDROPE_TRY(CheckDisjoint(i.in_name, *i.in, o.out_name, *o.out));
      }
    }
  }
  return SIMDROPE_OK;
}

simdrope_status CheckTensors(const simdrope_qkv& in, const simdrope_qkv& out, const simdrope_tensor** shape) {
  const NamedTensor all[3] = {{"in.q", "out.q", in.q, out.q, true},
                              {"in.k", "out.k", in.k, out.k, true},
                              {"in.v", "out.v", in.v, out.v, false}};
  SIMDROPE_TRY(CheckShapes(all, shape));
  return CheckOverlap(all);
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
  const simdrope_tensor* shape = nullptr;
  SIMDROPE_TRY(CheckTensors(in, out, &shape));
  Window window;
  SIMDROPE_TRY(FindWindow(cos_sin, shape->head_dim, &window));
  simdrope_pairing output_pairing = window.pairing;
  SIMDROPE_TRY(FindOutputPairing(options, window, &output_pairing));
  const RowSource rows(*kernels, cos_sin, window, output_pairing);
  SIMDROPE_TRY(rows.Check(shape->batch, shape->seq));
  const float magnitude = cos_sin.rope == nullptr ? cos_sin.magnitude : 1.0f;
  Apply(*kernels, ApplyCall{in, out, window, output_pairing, rows, magnitude, options});
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

simdrope_status simdrope_rotate_half(const simdrope_tensor* in, const simdrope_tensor* out, simdrope_pairing pairing) {
  SIMDROPE_TRY(CheckPointer("in", in));
  SIMDROPE_TRY(CheckPointer("out", out));
  SIMDROPE_TRY(CheckTensor("in", *in, false));
  SIMDROPE_TRY(CheckTensor("out", *out, true));
  SIMDROPE_TRY(CheckSameSizes("in", *in, "out", *out, true));
  if (!IsSameView(*in, *out)) SIMDROPE_TRY(CheckDisjoint("in", *in, "out", *out));
  Window window;
  SIMDROPE_TRY(MakeWindow(in->head_dim, 0, 0, 0, pairing, &window));
  RotateHalf(*in, *out, pairing);
  return SIMDROPE_OK;
}

simdrope_status simdrope_compute_cos_sin(const simdrope_rope* rope, const simdrope_positions* positions, int64_t batch,
                                         int64_t seq, const simdrope_cos_sin* rows, const simdrope_options* options) {
  SIMDROPE_TRY(CheckPointer("rope", rope));
  SIMDROPE_TRY(CheckPointer("positions", positions));
  SIMDROPE_TRY(CheckPointer("rows", rows));
  return ComputeCosSin(*rope, *positions, batch, seq, *rows, options != nullptr ? *options : kDefaultOptions);
}
