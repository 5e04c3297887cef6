// A checked call of apply, ready to run: strides in bytes, kernels chosen, what differs between runs left to a
// simdrope_run.
#ifndef SIMDROPE_EXEC_PLAN_H_
#define SIMDROPE_EXEC_PLAN_H_

#include <simdrope/simdrope.h>

#include "core/config.h"
#include "kernels/kernels.h"

namespace simdrope::impl {

enum class Side { kQuery, kKey };

// How an operand gets from its input to its output.
enum class Road {
  kNothing,   // it is where it should be
  kCopy,      // bytes
  kStraight,  // rotated in registers, one format and pairing
  kTile,      // everything else: by way of a tile of floats
};

// Where an operand is read or written. Tokens are addressed by (b, s) of the plan's own batch and seq; with slots, by
// the cache's entry and row.
struct Storage {
  simdrope_format format;
  ptrdiff_t batch, token, head;  // strides in bytes
  simdrope_scales scales;        // strides, 0 where the format has none; the pointers are the run's
  bool computes_scale;
  simdrope_slots slots;  // only the source is set where there are none
  int64_t slot_rows;     // of a cache entry
  int64_t slot_count;    // of the cache
};

// Consecutive elements of a head.
struct Segment {
  int32_t begin;
  int32_t count;
};

struct Operand {
  simdrope_operand simdrope_run::*pointers;
  const char* name;  // "q", "k", "v"
  Side side;
  Road road;
  bool rotates;
  bool in_place;
  int64_t heads;
  Storage in;
  Storage out;
  simdrope_stages stages;
  bool folds_scale;  // the row of cos and sin is scaled, and what lies outside the window apart from it
  // Straight road:
  bool token_major;     // the heads of a token lie closer together than the tokens of a head
  bool canonical_nans;  // rows from the caller: StraightCall's condition on NaN
  StraightFunction rotate;
  StraightCall call;   // of one token, without pointers
  Segment outside[3];  // elements of a head outside the window
  int outside_count;
};

struct Plan {
  const Kernels* kernels;
  int32_t head_dim;
  Window window;
  simdrope_pairing output_pairing;
  const simdrope_cos_sin* cos_sin;  // outlives the plan
  bool inverse;
  float magnitude;     // multiplies cos and sin
  int64_t row_heads;   // rows of a token: of so many heads, or groups of heads
  int64_t batch, seq;  // the caller's
  bool swapped;        // one token a sequence (decoding): the batch is walked as the tokens of one sequence
  Operand operands[3];
  int count;
  int64_t heads;      // of all operands
  bool whole_tokens;  // a token may not be cut between parts
  bool non_temporal;  // some operand is stored so
  int64_t bytes;      // read and written
  int threads;

  int64_t tokens() const { return batch * seq; }
};

// Whether an operand is normalised or transformed.
inline bool HasStages(const simdrope_stages& stages) {
  return stages.norm.type != SIMDROPE_NORM_NONE || (stages.input_hadamard | stages.hadamard) != 0;
}

// How many rows each token has: 1, but for tables that have rows for heads.
inline int64_t RowHeads(const simdrope_cos_sin& cos_sin) {
  return cos_sin.source == SIMDROPE_STREAMED || cos_sin.table.heads < 2 ? 1 : cos_sin.table.heads;
}

// Of checked arguments: `options` and `cos_sin` (NULL where nothing is rotated) fit `in` and `out`, whose present
// operands all have batch x seq tokens.
void MakePlan(const Kernels& kernels, const simdrope_cos_sin* cos_sin, const Window& window,
              simdrope_pairing output_pairing, const simdrope_qkv& in, const simdrope_qkv& out,
              const simdrope_options& options, int64_t batch, int64_t seq, Plan* plan);

// The pointers that `cos_sin`, `in` and `out` had.
void PointersOf(const simdrope_cos_sin* cos_sin, const simdrope_qkv& in, const simdrope_qkv& out,
                const simdrope_options& options, simdrope_run* run);

// `positions` of a plan with the pointers of a run.
simdrope_positions PositionsOf(const simdrope_positions& planned, const simdrope_run& run);

// The tokens of `t`'s operand: its own batch and seq, or those of its slots.
inline int64_t BatchOf(const simdrope_tensor& t) {
  return t.slots.source == SIMDROPE_SLOTS_NONE ? t.batch : t.slots.batch;
}
inline int64_t SeqOf(const simdrope_tensor& t) { return t.slots.source == SIMDROPE_SLOTS_NONE ? t.seq : t.slots.seq; }

// Runs a checked plan with checked pointers.
void RunPlan(const Plan& plan, const simdrope_run& run);

}  // namespace simdrope::impl

#endif  // SIMDROPE_EXEC_PLAN_H_
