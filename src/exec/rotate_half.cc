#include "exec/rotate_half.h"

#include "core/half.h"

namespace simdrope::impl {
namespace {

template <class In, class Out>
void RotateHead(const In* in, Out* out, int64_t pairs, simdrope_pairing pairing) {
  for (int64_t i = 0; i < pairs; ++i) {
    const int64_t first = pairing == SIMDROPE_HALF ? i : 2 * i;
    const int64_t second = pairing == SIMDROPE_HALF ? i + pairs : 2 * i + 1;
    const float x = ToFloat(in[first]);
    const float y = ToFloat(in[second]);
    out[first] = FromFloat<Out>(-y);
    out[second] = FromFloat<Out>(x);
  }
}

template <class In, class Out>
void RotateAll(const simdrope_tensor& in, const simdrope_tensor& out, simdrope_pairing pairing) {
  for (int64_t b = 0; b < in.batch; ++b) {
    for (int64_t s = 0; s < in.seq; ++s) {
      for (int64_t h = 0; h < in.heads; ++h) {
        RotateHead(static_cast<const In*>(in.data) + b * in.batch_stride + s * in.seq_stride + h * in.head_stride,
                   static_cast<Out*>(out.data) + b * out.batch_stride + s * out.seq_stride + h * out.head_stride,
                   in.head_dim / 2, pairing);
      }
    }
  }
}

template <class In>
void RotateFrom(const simdrope_tensor& in, const simdrope_tensor& out, simdrope_pairing pairing) {
  switch (out.format) {
    case SIMDROPE_F32: return RotateAll<In, float>(in, out, pairing);
    case SIMDROPE_F16: return RotateAll<In, F16>(in, out, pairing);
    default: return RotateAll<In, Bf16>(in, out, pairing);
  }
}

}  // namespace

void RotateHalf(const simdrope_tensor& in, const simdrope_tensor& out, simdrope_pairing pairing) {
  switch (in.format) {
    case SIMDROPE_F32: return RotateFrom<float>(in, out, pairing);
    case SIMDROPE_F16: return RotateFrom<F16>(in, out, pairing);
    default: return RotateFrom<Bf16>(in, out, pairing);
  }
}

}  // namespace simdrope::impl
