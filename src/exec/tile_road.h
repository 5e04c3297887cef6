// The tile road: some heads of one token, by way of tiles of floats, through the stages of their operand.
#ifndef SIMDROPE_EXEC_TILE_ROAD_H_
#define SIMDROPE_EXEC_TILE_ROAD_H_

#include "exec/norm_rows.h"
#include "exec/plan.h"

namespace simdrope::impl {

// Heads [begin, end) of a token: where head 0 is read and written, and its scales.
struct HeadsOfToken {
  const char* in;
  char* out;
  const float* in_scale;
  const float* in_zero_point;
  float* out_scale;
  float* out_zero_point;
  int64_t begin, end;
};

// cos and sin: the token's row, NULL where it is not rotated. `scale` multiplies all elements; where the operand folds
// it, it is in cos and sin already. A norm over all heads needs all of them. `norm_rows` has begun with the operand.
void RunTile(const Plan& plan, const Operand& o, const HeadsOfToken& token, const float* cos, const float* sin,
             float scale, NormRows* norm_rows);

// Only a segment of the heads, in one float format, times `scale`.
void ScaleSegment(const Plan& plan, const Operand& o, const HeadsOfToken& token, Segment segment, float scale);

}  // namespace simdrope::impl

#endif  // SIMDROPE_EXEC_TILE_ROAD_H_
