// The Rope handle.
#include "angle/rope.h"

#include "core/status.h"

using namespace simdrope::impl;

namespace {

simdrope_status CheckPointers(const void* input, const char* input_name, simdrope_rope** rope) {
  if (input != nullptr && rope != nullptr) return SIMDROPE_OK;
  return Fail(SIMDROPE_INVALID_ARGUMENT, "%s is NULL", input == nullptr ? input_name : "rope");
}

}  // namespace

simdrope_status simdrope_rope_create(const simdrope_config* config, simdrope_rope** rope) {
  SIMDROPE_TRY(CheckPointers(config, "config", rope));
  std::unique_ptr<simdrope_rope> made;
  SIMDROPE_TRY(MakeRope(*config, &made));
  *rope = made.release();
  return SIMDROPE_OK;
}

simdrope_status simdrope_get_rope(const simdrope_config* config, simdrope_rope** rope) {
  SIMDROPE_TRY(CheckPointers(config, "config", rope));
  return GetSharedRope(*config, rope);
}

simdrope_status simdrope_rope_create_rerotation(const simdrope_rope* from, const simdrope_rope* to,
                                                uint64_t fingerprint, simdrope_rope** rope) {
  SIMDROPE_TRY(CheckPointers(to, "to", rope));
  std::unique_ptr<simdrope_rope> made;
  SIMDROPE_TRY(MakeRerotation(from, *to, fingerprint, &made));
  *rope = made.release();
  return SIMDROPE_OK;
}

void simdrope_rope_retain(simdrope_rope* rope) { Retain(rope); }

void simdrope_rope_release(simdrope_rope* rope) { Release(rope); }

void simdrope_rope_describe(const simdrope_rope* rope, simdrope_rope_info* info) {
  if (info == nullptr) return;
  *info = simdrope_rope_info{};
  if (rope == nullptr) return;
  const Window& w = rope->window;
  info->head_dim = rope->head_dim;
  info->rotary_dim = w.rotary_dim;
  info->rotary_offset = w.offset;
  info->split = w.split;
  info->pairs = w.pairs();
  info->axes = rope->axes;
  info->pairing = w.pairing;
  info->theta = rope->theta;
  info->attention_factor = rope->attention_factor;
  info->inv_freq = rope->inv_freq.get();
  info->pair_axis = rope->pair_axis.get();
  info->distinct_keys = rope->has_xpos();
  info->scales_queries = rope->has_temperature();
  info->sums_axes = rope->summed_axes > 1;
  info->pairs_in_sections = w.blocks > 1;
  info->element_pair = rope->element_pair.get();
}

uint64_t simdrope_rope_fingerprint(const simdrope_rope* rope) { return rope != nullptr ? rope->fingerprint : 0; }
