// Every check of an argument. Each fails with a message that names the argument and its values; all of them come before
// the first byte is written.
#ifndef SIMDROPE_API_CHECKS_H_
#define SIMDROPE_API_CHECKS_H_

#include <simdrope/simdrope.h>

#include "core/config.h"
#include "core/status.h"
#include "exec/plan.h"

namespace simdrope::impl {

simdrope_status CheckPointer(const char* name, const void* pointer);

template <size_t n>
simdrope_status CheckReserved(const char* name, const uint64_t (&reserved)[n]) {
  uint64_t set = 0;
  for (const uint64_t word : reserved) set |= word;
  if (set == 0) return SIMDROPE_OK;
  return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.reserved is not zero: start from its *_INIT, of this version's header",
              name);
}

// F32, F16 or BF16.
simdrope_status CheckFloatFormat(const char* name, simdrope_format format);

// Sizes not negative, data where there are elements, no address or count overflows; scales and slots complete. Of an
// output, also that no two of its elements share an address.
simdrope_status CheckTensor(const char* name, const simdrope_tensor& t, bool is_output);

// Of all operands: which are there, and that sizes agree. *shape is one whose tokens positions speak of: Q, if present.
simdrope_status CheckOperands(const simdrope_qkv& in, const simdrope_qkv& out, bool has_key_positions,
                              const simdrope_tensor** shape);

// That no output overlaps another one or itself, or an input that is not itself, or a table of cos_sin (which may be
// NULL): as far as bounds and common strides tell; for up to 256 heads exactly.
simdrope_status CheckOverlap(const simdrope_cos_sin* cos_sin, const simdrope_qkv& in, const simdrope_qkv& out);

// That nothing which is computed into the first `rows` rows lies on anything else of it, as CheckOverlap tells it.
// Tables have passed CheckTable.
simdrope_status CheckDestinations(const simdrope_cos_sin_output& output, int64_t rows, int32_t pairs);

// That a and b have the same batch, head_dim and, where they are asked for, seq and heads; with slots, those of the
// step.
simdrope_status CheckSameTokens(const char* a_name, const simdrope_tensor& a, const char* b_name,
                                const simdrope_tensor& b, bool same_seq, bool same_heads);

// That two checked tensors share no byte.
simdrope_status CheckDisjoint(const char* a_name, const simdrope_tensor& a, const char* b_name,
                              const simdrope_tensor& b);

// What options are where none are given.
inline constexpr simdrope_options kDefaultOptions = SIMDROPE_OPTIONS_INIT;

simdrope_status CheckOptions(const simdrope_options& options, int64_t head_dim);
simdrope_status CheckThreads(const simdrope_options& options);
simdrope_status CheckSlice(int64_t slice_index, int64_t slice_count);

// The sizes and pointers of `p` fit `batch` sequences of `seq` tokens; cu_seqlens is in order; no
// sum of start, offset and id overflows; real ids are finite.
simdrope_status CheckPositions(const simdrope_positions& p, int64_t batch, int64_t seq);

// That `rope` can turn by `positions` in its precision, and that what it gives queries, or keys, there is finite.
simdrope_status CheckReach(const simdrope_rope& rope, const simdrope_positions& positions, int64_t batch, int64_t seq,
                           bool queries, bool keys);

// That `table` is well-formed and serves `pairs` pairs and `batch` entries.
// full_width: its columns are those of elements, not of pairs.
simdrope_status CheckTable(const char* name, const simdrope_table& table, int32_t pairs, int64_t batch,
                           bool full_width);

// That the source is complete, and its tables serve `pairs` pairs and `batch` entries.
simdrope_status CheckSource(const simdrope_cos_sin& cos_sin, int32_t pairs, int64_t batch);

// What may change between the runs of a plan: positions, rows of the table, slots.
simdrope_status CheckRun(const Plan& plan, const simdrope_run& run);

}  // namespace simdrope::impl

#endif  // SIMDROPE_API_CHECKS_H_
