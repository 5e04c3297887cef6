// simdrope in ggml's CPU graphs, in C99 or C++17. Needs ggml's public headers alone; ggml's CPU backend runs the custom
// ops that this adds. Other backends cannot run them.
//
//   struct ggml_tensor * q = simdrope_ggml_rope_ext(ctx, a, b, c, n_dims, mode, ...);  // in place of ggml_rope_ext
//   struct ggml_tensor * k = simdrope_ggml_fuse(ctx, ggml_set_rows(ctx, cache, ggml_reshape_2d(ctx,
//       ggml_rope_ext(ctx, ggml_mul(ctx, ggml_rms_norm(ctx, a, eps), w), b, c, ...), ...), rows));
//
// Every function gives ggml's own node back where simdrope cannot do it (heads wider than SIMDROPE_MAX_HEAD_DIM, say).
// A Rope is made the first time that its parameters are met: when the graph is built or, where freq factors belong to
// them, when it first runs. After that a graph that runs allocates nothing. Ropes are kept until
// simdrope_ggml_release_ropes().
#ifndef SIMDROPE_GGML_H_
#define SIMDROPE_GGML_H_

#include <ggml.h>
#include <math.h>
#include <simdrope/simdrope.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
#include <atomic>
#endif

// ---------------------------------------------------------------------------- Config

// A Config and the lists it points to: not to be copied.
typedef struct simdrope_ggml_config {
  simdrope_config config;
  double inv_freq[SIMDROPE_MAX_PAIRS];
  uint8_t pair_axis[SIMDROPE_MAX_PAIRS];
  char message[160];  // what is wrong, where a call failed
} simdrope_ggml_config;

// The Config of a GGML_OP_ROPE or GGML_OP_ROPE_BACK node: ne0 of its input, its op_params, and the `count` values of
// its freq factors (NULL, 0: none). All modes, offsets, sections that do not add up to the pairs, any ext_factor,
// attn_factor 0, n_ctx_orig 0.
static inline simdrope_status simdrope_config_from_ggml(simdrope_ggml_config* to, int64_t ne0,
                                                        const int32_t op_params[16], const float* freq_factors,
                                                        int64_t count) {
  enum { MULTI = 8, VISION = 24, IMROPE = 40 };  // ggml's GGML_ROPE_TYPE_*, which older headers have in part
  const int n_dims = op_params[1], mode = op_params[2], n_ctx_orig = op_params[4], offset = op_params[15];
  const int32_t* const sections = op_params + 11;
  float f[6];  // freq_base, freq_scale, ext_factor, attn_factor, beta_fast, beta_slow
  memcpy(f, op_params + 5, sizeof(f));
  const double base = f[0], freq_scale = f[1], ext_factor = f[2];
  const int vision = mode == VISION, multi = (mode & MULTI) != 0;
  const int64_t width = vision ? ne0 : n_dims;
  const int64_t pairs = width / 2;

  simdrope_config_init(&to->config);
  to->message[0] = '\0';
  if (ne0 < 2 || ne0 > SIMDROPE_MAX_HEAD_DIM) {
    snprintf(to->message, sizeof(to->message), "ne0 is %lld, wanted 2 to %d", (long long)ne0, SIMDROPE_MAX_HEAD_DIM);
    return ne0 < 2 ? SIMDROPE_INVALID_ARGUMENT : SIMDROPE_UNSUPPORTED;
  }
  if (mode != 0 && mode != 2 && mode != MULTI && mode != VISION && mode != IMROPE) {
    snprintf(to->message, sizeof(to->message), "mode is %d, wanted 0, 2, 8, 24 or 40", mode);
    return SIMDROPE_INVALID_ARGUMENT;
  }
  if (n_dims < 2 || n_dims % 2 != 0 || offset < 0 || (int64_t)n_dims + offset > ne0 ||
      (vision && ((int64_t)n_dims * 2 != ne0 || offset != 0))) {
    snprintf(to->message, sizeof(to->message), "n_dims is %d and the offset %d in heads of %lld, mode %d", n_dims,
             offset, (long long)ne0, mode);
    return SIMDROPE_INVALID_ARGUMENT;
  }
  int64_t sum = 0;
  for (int a = 0; a < 4; ++a) {
    if (multi && sections[a] < 0) sum = INT32_MIN;
    sum += sections[a];
  }
  if (multi && sum <= 0) {
    snprintf(to->message, sizeof(to->message), "sections are %d, %d, %d, %d", (int)sections[0], (int)sections[1],
             (int)sections[2], (int)sections[3]);
    return SIMDROPE_INVALID_ARGUMENT;
  }
  if (freq_factors != NULL && count < pairs) {
    snprintf(to->message, sizeof(to->message), "%lld freq factors for %lld pairs", (long long)count, (long long)pairs);
    return SIMDROPE_INVALID_ARGUMENT;
  }

  // The pairs between which YaRN goes over from extrapolation to interpolation.
  double low = 0, high = 0;
  if (ext_factor != 0) {
    low = floor(n_dims * log(n_ctx_orig / (f[4] * 6.283185307179586)) / (2 * log(base)));
    high = ceil(n_dims * log(n_ctx_orig / (f[5] * 6.283185307179586)) / (2 * log(base)));
    if (low < 0) low = 0;
    if (high > n_dims - 1) high = n_dims - 1;
  }
  int exponent[4] = {0, 0, 0, 0};  // of the next pair of each axis; VISION counts anew in each section
  const int64_t ends[4] = {sections[0], (int64_t)sections[0] + sections[1],
                           (int64_t)sections[0] + sections[1] + sections[2], sum};
  for (int64_t i = 0; i < pairs; ++i) {
    int axis = 0;
    if (multi) {
      const int64_t sector = i % sum;
      if (vision) {
        if (sector == 0) {
          exponent[0] = 0;
        } else {
          for (int a = 0; a < 3; ++a) {
            if (sector == ends[a]) {
              exponent[a + 1] = 0;
              break;
            }
          }
        }
      }
      if (mode == IMROPE) {
        axis = sector < 3 * (int64_t)sections[sector % 3] ? (int)(sector % 3) : 3;
      } else {
        while (axis < 3 && sector >= ends[axis]) ++axis;
      }
    }
    const double factor = freq_factors != NULL ? (double)freq_factors[i] : 1;
    const double full = pow(base, -2.0 * exponent[axis] / n_dims) / factor;
    double kept = 0;
    if (ext_factor != 0) {
      double y = ((double)i - low) / (high - low > 0.001 ? high - low : 0.001);
      y = y < 0 ? 0 : y > 1 ? 1 : y;
      kept = ext_factor * (1 - y);
    }
    to->inv_freq[i] = full * (freq_scale * (1 - kept) + kept);
    to->pair_axis[i] = (uint8_t)axis;
    for (int a = 0; a < 4; ++a) ++exponent[a];
  }

  simdrope_config* config = &to->config;
  config->head_dim = (int32_t)ne0;
  config->rotary_dim = (int32_t)width;
  config->rotary_offset = offset;
  config->pairing = mode == 0 ? SIMDROPE_INTERLEAVED : SIMDROPE_HALF;
  config->scaling.type = SIMDROPE_SCALING_EXPLICIT;
  config->scaling.factor_count = (int32_t)pairs;
  config->scaling.factors = to->inv_freq;
  config->scaling.attention_factor = f[3] * (ext_factor != 0 ? 1 - 0.1 * log(freq_scale) : 1);
  config->scaling.attention_factor_given = true;
  if (multi) {
    config->axes.count = 4;
    config->axes.layout = SIMDROPE_AXES_EXPLICIT;
    config->axes.pair_axis_count = (int32_t)pairs;
    config->axes.pair_axis = to->pair_axis;
  }
  return SIMDROPE_OK;
}

// ---------------------------------------------------------------------------- ropes, kept by key

// What a custom op needs beyond its tensors. Made when a graph is built, never changed, kept in a list.
typedef struct simdrope_ggml_entry {
  struct simdrope_ggml_entry* next;
  simdrope_rope* rope;  // NULL: freq factors are not known until the graph runs
  int64_t ne0;
  int32_t op_params[16];
  int64_t factors;  // values in factor, 0: none
  float factor[SIMDROPE_MAX_PAIRS];
  float eps;      // fused ops: of the norm
  int32_t steps;  // SIMDROPE_GGML_*
} simdrope_ggml_entry;

enum {
  SIMDROPE_GGML_BACK = 1,      // ROPE_BACK
  SIMDROPE_GGML_FACTORS = 2,   // the arguments end with freq factors
  SIMDROPE_GGML_NORM = 4,      // RMS_NORM first
  SIMDROPE_GGML_WEIGHT = 8,    // then MUL by a weight
  SIMDROPE_GGML_SET_ROWS = 16  // SET_ROWS last
};

#ifdef __cplusplus
inline std::atomic<simdrope_ggml_entry*> simdrope_ggml_entries{nullptr};
static inline simdrope_ggml_entry* simdrope_ggml_first(void) {
  return simdrope_ggml_entries.load(std::memory_order_acquire);
}
static inline bool simdrope_ggml_push(simdrope_ggml_entry** first, simdrope_ggml_entry* entry) {
  return simdrope_ggml_entries.compare_exchange_strong(*first, entry, std::memory_order_acq_rel);
}
static inline simdrope_ggml_entry* simdrope_ggml_take(void) {
  return simdrope_ggml_entries.exchange(nullptr, std::memory_order_acq_rel);
}
#else
static simdrope_ggml_entry* simdrope_ggml_entries;
static inline simdrope_ggml_entry* simdrope_ggml_first(void) {
  return __atomic_load_n(&simdrope_ggml_entries, __ATOMIC_ACQUIRE);
}
static inline bool simdrope_ggml_push(simdrope_ggml_entry** first, simdrope_ggml_entry* entry) {
  return __atomic_compare_exchange_n(&simdrope_ggml_entries, first, entry, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
static inline simdrope_ggml_entry* simdrope_ggml_take(void) {
  return __atomic_exchange_n(&simdrope_ggml_entries, (simdrope_ggml_entry*)NULL, __ATOMIC_ACQ_REL);
}
#endif

// No graph that holds ops of this header may run, or be built, at the same time, nor run afterwards. In C each
// translation unit has ropes of its own.
static inline void simdrope_ggml_release_ropes(void) {
  simdrope_ggml_entry* entry = simdrope_ggml_take();
  while (entry != NULL) {
    simdrope_ggml_entry* const next = entry->next;
    simdrope_rope_release(entry->rope);
    free(entry);
    entry = next;
  }
}

static inline bool simdrope_ggml_same(const simdrope_ggml_entry* a, const simdrope_ggml_entry* b) {
  return a->ne0 == b->ne0 && a->steps == b->steps && a->factors == b->factors && memcmp(&a->eps, &b->eps, 4) == 0 &&
         memcmp(a->op_params, b->op_params, sizeof(a->op_params)) == 0 &&
         memcmp(a->factor, b->factor, (size_t)a->factors * sizeof(float)) == 0;
}

// The entry kept for `key`, made if there is none; NULL where it has no Rope.
static inline const simdrope_ggml_entry* simdrope_ggml_entry_of(const simdrope_ggml_entry* key) {
  simdrope_ggml_entry* first = simdrope_ggml_first();
  for (simdrope_ggml_entry* e = first; e != NULL; e = e->next) {
    if (simdrope_ggml_same(e, key)) return e;
  }
  simdrope_ggml_entry* const entry = (simdrope_ggml_entry*)malloc(sizeof(*entry));
  simdrope_ggml_config* const config = (simdrope_ggml_config*)malloc(sizeof(*config));
  bool good = entry != NULL && config != NULL;
  if (good) {
    // Factors that come later do not change whether the parameters are good: 1 stands for them.
    memcpy(entry, key, sizeof(*entry));
    entry->rope = NULL;
    good = simdrope_config_from_ggml(config, key->ne0, key->op_params, key->factors ? key->factor : NULL,
                                     key->factors) == SIMDROPE_OK &&
           simdrope_rope_create(&config->config, &entry->rope) == SIMDROPE_OK;
  }
  if (good && (key->steps & SIMDROPE_GGML_FACTORS) != 0 && key->factors == 0) {
    simdrope_rope_release(entry->rope);
    entry->rope = NULL;
  }
  free(config);
  if (!good) {
    free(entry);
    return NULL;
  }
  entry->next = first;
  while (!simdrope_ggml_push(&first, entry)) entry->next = first;  // two of one key do no harm
  return entry;
}

// Sets the factors of a key to those of `c`.
static inline void simdrope_ggml_set_factors(simdrope_ggml_entry* key, const struct ggml_tensor* c) {
  key->factors = key->op_params[2] == 24 ? key->ne0 / 2 : key->op_params[1] / 2;
  memcpy(key->factor, c->data, (size_t)key->factors * sizeof(float));
}

// ---------------------------------------------------------------------------- running

static inline bool simdrope_ggml_format(enum ggml_type type, simdrope_format* format) {
  switch (type) {
    case GGML_TYPE_F32: *format = SIMDROPE_F32; return true;
    case GGML_TYPE_F16: *format = SIMDROPE_F16; return true;
    case GGML_TYPE_BF16: *format = SIMDROPE_BF16; return true;
    case GGML_TYPE_Q8_0: *format = SIMDROPE_Q8_0; return true;
    case GGML_TYPE_Q4_0: *format = SIMDROPE_Q4_0; return true;
    default: return false;
  }
}

// Bytes of a stride as elements.
static inline int64_t simdrope_ggml_stride(const struct ggml_tensor* t, size_t bytes) {
  return (int64_t)(bytes / ggml_type_size(t->type)) * ggml_blck_size(t->type);
}

// [head_dim, heads, tokens, batch]
static inline simdrope_tensor simdrope_ggml_tensor(const struct ggml_tensor* t) {
  simdrope_tensor tensor = SIMDROPE_TENSOR_INIT;
  simdrope_ggml_format(t->type, &tensor.format);
  tensor.data = t->data;
  tensor.head_dim = t->ne[0];
  tensor.heads = t->ne[1];
  tensor.seq = t->ne[2];
  tensor.batch = t->ne[3];
  tensor.head_stride = simdrope_ggml_stride(t, t->nb[1]);
  tensor.seq_stride = simdrope_ggml_stride(t, t->nb[2]);
  tensor.batch_stride = simdrope_ggml_stride(t, t->nb[3]);
  return tensor;
}

// src: a, positions, [weight], [row ids], [freq factors]
static inline void simdrope_ggml_run(struct ggml_tensor* dst, int ith, int nth, void* userdata) {
  const simdrope_ggml_entry* entry = (const simdrope_ggml_entry*)userdata;
  const struct ggml_tensor* const a = dst->src[0];
  const struct ggml_tensor* const b = dst->src[1];
  int argument = 2;
  simdrope_options options = SIMDROPE_OPTIONS_INIT;
  options.inverse = (entry->steps & SIMDROPE_GGML_BACK) != 0;
  options.slice_index = ith;
  options.slice_count = nth;

  simdrope_qkv in = SIMDROPE_QKV_INIT, out = SIMDROPE_QKV_INIT;
  in.q = simdrope_ggml_tensor(a);
  out.q = simdrope_ggml_tensor(dst);
  if ((entry->steps & SIMDROPE_GGML_NORM) != 0) {
    options.q.norm.type = SIMDROPE_NORM_RMS;
    options.q.norm.eps = entry->eps;
  }
  if ((entry->steps & SIMDROPE_GGML_WEIGHT) != 0) {
    const struct ggml_tensor* const weight = dst->src[argument++];
    options.q.norm.weight = weight->data;
    options.q.norm.weight_head_stride = weight->ne[1] > 1 ? simdrope_ggml_stride(weight, weight->nb[1]) : 0;
  }
  if ((entry->steps & SIMDROPE_GGML_SET_ROWS) != 0) {
    // A row of the cache is all heads of a token.
    const struct ggml_tensor* const ids = dst->src[argument++];
    out.q.head_dim = a->ne[0];
    out.q.heads = a->ne[1];
    out.q.seq = dst->ne[1];
    out.q.batch = 1;
    out.q.head_stride = a->ne[0];
    out.q.seq_stride = simdrope_ggml_stride(dst, dst->nb[1]);
    out.q.batch_stride = out.q.seq * out.q.seq_stride;
    out.q.slots.source = SIMDROPE_SLOTS_IDS;
    out.q.slots.batch = 1;
    out.q.slots.seq = a->ne[2];
    out.q.slots.ids = ids->data;
    out.q.slots.type = ids->type == GGML_TYPE_I32 ? SIMDROPE_INDEX_I32 : SIMDROPE_INDEX_I64;
  }
  if ((entry->steps & SIMDROPE_GGML_FACTORS) != 0) {
    const struct ggml_tensor* const c = dst->src[argument++];
    if (entry->rope == NULL || memcmp(entry->factor, c->data, (size_t)entry->factors * sizeof(float)) != 0) {
      simdrope_ggml_entry key = *entry;
      simdrope_ggml_set_factors(&key, c);
      entry = simdrope_ggml_entry_of(&key);
      if (entry == NULL) GGML_ABORT("simdrope: these freq factors give no frequencies: %s", simdrope_last_error());
    }
  }

  simdrope_cos_sin rows = SIMDROPE_COS_SIN_INIT;
  rows.rope = entry->rope;
  rows.positions.ids = b->data;
  rows.positions.ids_type = SIMDROPE_INDEX_I32;
  rows.positions.ids_axes = (entry->op_params[2] & 8) != 0 ? 4 : 1;
  rows.positions.ids_seq = a->ne[2];
  rows.positions.axis_stride = a->ne[2];
  if (simdrope_apply(&rows, &in, &out, &options) != SIMDROPE_OK) GGML_ABORT("simdrope: %s", simdrope_last_error());
}

// ---------------------------------------------------------------------------- building graphs

// Adds a custom op to `ctx` that does what `node` does and what it is made of:
//   ROPE or ROPE_BACK (f32 or f16), in place or not
//   ROPE(MUL(RMS_NORM(a), weight)), ROPE(RMS_NORM(a)), each followed by SET_ROWS into a cache of f32, f16, bf16, q8_0
//   or q4_0, with views or reshapes of whole tokens between.
// The nodes it stands for are not part of the graph unless something else uses them. Gives `node` back where it is none
// of these, or is beyond simdrope's limits.
static inline struct ggml_tensor* simdrope_ggml_fuse(struct ggml_context* ctx, struct ggml_tensor* node) {
  struct ggml_tensor* rope = node;
  struct ggml_tensor* cache = NULL;
  struct ggml_tensor* ids = NULL;
  struct ggml_tensor* weight = NULL;
  simdrope_format format;
  simdrope_ggml_entry key;
  memset(&key, 0, sizeof(key));

  if (node->op == GGML_OP_SET_ROWS) {
    cache = node->src[2] != NULL ? node->src[2] : node->view_src;
    ids = node->src[1];
    rope = node->src[0];
    while (rope->op == GGML_OP_VIEW || rope->op == GGML_OP_RESHAPE) {
      if (rope->view_offs != (rope->view_src != NULL ? rope->src[0]->view_offs : 0)) return node;
      rope = rope->src[0];
    }
    key.steps |= SIMDROPE_GGML_SET_ROWS;
  }
  if (rope->op == GGML_OP_ROPE_BACK) key.steps |= SIMDROPE_GGML_BACK;
  if (rope->op != GGML_OP_ROPE && rope->op != GGML_OP_ROPE_BACK) return node;
  struct ggml_tensor* const b = rope->src[1];
  struct ggml_tensor* const c = rope->src[2];
  struct ggml_tensor* a = rope->src[0];
  if (cache != NULL) {
    struct ggml_tensor* const rows = node->src[0];
    if (rope->ne[3] != 1 || rows->ne[0] != rope->ne[0] * rope->ne[1] || rows->ne[1] != rope->ne[2] ||
        rows->ne[2] != 1 || !ggml_is_contiguous(rows) || node->ne[2] != 1 || ids->nb[0] != ggml_type_size(ids->type) ||
        !simdrope_ggml_format(node->type, &format) || node->nb[1] % ggml_type_size(node->type) != 0 ||
        rope->ne[0] % ggml_blck_size(node->type) != 0) {
      return node;
    }
  }
  if (a->op == GGML_OP_MUL && a->src[0]->op == GGML_OP_RMS_NORM && a->src[1]->type == GGML_TYPE_F32 &&
      a->src[1]->ne[0] == a->ne[0] && (a->src[1]->ne[1] == 1 || a->src[1]->ne[1] == a->ne[1]) &&
      a->src[1]->ne[2] == 1 && a->src[1]->ne[3] == 1 && a->src[1]->nb[0] == sizeof(float)) {
    weight = a->src[1];
    a = a->src[0];
    key.steps |= SIMDROPE_GGML_WEIGHT;
  }
  if (a->op == GGML_OP_RMS_NORM) {
    memcpy(&key.eps, a->op_params, sizeof(float));
    a = a->src[0];
    key.steps |= SIMDROPE_GGML_NORM;
  }
  const size_t unit = ggml_type_size(a->type);
  if ((a->type != GGML_TYPE_F32 && a->type != GGML_TYPE_F16) || a->nb[0] != unit || a->nb[1] % unit != 0 ||
      a->nb[2] % unit != 0 || a->nb[3] % unit != 0) {
    return node;
  }
  key.ne0 = a->ne[0];
  memcpy(key.op_params, rope->op_params, sizeof(key.op_params));
  if (c != NULL) {
    key.steps |= SIMDROPE_GGML_FACTORS;
    const int64_t pairs = key.op_params[2] == 24 ? key.ne0 / 2 : key.op_params[1] / 2;
    if (pairs > SIMDROPE_MAX_PAIRS || c->ne[0] < pairs) return node;
  }
  const simdrope_ggml_entry* const entry = simdrope_ggml_entry_of(&key);
  if (entry == NULL) return node;

  struct ggml_tensor* arguments[5] = {a, b, NULL, NULL, NULL};
  int count = 2;
  if (weight != NULL) arguments[count++] = weight;
  if (ids != NULL) arguments[count++] = ids;
  if (c != NULL) arguments[count++] = c;
  void* const userdata = (void*)(uintptr_t)entry;
  if (cache != NULL) {
    // ggml_custom_inplace makes its first tensor src[0]; the op wants its input there, and the cache only as what it is
    // a view of.
    struct ggml_tensor* const result =
        ggml_custom_inplace(ctx, cache, arguments + 1, count - 1, simdrope_ggml_run, GGML_N_TASKS_MAX, userdata);
    result->src[0] = a;
    result->src[count] = cache;
    return result;
  }
  if (rope->view_src != NULL && a == rope->src[0]) {
    return ggml_custom_inplace(ctx, a, arguments + 1, count - 1, simdrope_ggml_run, GGML_N_TASKS_MAX, userdata);
  }
  return ggml_custom_4d(ctx, rope->type, rope->ne[0], rope->ne[1], rope->ne[2], rope->ne[3], arguments, count,
                        simdrope_ggml_run, GGML_N_TASKS_MAX, userdata);
}

// In place of ggml's functions of the same name; simdrope_ggml_fuse(ctx, ggml_rope_set_offset(...)) where there is an
// offset.
static inline struct ggml_tensor* simdrope_ggml_rope_ext(struct ggml_context* ctx, struct ggml_tensor* a,
                                                         struct ggml_tensor* b, struct ggml_tensor* c, int n_dims,
                                                         int mode, int n_ctx_orig, float freq_base, float freq_scale,
                                                         float ext_factor, float attn_factor, float beta_fast,
                                                         float beta_slow) {
  return simdrope_ggml_fuse(ctx, ggml_rope_ext(ctx, a, b, c, n_dims, mode, n_ctx_orig, freq_base, freq_scale,
                                               ext_factor, attn_factor, beta_fast, beta_slow));
}

static inline struct ggml_tensor* simdrope_ggml_rope_ext_inplace(struct ggml_context* ctx, struct ggml_tensor* a,
                                                                 struct ggml_tensor* b, struct ggml_tensor* c,
                                                                 int n_dims, int mode, int n_ctx_orig, float freq_base,
                                                                 float freq_scale, float ext_factor, float attn_factor,
                                                                 float beta_fast, float beta_slow) {
  return simdrope_ggml_fuse(ctx, ggml_rope_ext_inplace(ctx, a, b, c, n_dims, mode, n_ctx_orig, freq_base, freq_scale,
                                                       ext_factor, attn_factor, beta_fast, beta_slow));
}

static inline struct ggml_tensor* simdrope_ggml_rope_ext_back(struct ggml_context* ctx, struct ggml_tensor* a,
                                                              struct ggml_tensor* b, struct ggml_tensor* c, int n_dims,
                                                              int mode, int n_ctx_orig, float freq_base,
                                                              float freq_scale, float ext_factor, float attn_factor,
                                                              float beta_fast, float beta_slow) {
  return simdrope_ggml_fuse(ctx, ggml_rope_ext_back(ctx, a, b, c, n_dims, mode, n_ctx_orig, freq_base, freq_scale,
                                                    ext_factor, attn_factor, beta_fast, beta_slow));
}

static inline struct ggml_tensor* simdrope_ggml_rope_multi(struct ggml_context* ctx, struct ggml_tensor* a,
                                                           struct ggml_tensor* b, struct ggml_tensor* c, int n_dims,
                                                           int sections[4], int mode, int n_ctx_orig, float freq_base,
                                                           float freq_scale, float ext_factor, float attn_factor,
                                                           float beta_fast, float beta_slow) {
  return simdrope_ggml_fuse(ctx, ggml_rope_multi(ctx, a, b, c, n_dims, sections, mode, n_ctx_orig, freq_base,
                                                 freq_scale, ext_factor, attn_factor, beta_fast, beta_slow));
}

static inline struct ggml_tensor* simdrope_ggml_rope_multi_inplace(struct ggml_context* ctx, struct ggml_tensor* a,
                                                                   struct ggml_tensor* b, struct ggml_tensor* c,
                                                                   int n_dims, int sections[4], int mode,
                                                                   int n_ctx_orig, float freq_base, float freq_scale,
                                                                   float ext_factor, float attn_factor, float beta_fast,
                                                                   float beta_slow) {
  return simdrope_ggml_fuse(ctx, ggml_rope_multi_inplace(ctx, a, b, c, n_dims, sections, mode, n_ctx_orig, freq_base,
                                                         freq_scale, ext_factor, attn_factor, beta_fast, beta_slow));
}

static inline struct ggml_tensor* simdrope_ggml_rope_multi_back(struct ggml_context* ctx, struct ggml_tensor* a,
                                                                struct ggml_tensor* b, struct ggml_tensor* c,
                                                                int n_dims, int sections[4], int mode, int n_ctx_orig,
                                                                float freq_base, float freq_scale, float ext_factor,
                                                                float attn_factor, float beta_fast, float beta_slow) {
  return simdrope_ggml_fuse(ctx, ggml_rope_multi_back(ctx, a, b, c, n_dims, sections, mode, n_ctx_orig, freq_base,
                                                      freq_scale, ext_factor, attn_factor, beta_fast, beta_slow));
}

#endif  // SIMDROPE_GGML_H_
