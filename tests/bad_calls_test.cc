// One table of bad calls of the C ABI beside what errors_test.cc holds: the function, its status, what the message must
// name, and the one thing that is wrong. All memory is as it was before, and the call is good without the fault.
#include <cmath>
#include <cstring>
#include <functional>
#include <map>

#include "support.h"

using namespace testing;

namespace {

enum class Function {
  kApply,
  kPlanCreate,
  kPlanRun,
  kCompute,
  kRotateHalf,
  kRope,
  kGetRope,
  kRerotation,
  kCache,
  kRows
};

constexpr int64_t kBatch = 2, kSeq = 3, kHeads = 2, kDim = 64;
constexpr int32_t kPairs = kDim / 2;

// Arguments of every function, all good: Q in bf16 to a cache of 2 x 8 slots in f32; K in f32 to int8 with its scales;
// V in q8_0 to f32.
struct Call {
  std::vector<char> memory = std::vector<char>(1 << 18, 1);
  size_t taken = 0;

  simdrope_config config;
  simdrope_rope* rope = nullptr;
  simdrope_rope* other = nullptr;
  simdrope_cos_sin rows = SIMDROPE_COS_SIN_INIT;
  simdrope_qkv in = SIMDROPE_QKV_INIT, out = SIMDROPE_QKV_INIT;
  simdrope_options options = SIMDROPE_OPTIONS_INIT;
  simdrope_positions keys = SIMDROPE_POSITIONS_INIT;
  simdrope_run run{};
  simdrope_cos_sin_output output = SIMDROPE_COS_SIN_OUTPUT_INIT;
  simdrope_format cache_format = SIMDROPE_F32;
  uint64_t fingerprint = 0;
  simdrope_tensor half_in = SIMDROPE_TENSOR_INIT, half_out = SIMDROPE_TENSOR_INIT;
  simdrope_pairing half_pairing = SIMDROPE_HALF;
  int64_t slots[kBatch * kSeq] = {3, 1, 2, 9, -1, 15};
  int64_t ids[kBatch * kSeq] = {0, 1, 2, 3, 4, 5};
  int64_t offsets[kBatch] = {5, 6};
  int32_t cu_seqlens[3] = {0, 1, 3};
  double frequencies[kPairs];

  template <class T = float>
  T* Take(int64_t count) {
    taken = (taken + 63) / 64 * 64;
    T* const at = reinterpret_cast<T*>(memory.data() + taken);
    taken += static_cast<size_t>(count) * sizeof(T);
    REQUIRE(taken < memory.size());
    return at;
  }

  Call() {
    // Floats of the memory are 0x1.020202p-125: any numbers do.
    simdrope_config_init(&config);
    config.head_dim = kDim;
    REQUIRE(simdrope_rope_create(&config, &rope) == SIMDROPE_OK);
    config.theta = 5e5;
    REQUIRE(simdrope_rope_create(&config, &other) == SIMDROPE_OK);
    rows.rope = rope;
    constexpr int64_t kElements = kBatch * kSeq * kHeads * kDim;
    in.q = simdrope::bshd(Take<uint16_t>(kElements), simdrope::bf16, kBatch, kSeq, kHeads, kDim);
    out.q = simdrope::bshd(Take(kBatch * 8 * kHeads * kDim), simdrope::f32, kBatch, 8, kHeads, kDim);
    out.q.slots = {SIMDROPE_SLOTS_IDS, kBatch, kSeq, slots, SIMDROPE_INDEX_I64, kSeq, 1, true};
    in.k = simdrope::bshd(Take(kElements), simdrope::f32, kBatch, kSeq, kHeads, kDim);
    out.k = simdrope::bshd(Take<int8_t>(kElements), simdrope::i8, kBatch, kSeq, kHeads, kDim);
    out.k.scales.scale = Take(kBatch * kSeq * kHeads);
    out.k.scales.batch_stride = kSeq * kHeads;
    out.k.scales.seq_stride = kHeads;
    out.k.scales.head_stride = 1;
    in.v = simdrope::bshd(Take<char>(kElements / 32 * 34), simdrope::q8_0, kBatch, kSeq, kHeads, kDim);
    out.v = simdrope::bshd(Take(kElements), simdrope::f32, kBatch, kSeq, kHeads, kDim);
    options.threads = 1;
    options.k.norm.type = SIMDROPE_NORM_RMS;
    options.k.norm.weight = Take(kDim);
    options.k.hadamard = 64;
    keys.start = 2;
    output.table = simdrope::Table(Take(kSeq * kPairs), Take(kSeq * kPairs), kSeq, kPairs);
    half_in = in.k;
    half_out = out.v;
    for (double& frequency : frequencies) frequency = 0.5;
  }
  ~Call() {
    simdrope_rope_release(rope);
    simdrope_rope_release(other);
  }
  Call(const Call&) = delete;

  // A prepared or looked-up table of kSeq rows in the place of a streamed one.
  void UseTable(simdrope_cos_sin_source source) {
    rows.source = source;
    rows.table = output.table;
  }
};

struct BadCall {
  Function function;
  simdrope_status status;
  const char* says;
  void (*spoil)(Call& c);
};

simdrope_status Do(Function function, Call& c, void (*spoil)(Call&)) {
  simdrope_rope* rope = nullptr;
  simdrope_status status = SIMDROPE_OK;
  if (function == Function::kPlanRun) {  // good until it is run
    simdrope_plan* plan = nullptr;
    REQUIRE(simdrope_plan_create(&c.rows, &c.in, &c.out, &c.options, &plan) == SIMDROPE_OK);
    simdrope_plan_pointers(plan, &c.run);
    if (spoil != nullptr) spoil(c);
    status = simdrope_plan_run(plan, &c.run);
    simdrope_plan_release(plan);
    return status;
  }
  if (spoil != nullptr) spoil(c);
  switch (function) {
    case Function::kApply: return simdrope_apply(&c.rows, &c.in, &c.out, &c.options);
    case Function::kPlanCreate: {
      simdrope_plan* plan = nullptr;
      status = simdrope_plan_create(&c.rows, &c.in, &c.out, &c.options, &plan);
      CHECK((plan != nullptr) == (status == SIMDROPE_OK));
      simdrope_plan_release(plan);
      return status;
    }
    case Function::kCompute:
      return simdrope_compute_cos_sin(c.rope, &c.rows.positions, kBatch, kSeq, &c.output, &c.options);
    case Function::kRotateHalf: return simdrope_rotate_half(&c.half_in, &c.half_out, c.half_pairing);
    case Function::kRope: status = simdrope_rope_create(&c.config, &rope); break;
    case Function::kGetRope: status = simdrope_get_rope(&c.config, &rope); break;
    case Function::kRerotation: status = simdrope_rope_create_rerotation(c.rope, c.other, c.fingerprint, &rope); break;
    case Function::kCache: {
      simdrope_cache* cache = nullptr;
      status = simdrope_cache_create(c.rope, c.cache_format, &cache);
      CHECK((cache != nullptr) == (status == SIMDROPE_OK));
      simdrope_cache_release(cache);
      return status;
    }
    case Function::kRows: {
      simdrope_cache* cache = nullptr;
      REQUIRE(simdrope_cache_create(c.rope, c.cache_format, &cache) == SIMDROPE_OK);
      status = simdrope_cache_rows(cache, c.rows.positions.start, &c.rows);
      simdrope_cache_release(cache);
      return status;
    }
    default: break;
  }
  CHECK((rope != nullptr) == (status == SIMDROPE_OK));
  simdrope_rope_release(rope);
  return status;
}

constexpr simdrope_status kInvalid = SIMDROPE_INVALID_ARGUMENT, kRange = SIMDROPE_OUT_OF_RANGE;
constexpr int64_t kMost = INT64_MAX;
constexpr auto kApply = Function::kApply, kRun = Function::kPlanRun, kCompute = Function::kCompute,
               kHalf = Function::kRotateHalf, kRope = Function::kRope;
const float kNaN = NAN;

// clang-format off
const BadCall kCalls[] = {
    // Tensors.
    {kApply, kInvalid, "in.q.format = 9", [](Call& c) { c.in.q.format = static_cast<simdrope_format>(9); }},
    {kApply, kInvalid, "in.k.format = -1", [](Call& c) { c.in.k.format = static_cast<simdrope_format>(-1); }},
    {kApply, kInvalid, "out.v.format = 77", [](Call& c) { c.out.v.format = static_cast<simdrope_format>(77); }},
    {kApply, kInvalid, "in.q has sizes [-1,", [](Call& c) { c.in.q.batch = -1; }},
    {kApply, kInvalid, "in.k has sizes [2, -3,", [](Call& c) { c.in.k.seq = -3; }},
    {kApply, kInvalid, "in.v has sizes [2, 3, -2,", [](Call& c) { c.in.v.heads = -2; }},
    {kApply, kInvalid, "in.q has sizes [2, 3, 2, 0]", [](Call& c) { c.in.q.head_dim = 0; }},
    {kApply, kInvalid, "in.q has sizes [2, 3, 2, 1026]", [](Call& c) { c.in.q.head_dim = 1026; }},
    {kApply, kInvalid, "product overflows", [](Call& c) { c.in.q.batch = c.in.q.seq = kMost; }},
    {kApply, kInvalid, "in.q: seq size 3 with stride 9223372036854775807", [](Call& c) { c.in.q.seq_stride = kMost; }},
    {kApply, kInvalid, "in.k: head size 2 with stride -9223372036854775808",
     [](Call& c) { c.in.k.head_stride = INT64_MIN; }},
    {kApply, kInvalid, "in.q.data is NULL", [](Call& c) { c.in.q.data = nullptr; }},
    {kApply, kInvalid, "out.k.data is NULL", [](Call& c) { c.out.k.data = nullptr; }},
    {kApply, kInvalid, "is not aligned", [](Call& c) { c.in.q.data = static_cast<char*>(c.in.q.data) + 1; }},
    {kApply, kInvalid, "out.v.data = ", [](Call& c) { c.out.v.data = static_cast<char*>(c.out.v.data) + 2; }},
    {kApply, kInvalid, "in.q", [](Call& c) { c.in.q.reserved[3] = 1; }},
    {kApply, kInvalid, "in.v", [](Call& c) { c.in.v.head_stride = 65; }},
    {kApply, kInvalid, "in.v", [](Call& c) { c.in.v.seq_stride = 2 * kDim + 1; }},
    {kApply, kInvalid, "in.q is [2, 3, 2, 64], but in.k is [2, 4, 2, 64]", [](Call& c) { c.in.k.seq = 4; }},
    {kApply, kInvalid, "but in.v is [1,", [](Call& c) { c.in.v.batch = 1; }},
    {kApply, kInvalid, "but out.v is [2, 3, 1, 64]", [](Call& c) { c.out.v.heads = 1; }},
    {kApply, kInvalid, "in.k is present, but out.k is not", [](Call& c) { c.out.k.heads = 0; }},
    {kApply, kInvalid, "out.k is present, but in.k is not", [](Call& c) { c.in.k.heads = 0; }},
    {kApply, kInvalid, "none of q, k and v", [](Call& c) { c.in = c.out = SIMDROPE_QKV_INIT; }},
    {kApply, kInvalid, "out.v: head stride of 0 bytes", [](Call& c) { c.out.v.head_stride = 0; }},
    {kApply, kInvalid, "out.v: head stride of 256 bytes", [](Call& c) { c.out.v.seq_stride = 64; }},
    {kApply, kInvalid, "in.v and out.v overlap", [](Call& c) { c.out.v.data = c.in.v.data; }},
    {kApply, kInvalid, "out.q and out.v overlap", [](Call& c) { c.out.v.data = c.out.q.data; }},
    // Scales.
    {kApply, kInvalid, "out.k.scales.scale is NULL", [](Call& c) { c.out.k.scales.scale = nullptr; }},
    {kApply, kInvalid, "out.k.scales.element_stride = 1", [](Call& c) { c.out.k.scales.element_stride = 1; }},
    {kApply, kInvalid, "out.k.scales.zero_point is NULL", [](Call& c) { c.out.k.format = SIMDROPE_U8; }},
    {kApply, kInvalid, "out.k", [](Call& c) { c.out.k.scales.seq_stride = kMost; }},
    {kApply, kInvalid, "out.k", [](Call& c) { c.out.k.scales.head_stride = 0; }},
    {kApply, kInvalid, "overlap", [](Call& c) { c.out.k.scales.scale = static_cast<float*>(c.out.v.data); }},
    {kApply, kInvalid, "overlap", [](Call& c) { c.out.k.scales.scale = static_cast<float*>(c.in.k.data) + 8; }},
    // Slots.
    {kApply, kInvalid, "out.q.slots.source = 3",
     [](Call& c) { c.out.q.slots.source = static_cast<simdrope_slot_source>(3); }},
    {kApply, kInvalid, "out.q.slots.type = 2", [](Call& c) { c.out.q.slots.type = SIMDROPE_INDEX_F32; }},
    {kApply, kInvalid, "out.q.slots.ids is NULL", [](Call& c) { c.out.q.slots.ids = nullptr; }},
    {kApply, kInvalid, "out.q.slots.batch = -1", [](Call& c) { c.out.q.slots.batch = -1; }},
    {kApply, kInvalid, "out.q.slots.batch = 9223372036854775807", [](Call& c) { c.out.q.slots.batch = kMost; }},
    {kApply, kInvalid, "out.q is [2, 2, 2, 64]", [](Call& c) { c.out.q.slots.seq = 2; }},
    {kApply, kRange, "out.q.slots.ids[1, 2] = 16, but the cache has 16 slots", [](Call& c) { c.slots[5] = 16; }},
    {kApply, kRange, "out.q.slots.ids[0, 0] = -2", [](Call& c) { c.slots[0] = -2; }},
    {kApply, kInvalid, "out.q.slots.ids[1, 0] = 3 is the slot of another token", [](Call& c) { c.slots[3] = 3; }},
    {kApply, kRange, "out.q: positions 6 to 8, but an entry of the cache has 8 rows",
     [](Call& c) {
       c.out.q.slots.source = SIMDROPE_SLOTS_POSITIONS;
       c.rows.positions.start = 6;
     }},
    {kApply, kInvalid, "out.q.slots.batch = 2 by position, but the cache has batch 1",
     [](Call& c) {
       c.out.q.slots.source = SIMDROPE_SLOTS_POSITIONS;
       c.out.q.batch = 1;
     }},
    // Rows of cos and sin.
    {kApply, kInvalid, "cos_sin.source = -1",
     [](Call& c) { c.rows.source = static_cast<simdrope_cos_sin_source>(-1); }},
    {kApply, kInvalid, "cos_sin.rope is NULL", [](Call& c) { c.rows.rope = nullptr; }},
    {kApply, kInvalid, "cos_sin", [](Call& c) { c.rows.reserved[0] = 1; }},
    {kApply, kInvalid, "cos_sin.table wants both", [](Call& c) { c.rows.source = SIMDROPE_PREPARED; }},
    {kApply, kInvalid, "cos_sin.table wants both",
     [](Call& c) { c.UseTable(SIMDROPE_TABLE); c.rows.table.cos = nullptr; }},
    {kApply, kInvalid, "cos_sin.table.format = 3",
     [](Call& c) { c.UseTable(SIMDROPE_TABLE); c.rows.table.format = SIMDROPE_F8_E4M3; }},
    {kApply, kInvalid, "cos_sin.table.cos = ",
     [](Call& c) { c.UseTable(SIMDROPE_TABLE); c.rows.table.cos = static_cast<char*>(c.rows.table.cos) + 2; }},
    {kApply, kInvalid, "cos_sin.table has 3 rows of 31 columns",
     [](Call& c) { c.UseTable(SIMDROPE_PREPARED); c.rows.table.columns = 31; }},
    {kApply, kInvalid, "cos_sin.table.batches = 3",
     [](Call& c) { c.UseTable(SIMDROPE_PREPARED); c.rows.table.batches = 3; }},
    {kApply, kInvalid, "cos_sin.table", [](Call& c) { c.UseTable(SIMDROPE_TABLE); c.rows.table.reserved[1] = 1; }},
    {kApply, kInvalid, "overflow the address range",
     [](Call& c) { c.UseTable(SIMDROPE_TABLE); c.rows.table.row_stride = INT64_MIN; }},
    {kApply, kInvalid, "overflow the address range",
     [](Call& c) {
       c.UseTable(SIMDROPE_TABLE);
       c.rows.table.batches = 2;
       c.rows.table.row_stride = kMost / 8;
       c.rows.table.batch_stride = -kMost / 8 * 3 / 2;
     }},
    {kApply, kInvalid, "9223372036854775807 rows with stride 0 in 2 batches overflow",
     [](Call& c) {
       c.UseTable(SIMDROPE_TABLE);
       c.rows.table.batches = 2;
       c.rows.table.rows = kMost;
       c.rows.table.row_stride = 0;
     }},
    {kApply, kInvalid, "cos_sin.table.heads = -1",
     [](Call& c) { c.UseTable(SIMDROPE_TABLE); c.rows.table.heads = -1; }},
    {kApply, kInvalid, "heads, no multiple of cos_sin.table.heads = 7",
     [](Call& c) { c.UseTable(SIMDROPE_TABLE); c.rows.table.heads = 7; c.rows.table.head_stride = 0; }},
    {kApply, kInvalid, "overflow the address range",
     [](Call& c) { c.UseTable(SIMDROPE_TABLE); c.rows.table.heads = 2; c.rows.table.head_stride = kMost / 8; }},
    {kApply, SIMDROPE_UNSUPPORTED, "options.q.norm is over all heads, but cos_sin.table.heads = 2",
     [](Call& c) {
       c.UseTable(SIMDROPE_TABLE);
       c.rows.table.heads = 2;
       c.rows.table.head_stride = 0;
       c.options.q.norm.type = SIMDROPE_NORM_RMS;
       c.options.q.norm.over_all_heads = true;
     }},
    {kApply, kInvalid, "cos_sin.magnitude = inf",
     [](Call& c) { c.UseTable(SIMDROPE_TABLE); c.rows.magnitude = INFINITY; }},
    {kApply, kInvalid, "cos_sin.out_of_range = -1",
     [](Call& c) { c.UseTable(SIMDROPE_TABLE); c.rows.out_of_range = static_cast<simdrope_out_of_range>(-1); }},
    {kApply, kInvalid, "rotary_dim = 66", [](Call& c) { c.UseTable(SIMDROPE_TABLE); c.rows.rotary_dim = 66; }},
    {kApply, kInvalid, "rotary_offset = -2", [](Call& c) { c.UseTable(SIMDROPE_TABLE); c.rows.rotary_offset = -2; }},
    {kApply, kInvalid, "pairing = 2",
     [](Call& c) { c.UseTable(SIMDROPE_TABLE); c.rows.pairing = SIMDROPE_SAME_PAIRING; }},
    {kApply, kRange, "= 3, but the cos_sin table has 3 rows",
     [](Call& c) { c.UseTable(SIMDROPE_TABLE); c.rows.positions.start = 1; }},
    {kApply, kInvalid, "cos_sin.table and out.v overlap",
     [](Call& c) { c.UseTable(SIMDROPE_TABLE); c.rows.table.cos = c.out.v.data; }},
    // Positions.
    {kApply, kInvalid, "positions overflow: start = 9223372036854775807",
     [](Call& c) { c.rows.positions.start = kMost; }},
    {kApply, kInvalid, "offsets",
     [](Call& c) { c.rows.positions.offsets = c.offsets; c.rows.positions.offsets_count = 3; }},
    {kApply, kInvalid, "offsets_type = 3",
     [](Call& c) {
       c.rows.positions.offsets = c.offsets;
       c.rows.positions.offsets_count = kBatch;
       c.rows.positions.offsets_type = SIMDROPE_INDEX_F64;
     }},
    {kApply, kInvalid, "ids", [](Call& c) { c.rows.positions.ids = c.ids; }},
    {kApply, kInvalid, "ids_type = 4",
     [](Call& c) {
       c.rows.positions.ids = c.ids;
       c.rows.positions.ids_seq = kSeq;
       c.rows.positions.ids_type = static_cast<simdrope_index_type>(4);
     }},
    {kApply, kInvalid, "ids_axes = 0",
     [](Call& c) {
       c.rows.positions.ids = c.ids;
       c.rows.positions.ids_seq = kSeq;
       c.rows.positions.ids_axes = 0;
     }},
    {kApply, kInvalid, "cu_seqlens",
     [](Call& c) { c.rows.positions.cu_seqlens = c.cu_seqlens; c.rows.positions.sequences = 2; }},
    {kApply, kInvalid, "positions", [](Call& c) { c.rows.positions.reserved[2] = 1; }},
    // Options.
    {kApply, kInvalid, "options.threads = -1", [](Call& c) { c.options.threads = -1; }},
    {kApply, kInvalid, "options", [](Call& c) { c.options.reserved[1] = 1; }},
    {kApply, kInvalid, "slice_count = -1", [](Call& c) { c.options.slice_count = -1; }},
    {kApply, kInvalid, "options.output_pairing = -1",
     [](Call& c) { c.options.output_pairing = static_cast<simdrope_pairing>(-1); }},
    {kApply, kInvalid, "options.k.scale = nan", [](Call& c) { c.options.k.scale = kNaN; }},
    {kApply, kInvalid, "options.v.scale = -inf", [](Call& c) { c.options.v.scale = -INFINITY; }},
    {kApply, kInvalid, "options.q.hadamard = 3", [](Call& c) { c.options.q.hadamard = 3; }},
    {kApply, kInvalid, "options.k.input_hadamard = 128", [](Call& c) { c.options.k.input_hadamard = 128; }},
    {kApply, kInvalid, "options.v.hadamard = -2", [](Call& c) { c.options.v.hadamard = -2; }},
    {kApply, kInvalid, "options.q.hadamard = 1", [](Call& c) { c.options.q.hadamard = 1; }},
    {kApply, kInvalid, "options.stages", [](Call& c) { c.options.v.reserved[0] = 1; }},
    {kApply, kInvalid, "options.q.norm.type = 4",
     [](Call& c) { c.options.q.norm.type = static_cast<simdrope_norm_type>(4); }},
    {kApply, kInvalid, "options.k.norm.eps = -1", [](Call& c) { c.options.k.norm.eps = -1; }},
    {kApply, kInvalid, "options.k.norm.eps = inf", [](Call& c) { c.options.k.norm.eps = INFINITY; }},
    {kApply, kInvalid, "options.k.norm.weight_offset = nan", [](Call& c) { c.options.k.norm.weight_offset = kNaN; }},
    {kApply, kInvalid, "options.k.norm.bias", [](Call& c) { c.options.k.norm.bias = c.options.k.norm.weight; }},
    {kApply, kInvalid, "options.norm.weight.format = 5", [](Call& c) { c.options.k.norm.weight_format = SIMDROPE_I8; }},
    {kApply, kInvalid, "options.k.norm.weight_head_stride = 63",
     [](Call& c) { c.options.k.norm.weight_head_stride = 63; }},
    {kApply, kInvalid, "options.norm", [](Call& c) { c.options.k.norm.reserved[1] = 1; }},
    {kApply, kInvalid, "options.key_positions",
     [](Call& c) { c.UseTable(SIMDROPE_PREPARED); c.options.key_positions = &c.keys; }},
    {kApply, kInvalid, "positions overflow",
     [](Call& c) { c.keys.start = kMost; c.options.key_positions = &c.keys; }},
    {Function::kPlanCreate, kInvalid, "in.q.data is NULL", [](Call& c) { c.in.q.data = nullptr; }},
    {Function::kPlanCreate, kInvalid, "options.threads = -7", [](Call& c) { c.options.threads = -7; }},
    // Runs of a plan.
    {kRun, kInvalid, "run.q.in is NULL", [](Call& c) { c.run.q.in = nullptr; }},
    {kRun, kInvalid, "run.v.out is NULL", [](Call& c) { c.run.v.out = nullptr; }},
    {kRun, kInvalid, "run.q.out_slots is NULL", [](Call& c) { c.run.q.out_slots = nullptr; }},
    {kRun, kInvalid, "run.k: in and out are one buffer", [](Call& c) { c.run.k.out = const_cast<void*>(c.run.k.in); }},
    {kRun, kInvalid, "run.ids, offsets and cu_seqlens", [](Call& c) { c.run.ids = c.ids; }},
    {kRun, kInvalid, "run.ids, offsets and cu_seqlens", [](Call& c) { c.run.offsets = c.offsets; }},
    {kRun, kInvalid, "run.ids, offsets and cu_seqlens", [](Call& c) { c.run.cu_seqlens = c.cu_seqlens; }},
    {kRun, kInvalid, "slice_index = 4", [](Call& c) { c.run.slice_count = 4; c.run.slice_index = 4; }},
    {kRun, kInvalid, "positions overflow", [](Call& c) { c.run.start = kMost; }},
    {kRun, kRange, "out.q.slots.ids[0, 1] = 99", [](Call& c) { c.slots[1] = 99; }},
    {kRun, kInvalid, "is the slot of another token", [](Call& c) { c.slots[1] = 3; }},
    // Rows computed.
    {kCompute, kInvalid, "output.table wants both", [](Call& c) { c.output.table.sin = nullptr; }},
    {kCompute, kInvalid, "output.table.format = 7", [](Call& c) { c.output.table.format = SIMDROPE_Q8_0; }},
    {kCompute, kInvalid, "output.table.heads = 2", [](Call& c) { c.output.table.heads = 2; }},
    {kCompute, kInvalid, "output.table has 2 rows", [](Call& c) { c.output.table.rows = 2; }},
    {kCompute, kInvalid, "output.table.copies = 0", [](Call& c) { c.output.table.copies = 0; }},
    {kCompute, kInvalid, "column_stride = -1", [](Call& c) { c.output.table.column_stride = -1; }},
    {kCompute, kInvalid, "copy_stride = -1", [](Call& c) { c.output.table.copy_stride = -1; }},
    {kCompute, kInvalid, "output.table.copies = 2147483647 with copy_stride = 9223372036854775807",
     [](Call& c) { c.output.table.copies = INT32_MAX; c.output.table.copy_stride = kMost; }},
    {kCompute, kInvalid, "output.table.row_stride = 31", [](Call& c) { c.output.table.row_stride = 31; }},
    {kCompute, kInvalid, "output.table",
     [](Call& c) { c.output.table.sin = static_cast<float*>(c.output.table.cos) + 1; }},
    {kCompute, kInvalid, "positions overflow", [](Call& c) { c.rows.positions.start = kMost; }},
    {kCompute, kInvalid, "options.threads = -3", [](Call& c) { c.options.threads = -3; }},
    // rotate_half.
    {kHalf, kInvalid, "in", [](Call& c) { c.half_in.data = nullptr; }},
    {kHalf, kInvalid, "format = 3", [](Call& c) { c.half_in.format = c.half_out.format = SIMDROPE_F8_E4M3; }},
    {kHalf, kInvalid, "out.format = 5", [](Call& c) { c.half_out.format = SIMDROPE_I8; }},
    {kHalf, kInvalid, "head_dim = 63", [](Call& c) { c.half_in.head_dim = c.half_out.head_dim = 63; }},
    {kHalf, kInvalid, "pairing", [](Call& c) { c.half_pairing = SIMDROPE_SAME_PAIRING; }},
    {kHalf, kInvalid, "overlap", [](Call& c) { c.half_out.data = static_cast<float*>(c.half_in.data) + 1; }},
    // Configs.
    {kRope, kInvalid, "head_dim = 0", [](Call& c) { c.config.head_dim = 0; }},
    {kRope, kInvalid, "head_dim = -8", [](Call& c) { c.config.head_dim = -8; }},
    {kRope, kInvalid, "rotary_dim = 3", [](Call& c) { c.config.rotary_dim = 3; }},
    {kRope, kInvalid, "rotary_dim = 66", [](Call& c) { c.config.rotary_dim = 66; }},
    {kRope, kInvalid, "rotary_offset = 64", [](Call& c) { c.config.rotary_offset = 64; }},
    {kRope, kInvalid, "split = 1", [](Call& c) { c.config.split = 1; }},
    {kRope, kInvalid, "pairing = 2", [](Call& c) { c.config.pairing = SIMDROPE_SAME_PAIRING; }},
    {kRope, kInvalid, "precision = 4", [](Call& c) { c.config.precision = static_cast<simdrope_precision>(4); }},
    {kRope, kInvalid, "theta = 0", [](Call& c) { c.config.theta = 0; }},
    {kRope, kInvalid, "theta = nan", [](Call& c) { c.config.theta = NAN; }},
    {kRope, kInvalid, "theta = inf", [](Call& c) { c.config.theta = INFINITY; }},
    {kRope, kInvalid, "scaling.type = 10",
     [](Call& c) { c.config.scaling.type = static_cast<simdrope_scaling_type>(10); }},
    {kRope, kInvalid, "factor", [](Call& c) { c.config.scaling.type = SIMDROPE_SCALING_LINEAR; }},
    {kRope, kInvalid, "original_max_position",
     [](Call& c) { c.config.scaling.type = SIMDROPE_SCALING_DYNAMIC; c.config.scaling.factor = 2; }},
    {kRope, kInvalid, "beta_fast = 1",
     [](Call& c) {
       c.config.scaling.type = SIMDROPE_SCALING_YARN;
       c.config.scaling.factor = 2;
       c.config.scaling.original_max_position = 4096;
       c.config.scaling.beta_fast = 1;
       c.config.scaling.beta_slow = 2;
     }},
    {kRope, kInvalid, "factors",
     [](Call& c) { c.config.scaling.type = SIMDROPE_SCALING_EXPLICIT; c.config.scaling.factor_count = kPairs; }},
    {kRope, kInvalid, "factor",
     [](Call& c) {
       c.config.scaling.type = SIMDROPE_SCALING_EXPLICIT;
       c.config.scaling.factors = c.frequencies;
       c.config.scaling.factor_count = kPairs - 1;
     }},
    {kRope, kInvalid, "nan",
     [](Call& c) {
       c.config.scaling.type = SIMDROPE_SCALING_EXPLICIT;
       c.config.scaling.factors = c.frequencies;
       c.config.scaling.factor_count = kPairs;
       c.frequencies[7] = NAN;
     }},
    {kRope, kInvalid, "axes.count = 5", [](Call& c) { c.config.axes.count = 5; }},
    {kRope, kInvalid, "axes.layout = 7",
     [](Call& c) { c.config.axes.count = 2; c.config.axes.layout = static_cast<simdrope_axis_layout>(7); }},
    {kRope, kInvalid, "sections",
     [](Call& c) { c.config.axes.count = 2; c.config.axes.sections[0] = c.config.axes.sections[1] = 15; }},
    {kRope, kInvalid, "pair_axis",
     [](Call& c) { c.config.axes.count = 2; c.config.axes.layout = SIMDROPE_AXES_EXPLICIT; }},
    {kRope, kInvalid, "xpos.scale_base = -1", [](Call& c) { c.config.xpos.scale_base = -1; }},
    {kRope, kInvalid, "xpos.center", [](Call& c) { c.config.xpos = {512, NAN, false}; }},
    {kRope, kInvalid, "temperature.length", [](Call& c) { c.config.temperature = {0.1, 0, 0}; }},
    {kRope, kInvalid, "temperature.beta = nan", [](Call& c) { c.config.temperature = {NAN, 10, 0}; }},
    {kRope, kInvalid, "query_log_length", [](Call& c) { c.config.query_log_length = -1; }},
    {kRope, kInvalid, "angle_order = 3", [](Call& c) { c.config.angle_order = static_cast<simdrope_angle_order>(3); }},
    {kRope, kInvalid, "pairs_in_sections", [](Call& c) { c.config.pairs_in_sections = true; }},
    {kRope, kInvalid, "reserved", [](Call& c) { c.config.reserved[4] = 1; }},
    {Function::kGetRope, kInvalid, "head_dim = 0", [](Call& c) { c.config.head_dim = 0; }},
    {Function::kGetRope, kInvalid, "theta = nan", [](Call& c) { c.config.theta = NAN; }},
    {Function::kRerotation, kInvalid, "fingerprint", [](Call& c) { c.fingerprint = 12345; }},
    // Caches of rows.
    {Function::kCache, kInvalid, "cache.format = 4", [](Call& c) { c.cache_format = SIMDROPE_F8_E5M2; }},
    {Function::kRows, kInvalid, "rows", [](Call& c) { c.rows.positions.start = -1; }},
    {Function::kRows, SIMDROPE_OUT_OF_MEMORY, "rows", [](Call& c) { c.rows.positions.start = kMost; }},
};
// clang-format on

}  // namespace

TEST_CASE("the calls that are spoiled below are good") {
  for (const Function function : {kApply, Function::kPlanCreate, kRun, kCompute, kHalf, kRope, Function::kGetRope,
                                  Function::kRerotation, Function::kCache, Function::kRows}) {
    Call call;
    CAPTURE(static_cast<int>(function));
    CHECK(Do(function, call, nullptr) == SIMDROPE_OK);
  }
}

TEST_CASE("each bad call has its status, names its argument, and leaves all memory as it was") {
  std::map<Function, int> calls;
  for (const BadCall& bad : kCalls) {
    CAPTURE(std::string(bad.says));
    Call call;
    const std::vector<char> before = call.memory;
    const simdrope_status status = Do(bad.function, call, bad.spoil);
    const std::string message = simdrope_last_error();
    CHECK(status == bad.status);
    CHECK_MESSAGE(message.find(bad.says) != std::string::npos, message);
    const bool untouched = call.memory == before;
    CHECK(untouched);
    ++calls[bad.function];
  }
  CHECK(calls.size() == 10);
  CHECK(std::size(kCalls) > 130);
}
