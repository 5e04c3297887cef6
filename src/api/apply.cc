// simdrope_apply and simdrope_compute_cos_sin: check everything, then call.
#include "exec/apply.h"

#include <cmath>

#include "angle/rope.h"
#include "core/status.h"
#include "core/tensor.h"
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

// One of Q, K and V, of what is read and of what is written.
struct Part {
  const char* in_name;
  const char* out_name;
  simdrope_tensor simdrope_qkv::*tensor;
  bool rotated;
};

constexpr Part kParts[] = {{"in.q", "out.q", &simdrope_qkv::q, true},
                           {"in.k", "out.k", &simdrope_qkv::k, true},
                           {"in.v", "out.v", &simdrope_qkv::v, false}};

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
simdrope_status CheckShapes(const simdrope_qkv& in_qkv, const simdrope_qkv& out_qkv, const simdrope_tensor** shape) {
  const char* first_name = nullptr;
  *shape = nullptr;
  for (const Part& part : kParts) {
    const simdrope_tensor &in = in_qkv.*part.tensor, &out = out_qkv.*part.tensor;
    if (!IsPresent(in) && !IsPresent(out)) continue;
    if (!IsPresent(in)) {
      return Fail(SIMDROPE_INVALID_ARGUMENT, "%s is present, but %s is not", part.out_name, part.in_name);
    }
    const bool in_place = IsSameView(in, out);
    SIMDROPE_TRY(CheckTensor(part.in_name, in, in_place));
    if (*shape == nullptr) {
      *shape = &in;
      first_name = part.in_name;
    } else {
      SIMDROPE_TRY(CheckSameSizes(first_name, **shape, part.in_name, in, false));
    }
    if (!IsPresent(out)) {
      if (!part.rotated) continue;
      return Fail(SIMDROPE_INVALID_ARGUMENT, "%s is present, but %s is not", part.in_name, part.out_name);
    }
    if (!in_place) SIMDROPE_TRY(CheckTensor(part.out_name, out, true));
    SIMDROPE_TRY(CheckSameSizes(part.in_name, in, part.out_name, out, true));
  }
  if (!IsPresent(in_qkv.q) && !IsPresent(in_qkv.k)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "neither q nor k is present (both have 0 heads)");
  }
  return SIMDROPE_OK;
}

// That no output overlaps another one, or an input that is not itself.
simdrope_status CheckOverlap(const simdrope_qkv& in_qkv, const simdrope_qkv& out_qkv) {
  for (const Part& o : kParts) {
    const simdrope_tensor& written = out_qkv.*o.tensor;
    if (!IsPresent(written)) continue;
    for (const Part& i : kParts) {
      const simdrope_tensor &in = in_qkv.*i.tensor, &out = out_qkv.*i.tensor;
      if (&i > &o && IsPresent(out)) SIMDROPE_TRY(CheckDisjoint(o.out_name, written, i.out_name, out));
      // In place, the output stood for the input.
      if (IsPresent(in) && !(IsPresent(out) && IsSameView(in, out))) {
        SIMDROPE_TRY(CheckDisjoint(i.in_name, in, o.out_name, written));
      }
    }
  }
  return SIMDROPE_OK;
}

simdrope_status FindWindow(const simdrope_cos_sin& cos_sin, int64_t head_dim, Window* window) {
  if (cos_sin.source < SIMDROPE_STREAMED || cos_sin.source > SIMDROPE_TABLE) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "cos_sin.source = %d is none of the simdrope_cos_sin_source",
                static_cast<int>(cos_sin.source));
  }
  if (cos_sin.source == SIMDROPE_TABLE) {
    return MakeWindow(head_dim, cos_sin.rotary_dim, cos_sin.rotary_offset, cos_sin.split, cos_sin.pairing, window);
  }
  SIMDROPE_TRY(CheckPointer("cos_sin.rope", cos_sin.rope));
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
  if (!std::isfinite(options.q.scale)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "options.q.scale = %g must be finite", static_cast<double>(options.q.scale));
  }
  return CheckThreads(options);
}

simdrope_status ApplyChecked(const simdrope_cos_sin& cos_sin, const simdrope_qkv& in, const simdrope_qkv& out,
                             const simdrope_options& options) {
  const Kernels* kernels;
  SIMDROPE_TRY(FindKernels(&kernels));
  SIMDROPE_TRY(CheckOptions(options));
  const simdrope_tensor* shape = nullptr;
  SIMDROPE_TRY(CheckShapes(in, out, &shape));
  SIMDROPE_TRY(CheckOverlap(in, out));
  Window window;
  SIMDROPE_TRY(FindWindow(cos_sin, shape->head_dim, &window));
  simdrope_pairing output_pairing = window.pairing;
  SIMDROPE_TRY(FindOutputPairing(options, window, &output_pairing));
  const RowSource rows(*kernels, cos_sin, window, output_pairing);
  SIMDROPE_TRY(rows.Check(shape->batch, shape->seq));
  const float magnitude = cos_sin.source == SIMDROPE_TABLE ? cos_sin.magnitude : 1.0f;
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
                                         int64_t seq, const simdrope_cos_sin_output* output,
                                         const simdrope_options* options) {
  SIMDROPE_TRY(CheckPointer("rope", rope));
  SIMDROPE_TRY(CheckPointer("positions", positions));
  SIMDROPE_TRY(CheckPointer("output", output));
  return ComputeCosSin(*rope, *positions, batch, seq, *output, options != nullptr ? *options : kDefaultOptions);
}
