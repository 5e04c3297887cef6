// The rotation as a plain loop over pairs, compiled several times: each build is a namespace of its own.
#ifndef SIMDROPE_BENCH_IMPLEMENTATIONS_PLAIN_LOOP_H_
#define SIMDROPE_BENCH_IMPLEMENTATIONS_PLAIN_LOOP_H_

#include <stddef.h>
#include <stdint.h>

namespace simdrope::bench {

// Strides, sizes and the window in elements. Tokens and heads are half-open ranges. format: as
// simdrope_format. cos and sin are [tokens][rotary_dim / 2].
struct PlainLoop {
  const void* in;
  void* out;
  int format;
  bool interleaved;
  int64_t first_token, last_token;
  int64_t first_head, last_head;
  int64_t token_stride, head_stride;
  int64_t head_dim, rotary_dim, rotary_offset;
  const float* cos;
  const float* sin;
};

// What one build of the loop offers.
struct PlainLoopBuild {
  void (*rotate)(const PlainLoop&);
  bool has_f16;  // whether its compiler has a 16-bit float on its target
  const char* compiler;
};

namespace loop_scalar {
PlainLoopBuild Build();
}
namespace loop_gcc {
PlainLoopBuild Build();
}
namespace loop_clang {
PlainLoopBuild Build();
}

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_IMPLEMENTATIONS_PLAIN_LOOP_H_
