// The compiled form of a Config behind the C handle. Immutable but for its reference count.
#ifndef SIMDROPE_ANGLE_ROPE_H_
#define SIMDROPE_ANGLE_ROPE_H_

#include <simdrope/simdrope.h>

#include <atomic>
#include <memory>

#include "core/config.h"

struct simdrope_rope {
  std::atomic<int> references{1};
  simdrope::impl::Window window;
  int32_t head_dim = 0;
  int32_t axes = 1;
  simdrope_precision precision = SIMDROPE_PRECISION_EXACT;
  double theta = 0;
  double attention_factor = 1;
  double xpos_center = 0;
  double xpos_scale_base = 0;  // 0: no XPos
  simdrope_temperature temperature{};
  double query_log_length = 0;
  uint64_t fingerprint = 0;  // of the Config; 0: of none (a re-rotation)

  int32_t summed_axes = 1;  // whose angles are added up (SUM)

  // [pairs] each; [summed_axes][pairs] of inv_freq, phase_step and phase_rest.
  std::unique_ptr<double[]> inv_freq;       // radians per position
  std::unique_ptr<uint64_t[]> phase_step;   // EXACT: units of 2^-64 turn
  std::unique_ptr<double[]> phase_rest;     // EXACT: what phase_step's rounding left out
  std::unique_ptr<float[]> float_inv_freq;  // other precisions: rounded as they say
  std::unique_ptr<uint8_t[]> pair_axis;
  std::unique_ptr<double[]> log2_zeta;       // XPos only
  std::unique_ptr<uint16_t[]> element_pair;  // full width only: [2][pairs], as simdrope_rope_info says

  bool has_xpos() const { return xpos_scale_base != 0; }
  bool has_temperature() const { return temperature.beta != 0 || query_log_length != 0; }
};

namespace simdrope::impl {

simdrope_status MakeRope(const simdrope_config& config, std::unique_ptr<simdrope_rope>* rope);

// simdrope_rope_create_rerotation; `from` may be NULL.
simdrope_status MakeRerotation(const simdrope_rope* from, const simdrope_rope& to, uint64_t fingerprint,
                               std::unique_ptr<simdrope_rope>* rope);

// simdrope_get_rope: *rope holds a reference.
simdrope_status GetSharedRope(const simdrope_config& config, simdrope_rope** rope);

void Retain(simdrope_rope* rope);   // NULL is allowed
void Release(simdrope_rope* rope);  // NULL is allowed

// The factor on Q of a token at `position` (of the first axis). Only with temperature.
double QueryScale(const simdrope_rope& rope, double position);

}  // namespace simdrope::impl

#endif  // SIMDROPE_ANGLE_ROPE_H_
