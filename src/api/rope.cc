// The Rope handle.
#include "angle/rope.h"

#include "core/status.h"

using namespace simdrope::impl;

simdrope_status simdrope_rope_create(const simdrope_config* config, simdrope_rope** rope) {
  if (config == nullptr || rope == nullptr) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s is NULL", config == nullptr ? "config" : "rope");
  }
  std::unique_ptr<simdrope_rope> made;
  SIMDROPE_TRY(MakeRope(*config, &made));
  *rope = made.release();
  return SIMDROPE_OK;
}

void simdrope_rope_retain(simdrope_rope* rope) { rope->references.fetch_add(1, std::memory_order_relaxed); }

void simdrope_rope_release(simdrope_rope* rope) {
  if (rope != nullptr && rope->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete rope;
}

void simdrope_rope_describe(const simdrope_rope* rope, simdrope_rope_info* info) {
  const Window& w = rope->window;
  *info = {rope->head_dim,  w.rotary_dim,           w.offset,
           w.split,         w.pairs(),              rope->axes,
           w.pairing,       rope->theta,            rope->attention_factor,
           rope->inv_freq.get(), rope->pair_axis.get(), rope->has_xpos(),
           rope->has_temperature()};
}
