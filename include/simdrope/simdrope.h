// simdrope: rotary position embedding (RoPE) for CPUs. The exported ABI, in C99.
//
// Seven nouns: a Config says what a model's RoPE is; a Rope is its compiled form; Positions say where each token
// stands; CosSin holds, or tells how to compute, a row of cos and sin for each token; a Tensor is a strided view of Q,
// K or V, in memory or in a cache; apply rotates them, with whatever stages the options name; a Plan is a call of apply
// that is checked once and run many times.
//
// Rules that hold for every function here:
// - No exception leaves the library. A function that can fail returns a simdrope_status; on failure
//   simdrope_last_error() names the argument and its values, and no output has been written.
// - Structs are plain data. Start from the matching SIMDROPE_*_INIT and set what differs. `reserved` stays zero: later
//   versions take fields from it whose zero means what this version does.
// - Strides and sizes count elements, not bytes. Pointers are borrowed for the call only.
// - Handles are immutable after creation and may be shared between threads.
#ifndef SIMDROPE_SIMDROPE_H_
#define SIMDROPE_SIMDROPE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIMDROPE_VERSION_MAJOR 0
#define SIMDROPE_VERSION_MINOR 2
#define SIMDROPE_VERSION_PATCH 0

#define SIMDROPE_MAX_HEAD_DIM 1024
#define SIMDROPE_MAX_PAIRS (SIMDROPE_MAX_HEAD_DIM / 2)
#define SIMDROPE_MAX_AXES 4

#if defined(_WIN32) && defined(SIMDROPE_SHARED)
#ifdef SIMDROPE_BUILD
#define SIMDROPE_API __declspec(dllexport)
#else
#define SIMDROPE_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define SIMDROPE_API __attribute__((visibility("default")))
#else
#define SIMDROPE_API
#endif

// In C++ too, any int may be passed for an enum; a value that is none of its names is an error.
#ifdef __cplusplus
#define SIMDROPE_ENUM_TYPE : int
extern "C" {
#else
#define SIMDROPE_ENUM_TYPE
#endif

// ---------------------------------------------------------------------------- status

typedef enum simdrope_status SIMDROPE_ENUM_TYPE {
  SIMDROPE_OK = 0,
  SIMDROPE_INVALID_ARGUMENT = 1,  // an argument contradicts itself or another one
  SIMDROPE_OUT_OF_RANGE = 2,      // a position has no row in the table
  SIMDROPE_UNSUPPORTED = 3,       // well-formed, but beyond a stated limit
  SIMDROPE_OUT_OF_MEMORY = 4,
  SIMDROPE_BAD_FILE = 5  // simdrope_io only: a file is missing, truncated or malformed
} simdrope_status;

SIMDROPE_API const char* simdrope_status_name(simdrope_status status);

// The message of this thread's last failed call; "" before any. Valid until this thread's next
// failing call.
SIMDROPE_API const char* simdrope_last_error(void);

SIMDROPE_API const char* simdrope_version(void);  // "major.minor.patch" of the library

// UNSUPPORTED, with a message that names both versions, where the library does not understand programs compiled with
// the header of version major.minor: while major is 0, any other than its own. For programs whose header and library
// may come from different places.
SIMDROPE_API simdrope_status simdrope_check_version(int32_t major, int32_t minor);
#define SIMDROPE_CHECK_VERSION() simdrope_check_version(SIMDROPE_VERSION_MAJOR, SIMDROPE_VERSION_MINOR)

// ---------------------------------------------------------------------------- targets and threads

typedef struct simdrope_target {
  const char* name;  // as Highway names it: "AVX2", "NEON", ...
  bool supported;    // by this CPU
  bool fused;        // supported, with fused multiply-add: all such targets give the same bits
} simdrope_target;

// The targets compiled into the library, best first. Writes up to `capacity` of them to `targets`
// and returns how many there are.
SIMDROPE_API size_t simdrope_targets(simdrope_target* targets, size_t capacity);

// The target in use: the best supported one, or what the environment variable SIMDROPE_TARGET or
// simdrope_use_target chose. "" if SIMDROPE_TARGET names an unknown or unsupported target; then
// every call that computes fails with INVALID_ARGUMENT and the list of known ones.
SIMDROPE_API const char* simdrope_target_in_use(void);

// Makes all later calls of the process use the named target; NULL returns to the choice above.
// Not to be called while other threads are inside the library.
SIMDROPE_API simdrope_status simdrope_use_target(const char* name);

// Whether oneTBB is compiled in, and how many threads a call from this thread may use at most.
SIMDROPE_API bool simdrope_has_tbb(void);
SIMDROPE_API int simdrope_max_threads(void);

// ---------------------------------------------------------------------------- Config

// Which two elements of the rotated window of width rotary_dim make pair i.
typedef enum simdrope_pairing SIMDROPE_ENUM_TYPE {
  SIMDROPE_HALF = 0,         // i and i + split (GPT-NeoX; Hugging Face)
  SIMDROPE_INTERLEAVED = 1,  // 2i and 2i + 1 (GPT-J; Meta's llama, GGUF llama)
  SIMDROPE_SAME_PAIRING = 2  // of an output: as the input's
} simdrope_pairing;

typedef enum simdrope_precision SIMDROPE_ENUM_TYPE {
  // The angle is position * inv_freq, inv_freq in double, reduced modulo a turn without rounding.
  SIMDROPE_PRECISION_EXACT = 0,
  // As PyTorch models compute, each step rounded to float: inv_freq, float(position) * inv_freq, cos and sin.
  SIMDROPE_PRECISION_FLOAT32 = 1,
  // As flash-attention with pos_idx_in_fp32=False and a 16-bit inv_freq buffer: position, inv_freq
  // and their product are each rounded to the 16-bit type, then cos and sin.
  SIMDROPE_PRECISION_BF16_POSITIONS = 2,
  SIMDROPE_PRECISION_F16_POSITIONS = 3
} simdrope_precision;

// How inv_freq[i] = theta^(-2i / rotary_dim) is changed for long contexts. Formulas and sources:
// src/angle/frequencies.h.
typedef enum simdrope_scaling_type SIMDROPE_ENUM_TYPE {
  SIMDROPE_SCALING_NONE = 0,
  SIMDROPE_SCALING_LINEAR = 1,        // factor
  SIMDROPE_SCALING_LLAMA3 = 2,        // factor, low_freq_factor, high_freq_factor, original_max_position
  SIMDROPE_SCALING_NTK = 3,           // factor: theta * factor^(d / (d - 2)) (Hunyuan's alpha)
  SIMDROPE_SCALING_DYNAMIC = 4,       // factor, original_max_position, seq_len
  SIMDROPE_SCALING_YARN = 5,          // factor, original_max_position, beta_fast, beta_slow, truncate, mscale*
  SIMDROPE_SCALING_LONGROPE = 6,      // factors, long_factors, factor, original_max_position, seq_len
  SIMDROPE_SCALING_PROPORTIONAL = 7,  // proportion, factor
  SIMDROPE_SCALING_FREQ_FACTORS = 8,  // factors: divisors of each inv_freq (llama.cpp)
  SIMDROPE_SCALING_EXPLICIT = 9       // factors: inv_freq itself
} simdrope_scaling_type;

// Fields that the type does not name are ignored. 0 means "not given" where a default is stated. Lists are read while a
// Rope is made, and not afterwards.
typedef struct simdrope_scaling {
  simdrope_scaling_type type;
  double factor;                  // context extension; > 0
  double attention_factor;        // multiplies cos and sin; 0: what the type's paper prescribes
  bool attention_factor_given;    // attention_factor counts as it is, 0 too (a rotation that gives zeros)
  int64_t original_max_position;  // trained context length L0
  int64_t max_position;           // extended context length; 0: L0 * factor
  int64_t seq_len;                // current length (DYNAMIC, LONGROPE, XPos); 0: within L0
  double low_freq_factor;
  double high_freq_factor;
  double beta_fast;             // 0: 32
  double beta_slow;             // 0: 1
  bool truncate;                // round YaRN's correction range outwards to whole pairs
  double extrapolation_factor;  // YaRN: of the part that keeps its frequency (vLLM); 0: 1
  double mscale;                // 0: not given
  double mscale_all_dim;
  double short_mscale;  // LongRoPE: attention factor for the short list; 0: not given
  double long_mscale;
  double proportion;           // part of the head that PROPORTIONAL turns, (0, 1]
  int32_t factor_count;        // entries of each list below: rotary_dim / 2
  const double* factors;       // LONGROPE: short list; FREQ_FACTORS, EXPLICIT
  const double* long_factors;  // LONGROPE: long list
} simdrope_scaling;

// Which position axis and which frequency a pair takes when positions have several axes.
typedef enum simdrope_axis_layout SIMDROPE_ENUM_TYPE {
  // sections[a] consecutive pairs for axis a; frequencies run on (Qwen2-VL M-RoPE: 16, 24, 24).
  SIMDROPE_AXES_SECTIONS = 0,
  // Pair i is axis 1 if i % 3 == 1 and i < 3 * sections[1], axis 2 if i % 3 == 2 and
  // i < 3 * sections[2], else axis 0 (Qwen3-VL).
  SIMDROPE_AXES_INTERLEAVED = 1,
  // Axes 1 and 2 alternate over the first sections[1] + sections[2] pairs, then axis 0 (ERNIE 4.5).
  SIMDROPE_AXES_ALTERNATE = 2,
  // As SECTIONS, but frequencies start anew in each axis, over 2 * sections[a] dims
  // (Qwen2-VL vision, Flux 8/28/28, Wan 22/21/21, DINOv3).
  SIMDROPE_AXES_RESTART = 3,
  // The first half of the pairs takes axis 0 with the even frequencies, the second half axis 1 with
  // the odd ones (Pixtral).
  SIMDROPE_AXES_STRIDED = 4,
  // pair_axis says it, for each of the rotary_dim / 2 pairs.
  SIMDROPE_AXES_EXPLICIT = 5,
  // Each pair turns by the sum of what every axis gives (RoPE-Mixed, Mochi): scaling.type EXPLICIT, whose list holds
  // the frequencies of all pairs on axis 0, then on axis 1, ... Precision EXACT; rows are computed, not tabulated.
  SIMDROPE_AXES_SUM = 6
} simdrope_axis_layout;

typedef struct simdrope_axes {
  int32_t count;  // 1 to SIMDROPE_MAX_AXES; with 1 the rest is ignored
  simdrope_axis_layout layout;
  int32_t sections[SIMDROPE_MAX_AXES];  // pairs of each axis, in axis order (T, H, W)
  int32_t pair_axis_count;              // entries of pair_axis: rotary_dim / 2
  const uint8_t* pair_axis;             // EXPLICIT
} simdrope_axes;

// Which cos and sin each element of a pair takes, of n pairs: of the window, or of an axis' own block where pairs lie
// in one (RESTART with interleaved pairs or pairs_in_sections). Usually both take those of their pair. Where a model
// lays out its cos and sin for the other pairing, they are as wide as the window and not of a rotation:
//   x' = x cos_x - y sin_x, y' = y cos_y + x sin_y
typedef enum simdrope_angle_order SIMDROPE_ENUM_TYPE {
  SIMDROPE_ANGLES_OF_PAIRS = 0,
  SIMDROPE_ANGLES_HALVES = 1,     // element j of the window or block: those of pair j % n (V-JEPA 2, interleaved)
  SIMDROPE_ANGLES_NEIGHBOURS = 2  // element j: those of pair j / 2
} simdrope_angle_order;

// XPos (arXiv 2212.10554): pair i of Q is multiplied by zeta_i^((p - center) / scale_base), of K by
// its reciprocal, zeta_i = (2i + 0.4 d) / (1.4 d), d = rotary_dim.
typedef struct simdrope_xpos {
  double scale_base;           // 0: no XPos
  double center;               // keep it fixed for as long as cached keys are in use
  bool center_at_half_length;  // flash-attention: center = scaling.seq_len / 2, rounded down
} simdrope_xpos;

// Q of a token at position p is multiplied by 1 + beta * log(1 + floor((p + offset) / length))
// (Ministral 3: offset 0; Llama 4: offset 1). The first axis counts.
typedef struct simdrope_temperature {
  double beta;  // 0: none
  double length;
  double offset;
} simdrope_temperature;

typedef struct simdrope_config {
  int32_t head_dim;       // elements of one head, 2 to SIMDROPE_MAX_HEAD_DIM
  int32_t rotary_dim;     // width of the rotated window, even; 0: head_dim - rotary_offset
  int32_t rotary_offset;  // first element of the window in the head
  int32_t split;          // HALF: distance between the elements of a pair; 0: rotary_dim / 2
  simdrope_pairing pairing;
  simdrope_precision precision;
  double theta;  // base of the frequencies, > 0
  simdrope_scaling scaling;
  simdrope_axes axes;
  simdrope_xpos xpos;
  simdrope_temperature temperature;
  bool reversed;  // turns the other way: x cos + y sin and y cos - x sin (NanoChat)
  // Q of a token at position p is multiplied by log(p + 1) / log(query_log_length) too, where that is above 1 (Qwen 1);
  // 0: none. The first axis counts.
  double query_log_length;
  simdrope_angle_order angle_order;
  // HALF with axes.layout RESTART: pairs are made inside each axis' block of 2 * sections[a] elements, sections[a]
  // apart (Gemma 4's vision tower, RoPE2D). split is 0.
  bool pairs_in_sections;
  uint64_t reserved[5];  // 0: for fields of later versions
} simdrope_config;

// theta 10000, one axis, scaling.truncate, everything else 0; head_dim must be set. NULL is allowed.
SIMDROPE_API void simdrope_config_init(simdrope_config* config);

// ---------------------------------------------------------------------------- Rope

typedef struct simdrope_rope simdrope_rope;

// Compiles a Config. On success *rope holds one reference, to be given back with
// simdrope_rope_release.
SIMDROPE_API simdrope_status simdrope_rope_create(const simdrope_config* config, simdrope_rope** rope);
SIMDROPE_API void simdrope_rope_retain(simdrope_rope* rope);   // NULL is allowed
SIMDROPE_API void simdrope_rope_release(simdrope_rope* rope);  // NULL is allowed

// As simdrope_rope_create, but the same Config gives the same Rope, from any thread (nano-vllm's and
// vLLM's get_rope). Remembered are the 64 Configs asked for last.
SIMDROPE_API simdrope_status simdrope_get_rope(const simdrope_config* config, simdrope_rope** rope);

// A Rope that turns keys which are rotated already, in one pass and with one rounding:
// - from NULL: at positions d, keys that `to` rotated at p become keys that it rotated at p + d (a
//   context shift). It turns without attention factor, which they have.
// - else: at positions p, keys that `from` rotated at p become keys that `to` rotated at p (LongRoPE
//   short to long). Windows, axes and XPos of the two agree.
// Its precision is EXACT; info's inv_freq is the difference.
// fingerprint: what was stored beside the cache (simdrope_rope_fingerprint of the rope that its keys were rotated by:
// of `from`, of `to` where from is NULL). Another one is refused; 0 is not checked.
SIMDROPE_API simdrope_status simdrope_rope_create_rerotation(const simdrope_rope* from, const simdrope_rope* to,
                                                             uint64_t fingerprint, simdrope_rope** rope);

// 64 bits of the Config that a rope was made from, defaults resolved: the same on every machine and in later versions.
// 0 for NULL and for re-rotations.
SIMDROPE_API uint64_t simdrope_rope_fingerprint(const simdrope_rope* rope);

typedef struct simdrope_rope_info {
  int32_t head_dim;
  int32_t rotary_dim;
  int32_t rotary_offset;
  int32_t split;
  int32_t pairs;  // rotary_dim / 2
  int32_t axes;
  simdrope_pairing pairing;
  double theta;              // as configured
  double attention_factor;   // multiplies cos and sin
  const double* inv_freq;    // [pairs], radians per position, below 0 if reversed; lives as long as the rope. With
                             // SIMDROPE_AXES_SUM [axes][pairs].
  const uint8_t* pair_axis;  // [pairs]; lives as long as the rope
  bool distinct_keys;        // K needs rows of its own (XPos)
  bool scales_queries;       // Q has a factor per token (temperature)
  bool sums_axes;            // inv_freq has entries for each axis (SIMDROPE_AXES_SUM)
  bool pairs_in_sections;    // pairs are made inside the block of each axis in turn; pair_axis says how many it has
  // [2][pairs]: the pair whose cos and sin the first and the second element of each pair take; NULL: all their own's.
  const uint16_t* element_pair;
  uint64_t reserved[7];  // 0
} simdrope_rope_info;

// All zero for rope NULL. info NULL is allowed, and nothing done.
SIMDROPE_API void simdrope_rope_describe(const simdrope_rope* rope, simdrope_rope_info* info);

// ---------------------------------------------------------------------------- Positions

typedef enum simdrope_index_type SIMDROPE_ENUM_TYPE {
  SIMDROPE_INDEX_I32 = 0,
  SIMDROPE_INDEX_I64 = 1,
  SIMDROPE_INDEX_F32 = 2,  // real-valued coordinates: ids only, not with a table
  SIMDROPE_INDEX_F64 = 3
} simdrope_index_type;

// The position of token s of batch entry b on axis a is the sum of what is given:
//   start + offsets[b] + ids[a * axis_stride + b * batch_stride + s * seq_stride]
// and, without ids, s itself in place of the last term. With cu_seqlens the tensor is packed: it
// has batch 1, b counts the sequences and s restarts at 0 in each (ids stay indexed by the token).
// An axis beyond ids_axes takes the last one given (text in a multi-axis model).
typedef struct simdrope_positions {
  int64_t start;
  const void* offsets;               // [batch], or [sequences] with cu_seqlens; NULL: none
  simdrope_index_type offsets_type;  // I32 or I64
  int64_t offsets_count;
  const void* ids;  // NULL: none
  simdrope_index_type ids_type;
  int32_t ids_axes;  // sizes of ids; ids_batch 1 is shared by the whole batch
  int64_t ids_batch;
  int64_t ids_seq;
  int64_t axis_stride;
  int64_t batch_stride;
  int64_t seq_stride;                   // 0: one position for all tokens of the sequence
  const void* cu_seqlens;               // [sequences + 1], from 0, never falling, up to the number of tokens
  simdrope_index_type cu_seqlens_type;  // I32 or I64
  int64_t sequences;
  bool padding;  // an id of -1 (on the first axis) marks padding: its token is left alone
  uint64_t reserved[4];
} simdrope_positions;

#define SIMDROPE_POSITIONS_INIT                                                                                       \
  {                                                                                                                   \
    0, NULL, SIMDROPE_INDEX_I64, 0, NULL, SIMDROPE_INDEX_I64, 1, 1, 0, 0, 0, 1, NULL, SIMDROPE_INDEX_I64, 0, false, { \
      0                                                                                                               \
    }                                                                                                                 \
  }

// ---------------------------------------------------------------------------- CosSin

// How elements are stored. A tensor may have any of them, a table F32, F16 or BF16.
typedef enum simdrope_format SIMDROPE_ENUM_TYPE {
  SIMDROPE_F32 = 0,
  SIMDROPE_F16 = 1,  // IEEE 754 binary16
  SIMDROPE_BF16 = 2,
  SIMDROPE_F8_E4M3 = 3,  // OCP FP8 E4M3 ("fn": no infinity), times a given scale; stores saturate at 448
  SIMDROPE_F8_E5M2 = 4,  // OCP FP8 E5M2, times a given scale; stores saturate at 57344
  SIMDROPE_I8 = 5,       // scale * q, q in [-127, 127]; the scale is given, or computed for each token and head
  SIMDROPE_U8 = 6,       // scale * (q - zero_point), both computed for each token and head (OpenVINO)
  SIMDROPE_Q8_0 = 7,     // ggml: blocks of 32 elements in 34 bytes, an f16 scale and 32 int8
  SIMDROPE_Q4_0 = 8      // ggml: blocks of 32 elements in 18 bytes, an f16 scale and 32 4-bit integers
} simdrope_format;

// A view of rows of cos and sin. Entry (b, r, i), copy c, is at
//   b * batch_stride + r * row_stride + i * column_stride + c * copy_stride
// of cos and of sin. Reading uses copy 0; writing writes all copies. This covers [S, d/2], [S, d]
// duplicated in halves (copy_stride d/2) or element by element (column_stride 2, copy_stride 1),
// cos | sin in one row (sin = cos + d/2), complex pairs, and one table per batch entry.
// Values are used as they are, never normalised.
typedef struct simdrope_table {
  void* cos;  // NULL: no table
  void* sin;
  simdrope_format format;
  int64_t batches;  // 1: shared by the whole batch
  int64_t rows;
  int32_t columns;  // pairs in a row, at least rotary_dim / 2; with full_width elements, at least rotary_dim
  int64_t batch_stride;
  int64_t row_stride;
  int64_t column_stride;
  int32_t copies;
  int64_t copy_stride;
  // Rows of their own for heads, or for as many groups of heads: head h of an operand of n heads takes entry (b, r, i)
  // from (h * heads / n) * head_stride on. 0 or 1: all heads share a row, as in every table that
  // simdrope_compute_cos_sin writes (a table of several heads is written head by head). INVALID_ARGUMENT where n is no
  // multiple of heads, or key_table has another number; UNSUPPORTED with a norm over all heads.
  int64_t heads;
  int64_t head_stride;  // elements
  uint64_t reserved[2];
} simdrope_table;

#define SIMDROPE_TABLE_INIT                                       \
  {                                                               \
    NULL, NULL, SIMDROPE_F32, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, { 0 } \
  }

// What becomes of a token whose position has no row in the table. With several axes, IDENTITY turns
// the pairs of such an axis by 0 and the others as they should be (ONNX Runtime's MRotaryEmbedding).
typedef enum simdrope_out_of_range SIMDROPE_ENUM_TYPE {
  SIMDROPE_REJECT = 0,    // the call fails with OUT_OF_RANGE and names the position
  SIMDROPE_IDENTITY = 1,  // copied unrotated
  SIMDROPE_SKIP = 2       // its output is not written
} simdrope_out_of_range;

// Where the row of cos and sin of a token comes from.
typedef enum simdrope_cos_sin_source SIMDROPE_ENUM_TYPE {
  SIMDROPE_STREAMED = 0,  // rope and positions; rows are computed inside apply, without allocating
  SIMDROPE_PREPARED = 1,  // rope, and the rows that simdrope_compute_cos_sin wrote, once a step for all layers
  SIMDROPE_TABLE = 2      // the caller's own table, looked up by positions; no rope
} simdrope_cos_sin_source;

// The rows of one step. A field that the source does not name is ignored.
typedef struct simdrope_cos_sin {
  simdrope_cos_sin_source source;
  const simdrope_rope* rope;     // STREAMED, PREPARED
  simdrope_positions positions;  // STREAMED: the token's position; PREPARED, TABLE: its row
  // PREPARED, TABLE:
  simdrope_table table;
  simdrope_table key_table;  // rows for K where they differ from those for Q; required with XPos
  const float* query_scale;  // a factor on Q for each (b, row): [batches, rows]; NULL: none; required with temperature
  const uint8_t* padding;    // nonzero: the token of this (b, row) is left alone; NULL: none
  simdrope_out_of_range out_of_range;
  const uint8_t* pair_axis;  // [rotary_dim / 2]: the position axis each pair's row is looked up by; NULL: all 0
  // TABLE:
  int32_t rotary_dim;  // 0: head_dim - rotary_offset
  int32_t rotary_offset;
  int32_t split;  // 0: rotary_dim / 2
  simdrope_pairing pairing;
  float magnitude;  // multiplies cos and sin (ONNX Runtime's "scale")
  // The table has a column for each element of the window, not for each pair: columns i and rotary_dim / 2 + i are
  // those of pair i with half pairs, 2i and 2i + 1 with interleaved ones. See simdrope_angle_order.
  bool full_width;
  uint64_t reserved[4];
} simdrope_cos_sin;

#define SIMDROPE_COS_SIN_INIT                                                                               \
  {                                                                                                         \
    SIMDROPE_STREAMED, NULL, SIMDROPE_POSITIONS_INIT, SIMDROPE_TABLE_INIT, SIMDROPE_TABLE_INIT, NULL, NULL, \
        SIMDROPE_REJECT, NULL, 0, 0, 0, SIMDROPE_HALF, 1.0f, false, {                                       \
      0                                                                                                     \
    }                                                                                                       \
  }

// Where simdrope_compute_cos_sin writes. Row (b, s) is token s of sequence b; a table with batches 1 serves positions
// that are the same for the whole batch.
typedef struct simdrope_cos_sin_output {
  simdrope_table table;
  simdrope_table key_table;  // with XPos
  float* query_scale;        // [batches, rows], with temperature
  uint8_t* padding;          // [batches, rows], where positions declare padding
  uint64_t reserved[4];
} simdrope_cos_sin_output;

#define SIMDROPE_COS_SIN_OUTPUT_INIT                            \
  {                                                             \
    SIMDROPE_TABLE_INIT, SIMDROPE_TABLE_INIT, NULL, NULL, { 0 } \
  }

// A dense table of the rows 0, 1, 2, ... of a Rope that grows on demand: flash-attention's and vLLM's
// cos_sin_cache, for those who want a table. Any thread may call simdrope_cache_rows at any time.
typedef struct simdrope_cache simdrope_cache;

SIMDROPE_API simdrope_status simdrope_cache_create(const simdrope_rope* rope, simdrope_format format,
                                                   simdrope_cache** cache);
SIMDROPE_API void simdrope_cache_release(simdrope_cache* cache);  // NULL is allowed

// Sets *view to rows [0, n), n at least `rows`, computing what is missing; set view->positions to
// choose among them. A view stays valid, and its rows the same, as long as the cache lives.
SIMDROPE_API simdrope_status simdrope_cache_rows(simdrope_cache* cache, int64_t rows, simdrope_cos_sin* view);

// ---------------------------------------------------------------------------- Tensor

// Which row of a cache each token of a step is written to or read from.
typedef enum simdrope_slot_source SIMDROPE_ENUM_TYPE {
  SIMDROPE_SLOTS_NONE = 0,      // the tensor is the step's tokens themselves
  SIMDROPE_SLOTS_IDS = 1,       // ids[b * batch_stride + s * seq_stride] is token (b, s)'s slot; -1 skips the token
  SIMDROPE_SLOTS_POSITIONS = 2  // token (b, s)'s slot is its position (on the first axis) in batch entry b of the cache
} simdrope_slot_source;

// With slots, `batch` and `seq` of the tensor are the cache's own: slot n is entry n / seq, row n % seq. A paged cache
// [blocks, heads, block, D] or [blocks, block, heads, D] has batch = blocks and seq = block, with its strides;
// [slots, heads, D] has batch 1 and seq = slots. A slot beyond batch * seq is OUT_OF_RANGE.
typedef struct simdrope_slots {
  simdrope_slot_source source;
  int64_t batch;  // tokens of the step: [batch, seq]
  int64_t seq;
  const void* ids;           // IDS
  simdrope_index_type type;  // IDS: I32 or I64
  int64_t batch_stride;
  int64_t seq_stride;
  // Outputs: refuse two tokens with one slot. Costs one bit of memory for each slot of the cache, and a pass over ids.
  // Without it, which of the two is kept is not specified.
  bool reject_duplicates;
} simdrope_slots;

// Scales of F8_E4M3, F8_E5M2, I8 and U8, one for each token and head at
//   scale[b * batch_stride + s * seq_stride + h * head_stride + d * element_stride]   (floats; strides may be 0)
// with b, s the cache's entry and row where the tensor has slots. An output I8 or U8 writes them (element_stride 0)
// unless `given`; everything else reads them. NULL: 1, for F8 only.
typedef struct simdrope_scales {
  float* scale;
  float* zero_point;  // U8 only; same strides
  int64_t batch_stride;
  int64_t seq_stride;
  int64_t head_stride;
  int64_t element_stride;
  bool given;  // outputs: read them, do not compute them (static scales: ONNX Runtime's int8, and always F8)
} simdrope_scales;

// A strided view of [batch, seq, heads, head_dim]; the last axis is contiguous. Strides may be negative, and 0 in an
// input to broadcast it. Strides count elements; of Q8_0 and Q4_0 they are multiples of 32, as is head_dim. Packed
// tokens (THD) are batch 1. Absent: heads 0. `data` is aligned to its element (2 bytes for Q8_0 and Q4_0).
typedef struct simdrope_tensor {
  void* data;
  simdrope_format format;
  int64_t batch;
  int64_t seq;
  int64_t heads;
  int64_t head_dim;
  int64_t batch_stride;
  int64_t seq_stride;
  int64_t head_stride;
  simdrope_scales scales;
  simdrope_slots slots;
  uint64_t reserved[4];
} simdrope_tensor;

#define SIMDROPE_SCALES_INIT \
  { NULL, NULL, 0, 0, 0, 0, false }
#define SIMDROPE_SLOTS_INIT \
  { SIMDROPE_SLOTS_NONE, 0, 0, NULL, SIMDROPE_INDEX_I64, 0, 1, false }
#define SIMDROPE_TENSOR_INIT                                                                  \
  {                                                                                           \
    NULL, SIMDROPE_F32, 0, 0, 0, 0, 0, 0, 0, SIMDROPE_SCALES_INIT, SIMDROPE_SLOTS_INIT, { 0 } \
  }

// The operands of one call: q and k are rotated, v is not. Each may be absent, and has its own number of heads (GQA,
// MQA). Batch and head_dim agree, and seq unless key_positions (simdrope_options) are given.
typedef struct simdrope_qkv {
  simdrope_tensor q;
  simdrope_tensor k;
  simdrope_tensor v;
} simdrope_qkv;

#define SIMDROPE_QKV_INIT \
  { SIMDROPE_TENSOR_INIT, SIMDROPE_TENSOR_INIT, SIMDROPE_TENSOR_INIT }

// ---------------------------------------------------------------------------- apply

typedef enum simdrope_norm_type SIMDROPE_ENUM_TYPE {
  SIMDROPE_NORM_NONE = 0,
  SIMDROPE_NORM_RMS = 1,   // x / sqrt(mean(x^2) + eps) * (weight + weight_offset)
  SIMDROPE_NORM_L2 = 2,    // x / max(sqrt(sum(x^2)), eps), times the weight if given (ggml's L2_NORM)
  SIMDROPE_NORM_LAYER = 3  // (x - mean) / sqrt(variance + eps) * weight + bias
} simdrope_norm_type;

// A norm over the elements of each head, or of all heads of a token. Sums are taken in float in an order that does not
// depend on the target (docs/numerics.md).
typedef struct simdrope_norm {
  simdrope_norm_type type;
  float eps;                      // >= 0
  const void* weight;             // [head_dim], or a row for each head; NULL: none
  const void* bias;               // LAYER; as the weight; NULL: none
  simdrope_format weight_format;  // of weight and bias: F32, F16 or BF16
  int64_t weight_head_stride;     // elements from a head's weights to the next one's; 0: shared by the heads
  float weight_offset;            // added to each weight (Gemma: 1)
  bool over_all_heads;            // one norm over all heads of a token (OLMo 2, MiniMax)
  bool after_rotation;            // Hunyuan, Llama 4
  // Round to the input's format (F32, F16, BF16) where a chain of PyTorch modules would: after the division, and after
  // the weight. For exact parity with models that run so.
  bool round;
  uint64_t reserved[2];
} simdrope_norm;

#define SIMDROPE_NORM_INIT                                                                  \
  {                                                                                         \
    SIMDROPE_NORM_NONE, 0.0f, NULL, NULL, SIMDROPE_F32, 0, 0.0f, false, false, false, { 0 } \
  }

// What is done to one operand, in this order: input_hadamard, norm (before), rotation (not of V), norm (after),
// hadamard, scale.
typedef struct simdrope_stages {
  // Width of the orthonormal Walsh-Hadamard transform (a power of two that divides head_dim, at least 2; 0: none) of
  // the input, to undo one that a cache holds (the transform is its own inverse), and of the output (llama.cpp: 64 up
  // to the head).
  int32_t input_hadamard;
  int32_t hadamard;
  simdrope_norm norm;
  float scale;  // multiplies all elements, rotated or not (of Q: a softmax scale, say)
  uint64_t reserved[2];
} simdrope_stages;

#define SIMDROPE_STAGES_INIT              \
  {                                       \
    0, 0, SIMDROPE_NORM_INIT, 1.0f, { 0 } \
  }

typedef struct simdrope_options {
  bool inverse;                     // rotate by the negated angle: the backward pass (full width: the transpose)
  simdrope_pairing output_pairing;  // how the output's window is paired
  simdrope_stages q;
  simdrope_stages k;
  simdrope_stages v;
  // Positions of K and V where they are not those of Q: then K's seq (and V's) may differ from Q's. NULL: the same.
  // STREAMED and TABLE sources only.
  const simdrope_positions* key_positions;
  int threads;  // 0: as many as the caller's TBB arena offers, if the work is worth it; 1: serial
  // With slice_count > 0 the call does only part slice_index of slice_count, on this thread: a host
  // with its own threads makes one call per slice. The parts do not overlap; together they are the
  // whole. A norm over all heads that works in place cannot be cut within a token, and is not.
  int64_t slice_index;
  int64_t slice_count;
  uint64_t reserved[4];
} simdrope_options;

#define SIMDROPE_OPTIONS_INIT                                                                                        \
  {                                                                                                                  \
    false, SIMDROPE_SAME_PAIRING, SIMDROPE_STAGES_INIT, SIMDROPE_STAGES_INIT, SIMDROPE_STAGES_INIT, NULL, 0, 0, 0, { \
      0                                                                                                              \
    }                                                                                                                \
  }

// Writes the rows of `batch` sequences of `seq` tokens at `positions`. options (NULL: defaults) gives threads and
// slices only. An output overlaps neither itself nor another one.
SIMDROPE_API simdrope_status simdrope_compute_cos_sin(const simdrope_rope* rope, const simdrope_positions* positions,
                                                      int64_t batch, int64_t seq, const simdrope_cos_sin_output* output,
                                                      const simdrope_options* options);

// Takes in->q, in->k and in->v through their stages, Q and K by their tokens' rows, into out->q, out->k and out->v.
// For pair (x, y): x' = x cos - y sin, y' = y cos + x sin, in float, rounded once (to nearest even)
// to the output's format. What lies outside the window is not rotated. `out` NULL works in place; an
// output tensor may also be its own input, but may not overlap any input otherwise. Input and
// output formats may differ. `options` NULL: defaults. cos_sin may be NULL where neither Q nor K is present. The result
// is the same for any threads, slices and layout, bit by bit.
SIMDROPE_API simdrope_status simdrope_apply(const simdrope_cos_sin* cos_sin, const simdrope_qkv* in,
                                            const simdrope_qkv* out, const simdrope_options* options);

// Each head (x, y) becomes (-y, x), x and y being its halves or its even and odd elements
// (flash-attention's and transformers' rotate_half). head_dim is even. F32, F16 and BF16. `out` may be `in`.
SIMDROPE_API simdrope_status simdrope_rotate_half(const simdrope_tensor* in, const simdrope_tensor* out,
                                                  simdrope_pairing pairing);

// ---------------------------------------------------------------------------- Plan

// A call of simdrope_apply whose shapes, strides, formats and options are checked and whose kernels are chosen: run it
// for every layer and step with other pointers. Immutable: any number of threads may run it.
typedef struct simdrope_plan simdrope_plan;

// What may differ between the runs of a plan: pointers, positions and slots, of the planned sizes, types and strides.
typedef struct simdrope_operand {
  const void* in;
  void* out;
  float* in_scale;
  float* in_zero_point;
  float* out_scale;
  float* out_zero_point;
  const void* in_slots;
  const void* out_slots;
} simdrope_operand;

typedef struct simdrope_run {
  simdrope_operand q;
  simdrope_operand k;
  simdrope_operand v;
  int64_t start;  // positions
  const void* offsets;
  const void* ids;
  const void* cu_seqlens;
  const void* cos;  // table
  const void* sin;
  const void* key_cos;  // key_table
  const void* key_sin;
  const float* query_scale;
  const uint8_t* padding;
  int64_t slice_index;
  int64_t slice_count;
  uint64_t reserved[4];
} simdrope_run;

// Checks a call as simdrope_apply does and keeps it. The rope, the weights of norms and the pair_axis that it names
// must outlive the plan (the rope is retained). On success *plan is to be given back with simdrope_plan_release.
SIMDROPE_API simdrope_status simdrope_plan_create(const simdrope_cos_sin* cos_sin, const simdrope_qkv* in,
                                                  const simdrope_qkv* out, const simdrope_options* options,
                                                  simdrope_plan** plan);
SIMDROPE_API void simdrope_plan_release(simdrope_plan* plan);  // NULL is allowed

// Sets *run to what the plan was made with: change in it what differs.
SIMDROPE_API void simdrope_plan_pointers(const simdrope_plan* plan, simdrope_run* run);

// Runs the plan. Checked: that pointers are there and in place where planned so, positions against table and overflow,
// slots against the cache. Not checked: that other pointers overlap. key_positions stay as planned.
SIMDROPE_API simdrope_status simdrope_plan_run(const simdrope_plan* plan, const simdrope_run* run);

#ifdef __cplusplus
}
#endif

#endif  // SIMDROPE_SIMDROPE_H_
