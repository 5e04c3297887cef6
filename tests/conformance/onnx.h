// ONNX's RotaryEmbedding and ONNX Runtime's RotaryEmbedding and MRotaryEmbedding, said in simdrope's
// terms: what an engine that has such a node would write.
#ifndef SIMDROPE_TESTS_CONFORMANCE_ONNX_H_
#define SIMDROPE_TESTS_CONFORMANCE_ONNX_H_

#include <optional>
#include <simdrope/simdrope.hpp>

#include "case.h"

namespace conformance {

struct OnnxRotary {
  // Attributes.
  bool interleaved = false;
  int64_t num_heads = 0;   // 0: not given
  int64_t rotary_dim = 0;  // 0: the whole head
  float scale = 1;
  std::vector<int64_t> sections;  // MRotaryEmbedding: pairs on T, H and W
  bool interleaved_sections = false;
  // Not ONNX: [batch, seq, heads, head_dim] instead of [batch, heads, seq, head_dim] for rank 4.
  bool seq_before_heads = false;
  simdrope_out_of_range out_of_range = SIMDROPE_REJECT;

  // Inputs. Tables are [rows, width], or [batch, seq, width] without position_ids; position_ids are
  // [1] (a first position), [batch, seq] or [3, batch, seq].
  Array input;
  Array cos;
  Array sin;
  std::optional<Array> position_ids;
  Format in = simdrope::f32;  // of input, cos and sin
  Format out = simdrope::f32;

  // The output's values.
  simdrope::Result<std::vector<double>> Run() const;
};

// With the case's attributes and arrays.
OnnxRotary OnnxOf(const Case& c);

}  // namespace conformance

#endif  // SIMDROPE_TESTS_CONFORMANCE_ONNX_H_
